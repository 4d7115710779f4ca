"""NodeAffinity: nodeSelector, required and preferred node affinity.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity, pkg/scheduler/framework/plugins/nodeaffinity
(1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.core.node_selector import Term, new_term
from scheduler import hints
from scheduler.framework import Cycle, Reject, normalise
from scheduler.hints import Hints
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class NodeAffinity:
    name: str = "NodeAffinity"
    hints: ClassVar[Hints] = {hints.NODE_CHANGED: hints.labels_differ}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        if not has_required(cycle.shape.spec):
            return ()
        refused = ~matching_nodes(cycle)
        return (Reject("node(s) didn't match Pod's node affinity/selector", refused, final=True),)

    def score_is_static(self, cycle: Cycle) -> bool:
        return not _node_affinity(cycle.shape.spec).get("preferredDuringSchedulingIgnoredDuringExecution")

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        preferred = _node_affinity(cycle.shape.spec).get("preferredDuringSchedulingIgnoredDuringExecution")
        if not preferred:
            return None
        weights = cycle.of_nodes(self.name + "/score", lambda where: _weights(cycle, preferred, where))
        return normalise(weights, feasible)


def matching_nodes(cycle: Cycle) -> Mask:
    """Return the nodes that satisfy nodeSelector and required affinity (all, if there are neither)."""
    if not has_required(cycle.shape.spec):
        return cycle.snapshot.alive
    return cycle.of_nodes("NodeAffinity", lambda where: _compute(cycle, where))


def has_required(spec: Any) -> bool:
    """Say whether a pod has a nodeSelector or required node affinity."""
    return bool(spec.get("nodeSelector")) or bool(_required(spec))


def _node_affinity(spec: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return found


def _required(spec: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        _node_affinity(spec).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    )
    return found


def _compute(cycle: Cycle, where: Where) -> Mask:
    spec, snapshot = cycle.shape.spec, cycle.snapshot
    selector = list((spec.get("nodeSelector") or {}).items())
    required = _required(spec)
    terms = [new_term(term) for term in required.get("nodeSelectorTerms") or ()]
    matched = np.zeros(len(snapshot.alive), dtype=bool)
    for slot in _candidates(cycle, terms if required else None, where):
        node = snapshot.nodes[slot]
        if node is None:
            continue
        labels = node["metadata"].get("labels") or {}
        if any(labels.get(key) != value for key, value in selector):
            continue
        matched[slot] = not required or any(term.matches(snapshot.names[slot], labels) for term in terms)
    return matched[where]


def _candidates(cycle: Cycle, terms: list[Term] | None, where: Where) -> Iterable[int]:
    """Return the slots worth a look. Pods of a DaemonSet name their node: then it is that one."""
    some = cycle.snapshot.slots(where)
    named: set[str] = set()
    for term in terms or ():
        exact = dict(term.fields.exact)
        if "metadata.name" not in exact:
            return some
        named.add(exact["metadata.name"])
    if terms is None or not isinstance(where, slice):
        return some
    return [cycle.snapshot.index[name] for name in named if name in cycle.snapshot.index]


def _weights(cycle: Cycle, preferred: Sequence[Mapping[str, Any]], where: Where) -> Ints:
    terms = [(new_term(entry["preference"]), entry["weight"]) for entry in preferred if entry["weight"]]
    weights = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for slot in cycle.snapshot.slots(where):
        node = cycle.snapshot.nodes[slot]
        if node is not None:
            labels = node["metadata"].get("labels") or {}
            name = cycle.snapshot.names[slot]
            weights[slot] = sum(weight for term, weight in terms if term.matches(name, labels))
    return weights[where]
