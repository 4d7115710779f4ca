"""pod-garbage-collector-controller: deletes pods that nobody will end any more.

- bound to a node that does not exist (seen twice, 40 s apart, so that a slow cache does no harm);
- never scheduled and being deleted;
- on a node that is out of service and being deleted;
- ended, when there are more ended pods than the threshold, oldest first.

Source: pkg/controller/podgc/gc_controller.go (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.conditions import find, set_condition
from api.podspec import is_terminal
from api.resource import Obj, key_of
from api.types.core_v1 import NODES, PODS, Pod
from controllers.framework.controller import Controller, View, Watch, controller
from controllers.framework.plan import NOTHING, Change, Delete, Plan, patch
from controllers.placement import by_node, pods_on

QUARANTINE_S = 40.0
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def _ended(pod: Mapping[str, Any]) -> list[str]:
    return ["ended"] if is_terminal(pod) and "deletionTimestamp" not in pod["metadata"] else []


def _relevant(node: Mapping[str, Any]) -> Any:
    return any(taint["key"] == OUT_OF_SERVICE for taint in node["spec"].get("taints") or ())


@dataclass
class _Collector:
    threshold: int
    # When a node was first missed, by name; entries go when the node is there or has no pods.
    missed: dict[str, datetime] = field(default_factory=dict)

    def plan(self, pod: Pod, view: View, now: datetime) -> Plan:
        node_name = pod["spec"].get("nodeName", "")
        going = "deletionTimestamp" in pod["metadata"]
        if not node_name:
            if going:
                return _force_delete(pod, now, "")
        elif (node := view.get(NODES, "", node_name)) is None:
            return self._orphaned(pod, node_name, now)
        else:
            self.missed.pop(node_name, None)
            if going and _relevant(node):
                return _force_delete(pod, now, "")
        if self.threshold > 0 and _ended(pod):
            return self._keep_few(view)
        return NOTHING

    def _orphaned(self, pod: Pod, node_name: str, now: datetime) -> Plan:
        since = self.missed.setdefault(node_name, now)
        left = QUARANTINE_S - (now - since).total_seconds()
        if left > 0:
            return Plan(requeue_after=left)
        if len(self.missed) > 4096:
            self.missed.clear()
        return _force_delete(pod, now, "PodGC: node no longer exists")

    def _keep_few(self, view: View) -> Plan:
        ended = list(view.by(PODS, "phase", "ended"))
        if len(ended) <= self.threshold:
            return NOTHING
        ended.sort(key=lambda each: (each["metadata"].get("creationTimestamp", ""), key_of(each)))
        return Plan(
            tuple(
                Delete(PODS, key_of(each), each["metadata"].get("uid", ""), grace_period_s=0)
                for each in ended[: len(ended) - self.threshold]
            )
        )


def _force_delete(pod: Pod, now: datetime, why: str) -> Plan:
    """Delete without grace; a pod that has not ended is marked as failed first."""
    changes: list[Change] = []
    present = (pod.get("status") or {}).get("conditions")
    if not is_terminal(pod) and pod["spec"].get("nodeName"):
        status: Obj = {"phase": "Failed"}
        if why and find(present, "DisruptionTarget") is None:
            condition: Obj = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": why,
            }
            status["conditions"] = set_condition(present, condition, now)
        changes.append(patch(PODS, pod, {"status": status}, subresource="status"))
    uid = pod["metadata"].get("uid", "")
    changes.append(Delete(PODS, key_of(pod), uid, grace_period_s=0))
    return Plan(tuple(changes))


def _state(pod: Mapping[str, Any]) -> Any:
    return pod["spec"].get("nodeName"), "deletionTimestamp" in pod["metadata"], is_terminal(pod)


def pod_garbage_collector(threshold: int) -> Controller[Any]:
    """Return the controller that keeps at most `threshold` ended pods (0: all)."""
    return controller(
        "pod-garbage-collector-controller",
        of=PODS,
        watches={NODES: Watch(pods_on, _relevant)},
        indexes={PODS: {"node": by_node, "phase": _ended}},
        relevant=_state,
    )(_Collector(threshold).plan)
