"""taint-eviction-controller: deletes pods that do not (any longer) tolerate their node's NoExecute taints.

    no toleration for some taint        --> at once
    tolerated for a number of seconds   --> the least of them after the taint was added
    tolerated without limit             --> never

Source: pkg/controller/tainteviction (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from api.conditions import find, set_condition
from api.resource import Obj, key_of
from api.taints import NO_EXECUTE, tolerates_one
from api.times import parse_time
from api.types.core_v1 import NODES, PODS, Pod, Taint
from controllers.framework.controller import Controller, View, Watch, controller
from controllers.framework.plan import NOTHING, Change, Plan, Record, SetStatus, delete
from controllers.placement import by_node, pods_on

# Pods whose wait is remembered; beyond it all waits begin anew.
_SEEN_MAX = 50_000


def no_execute(node: Mapping[str, Any]) -> list[Taint]:
    return [taint for taint in node["spec"].get("taints") or () if taint.get("effect") == NO_EXECUTE]


class _Evictor:
    """Remembers when a taint was first seen on a pod's node, for taints that do not say it themselves."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    def plan(self, pod: Pod, view: View, now: datetime) -> Plan:
        node_name, uid = pod["spec"].get("nodeName"), pod["metadata"].get("uid", "")
        node = view.get(NODES, "", node_name) if node_name else None
        taints = no_execute(node) if node else []
        if not taints or "deletionTimestamp" in pod["metadata"]:
            self._seen.pop(uid, None)
            return NOTHING
        wait_s = stay_s(pod["spec"].get("tolerations") or [], taints, self._since(pod, now), now)
        if wait_s is None:
            return NOTHING
        if wait_s > 0:
            return Plan(requeue_after=wait_s)
        self._seen.pop(uid, None)
        return Plan(tuple(evict(pod, now)))

    def _since(self, pod: Pod, now: datetime) -> datetime:
        if len(self._seen) > _SEEN_MAX:
            self._seen.clear()
        return self._seen.setdefault(pod["metadata"].get("uid", ""), now)


def _placement(pod: Mapping[str, Any]) -> Any:
    """What decides about eviction; a pod without a node, or on its way out, is left alone."""
    if not pod["spec"].get("nodeName"):
        return None
    return pod["spec"]["nodeName"], "deletionTimestamp" in pod["metadata"], pod["spec"].get("tolerations")


def taint_eviction() -> Controller[Any]:
    """Return the controller."""
    return controller(
        "taint-eviction-controller",
        of=PODS,
        watches={NODES: Watch(pods_on, no_execute)},
        indexes={PODS: {"node": by_node}},
        relevant=_placement,
    )(_Evictor().plan)


def stay_s(
    tolerations: Iterable[Any], taints: Iterable[Taint], seen: datetime, now: datetime
) -> float | None:
    """Return for how many more seconds a pod may stay; None without limit.

    As in upstream the smallest `tolerationSeconds` counts, from the moment the last of the taints was added
    (`seen`, when a taint does not say it).
    """
    known, ends = list(tolerations), []
    limits: list[int] = []
    for taint in taints:
        fitting = [toleration for toleration in known if tolerates_one(toleration, taint)]
        if not fitting:
            return 0.0
        limits += [t["tolerationSeconds"] for t in fitting if t.get("tolerationSeconds") is not None]
        ends.append(parse_time(taint["timeAdded"]) if taint.get("timeAdded") else seen)
    if not limits:
        return None
    if min(limits) <= 0:
        return 0.0
    end = max(ends) + timedelta(seconds=min(limits))
    return max(0.0, (end - now).total_seconds())


def evict(pod: Pod, now: datetime) -> Iterable[Change]:
    """Say why in a condition, then delete."""
    condition: Obj = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    status: Obj = dict(pod.get("status") or {})
    present = find(status.get("conditions"), "DisruptionTarget")
    if present is None or present.get("status") != "True":
        conditions = set_condition(status.get("conditions"), condition, now)
        yield SetStatus(PODS, pod, {**status, "conditions": conditions})
    key = key_of(pod)
    yield Record(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
    yield delete(PODS, pod)
