"""The status of a Deployment: counts and the conditions Available, Progressing, ReplicaFailure.

Pure. Source: pkg/controller/deployment progress.go, sync.go `calculateStatus` (1.36).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.conditions import find, remove_condition
from api.resource import Obj
from api.times import format_time, parse_time
from api.types.apps_v1 import Deployment, ReplicaSet
from controllers.deployment.sizes import max_unavailable, replicas_of

NEW_SET_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
_COUNTS = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
    "unavailableReplicas", "terminatingReplicas", "collisionCount",
)  # fmt: skip


def compute_status(
    deployment: Deployment,
    sets: Sequence[ReplicaSet],
    new: ReplicaSet | None,
    sizes_total: int,
    now: datetime,
) -> Obj:
    """Return the counts and the condition Available; other conditions are those of the present status."""

    def total(name: str) -> int:
        statuses: list[Obj] = [dict(rs.get("status") or {}) for rs in sets]
        return sum(int(status.get(name) or 0) for status in statuses)

    old: Obj = dict(deployment.get("status") or {})
    available = total("availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": (new.get("status") or {}).get("replicas", 0) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sizes_total - available),
        "terminatingReplicas": total("terminatingReplicas"),
        "collisionCount": old.get("collisionCount") or 0,
    }
    kept = {name: value for name, value in old.items() if name not in _COUNTS}
    enough = available >= replicas_of(deployment) - max_unavailable(deployment)
    condition = new_condition(
        "Available",
        "True" if enough else "False",
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "Deployment has minimum availability."
        if enough
        else "Deployment does not have minimum availability.",
        now,
    )
    conditions = set_condition(old.get("conditions") or [], condition)
    return {**kept, **{name: value for name, value in counts.items() if value}, "conditions": conditions}


def new_condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Obj:
    moment = format_time(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def set_condition(conditions: Sequence[Obj], new: Obj) -> list[Obj]:
    """Put `new` last unless the status and the reason are the same as before: then nothing changes."""
    old = find(conditions, new["type"])
    if old is not None and (old.get("status"), old.get("reason")) == (new["status"], new["reason"]):
        return list(conditions)
    return replace_condition(conditions, new)


def replace_condition(conditions: Sequence[Obj], new: Obj) -> list[Obj]:
    old = find(conditions, new["type"])
    if old is not None and old.get("status") == new["status"]:
        new = {**new, "lastTransitionTime": old.get("lastTransitionTime", new["lastTransitionTime"])}
    return [*remove_condition(conditions, new["type"]), new]


def has_deadline(deployment: Deployment) -> bool:
    return deployment["spec"].get("progressDeadlineSeconds") not in (None, 2**31 - 1)


def is_complete(deployment: Deployment, status: Obj) -> bool:
    replicas = replicas_of(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == replicas for name in counts) and status.get(
        "observedGeneration", 0
    ) >= deployment["metadata"].get("generation", 0)


def with_progress(
    deployment: Deployment,
    status: Obj,
    sets: Sequence[ReplicaSet],
    new: ReplicaSet | None,
    now: datetime,
) -> Obj:
    """Return the status with the conditions Progressing and ReplicaFailure brought up to date."""
    conditions: list[Obj] = status["conditions"]
    if not has_deadline(deployment):
        conditions = remove_condition(conditions, "Progressing")
    else:
        conditions = _progress(deployment, status, new, now)
    failure = _replica_failure(sets, new)
    if failure is None:
        conditions = remove_condition(conditions, "ReplicaFailure")
    else:
        conditions = set_condition(conditions, failure)
    return {**status, "conditions": conditions}


def _progress(deployment: Deployment, status: Obj, new: ReplicaSet | None, now: datetime) -> list[Obj]:
    conditions: list[Obj] = status["conditions"]
    present = find(conditions, "Progressing")
    updated, replicas = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if updated == replicas and present is not None and present.get("reason") == NEW_SET_AVAILABLE:
        return conditions
    if new is not None:
        subject = f'ReplicaSet "{new["metadata"]["name"]}"'
    else:
        subject = f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        return set_condition(
            conditions, new_condition("Progressing", "True", NEW_SET_AVAILABLE, message, now)
        )
    if _has_progressed(deployment, status):
        condition = new_condition(
            "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now
        )
        return replace_condition(conditions, condition)
    if _has_timed_out(deployment, present, now):
        message = f"{subject} has timed out progressing."
        return set_condition(conditions, new_condition("Progressing", "False", TIMED_OUT, message, now))
    return conditions


def _has_progressed(deployment: Deployment, status: Obj) -> bool:
    old: Any = deployment.get("status") or {}
    updated, before = status.get("updatedReplicas", 0), old.get("updatedReplicas", 0)
    return bool(
        updated > before
        or status.get("replicas", 0) - updated < old.get("replicas", 0) - before
        or status.get("readyReplicas", 0) > old.get("readyReplicas", 0)
        or status.get("availableReplicas", 0) > old.get("availableReplicas", 0)
    )


def _has_timed_out(deployment: Deployment, present: Obj | None, now: datetime) -> bool:
    if present is None or present.get("reason") == NEW_SET_AVAILABLE:
        return False
    return present.get("reason") == TIMED_OUT or now >= _deadline(deployment, present, now)


def _deadline(deployment: Deployment, present: Obj, now: datetime) -> datetime:
    text = present.get("lastUpdateTime") or present.get("lastTransitionTime")
    since = parse_time(text) if text else now
    return since + timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", 600))


def deadline_in_s(deployment: Deployment, status: Obj, now: datetime) -> float | None:
    """Return when to look again whether the deadline has passed, None if it does not matter."""
    present = find(status.get("conditions"), "Progressing")
    if not has_deadline(deployment) or present is None or is_complete(deployment, status):
        return None
    if present.get("reason") in (NEW_SET_AVAILABLE, TIMED_OUT) or deployment["spec"].get("paused"):
        return None
    return max(0.0, (_deadline(deployment, present, now) - now).total_seconds()) + 1.0


def _replica_failure(sets: Iterable[ReplicaSet], new: ReplicaSet | None) -> Obj | None:
    """Return the failure of the current ReplicaSet, else that of any."""
    for rs in [*([new] if new else []), *sets]:
        found = find((rs.get("status") or {}).get("conditions"), "ReplicaFailure")
        if found is not None:
            condition: Obj = {**found}
            condition["lastUpdateTime"] = condition.get("lastTransitionTime")
            return condition
    return None
