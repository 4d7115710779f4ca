"""FlowSchemas. Spec: pkg/apis/flowcontrol/v1/defaults.go, validation ValidateFlowSchema (1.36)."""

from api import field
from api.defaulting import defaulting, struct
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")
_PRECEDENCE = 1000
_PRECEDENCE_MAX = 10000

defaults = defaulting(nested={"spec": struct(defaulting(empty={"matchingPrecedence": _PRECEDENCE}))})


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    precedence = spec.get("matchingPrecedence", 0)
    at = _SPEC.child("matchingPrecedence")
    if precedence <= 0:
        errors.append(field.invalid(at, precedence, "must be a positive value"))
    if precedence > _PRECEDENCE_MAX:
        text = f"must not be greater than {_PRECEDENCE_MAX}"
        errors.append(field.invalid(at, precedence, text))
    if not (spec.get("priorityLevelConfiguration") or {}).get("name"):
        text = "must reference a priority level"
        errors.append(field.required(_SPEC.child("priorityLevelConfiguration").child("name"), text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
