"""Validation of when a job fails or succeeds before its pods are all done, and of indexes.

Source: pkg/apis/batch/validation validatePodFailurePolicy, validateSuccessPolicy, validateIndexesFormat
(1.36).
"""

from api import field, names
from api.apps.template import non_negative
from api.field import FieldError, Path
from api.resource import Obj

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_RULES_MAX, _CODES_MAX, _CONDITIONS_MAX = 20, 255, 20
_INDEXES_MAX = 64 * 1024


def _wanted(values: tuple[str, ...]) -> str:
    return "valid values: [" + " ".join(f'"{value}"' for value in values) + "]"


def failure_policy_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check `podFailurePolicy`."""
    rules, at = spec["podFailurePolicy"].get("rules") or [], path.child("rules")
    errors = [field.too_many(at, len(rules), _RULES_MAX)] if len(rules) > _RULES_MAX else []
    inner = (spec.get("template") or {}).get("spec") or {}
    containers = {
        each.get("name") for name in ("containers", "initContainers") for each in inner.get(name) or ()
    }
    for number, rule in enumerate(rules):
        errors += _action_errors(spec, rule, at.index(number).child("action"))
        errors += _failure_rule_errors(rule, containers, at.index(number))
    return errors


def _action_errors(spec: Obj, rule: Obj, path: Path) -> list[FieldError]:
    action = rule.get("action", "")
    if not action:
        return [field.required(path, _wanted(_ACTIONS))]
    if action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        return [field.invalid(path, action, "requires the backoffLimitPerIndex to be set")]
    return [] if action in _ACTIONS else [field.not_supported(path, action, _ACTIONS)]


def _failure_rule_errors(rule: Obj, containers: set[str], path: Path) -> list[FieldError]:
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    errors: list[FieldError] = []
    if codes is not None:
        errors += _codes_errors(codes, containers, path.child("onExitCodes"))
    if conditions:
        errors += _conditions_errors(conditions, path.child("onPodConditions"))
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(field.invalid_whole(path, text))
    if codes is None and not conditions:
        errors.append(
            field.invalid_whole(path, "specifying one of OnExitCodes and OnPodConditions is required")
        )
    return errors


def _codes_errors(codes: Obj, containers: set[str], path: Path) -> list[FieldError]:
    operator, values, name = codes.get("operator", ""), codes.get("values") or [], codes.get("containerName")
    errors: list[FieldError] = []
    at = path.child("operator")
    if not operator:
        errors.append(field.required(at, _wanted(_OPERATORS)))
    elif operator not in _OPERATORS:
        errors.append(field.not_supported(at, operator, _OPERATORS))
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(field.invalid(path.child("containerName"), name, text))
    at = path.child("values")
    if not values:
        errors.append(field.invalid(at, values, "at least one value is required"))
    elif len(values) > _CODES_MAX:
        errors.append(field.too_many(at, len(values), _CODES_MAX))
    for number, code in enumerate(values):
        if operator == "In" and code == 0:
            errors.append(field.invalid(at.index(number), code, "must not be 0 for the In operator"))
        if code in values[:number]:
            errors.append(field.duplicate(at.index(number), code))
    if values != sorted(values):
        errors.append(field.invalid(at, values, "must be ordered"))
    return errors


def _conditions_errors(conditions: list[Obj], path: Path) -> list[FieldError]:
    long = len(conditions) > _CONDITIONS_MAX
    errors = [field.too_many(path, len(conditions), _CONDITIONS_MAX)] if long else []
    for number, condition in enumerate(conditions):
        kind, status, at = condition.get("type", ""), condition.get("status", ""), path.index(number)
        errors += [field.invalid(at.child("type"), kind, text) for text in names.is_qualified_name(kind)]
        if not status:
            errors.append(field.required(at.child("status"), _wanted(_STATUSES)))
        elif status not in _STATUSES:
            errors.append(field.not_supported(at.child("status"), status, _STATUSES))
    return errors


def success_policy_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check `successPolicy`, which only indexed jobs have."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        return [field.invalid(path, policy, "requires indexed completion mode")]
    rules, at = policy.get("rules") or [], path.child("rules")
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        return [field.required(at, text)]
    errors = [field.too_many(at, len(rules), _RULES_MAX)] if len(rules) > _RULES_MAX else []
    for number, rule in enumerate(rules):
        errors += _success_rule_errors(rule, spec.get("completions", 0), at.index(number))
    return errors


def _success_rule_errors(rule: Obj, completions: int, path: Path) -> list[FieldError]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        return [field.required(path, text)]
    errors: list[FieldError] = []
    total = 0
    if indexes is not None:
        at = path.child("succeededIndexes")
        if len(indexes) > _INDEXES_MAX:
            errors.append(field.too_long(at, _INDEXES_MAX))
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            errors.append(field.invalid(at, indexes, f"error parsing succeededIndexes: {error}"))
    if count is None:
        return errors
    errors += non_negative(rule, "succeededCount", path)
    at = path.child("succeededCount")
    if count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.append(field.invalid(at, count, text))
    if indexes is not None and count > total:
        what = "the number of indexes in the specified succeededIndexes field"
        errors.append(field.invalid(at, count, f"must be less than or equal to {total} ({what})"))
    return errors


def count_indexes(text: str, completions: int) -> int:
    """Return how many indexes a text like `0,2-4` names; ValueError in upstream's words if it is wrong."""
    total, last = 0, -1
    for piece in text.split(",") if text else ():
        ends = piece.split("-")
        if len(ends) > 2:
            raise ValueError(
                f'the fragment "{piece}" violates the requirement that an index interval can have at most '
                f"two "
                "parts separated by '-'"
            )
        first = _index(ends[0], completions)
        if first <= last:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last = first
        if len(ends) == 2:
            last = _index(ends[1], completions)
            if last <= first:
                raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
        total += last - first + 1
    return total


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
