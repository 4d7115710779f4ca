"""Conditions: the list in a status where each element has its own `type`.

Called by every controller and the node agent. Source: k8s.io/apimachinery/pkg/api/meta conditions.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from api.times import format_time

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
