"""daemonset-controller: one pod on every node that fits.

    node fits, no pod           --> create, pinned to the node by affinity
    node does not fit any more  --> delete
    pod has ended               --> delete; the next plan replaces it
    pod of an old template      --> deleted while at most `maxUnavailable` nodes have no available pod

Source: pkg/controller/daemon (1.36). DEVIATION: `maxSurge` counts as 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.intstr import scaled
from api.podspec import is_pod_ready, is_terminal
from api.resource import Key, Obj, key_of
from api.types.apps_v1 import CONTROLLERREVISIONS, DAEMONSETS, DaemonSet
from api.types.core_v1 import NODES, PODS, Node, Pod
from controllers.claims import claim, label_selector_of, owners_by_selector, selects_template
from controllers.daemonset.nodes import node_of, pinned, should_run
from controllers.framework.controller import View, Watch, controller
from controllers.framework.plan import Change, Create, Plan, Record, SetStatus, delete
from controllers.history import HASH_LABEL, keep_history, to_forget
from controllers.pods import available_in_s, new_pod
from controllers.replicas import BURST

_COUNTS = (
    "desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "observedGeneration",
)  # fmt: skip
# Always present, even when 0, as in upstream's JSON.
_ALWAYS = frozenset({"desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady"})


@dataclass(frozen=True)
class _Place:
    """One node: whether a pod should start or may stay there, and the pods that are there, oldest first."""

    node: str
    start: bool
    stay: bool
    pods: tuple[Pod, ...]

    @property
    def alive(self) -> list[Pod]:
        return [p for p in self.pods if "deletionTimestamp" not in p["metadata"] and not is_terminal(p)]


def _every_daemonset(node: Mapping[str, Any], view: View) -> Iterable[Key]:
    return [key_of(each) for each in view.list(DAEMONSETS)]


def _relevant(node: Mapping[str, Any]) -> Any:
    return node["metadata"].get("labels"), node["spec"].get("taints"), node["spec"].get("unschedulable")


@controller(
    "daemonset-controller",
    of=DAEMONSETS,
    owns=(PODS, CONTROLLERREVISIONS),
    watches={PODS: owners_by_selector(DAEMONSETS), NODES: Watch(_every_daemonset, _relevant)},
)
def daemonset(ds: DaemonSet, view: View, now: datetime) -> Plan:
    selector = label_selector_of(ds)
    if selector.empty:
        message = "This daemon set is selecting all pods. A non-empty selector is required."
        return Plan((Record(ds, "Warning", "SelectingAll", message),))
    claimed = claim(ds, DAEMONSETS, PODS, selector, view)
    changes: list[Change] = [*claimed.changes]
    revisions = list(view.owned(CONTROLLERREVISIONS, ds))
    history = keep_history(ds, DAEMONSETS, revisions)
    places = _places(ds, view, claimed.mine)
    if "deletionTimestamp" not in ds["metadata"] and selects_template(selector, ds):
        changes += history.changes
        changes += _manage(ds, places, history.digest)
        if not any(isinstance(change, Create) for change in changes):
            changes += _roll(ds, places, history.digest, now)
        used = {(p["metadata"].get("labels") or {}).get(HASH_LABEL, "") for p in claimed.mine}
        changes += to_forget(ds, revisions, {*used, history.digest})
    status, wait_s = _status(ds, places, history.digest, now)
    if status is not None:
        changes.append(SetStatus(DAEMONSETS, ds, status))
    return Plan(tuple(changes), wait_s)


def _places(ds: DaemonSet, view: View, pods: Iterable[Pod]) -> list[_Place]:
    by_node: dict[str, list[Pod]] = {}
    for pod in pods:
        by_node.setdefault(node_of(pod), []).append(pod)
    spec: Any = (ds["spec"].get("template") or {}).get("spec") or {}
    places = []
    nodes: list[Node] = list(view.list(NODES))
    for node in nodes:
        name = node["metadata"]["name"]
        start, stay = should_run(spec, node)
        found = sorted(by_node.pop(name, []), key=_age)
        places.append(_Place(name, start, stay, tuple(found)))
    places += [_Place(name, False, False, tuple(sorted(found, key=_age))) for name, found in by_node.items()]
    return places


def _age(pod: Pod) -> tuple[bool, str, str]:
    return (
        not pod["spec"].get("nodeName"),
        pod["metadata"].get("creationTimestamp", ""),
        pod["metadata"]["name"],
    )


def _manage(ds: DaemonSet, places: Iterable[_Place], digest: str) -> list[Change]:
    creates: list[Change] = []
    deletes: list[Change] = []
    for place in places:
        ended = [p for p in place.pods if is_terminal(p) and "deletionTimestamp" not in p["metadata"]]
        for pod in ended:
            key, node = key_of(pod), place.node
            if (pod.get("status") or {}).get("phase") == "Failed":
                message = f"Found failed daemon pod {key} on node {node}, will try to kill it"
                deletes.append(Record(ds, "Warning", "FailedDaemonPod", message))
            deletes.append(delete(PODS, pod, about=ds))
        if not place.stay:
            deletes += [delete(PODS, pod, about=ds) for pod in place.alive]
        else:
            deletes += [delete(PODS, pod, about=ds) for pod in place.alive[1:]]
            if place.start and not place.pods:
                creates.append(_create(ds, place.node, digest))
    return [*creates[:BURST], *deletes[:BURST]]


def _create(ds: DaemonSet, node_name: str, digest: str) -> Create:
    pod = new_pod(ds["spec"].get("template") or {}, ds, DAEMONSETS)
    pod["spec"] = pinned(pod["spec"], node_name)
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), HASH_LABEL: digest}
    return Create(PODS, pod, ds["metadata"].get("namespace", ""), about=ds)


def _roll(ds: DaemonSet, places: Iterable[_Place], digest: str, now: datetime) -> list[Change]:
    """Return the deletions of pods of old templates: unavailable ones at once, others within the limit."""
    strategy: Any = ds["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return []
    wanted = [place for place in places if place.stay]
    rolling = strategy.get("rollingUpdate") or {}
    limit = scaled(rolling.get("maxUnavailable", 1), len(wanted), round_up=True)
    unavailable = 0
    broken: list[Pod] = []
    working: list[Pod] = []
    for place in wanted:
        pod = next(iter(place.alive), None)
        available = pod is not None and _is_available(ds, pod, now)
        unavailable += not available
        if pod is not None and not _is_current(pod, digest):
            (working if available else broken).append(pod)
    chosen = [*broken, *working[: max(0, limit - unavailable)]]
    return [delete(PODS, pod, about=ds) for pod in chosen]


def _is_current(pod: Pod, digest: str) -> bool:
    return (pod["metadata"].get("labels") or {}).get(HASH_LABEL) == digest


def _is_available(ds: DaemonSet, pod: Pod, now: datetime) -> bool:
    return available_in_s(pod, int(ds["spec"].get("minReadySeconds", 0)), now) == 0


def _status(
    ds: DaemonSet, places: Iterable[_Place], digest: str, now: datetime
) -> tuple[Obj | None, float | None]:
    counts = dict.fromkeys(_COUNTS, 0)
    counts["observedGeneration"] = ds["metadata"].get("generation", 0)
    waits: list[float] = []
    for place in places:
        if not place.start:
            counts["numberMisscheduled"] += bool(place.pods)
            continue
        counts["desiredNumberScheduled"] += 1
        if not place.pods:
            continue
        counts["currentNumberScheduled"] += 1
        pod = next(iter(place.alive or place.pods))
        if is_pod_ready(pod):
            counts["numberReady"] += 1
            counts["numberAvailable"] += _is_available(ds, pod, now)
            if wait := available_in_s(pod, int(ds["spec"].get("minReadySeconds", 0)), now):
                waits.append(wait)
        counts["updatedNumberScheduled"] += _is_current(pod, digest)
    counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    old: Obj = dict(ds.get("status") or {})
    wait_s = min(waits, default=None)
    if all(old.get(name, 0) == counts[name] for name in _COUNTS):
        return None, wait_s
    foreign = {name: value for name, value in old.items() if name not in _COUNTS}
    shown = {name: value for name, value in counts.items() if value or name in _ALWAYS}
    return {**foreign, **shown}, wait_s
