"""Short ways to say a node, a pod, a cluster of both; and to ask where a pod would go."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from api.labels import Selector
from scheduler.decide import find_feasible, schedule, total_of, weigh
from scheduler.framework import Cycle, Placement, Unschedulable
from scheduler.kept import Kept
from scheduler.objects import Objects
from scheduler.profiles import default_profile
from scheduler.shape import Shapes
from scheduler.snapshot import Snapshot

PROFILE = default_profile()
PROFILES = {PROFILE.name: PROFILE}


def node(name: str, labels: Mapping[str, str] | None = None, **more: Any) -> Any:
    """Return a node of 4 CPUs, 8 GiB and 110 pods; `offers` changes that, `taints` are (key, effect)."""
    offers = {"cpu": "4", "memory": "8Gi", "pods": "110", **more.get("offers", {})}
    spec: dict[str, Any] = {}
    if taints := more.get("taints"):
        spec["taints"] = [{"key": key, "effect": effect} for key, effect in taints]
    if more.get("unschedulable"):
        spec["unschedulable"] = True
    images = [{"names": [image], "sizeBytes": size} for image, size in more.get("images", {}).items()]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": spec,
        "status": {"allocatable": offers, "images": images},
    }


def pod(name: str, on: str = "", labels: Mapping[str, str] | None = None, **more: Any) -> Any:
    """Return a pod; `requests` are of its one container, other keywords go into the spec."""
    namespace = more.pop("namespace", "default")
    terminating = more.pop("terminating", False)
    requests = more.pop("requests", None)
    status = more.pop("status", {})
    container: dict[str, Any] = {"name": "main", "image": more.pop("image", "app:1")}
    if ports := more.pop("ports", None):
        container["ports"] = ports
    if requests:
        container["resources"] = {"requests": requests}
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}}
    if terminating:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if owner := more.pop("owner", None):
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    spec: dict[str, Any] = {"containers": [container], **more}
    if on:
        spec["nodeName"] = on
    return {"metadata": metadata, "spec": spec, "status": status}


def spread(key: str, skew: int = 1, hard: bool = True, **more: Any) -> Any:
    """Return a topology spread constraint over pods with app=web."""
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }


def term(key: str, app: str = "web", **more: Any) -> Any:
    """Return a pod affinity term towards pods with app=`app`."""
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}


def near(*terms: Any) -> Any:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def apart(*terms: Any) -> Any:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


class World:
    """A snapshot of nodes and placed pods, and what it says of others."""

    def __init__(self, nodes: Iterable[Any], pods: Iterable[Any] = (), **namespaces: Any) -> None:
        self.snapshot, self.shapes, self.kept = Snapshot(), Shapes(), Kept()
        self.objects = Objects()
        self.snapshot.set_namespace_labels(namespaces)
        for each in nodes:
            self.snapshot.set_node(each)
        for each in pods:
            self.place(each)

    def place(self, each: Any) -> None:
        metadata = each["metadata"]
        terminating = "deletionTimestamp" in metadata
        self.snapshot.add_pod(metadata["uid"], each["spec"]["nodeName"], self.shapes.of(each), terminating)

    def cycle(self, each: Any, default_selector: Selector | None = None) -> Cycle:
        shape = self.shapes.of(each)
        return Cycle(each, shape, self.snapshot, self.kept, self.objects, default_selector=default_selector)

    def names(self, mask: Any) -> set[str]:
        return {self.snapshot.names[slot] for slot in np.flatnonzero(mask & self.snapshot.alive)}

    def refused(self, plugin: Any, each: Any, **settings: Any) -> dict[str, tuple[str, bool]]:
        """Return what a filter says: node -> (reason, final)."""
        cycle = self.cycle(each)
        for name, value in settings.items():
            setattr(cycle, name, value)
        found = {}
        for reject in plugin.filter(cycle):
            found.update(dict.fromkeys(self.names(reject.nodes), (reject.reason, reject.final)))
        return found

    def scores(
        self, plugin: Any, each: Any, among: Iterable[str] = (), default_selector: Selector | None = None
    ) -> dict[str, int] | None:
        """Return the scores of a plugin by node, over the nodes `among` (or all)."""
        feasible = self.snapshot.alive.copy()
        for name, slot in self.snapshot.index.items():
            feasible[slot] = not among or name in among
        scores = plugin.score(self.cycle(each, default_selector), feasible)
        if scores is None:
            return None
        return {name: int(scores[slot]) for name, slot in self.snapshot.index.items() if feasible[slot]}

    def feasible(self, each: Any) -> set[str]:
        return self.names(find_feasible(self.cycle(each), PROFILE)[0])

    def totals(self, each: Any, default_selector: Selector | None = None) -> dict[str, int]:
        cycle = self.cycle(each, default_selector)
        mask, _ = find_feasible(cycle, PROFILE)
        if not mask.any():
            return {}
        total = total_of(weigh(cycle, PROFILE, mask), mask)
        return {self.snapshot.names[slot]: int(total[slot]) for slot in np.flatnonzero(mask)}

    def decide(self, each: Any, seed: int = 0) -> Placement | Unschedulable:
        return schedule(self.cycle(each), PROFILE, each["metadata"]["name"], seed)
