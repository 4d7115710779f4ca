"""What the status of a quota must say. Pure; called by `process.py`.

    names = names_by_kind(quota)                  what it counts, by the resource whose objects are counted
    counted = count(quota, PODS, names, pods, now)
    status = compute_status(quota, counted)       the status as it is if there is nothing to change

Source: k8s.io/apiserver/pkg/quota/v1 CalculateUsage, pkg/controller/resourcequota syncResourceQuota (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.quantity import Quantity, format_quantity, parse_quantity
from api.quota import Usage, counted_by, freed_at, matches, usage_of
from api.resource import Obj, Resource


def names_by_kind(quota: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names in `spec.hard` by the group resource (`deployments.apps`) that they count."""
    found: dict[str, list[str]] = {}
    for name in (quota.get("spec") or {}).get("hard") or ():
        if kind := counted_by(name):
            found.setdefault(kind, []).append(name)
    return found


def count(
    quota: Mapping[str, Any],
    resource: Resource[Any],
    names: Iterable[str],
    objects: Iterable[Mapping[str, Any]],
    now: datetime,
) -> Usage:
    """Return how much of each of `names` these objects use: 0 for what none of them uses."""
    total = dict.fromkeys(names, 0)
    for obj in objects:
        if matches(quota, resource, obj):
            for name, amount in usage_of(resource, obj, now).items():
                if name in total:
                    total[name] += amount
    return total


def next_freed_s(pods: Iterable[Mapping[str, Any]], now: datetime) -> float | None:
    """Return in how many seconds time alone takes the next pod out of the count."""
    moments = [freed_at(pod) for pod in pods if "deletionTimestamp" in pod["metadata"]]
    waits = [(moment - now).total_seconds() for moment in moments if moment is not None and moment >= now]
    return min(waits, default=None)


def compute_status(quota: Mapping[str, Any], counted: Usage) -> Obj:
    """Return the status: the limits of the spec and what is used; of what was not counted, what it says now.

    Amounts are written in the form of their limit (as admission does), and only where they differ.
    """
    present: Obj = quota.get("status") or {}
    hard = (quota.get("spec") or {}).get("hard") or {}
    before = present.get("used") or {}
    used: Obj = {}
    for name, limit in hard.items():
        if name in counted:
            used[name] = _written(counted[name], limit, before.get(name))
        elif name in before:
            used[name] = before[name]
    if _same(hard, present.get("hard") or {}) and used == before:
        return present
    return {**present, "hard": hard, "used": used}


def _written(nano: int, limit: Any, before: Any) -> Any:
    if before is not None and parse_quantity(before).nano == nano:
        return before
    return format_quantity(Quantity(nano, parse_quantity(limit).form))


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return left.keys() == right.keys() and all(
        parse_quantity(amount).nano == parse_quantity(right[name]).nano for name, amount in left.items()
    )
