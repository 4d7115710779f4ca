"""The fields by which custom objects may be selected, and their values as selectors compare them.

Called by the API server's custom resources. Source: apiextensions-apiserver
pkg/registry/customresource strategy.go selectableFields (1.36).
"""

from collections.abc import Callable
from typing import Any

from api.crd.jsonpath import compile_path
from api.resource import Obj


def selectable_fields(version: Obj) -> tuple[str, ...]:
    """Return the names of the fields: their paths without the leading dot."""
    return tuple(item["jsonPath"].removeprefix(".") for item in version.get("selectableFields") or ())


def compile_selectable(version: Obj) -> Callable[[Obj], dict[str, str]]:
    """Return what finds the values of the fields in an object; a field that is not there is ""."""
    finders = [(name, compile_path(f".{name}")) for name in selectable_fields(version)]

    def values(obj: Obj) -> dict[str, str]:
        return {name: _text(find(obj)) for name, find in finders}

    return values


def _text(found: list[Any]) -> str:
    if not found or found[0] is None:
        return ""
    value = found[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
