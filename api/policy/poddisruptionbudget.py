"""PodDisruptionBudgets. Spec: pkg/apis/policy/validation ValidatePodDisruptionBudgetSpec (1.36)."""

from api import field
from api.apps.template import non_negative, percent_at_most_100, percent_or_int
from api.conditions import condition_errors
from api.defaulting import defaulting
from api.field import FieldError, Path
from api.meta import validate_label_selector, validate_metadata, validate_metadata_update
from api.resource import Obj

_SPEC, _STATUS = Path("spec"), Path("status")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_EVICTION = ("AlwaysAllow", "IfHealthyBudget")

defaults = defaulting(nested={"status": defaulting(absent=dict.fromkeys(_COUNTS, 0))})


def _spec_errors(spec: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        errors.append(field.invalid(_SPEC, spec, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            errors += percent_or_int(spec[name], _SPEC.child(name))
            errors += percent_at_most_100(spec[name], _SPEC.child(name))
    errors += validate_label_selector(spec.get("selector"), _SPEC.child("selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION:
        errors.append(field.not_supported(_SPEC.child("unhealthyPodEvictionPolicy"), policy, _EVICTION))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=True) + _spec_errors(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + _spec_errors(new.get("spec") or {})


def validate_status_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check a write to the subresource `status`."""
    status = new.get("status") or {}
    errors = validate_metadata_update(new, old)
    errors += condition_errors(status.get("conditions") or [], _STATUS.child("conditions"))
    for name in _COUNTS:
        errors += non_negative(status, name, _STATUS)
    return errors
