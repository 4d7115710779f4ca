"""PriorityLevelConfigurations. Spec: pkg/apis/flowcontrol/v1/defaults.go, validation (1.36)."""

from api import field
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC = Path("spec")

_queuing = defaulting(empty={"queues": 64, "handSize": 8, "queueLengthLimit": 50})
_limited = defaulting(
    absent={"nominalConcurrencyShares": 30, "lendablePercent": 0},
    nested={"limitResponse": defaulting(nested={"queuing": _queuing})},
)
_exempt = defaulting(absent={"nominalConcurrencyShares": 0, "lendablePercent": 0})
defaults = defaulting(nested={"spec": defaulting(nested={"limited": _limited, "exempt": _exempt})})


def validate(obj: Obj) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_metadata(obj, namespaced=False)
    kind, limited = spec.get("type", ""), spec.get("limited")
    if kind not in ("Exempt", "Limited"):
        return [*errors, field.not_supported(_SPEC.child("type"), kind, ("Exempt", "Limited"))]
    if kind == "Limited" and limited is None:
        text = "must not be empty when type is Limited"
        errors.append(field.required(_SPEC.child("limited"), text))
    if kind == "Exempt" and limited is not None:
        text = "must be nil if the type is not Limited"
        errors.append(field.forbidden(_SPEC.child("limited"), text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
