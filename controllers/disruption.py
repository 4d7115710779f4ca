"""disruption-controller: how many pods of a PodDisruptionBudget may be evicted now.

    expected  the pods that should be there: what their controllers want (shares, maxUnavailable), or what is
    desired   how many of them must be healthy
    allowed   healthy ones beyond that, none that was just evicted counted

Source: pkg/controller/disruption disruption.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.conditions import find, set_condition
from api.intstr import scaled
from api.labels import from_label_selector
from api.owners import controller_of
from api.podspec import is_pod_ready, is_terminal
from api.resource import Key, Obj, Resource, key_of
from api.times import parse_time
from api.types.apps_v1 import DEPLOYMENTS, REPLICASETS, STATEFULSETS
from api.types.core_v1 import PODS, REPLICATIONCONTROLLERS, Pod
from api.types.policy_v1 import PODDISRUPTIONBUDGETS, PodDisruptionBudget
from controllers.framework.controller import View, Watch, controller
from controllers.framework.plan import NOTHING, Plan, SetStatus

# An eviction that the API server has allowed counts until the pod goes, at most this long.
DELETION_LIMIT_S = 120.0
_SCALED: Mapping[str, Resource[Any]] = {
    "ReplicaSet": REPLICASETS,
    "ReplicationController": REPLICATIONCONTROLLERS,
    "StatefulSet": STATEFULSETS,
}


class NoScale(Exception):
    """It cannot be said how many pods are expected."""


def _budgets_of(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    metadata = pod["metadata"]
    for budget in view.list(PODDISRUPTIONBUDGETS, metadata.get("namespace", "")):
        if from_label_selector(budget["spec"].get("selector")).matches(metadata.get("labels")):
            yield key_of(budget)


def _relevant(pod: Mapping[str, Any]) -> Any:
    metadata = pod["metadata"]
    return is_pod_ready(pod), is_terminal(pod), "deletionTimestamp" in metadata, metadata.get("labels")


def _all_in_namespace(owner: Mapping[str, Any], view: View) -> Iterable[Key]:
    budgets = view.list(PODDISRUPTIONBUDGETS, owner["metadata"].get("namespace", ""))
    return [key_of(budget) for budget in budgets]


def _replicas(owner: Mapping[str, Any]) -> Any:
    return owner["spec"].get("replicas"), owner["metadata"].get("ownerReferences")


_SCALE_WATCH = Watch(_all_in_namespace, _replicas)


@controller(
    "disruption-controller",
    of=PODDISRUPTIONBUDGETS,
    watches={
        PODS: Watch(_budgets_of, _relevant),
        REPLICASETS: _SCALE_WATCH,
        DEPLOYMENTS: _SCALE_WATCH,
        STATEFULSETS: _SCALE_WATCH,
        REPLICATIONCONTROLLERS: _SCALE_WATCH,
    },
)
def disruption(budget: PodDisruptionBudget, view: View, now: datetime) -> Plan:
    metadata = budget["metadata"]
    if "deletionTimestamp" in metadata:
        return NOTHING
    selector = from_label_selector(budget["spec"].get("selector"))
    pods = [
        pod
        for pod in view.list(PODS, metadata.get("namespace", ""))
        if selector.matches(pod["metadata"].get("labels"))
    ]
    evicted, again_s = _evicted(budget, pods, now)
    try:
        expected, desired = _wanted(budget, pods, view)
    except NoScale as error:
        status = _failed(budget, str(error), now)
    else:
        healthy = sum(
            is_pod_ready(pod)
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"] and pod["metadata"]["name"] not in evicted
        )
        status = _status(budget, (healthy, desired, expected), evicted, now)
    if status == (budget.get("status") or {}):
        return Plan(requeue_after=again_s)
    return Plan((SetStatus(PODDISRUPTIONBUDGETS, budget, status),), again_s)


def _wanted(budget: PodDisruptionBudget, pods: Sequence[Pod], view: View) -> tuple[int, int]:
    """Return (expected, desired healthy)."""
    spec: Any = budget["spec"]
    limit = spec.get("maxUnavailable")
    if limit is not None:
        expected = _scale(pods, view)
        return expected, max(0, expected - scaled(limit, expected, round_up=True))
    least = spec.get("minAvailable")
    if isinstance(least, int):
        return len(pods), least
    if isinstance(least, str):
        expected = _scale(pods, view)
        return expected, scaled(least, expected, round_up=True)
    return len(pods), 0


def _scale(pods: Sequence[Pod], view: View) -> int:
    """Return the sum of what the controllers of the pods want. Raises `NoScale`."""
    found: dict[str, int] = {}
    for pod in pods:
        ref = controller_of(pod)
        if ref is None:
            raise NoScale(f"found no controller ref for pod {pod['metadata']['name']!r}")
        if ref["uid"] in found:
            continue
        namespace = pod["metadata"].get("namespace", "")
        resource = _SCALED.get(ref["kind"])
        owner = view.get(resource, namespace, ref["name"]) if resource else None
        if owner is None:
            raise NoScale(f"{ref['kind']} {ref['name']!r} has no scale")
        found[ref["uid"]] = _replicas_of(owner, view)
    return sum(found.values())


def _replicas_of(owner: Mapping[str, Any], view: View) -> int:
    """A ReplicaSet of a Deployment counts as the Deployment."""
    ref = controller_of(owner)
    if ref is not None and ref["kind"] == "Deployment":
        namespace = owner["metadata"].get("namespace", "")
        deployment: Mapping[str, Any] | None = view.get(DEPLOYMENTS, namespace, ref["name"])
        owner = deployment or owner
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _evicted(
    budget: PodDisruptionBudget, pods: Iterable[Pod], now: datetime
) -> tuple[dict[str, str], float | None]:
    """Return the pods whose eviction has been allowed and that are still there, and when to look again."""
    present = {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}
    kept: dict[str, str] = {}
    waits: list[float] = []
    noted: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    for name, moment in noted.items():
        left = (parse_time(moment) + timedelta(seconds=DELETION_LIMIT_S) - now).total_seconds()
        if name in present and left > 0:
            kept[name] = moment
            waits.append(left)
    return kept, min(waits, default=None)


def _status(
    budget: PodDisruptionBudget, counts: tuple[int, int, int], evicted: dict[str, str], now: datetime
) -> Obj:
    healthy, desired, expected = counts
    allowed = healthy - desired if expected > 0 and healthy > desired else 0
    status: Obj = {
        **(budget.get("status") or {}),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    status.pop("disruptedPods", None)
    if evicted:
        status["disruptedPods"] = evicted
    reason = "SufficientPods" if allowed else "InsufficientPods"
    return _with_condition(budget, status, reason, "", now)


def _failed(budget: PodDisruptionBudget, message: str, now: datetime) -> Obj:
    """Nothing may be evicted when it is not known what is wanted."""
    status: Obj = {
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
        **(budget.get("status") or {}),
        "disruptionsAllowed": 0,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    return _with_condition(budget, status, "SyncFailed", message, now)


def _with_condition(
    budget: PodDisruptionBudget, status: Obj, reason: str, message: str, now: datetime
) -> Obj:
    condition: Obj = {
        "type": "DisruptionAllowed",
        "status": "True" if reason == "SufficientPods" else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    present = find(status.get("conditions"), "DisruptionAllowed")
    if present and {**present, "lastTransitionTime": ""} == {**condition, "lastTransitionTime": ""}:
        return status
    return {**status, "conditions": set_condition(status.get("conditions"), condition, now)}
