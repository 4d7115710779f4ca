"""node-lifecycle-controller: notices silent nodes, and says so in their conditions, taints and pods.

    heartbeat (Lease or its group's renewed, or conditions reported) --> nothing
    silence for the grace period --> all conditions Unknown, pods not ready (so that services drop them)
    Ready is not True --> taint NoSchedule at once, NoExecute as fast as the zone's rate allows (zones.py)
    Ready is True again --> taints removed

Silence is measured from when *we* saw the last change, and anew after our connection to the API server broke
or our clock jumped: neither skewed clocks nor an API server that was down make nodes lost.
Source: pkg/controller/nodelifecycle node_lifecycle_controller.go (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.conditions import find
from api.coordination.heartbeat import NODE_LEASES, group_of, renewal
from api.podspec import is_pod_ready
from api.resource import Key, Obj
from api.times import format_time, parse_time
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PODS, Node, Pod
from controllers.framework.controller import Controller, Reader, View, Watch, controller
from controllers.framework.plan import NOTHING, Change, Plan, Record, SetStatus, patch
from controllers.node_lifecycle.zones import Gate, Limits, all_disrupted, count_zones, is_ready, zone_of
from controllers.placement import by_node

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
# A range that has not been given by then is not waited for.
_RANGE_WITHIN_S = 5.0
_OURS_NO_SCHEDULE = frozenset({NOT_READY, UNREACHABLE, _UNSCHEDULABLE, *_PRESSURES.values()})
_OURS_NO_EXECUTE = frozenset({NOT_READY, UNREACHABLE})


@dataclass(frozen=True)
class Timing:
    """Seconds: how often nodes are looked at; the silence after which one is lost (before its first one)."""

    period_s: float = 5.0
    grace_s: float = 50.0
    startup_s: float = 60.0


@dataclass(frozen=True)
class Seen:
    """What the object does not say: how long the node has been silent, and whether it may be evicted from.

    `evict_in_s` 0 means now, None not at all; `dark`: no zone has a ready node.
    """

    silent_s: float
    evict_in_s: float | None
    dark: bool = False


@dataclass
class Observer:
    """Keeps, per node, the last heartbeat and when it was seen; and the gate of evictions."""

    timing: Timing
    limits: Limits
    _beats: dict[str, tuple[Any, datetime]] = field(default_factory=dict)
    _gate: Gate = field(default_factory=Gate)
    _interruptions: int = 0
    _looked_at: datetime | None = None
    _zones: Any = None
    _zones_at: datetime | None = None

    async def observe(self, node: Node, view: View, now: datetime, reader: Reader) -> Seen:
        name, uid = node["metadata"]["name"], node["metadata"]["uid"]
        interruptions = view.interruptions(LEASES) + view.interruptions(NODES)
        if interruptions != self._interruptions or self._has_slept(now):
            self._beats, self._interruptions = {}, interruptions
        self._looked_at = now
        beat = _heartbeat(node, view)
        last, since = self._beats.get(name, (None, now))
        if last != beat:
            since = now
            self._beats[name] = (beat, now)
        if len(self._beats) > 2 * len(self._count(view, now)[1]) + 100:
            self._beats = {key: value for key, value in self._beats.items() if view.get(NODES, "", key)}
        silent_s = (now - since).total_seconds()
        if is_ready(node):
            self._gate.forget(uid)
            return Seen(silent_s, None)
        zones, _ = self._count(view, now)
        zone = zone_of(node)
        if all_disrupted(zones, self.limits):
            return Seen(silent_s, None, dark=True)
        rate = zones[zone].rate(self.limits) if zone in zones else self.limits.rate
        return Seen(silent_s, self._gate.wait_s(uid, zone, rate, now))

    def _has_slept(self, now: datetime) -> bool:
        """Tell whether the clock was set or we stood still (a suspended machine): no node was silent then.

        As long as there are nodes, one is looked at in every period.
        """
        if self._looked_at is None:
            return False
        gap_s = (now - self._looked_at).total_seconds()
        return gap_s < -1.0 or gap_s > max(2 * self.timing.period_s, self.timing.grace_s / 2)

    def _count(self, view: View, now: datetime) -> tuple[Any, list[Node]]:
        """Return the zones, counted at most every fifth of a period."""
        if self._zones_at is None or (now - self._zones_at).total_seconds() > self.timing.period_s / 5:
            nodes = list(view.list(NODES))
            self._zones, self._zones_at = (count_zones(nodes), nodes), now
        found: tuple[Any, list[Node]] = self._zones
        return found


def _heartbeat(node: Node, view: View) -> Any:
    lease = view.get(LEASES, NODE_LEASES, node["metadata"]["name"])
    renewed = None
    if lease is not None:
        named = group_of(lease)
        renewed = renewal(lease, view.get(LEASES, NODE_LEASES, named.name) if named is not None else None)
    ready = find((node.get("status") or {}).get("conditions"), "Ready")
    # What we ourselves have written is no sign of life.
    reported = (ready.get("lastHeartbeatTime"), ready.get("status")) if ready else None
    if ready and ready.get("reason") in ("NodeStatusUnknown", "NodeStatusNeverUpdated"):
        reported = (ready.get("lastHeartbeatTime"), None)
    return node["metadata"]["uid"], renewed, reported


@dataclass(frozen=True)
class _Lifecycle:
    timing: Timing
    # The node IPAM controller takes the taints of a new node away as it gives it its range: `ready_taints`.
    ranges: bool

    def plan(self, node: Node, view: View, now: datetime, seen: Seen) -> Plan:
        if "deletionTimestamp" in node["metadata"]:
            return NOTHING
        again_s = self.timing.period_s
        lost = _lost_status(node, seen, self.timing, now)
        if lost is not None:
            changes: list[Change] = [SetStatus(NODES, node, lost)]
            if is_ready(node):
                name = node["metadata"]["name"]
                changes.append(
                    Record(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
                )
            return Plan((*changes, *_unready(node, view, now)), again_s)
        unready = _unready(node, view, now) if not is_ready(node) else []
        change = _due_taints(node, seen, now)
        if seen.evict_in_s:
            again_s = min(again_s, seen.evict_in_s)
        if change and self.ranges and _gets_range(node, now):
            return Plan(requeue_after=min(again_s, _RANGE_WITHIN_S))
        return Plan((*unready, *([patch(NODES, node, {"spec": change})] if change else [])), again_s)


def ready_taints(node: Node, now: datetime) -> Obj:
    """Return what is to change in the spec of a node because it is ready, {} if nothing is or it is not."""
    return _due_taints(node, Seen(0.0, None), now) if is_ready(node) else {}


def _due_taints(node: Node, seen: Seen, now: datetime) -> Obj:
    taints = compute_taints(node, seen, now)
    return {} if taints == (node["spec"].get("taints") or []) else {"taints": taints or None}


def _gets_range(node: Node, now: datetime) -> bool:
    """Tell whether a node that is ready is so new that it will have its range at any moment."""
    created = node["metadata"].get("creationTimestamp")
    if not is_ready(node) or node["spec"].get("podCIDR") or not created:
        return False
    return abs((now - parse_time(created)).total_seconds()) < _RANGE_WITHIN_S


def _lost_status(node: Node, seen: Seen, timing: Timing, now: datetime) -> Obj | None:
    """Return the status that says the node is lost; None if it is not, or says so already."""
    status: Obj = dict(node.get("status") or {})
    conditions: list[Obj] = status.get("conditions") or []
    ready = find(conditions, "Ready")
    grace_s = timing.grace_s if ready else timing.startup_s
    if seen.silent_s < grace_s:
        return None
    changed = list(conditions)
    for kind in _WATCHED:
        present = find(conditions, kind)
        if present is None:
            changed.append(_unknown(kind, node, "NodeStatusNeverUpdated", "never posted", now))
        elif present.get("status") != "Unknown":
            new = _unknown(kind, node, "NodeStatusUnknown", "stopped posting", now)
            new["lastHeartbeatTime"] = present.get("lastHeartbeatTime", new["lastHeartbeatTime"])
            changed[changed.index(present)] = new
    return {**status, "conditions": changed} if changed != conditions else None


def _unknown(kind: str, node: Node, reason: str, what: str, now: datetime) -> Obj:
    return {
        "type": kind,
        "status": "Unknown",
        "reason": reason,
        "message": f"Kubelet {what} node status.",
        "lastHeartbeatTime": node["metadata"].get("creationTimestamp") or format_time(now),
        "lastTransitionTime": format_time(now),
    }


def _unready(node: Node, view: View, now: datetime) -> list[Change]:
    """Return the changes that make every pod of the node not ready."""
    pods = view.by(PODS, "node", node["metadata"]["name"])
    return [SetStatus(PODS, pod, _unready_status(pod, now)) for pod in pods if is_pod_ready(pod)]


def _unready_status(pod: Pod, now: datetime) -> Obj:
    status: Obj = dict(pod.get("status") or {})
    moment = format_time(now)
    status["conditions"] = [
        {**c, "status": "False", "lastTransitionTime": moment} if c.get("type") == "Ready" else c
        for c in status.get("conditions") or []
    ]
    return status


def compute_taints(node: Node, seen: Seen, now: datetime) -> list[Any]:
    """Return the taints that the node should have; foreign ones stay, and what stays keeps its time."""
    conditions = (node.get("status") or {}).get("conditions")
    wanted: set[tuple[str, str]] = set()
    ready = find(conditions, "Ready")
    lost = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready.get("status", "") if ready else "")
    present = {(taint["key"], taint["effect"]) for taint in node["spec"].get("taints") or ()}
    if lost:
        wanted.add((lost, "NoSchedule"))
        evicting = any((key, "NoExecute") in present for key in _OURS_NO_EXECUTE)
        if not seen.dark and (evicting or seen.evict_in_s == 0):
            wanted.add((lost, "NoExecute"))
    for kind, key in _PRESSURES.items():
        condition = find(conditions, kind)
        if condition and condition.get("status") == "True":
            wanted.add((key, "NoSchedule"))
    if node["spec"].get("unschedulable"):
        wanted.add((_UNSCHEDULABLE, "NoSchedule"))
    kept = [t for t in node["spec"].get("taints") or () if not _is_ours(t) or _id(t) in wanted]
    missing = sorted(wanted - {_id(taint) for taint in kept})
    added = [{"key": key, "effect": effect, "timeAdded": format_time(now)} for key, effect in missing]
    return [*kept, *added]


def _id(taint: Mapping[str, Any]) -> tuple[str, str]:
    return taint["key"], taint["effect"]


def _is_ours(taint: Mapping[str, Any]) -> bool:
    ours = {"NoSchedule": _OURS_NO_SCHEDULE, "NoExecute": _OURS_NO_EXECUTE}
    return taint["key"] in ours.get(taint["effect"], frozenset())


def _node_that_is_lost(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    """A pod that says it is ready on a node that is not needs another look."""
    name = pod["spec"].get("nodeName")
    if name and is_pod_ready(pod):
        node = view.get(NODES, "", name)
        if node is not None and not is_ready(node):
            yield Key("", name)


def node_lifecycle(timing: Timing, limits: Limits, *, ranges: bool = False) -> Controller[Any]:
    """Return the controller with its time limits; `ranges`: `ready_taints` is done with the pod range."""
    return controller(
        "node-lifecycle-controller",
        of=NODES,
        watches={PODS: Watch(_node_that_is_lost, is_pod_ready)},
        reads=(LEASES,),
        indexes={PODS: {"node": by_node}},
        observe=Observer(timing, limits).observe,
    )(_Lifecycle(timing, ranges).plan)
