"""What `scheduler_perf` schedules: nodes, pods and steps with upstream's names, shapes and counts. Pure.

Source: test/integration/scheduler_perf, `performance-config.yaml` of misc, affinity, topology_spreading and
default_preemption, with the templates they name. The node and pod names are ours: upstream's are random.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

NAMED_NODE = "scheduler-perf-node"
HIGH_PRIORITY = "high-priority"
TEAM = {"team": "devops"}
_ZONE, _HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
_PLAIN = ("100m", "500Mi")


@dataclass(frozen=True)
class Nodes:
    """Nodes of 4 cores, 32 GiB and 110 pods; of the zones in turn."""

    count: int
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedNode:
    """One node with a known name and room for 90,000 pods."""


@dataclass(frozen=True)
class Namespaces:
    """Namespaces `prefix-0`, `prefix-1`, ..."""

    prefix: str
    count: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Pods:
    """Pods of a template in `namespace-0` to `namespace-(namespaces - 1)`, and what is waited for.

    Measured pods are waited for until all have a node, as are the others unless `is_refused`: no node takes
    those, and they are waited for until the scheduler has said so.
    """

    template: str
    count: int
    namespace: str
    namespaces: int = 1
    is_measured: bool = False
    is_refused: bool = False


@dataclass(frozen=True)
class Churn:
    """Objects that come at an interval from here on; with `recreate` each goes again at the next turn."""

    templates: tuple[str, ...]
    every_s: float
    recreate: bool = False


Step = Nodes | NamedNode | Namespaces | Pods | Churn


@dataclass(frozen=True)
class Workload:
    """`gate`: pods a second that upstream demands of itself (0: none); ours must reach twice as many.

    `latest`: the highest such demand seen in any version of upstream's file; 0 if it is the same.
    """

    name: str
    gate: float
    steps: tuple[Step, ...]
    latest: float = 0.0

    @property
    def measured(self) -> Pods:
        return next(step for step in self.steps if isinstance(step, Pods) and step.is_measured)

    @property
    def nodes(self) -> int:
        return sum(step.count for step in self.steps if isinstance(step, Nodes))


def _node(name: str, pods: int, labels: Mapping[str, str]) -> dict[str, Any]:
    capacity = {"pods": str(pods), "cpu": "4", "memory": "32Gi"}
    status = {"capacity": capacity, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": {_HOST: name, **labels}}, "spec": {}, "status": status}


def new_node(number: int, zones: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the node with a number."""
    zone = {_ZONE: zones[number % len(zones)]} if zones else {}
    return _node(f"node-{number:05d}", 110, zone)


def named_node() -> dict[str, Any]:
    return _node(NAMED_NODE, 90_000, {})


def _pod(asked: tuple[str, str] | None = _PLAIN, color: str = "", **spec: Any) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "pause",
        "image": "registry.k8s.io/pause:3.10.1",
        "ports": [{"containerPort": 80}],
    }
    if asked:
        amounts = dict(zip(("cpu", "memory"), asked, strict=True))
        container["resources"] = {"requests": amounts, "limits": amounts}
    return {
        "metadata": {"labels": {"color": color} if color else {}},
        "spec": {"containers": [container], **spec},
    }


def _term(color: str, key: str, **where: Any) -> dict[str, Any]:
    chosen = where or {"namespaces": ["sched-1", "sched-0"]}
    return {"labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key, **chosen}


def _required(kind: str, *terms: Any) -> dict[str, Any]:
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def _preferred(kind: str, term: Any) -> dict[str, Any]:
    wish = [{"weight": 1, "podAffinityTerm": term}]
    return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": wish}}}


def _on_nodes(**term: Any) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def _is_in(key: str, *values: str) -> list[dict[str, Any]]:
    return [{"key": key, "operator": "In", "values": list(values)}]


def _spread(color: str) -> dict[str, Any]:
    selector = {"matchLabels": {"color": color}}
    constraint = {"maxSkew": 5, "topologyKey": _ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**constraint, "labelSelector": selector}]}


# A NamespaceSelector with labels that the namespaces have.
_OF_TEAM = {"namespaceSelector": {"matchLabels": TEAM}}
# Upstream writes the number 10 into the pod and turns the admission plugin off; here the class gives it.
_HIGH = {"priorityClassName": HIGH_PRIORITY}
PODS: dict[str, dict[str, Any]] = {
    "default": _pod(),
    "warm-up": _pod(None),
    "anti-affinity": _pod(color="green", **_required("podAntiAffinity", _term("green", _HOST))),
    "affinity": _pod(color="blue", **_required("podAffinity", _term("blue", _ZONE))),
    "preferred-affinity": _pod(color="red", **_preferred("podAffinity", _term("red", _HOST))),
    "preferred-anti-affinity": _pod(color="yellow", **_preferred("podAntiAffinity", _term("yellow", _HOST))),
    "anti-affinity-ns-selector": _pod(
        color="green", **_required("podAntiAffinity", _term("green", _HOST, **_OF_TEAM))
    ),
    "node-affinity": _pod(**_on_nodes(matchExpressions=_is_in(_ZONE, "zone1", "zone2"))),
    "daemonset": _pod(None, **_on_nodes(matchFields=_is_in("metadata.name", NAMED_NODE))),
    "spreading": _pod(color="blue", **_spread("blue")),
    "low-priority": _pod(("900m", "500Mi"), terminationGracePeriodSeconds=0),
    "high-priority": _pod(("3", "500Mi"), **_HIGH),
    "high-priority-large-cpu": _pod(("9", "500Mi"), **_HIGH),
    # What no node takes, for four different reasons.
    "never-fits": _pod(("1000", "500Gi")),
    "never-selected": _pod(None, **_on_nodes(matchExpressions=_is_in("missing-key", "missing-value"))),
    "never-beside": _pod(None, **_required("podAffinity", _term("missing", _HOST))),
    "never-spread": _pod(None, color="white", **_spread("white")),
}
_NEVER = ("never-fits", "never-selected", "never-beside", "never-spread")


