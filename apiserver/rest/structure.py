"""Checks of an object's shape against the schema of its kind: wrong types refused, unknown fields found and
dropped."""

from api.resource import Obj


def unknown_fields(version: str, kind: str, obj: Obj) -> list[str]:
    """Drop the fields that the schema does not know from a freshly decoded object; return their paths."""
    return []
