"""How fast an autoscaler may scale. Spec: pkg/apis/autoscaling/validation validateBehavior (1.36)."""

from api import field
from api.apps.template import NOT_NEGATIVE
from api.field import FieldError, Path
from api.quantity import parse_quantity
from api.resource import Obj

WINDOW_MAX_S = 3600
PERIOD_MAX_S = 1800
_SELECTS = ("Disabled", "Max", "Min")
_TYPES = ("Percent", "Pods")


def behavior_errors(behavior: Obj, path: Path) -> list[FieldError]:
    """Check the rules for scaling up and down."""
    return [
        error
        for name in ("scaleUp", "scaleDown")
        if behavior.get(name) is not None
        for error in _rules_errors(behavior[name], path.child(name))
    ]


def _rules_errors(rules: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    window, at = rules.get("stabilizationWindowSeconds"), path.child("stabilizationWindowSeconds")
    if window is not None and window < 0:
        errors.append(field.invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > WINDOW_MAX_S:
        errors.append(field.invalid(at, window, f"must be less than or equal to {WINDOW_MAX_S}"))
    select = rules.get("selectPolicy")
    if select is not None and select not in _SELECTS:
        errors.append(field.not_supported(path.child("selectPolicy"), select, _SELECTS))
    policies, at = rules.get("policies") or [], path.child("policies")
    if not policies:
        errors.append(field.required(at, "must specify at least one Policy"))
    for number, policy in enumerate(policies):
        errors += _policy_errors(policy, at.index(number))
    tolerance = rules.get("tolerance")
    if tolerance is not None and parse_quantity(tolerance).nano < 0:
        errors.append(field.invalid(path.child("tolerance"), tolerance, NOT_NEGATIVE))
    return errors


def _policy_errors(policy: Obj, path: Path) -> list[FieldError]:
    kind, value, period = policy.get("type", ""), policy.get("value", 0), policy.get("periodSeconds", 0)
    errors: list[FieldError] = []
    if kind not in _TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _TYPES))
    if value <= 0:
        errors.append(field.invalid(path.child("value"), value, "must be greater than zero"))
    at = path.child("periodSeconds")
    if period <= 0:
        errors.append(field.invalid(at, period, "must be greater than zero"))
    if period > PERIOD_MAX_S:
        errors.append(field.invalid(at, period, f"must be less than or equal to {PERIOD_MAX_S}"))
    return errors