def new_pod(template: str, name: str) -> dict[str, Any]:
    """Return a pod of a template."""
    body = PODS[template]
    return {**body, "metadata": {**body["metadata"], "name": name}}


def new_object(template: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the collection, and an object of a template of `Churn`: a node, a service or a pod."""
    if template == "node":
        return "nodes", _node(name, 0, {})
    if template == "service":
        port = {"protocol": "TCP", "port": 8080, "targetPort": 8080}
        return "services", {"metadata": {"name": name}, "spec": {"selector": {"app": "foo"}, "ports": [port]}}
    return "pods", new_pod(template, name)


def _measured(template: str, count: int, namespace: str = "measured") -> Pods:
    return Pods(template, count, namespace, is_measured=True)


def _twice(template: str, first: int, measured: int, zones: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Pods of one template in a namespace, then measured ones in another, which the terms name both."""
    return Nodes(5000, zones), Pods(template, first, "sched-0"), _measured(template, measured, "sched-1")


_MOONS = ("moon-1", "moon-2", "moon-3")
_INTERVAL_S = 0.2
WORKLOADS = (
    Workload(
        "SchedulingBasic",
        270,
        (Nodes(5000), Pods("default", 1000, "init"), _measured("default", 10_000)),
        latest=680,
    ),
    Workload("SchedulingPodAntiAffinity", 60, _twice("anti-affinity", 1000, 2000)),
    Workload("SchedulingPodAffinity", 35, _twice("affinity", 5000, 5000, ("zone1",))),
    Workload("SchedulingPreferredPodAffinity", 90, _twice("preferred-affinity", 5000, 5000)),
    Workload("SchedulingPreferredPodAntiAffinity", 90, _twice("preferred-anti-affinity", 5000, 5000)),
    Workload(
        "SchedulingNodeAffinity",
        220,
        (
            Nodes(5000, ("zone1",)),
            Pods("node-affinity", 5000, "init"),
            _measured("node-affinity", 10_000),
        ),
    ),
    Workload(
        "TopologySpreading",
        85,
        (Nodes(5000, _MOONS), Pods("default", 5000, "init"), _measured("spreading", 5000)),
        latest=460,
    ),
    Workload(
        "SchedulingRequiredPodAntiAffinityWithNSSelector",
        24,
        (
            Nodes(6000),
            Namespaces("init-ns", 100, TEAM),
            Namespaces("measure-ns", 1, TEAM),
            Pods("anti-affinity-ns-selector", 4000, "init-ns", namespaces=100),
            _measured("anti-affinity-ns-selector", 2000, "measure-ns-0"),
        ),
    ),
    Workload(
        "MixedSchedulingBasePod",
        140,
        (
            Nodes(5000, ("zone1",)),
            Pods("default", 2000, "sched-0"),
            Pods("affinity", 2000, "sched-0"),
            Pods("anti-affinity", 2000, "sched-0"),
            Pods("preferred-affinity", 2000, "sched-0"),
            Pods("preferred-anti-affinity", 2000, "sched-0"),
            _measured("default", 5000),
        ),
    ),
    Workload(
        "PreemptionAsync",
        160,
        (
            Nodes(5000),
            Pods("low-priority", 20_000, "init"),
            Churn(("high-priority",), _INTERVAL_S),
            _measured("default", 5000),
        ),
        latest=570,
    ),
    Workload(
        "Unschedulable/100Init",
        170,
        (
            Nodes(5000),
            Pods("default", 100, "init"),
            Churn(("high-priority-large-cpu",), _INTERVAL_S),
            _measured("default", 10_000),
        ),
        latest=590,
    ),
    Workload(
        "Unschedulable/20kInit",
        0,
        (
            Nodes(5000),
            Pods("default", 20_000, "init"),
            Churn(("high-priority-large-cpu",), _INTERVAL_S),
            _measured("default", 10_000),
        ),
        latest=600,
    ),
    Workload(
        "SchedulingWithMixedChurn",
        265,
        (
            Nodes(5000),
            Churn(("node", "high-priority-large-cpu", "service"), 1.0, recreate=True),
            _measured("default", 10_000),
        ),
        latest=710,
    ),
    Workload(
        "SchedulingDaemonset",
        390,
        (NamedNode(), Nodes(15_000), _measured("daemonset", 30_000)),
        latest=1100,
    ),
    # Not upstream's: what pods cost that wait in vain.
    Workload("NothingPending", 0, (Nodes(5000), _measured("default", 2000))),
    Workload(
        "ManyPending",
        0,
        (
            Nodes(5000),
            *(Pods(template, 5000, "pending", is_refused=True) for template in _NEVER),
            _measured("default", 2000),
        ),
    ),
)


def scaled(workload: Workload, factor: float) -> Workload:
    """Return the workload with so many times the nodes (rounded up) and pods (rounded down, at least one)."""

    def scale(step: Step) -> Step:
        match step:
            case Nodes():
                return replace(step, count=math.ceil(step.count * factor))
            case Pods():
                return replace(step, count=max(1, int(step.count * factor)))
            case _:
                return step

    return workload if factor == 1 else replace(workload, steps=tuple(map(scale, workload.steps)))
