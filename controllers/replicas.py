"""Keeping a number of pods: the whole of ReplicaSet and ReplicationController but for their names.

Pure. Source: pkg/controller/replicaset replica_set.go, replica_set_utils.go (1.36).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.conditions import find, remove_condition, set_condition
from api.labels import Selector
from api.podspec import is_pod_active, is_pod_ready, is_terminal
from api.resource import Obj, Resource
from api.types.core_v1 import PODS, Pod
from controllers.claims import claim, selects_template
from controllers.framework.controller import View
from controllers.framework.plan import Change, Create, Failure, Plan, SetStatus, delete
from controllers.pods import available_in_s, new_pod, to_delete

# The most pods made or deleted in one go.
BURST = 500
_COUNTS = (
    "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas",
    "observedGeneration",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What tells one kind that keeps replicas from the other."""

    of: Resource[Any]
    selector: Callable[[Mapping[str, Any]], Selector]
    # All pods that serve the same purpose, for the choice of what to delete.
    related: Callable[[Mapping[str, Any], View], Iterable[Pod]]


def keep_replicas(owner: Mapping[str, Any], view: View, now: datetime, kind: Kind) -> Plan:
    """Return what brings the number of pods to `spec.replicas`, and the status."""
    claimed = claim(owner, kind.of, PODS, kind.selector(owner), view, is_pod_active)
    pods = claimed.mine
    changes: list[Change] = [*claimed.changes]
    if "deletionTimestamp" not in owner["metadata"]:
        changes += _count_up_or_down(owner, view, now, kind, pods)
    counted, wait_s = _counts(owner, view, pods, now)
    status = _status(owner, counted, view.failure, now)
    if status is not None:
        changes.append(SetStatus(kind.of, owner, status))
    return Plan(tuple(changes), wait_s)


def _count_up_or_down(
    owner: Mapping[str, Any], view: View, now: datetime, kind: Kind, pods: Sequence[Pod]
) -> Iterable[Change]:
    missing = int(owner["spec"].get("replicas", 1)) - len(pods)
    if missing > 0 and selects_template(kind.selector(owner), owner):
        pod = new_pod(owner["spec"].get("template") or {}, owner, kind.of)
        create = Create(PODS, pod, owner["metadata"].get("namespace", ""), about=owner)
        return [create] * min(missing, BURST)
    if missing < 0:
        surplus = to_delete(pods, kind.related(owner, view), min(-missing, BURST), now)
        return [delete(PODS, pod, about=owner) for pod in surplus]
    return []


def _counts(
    owner: Mapping[str, Any], view: View, pods: Sequence[Pod], now: datetime
) -> tuple[dict[str, int], float | None]:
    """Return the counts of the status, and the seconds until another pod becomes available."""
    wanted = ((owner["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready_s = int(owner["spec"].get("minReadySeconds", 0))
    waits = [available_in_s(pod, min_ready_s, now) for pod in pods]
    counted = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(_has_labels(pod, wanted) for pod in pods),
        "readyReplicas": sum(is_pod_ready(pod) for pod in pods),
        "availableReplicas": sum(wait == 0 for wait in waits),
        "observedGeneration": int(owner["metadata"].get("generation", 0)),
        "terminatingReplicas": sum(
            "deletionTimestamp" in pod["metadata"] and not is_terminal(pod) for pod in view.owned(PODS, owner)
        ),
    }
    return counted, min((wait for wait in waits if wait), default=None)


def _has_labels(pod: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return wanted.items() <= labels.items()


def _status(
    owner: Mapping[str, Any], counted: dict[str, int], failure: Failure | None, now: datetime
) -> Obj | None:
    """Return the new status, None if it is the old one."""
    old: Obj = owner.get("status") or {}
    conditions = _conditions(old.get("conditions") or [], failure, now)
    same = all(old.get(name, 0) == counted[name] for name in _COUNTS)
    if same and conditions == (old.get("conditions") or []):
        return None
    foreign = {name: value for name, value in old.items() if name not in _COUNTS and name != "conditions"}
    shown = {name: value for name, value in counted.items() if value or name == "replicas"}
    return {**foreign, **shown, **({"conditions": conditions} if conditions else {})}


def _conditions(old: list[Obj], failure: Failure | None, now: datetime) -> list[Obj]:
    if failure is None or failure.action not in ("Create", "Delete"):
        return remove_condition(old, "ReplicaFailure")
    if find(old, "ReplicaFailure") is not None:
        return old
    new: Obj = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": f"Failed{failure.action}",
        "message": failure.message,
    }
    return set_condition(old, new, now)
