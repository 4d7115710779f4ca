"""When a container restarts on its own terms: its policy, and rules about exit codes.

Source: pkg/apis/core/validation validateContainerRestartPolicy, KEP-5307 (1.36).
"""

from api import field
from api.field import FieldError, Path
from api.resource import Obj

_POLICIES = ("Always", "Never", "OnFailure")
_ACTIONS = ("Restart", "RestartAllContainers")
_OPERATORS = ("In", "NotIn")
_RULES_MAX, _CODES_MAX = 20, 255
_EVERYTHING = "RestartAllContainers"


def restart_errors(container: Obj, path: Path) -> list[FieldError]:
    """Check the restart policy of a container, and the rules that except it."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    at = path.child("restartPolicy")
    errors: list[FieldError] = []
    if policy is None and rules:
        errors.append(field.required(at, "must specify restartPolicy when restart rules are used"))
    if policy is not None and policy not in _POLICIES:
        errors.append(field.not_supported(at, policy, _POLICIES))
    at = path.child("restartPolicyRules")
    if len(rules) > _RULES_MAX:
        errors.append(field.too_many(at, len(rules), _RULES_MAX))
    for number, rule in enumerate(rules):
        errors += _rule_errors(rule, at.index(number))
    return errors


def _rule_errors(rule: Obj, path: Path) -> list[FieldError]:
    action, codes = rule.get("action", ""), rule.get("exitCodes")
    errors: list[FieldError] = []
    if action not in _ACTIONS:
        errors.append(field.not_supported(path.child("action"), action, _ACTIONS))
    at = path.child("exitCodes")
    if codes is None:
        return [*errors, field.required(at, "must be specified")]
    operator, values = codes.get("operator", ""), codes.get("values") or []
    if operator not in _OPERATORS:
        errors.append(field.not_supported(at.child("operator"), operator, _OPERATORS))
    if len(values) > _CODES_MAX:
        errors.append(field.too_many(at.child("values"), len(values), _CODES_MAX))
    return errors


def may_restart(spec: Obj, container: Obj | None, exit_code: int) -> bool:
    """Say whether a container that ended may run again: by its rules, its policy, or the pod's."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    rules = [rule for each in containers for rule in each.get("restartPolicyRules") or ()]
    if any(rule.get("action") == _EVERYTHING for rule in rules):
        return True
    policy = spec.get("restartPolicy")
    if container is not None:
        if any(_matches(rule, exit_code) for rule in container.get("restartPolicyRules") or ()):
            return True
        policy = container.get("restartPolicy", policy)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _matches(rule: Obj, exit_code: int) -> bool:
    codes = rule.get("exitCodes") or {}
    return (exit_code in (codes.get("values") or ())) is (codes.get("operator") == "In")
