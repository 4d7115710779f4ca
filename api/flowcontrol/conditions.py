"""The conditions of both kinds' statuses: types given, none twice.

Spec: pkg/apis/flowcontrol/validation (1.36).
"""

from api import field
from api.field import FieldError, Path
from api.resource import Obj


def validate_conditions(obj: Obj) -> list[FieldError]:
    """Check `status.conditions`."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        at = Path("status").child("conditions").index(number).child("type")
        kind = condition.get("type") or ""
        if kind in seen:
            errors.append(field.duplicate(at, kind))
        seen.add(kind)
        if not kind:
            errors.append(field.required(at, "must not be empty"))
    return errors
