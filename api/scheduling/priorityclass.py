"""PriorityClasses. Spec: pkg/apis/scheduling/validation ValidatePriorityClass (1.36)."""

from api import field
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_HIGHEST = 1_000_000_000
_POLICIES = ("PreemptLowerPriority", "Never")
SYSTEM = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}

defaults = defaulting(absent={"preemptionPolicy": "PreemptLowerPriority"})


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    name, value = (obj.get("metadata") or {}).get("name", ""), obj.get("value", 0)
    path = Path("metadata").child("name")
    if name.startswith("system-"):
        if SYSTEM.get(name) != value:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            why = (
                f"value of {name} PriorityClass must be {SYSTEM[name]}"
                if name in SYSTEM
                else f"{name} is not a known system priority class"
            )
            errors.append(field.forbidden(path, text + why))
    elif value > _HIGHEST:
        text = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        errors.append(field.forbidden(Path("value"), text))
    policy = obj.get("preemptionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(field.not_supported(Path("preemptionPolicy"), policy, _POLICIES))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    if new.get("value", 0) != old.get("value", 0):
        errors.append(field.forbidden(Path("value"), "may not be changed in an update."))
    if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
        at = Path("preemptionPolicy")
        errors.append(field.invalid(at, new.get("preemptionPolicy"), "field is immutable"))
    return errors
