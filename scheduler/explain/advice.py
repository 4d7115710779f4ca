"""The smallest change that would let a pod run. Pure; called by `explainer`, which may rest between steps.

Tried are single changes: those of the pod that `edits` lists, then those of the cluster:

    Uncordon    one node
    FreeRoom    on one node, by deleting the pods that are named
    AddNode     one more node like one that is there, empty

Each is applied to a copy of the pod, or for a moment to the snapshot, and every filter is asked again: what
is advised does let the pod run. Changes of the pod come before changes of the cluster; within each, the
smaller comes first. The size of an edit is what `edits` says. Uncordoning is 0; room is the largest share of
what a node offers of one resource that must be freed; a node is 1.

Which pods to delete for room: those of the lowest priority first, of equals the one that frees the largest
part of what is missing, until nothing is; then those that were not needed after all are let off. A node where
that does not help is not advised. Of very many taints, cordoned nodes or sorts of nodes only the first are
tried (`_MOST`); node conditions (`node.kubernetes.io/...`) are never tolerated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import orjson

from api.podspec import to_quantity
from api.types.core_v1 import Node, Pod, Taint
from scheduler.explain.asking import Question, ask_all, node_changed, only, pods_away
from scheduler.explain.detail import Detail
from scheduler.explain.edits import Edit, fixed_edits, lowered_requests, raised_skew
from scheduler.ranked import priority_of
from scheduler.snapshot import Ints, Mask, Snapshot

KINDS = (
    "LowerRequest", "RaiseMaxSkew", "RemoveHostPort", "AddToleration", "DropNodeSelector", "DropNodeAffinity",
    "DropPodAffinity", "DropPodAntiAffinity", "RelaxSpread", "Uncordon", "FreeRoom", "AddNode",
)  # fmt: skip
_FIT = "NodeResourcesFit"
_CORDON = "node.kubernetes.io/unschedulable"
_CONDITIONS = "node.kubernetes.io/"
_HOSTNAME = "kubernetes.io/hostname"
# Taints, cordoned nodes, nodes with room to be made, sorts of nodes that are tried.
_MOST = 64
# Nodes looked at before the caller may rest.
_NODES_AT_ONCE = 256


@dataclass(frozen=True)
class Advice:
    """One change that would let the pod run on `nodes` nodes, of which `node` is one.

    `patch` is a JSON patch of the pod; a change of the cluster has none. `delete` are pods to delete.
    """

    kind: str
    text: str
    size: Fraction
    node: str
    nodes: int
    patch: tuple[Mapping[str, Any], ...] = ()
    delete: tuple[Pod, ...] = ()

    @property
    def rank(self) -> tuple[bool, Fraction, int, str]:
        """What advice is sorted by, the smallest change first."""
        return not self.patch, self.size, KINDS.index(self.kind), self.text


def advise(
    question: Question, pods_on: Callable[[str], Iterable[Pod]], among: Mask | None = None
) -> Iterator[Advice | None]:
    """Yield what would let the pod run (on one of the nodes `among`, or on any), unsorted; None in between.

    Between two values the caller may let others change the snapshot: each try stands for itself.
    """
    yield from _edited(question, among)
    yield from _uncordoned(question, among)
    yield from _freed(question, pods_on, among)
    if among is None:
        yield from _added(question)


# -- changes of the pod


def _edited(question: Question, among: Mask | None) -> Iterator[Advice | None]:
    for edit in edits_of(question, among):
        yield _tried(question, edit, among) if edit is not None else None


def edits_of(question: Question, among: Mask | None) -> Iterator[Edit | None]:
    """Yield the changes of the pod that are worth trying; None in between."""
    pod, shape = question.cycle.pod, question.cycle.shape
    for resource, amount in shape.requests.items():
        most = _room_for(question, resource, among)
        yield None
        if most is not None and most < amount:
            yield from lowered_requests(pod, resource, most)
    for number, constraint in enumerate(shape.spread):
        if constraint.hard and (edit := _least_skew(question, number, among)) is not None:
            yield edit
        yield None
    yield from fixed_edits(pod, _taints(question.snapshot))


def _tried(question: Question, edit: Edit, among: Mask | None) -> Advice | None:
    changed = question.about(edit.apply(question.cycle.pod))
    return _advice(edit, question.snapshot, changed.feasible(among))


def _advice(edit: Edit, snapshot: Snapshot, feasible: Mask) -> Advice | None:
    count = int(np.count_nonzero(feasible))
    if not count:
        return None
    node = snapshot.names[int(feasible.argmax())]
    return Advice(edit.kind, edit.text, edit.size, node, count, edit.patch)


def _room_for(question: Question, resource: str, among: Mask | None) -> int | None:
    """Return the most that the pod may request of a resource so that it fits somewhere, None if it fits
    nowhere even without.
    """
    feasible = question.without(resource).feasible(among)
    if not feasible.any():
        return None
    snapshot = question.snapshot
    offered = snapshot.allocatable.get(resource)
    if offered is None:
        return 0
    return max(0, int((offered - snapshot.requested[resource])[feasible].max()))


def _least_skew(question: Question, number: int, among: Mask | None) -> Edit | None:
    """Return the change to the least maxSkew that helps, None if none does."""
    pod, snapshot = question.cycle.pod, question.snapshot

    def helps(skew: int) -> bool:
        changed = question.about(raised_skew(pod, number, skew).apply(pod))
        return bool(changed.feasible(among).any())

    low, high = question.cycle.shape.spread[number].max_skew + 1, len(snapshot.pods) + 1
    if high < low or not helps(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if helps(middle) else (middle + 1, high)
    return raised_skew(pod, number, low)


def _taints(snapshot: Snapshot) -> list[Taint]:
    distinct: dict[tuple[str, str, str], Taint] = {}
    for taints in snapshot.taints.values():
        for taint in taints:
            distinct.setdefault((taint["key"], taint.get("value") or "", taint["effect"]), taint)
    return list(distinct.values())[:_MOST]


# -- changes of the cluster


def _uncordoned(question: Question, among: Mask | None) -> Iterator[Advice | None]:
    snapshot = question.snapshot
    cordoned = snapshot.unschedulable & (snapshot.alive if among is None else among)
    for slot in np.flatnonzero(cordoned)[:_MOST]:
        node, name = snapshot.nodes[slot], snapshot.names[slot]
        if node is not None:
            with node_changed(snapshot, uncordoned(node)):
                feasible = question.feasible(only(snapshot, [slot]))
            yield (Advice("Uncordon", f"uncordon {name}", Fraction(0), name, 1) if feasible.any() else None)


def uncordoned(node: Node) -> Node:
    """Return the node as it is when it takes pods again."""
    spec: Any = dict(node.get("spec") or {})
    spec.pop("unschedulable", None)
    spec["taints"] = [taint for taint in spec.get("taints") or () if taint["key"] != _CORDON]
    changed: Any = {**node, "spec": spec}
    return changed  # type: ignore[no-any-return]


def _freed(
    question: Question, pods_on: Callable[[str], Iterable[Pod]], among: Mask | None
) -> Iterator[Advice | None]:
    snapshot, detail = question.snapshot, ask_all(question)
    yield None
    candidates = _short_of_room(detail, snapshot, among)
    found = 0
    for slot, name, size in _by_share(question, candidates):
        if snapshot.names[slot] != name:
            continue
        chosen = _to_delete(question, slot, list(pods_on(name)))
        with pods_away(snapshot, [pod["metadata"]["uid"] for pod in chosen]):
            helps = question.feasible(only(snapshot, [slot])).any()
        if helps:
            yield _room(question, slot, size, chosen)
            found += 1
            if found == 3:
                return
        yield None


def _short_of_room(detail: Detail, snapshot: Snapshot, among: Mask | None) -> Mask:
    """Return the nodes that are refused for want of room alone, and could ever have it."""
    short: Mask = np.zeros(len(snapshot.alive), dtype=bool)
    for verdict, mask in detail.refused.items():
        if verdict.plugin == _FIT and not verdict.final:
            short[: len(mask)] |= mask
    for verdict, mask in detail.refused.items():
        if verdict.plugin != _FIT or verdict.final:
            short[: len(mask)] &= ~mask
    return short if among is None else short & among


def _missing(question: Question) -> dict[str, Ints]:
    """Return what nodes lack for the pod, by resource, 0 or less where nothing is lacking."""
    snapshot, requests = question.snapshot, {**question.cycle.shape.requests, "pods": 1}
    return {
        name: snapshot.requested[name] + amount - snapshot.allocatable[name]
        for name, amount in requests.items()
        if name in snapshot.allocatable
    }


def _by_share(question: Question, slots: Mask) -> list[tuple[int, str, Fraction]]:
    """Return (slot, name, share of the node that must be freed) of the nodes with the smallest shares."""
    missing, snapshot = _missing(question), question.snapshot
    shares = np.zeros(len(slots), dtype=np.float64)
    for name, lack in missing.items():
        np.maximum(shares, lack / np.maximum(snapshot.allocatable[name], 1), out=shares)
    where = np.flatnonzero(slots)
    where = where[np.argsort(shares[where], kind="stable")[:_MOST]]

    def exactly(slot: int) -> Fraction:
        return max(
            Fraction(max(0, int(lack[slot])), max(1, int(snapshot.allocatable[name][slot])))
            for name, lack in missing.items()
        )

    found = [(slot, snapshot.names[slot], exactly(slot)) for slot in map(int, where)]
    return sorted(found, key=lambda item: (item[2], item[0]))


def _to_delete(question: Question, slot: int, pods: list[Pod]) -> list[Pod]:
    """Choose the pods whose end makes enough room; all of them if that is not enough."""
    records = question.snapshot.pods
    lack = {name: int(array[slot]) for name, array in _missing(question).items() if array[slot] > 0}

    def frees(pod: Pod, name: str) -> int:
        record = records.get(pod["metadata"]["uid"])
        return 0 if record is None else 1 if name == "pods" else record.shape.requests.get(name, 0)

    def part(pod: Pod) -> float:
        return sum(min(frees(pod, name), short) / short for name, short in lack.items())

    chosen: list[Pod] = []
    for pod in sorted(pods, key=lambda pod: (priority_of(pod), -part(pod), pod["metadata"]["uid"])):
        if all(sum(frees(each, name) for each in chosen) >= short for name, short in lack.items()):
            break
        if part(pod):
            chosen.append(pod)
    for pod in list(chosen):
        rest = [each for each in chosen if each is not pod]
        if all(sum(frees(each, name) for each in rest) >= short for name, short in lack.items()):
            chosen = rest
    return chosen


def _room(question: Question, slot: int, size: Fraction, chosen: list[Pod]) -> Advice:
    lack = {name: int(array[slot]) for name, array in _missing(question).items() if array[slot] > 0}
    node = question.snapshot.names[slot]
    amounts = [
        "a place for one pod" if name == "pods" else f"{to_quantity(name, short)} {name}"
        for name, short in lack.items()
    ]
    number = "1 pod" if len(chosen) == 1 else f"{len(chosen)} pods"
    text = f"free {' and '.join(amounts)} on {node} by deleting {number}"
    return Advice("FreeRoom", text, size, node, 1, delete=tuple(chosen))


def _added(question: Question) -> Iterator[Advice | None]:
    snapshot, seen = question.snapshot, set[bytes]()
    for number, node in enumerate(list(snapshot.nodes)):
        if number % _NODES_AT_ONCE == 0:
            yield None
        if node is None or len(seen) >= _MOST:
            continue
        template = _template(node)
        key = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
        if key in seen:
            continue
        seen.add(key)
        name = node["metadata"]["name"]
        with node_changed(snapshot, _named(template, snapshot, name)) as slot:
            helps = question.feasible(only(snapshot, [slot])).any()
        yield Advice("AddNode", f"add a node like {name}", Fraction(1), name, 1) if helps else None


def _template(node: Node) -> Any:
    """Return a node as it would be new: without a name, images, and what its condition has brought it."""
    taints = [t for t in (node.get("spec") or {}).get("taints") or () if not t["key"].startswith(_CONDITIONS)]
    labels = {k: v for k, v in (node["metadata"].get("labels") or {}).items() if k != _HOSTNAME}
    offered = (node.get("status") or {}).get("allocatable") or {}
    return {"metadata": {"labels": labels}, "spec": {"taints": taints}, "status": {"allocatable": offered}}


def _named(template: Any, snapshot: Snapshot, like: str) -> Any:
    name = f"{like}-like"
    while name in snapshot.index:
        name += "-"
    metadata = {"name": name, "labels": {**template["metadata"]["labels"], _HOSTNAME: name}}
    return {**template, "metadata": metadata}
