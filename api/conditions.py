"""Conditions: the list in a status where each element has its own `type`.

Called by every controller and the node agent. Source: k8s.io/apimachinery/pkg/api/meta conditions.go (1.36).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from api import field, names
from api.field import FieldError, Path
from api.times import format_time

MESSAGE_MAX = 32 * 1024
REASON_MAX = 1024
_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_MUST_REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of "
    "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'"
)

C = TypeVar("C", bound=Mapping[str, Any])


def find(conditions: Iterable[C] | None, condition_type: str) -> C | None:
    """Return the condition of a type, if it is there."""
    for condition in conditions or ():
        if condition.get("type") == condition_type:
            return condition
    return None


def is_true(conditions: Iterable[Mapping[str, Any]] | None, condition_type: str) -> bool:
    """Tell whether the condition is there and `True`."""
    condition = find(conditions, condition_type)
    return condition is not None and condition.get("status") == "True"


def set_condition(conditions: Sequence[C] | None, new: C, now: datetime) -> list[C]:
    """Return the list with `new` in the place of its type, or at the end.

    `lastTransitionTime` is that of the old condition if its status is the same; else what `new` says, else
    `now`. Members of the old condition that `new` does not name are dropped.
    """
    old = find(conditions, new["type"])
    if old is not None and old.get("status") == new.get("status"):
        moment = old.get("lastTransitionTime") or format_time(now)
    else:
        moment = new.get("lastTransitionTime") or format_time(now)
    placed = cast("C", {**new, "lastTransitionTime": moment})
    if old is None:
        return [*(conditions or ()), placed]
    return [placed if condition is old else condition for condition in conditions or ()]


def remove_condition(conditions: Iterable[C] | None, condition_type: str) -> list[C]:
    """Return the list without the condition of a type."""
    return [condition for condition in conditions or () if condition.get("type") != condition_type]


def condition_errors(conditions: Sequence[Mapping[str, Any]], path: Path) -> list[FieldError]:
    """Check `metav1.Condition`s: each type once, everything but the message given.

    Spec: k8s.io/apimachinery/pkg/apis/meta/v1/validation ValidateConditions (1.36).
    """
    errors: list[FieldError] = []
    seen: dict[str, int] = {}
    for number, condition in enumerate(conditions):
        at, name = path.index(number), condition.get("type", "")
        if name in seen:
            errors.append(field.duplicate(at.child("type"), name))
        seen.setdefault(name, number)
        errors += _condition_errors(condition, at)
    return errors


def _condition_errors(condition: Mapping[str, Any], path: Path) -> list[FieldError]:
    name, status = condition.get("type", ""), condition.get("status", "")
    errors = [field.invalid(path.child("type"), name, why) for why in names.is_qualified_name(name)]
    if status not in _STATUSES:
        errors.append(field.not_supported(path.child("status"), status, _STATUSES))
    if condition.get("observedGeneration", 0) < 0:
        at = path.child("observedGeneration")
        errors.append(
            field.invalid(at, condition["observedGeneration"], "must be greater than or equal to zero")
        )
    if not condition.get("lastTransitionTime"):
        errors.append(field.required(path.child("lastTransitionTime"), "must be set"))
    errors += _reason_errors(condition.get("reason", ""), path.child("reason"))
    if len(condition.get("message", "").encode()) > MESSAGE_MAX:
        errors.append(field.too_long(path.child("message"), MESSAGE_MAX))
    return errors


def _reason_errors(reason: str, path: Path) -> list[FieldError]:
    if not reason:
        return [field.required(path, "must be set")]
    errors = []
    if not re.fullmatch(_REASON, reason):
        text = names.regex_message(
            _MUST_REASON, _REASON, "my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"
        )
        errors.append(field.invalid(path, reason, text))
    return [*errors, field.too_long(path, REASON_MAX)] if len(reason) > REASON_MAX else errors
