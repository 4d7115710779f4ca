"""NodeAffinity: nodeSelector, required and preferred node affinity.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity, pkg/scheduler/framework/plugins/nodeaffinity
(1.36).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.core.node_selector import NodeSelector, Term, new_term
from scheduler import hints
from scheduler.framework import Cycle, Reject, normalise
from scheduler.hints import Hints
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask

_OWN = "node(s) didn't match Pod's node affinity/selector"
_ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
_CONFLICT = "pod affinity terms conflict"


@dataclass(frozen=True)
class NodeAffinity:
    """`added` and `preferred` (terms with weights) count for every pod beside its own affinity."""

    name: str = "NodeAffinity"
    added: NodeSelector | None = None
    preferred: tuple[tuple[Term, int], ...] = ()
    hints: ClassVar[Hints] = {hints.NODE_CHANGED: hints.labels_differ}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def narrow(self, cycle: Cycle) -> Collection[str] | None:
        """Pods of a DaemonSet name their node."""
        return _named_nodes(cycle.shape.spec) or None

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        rejects: list[Reject] = []
        allowed: Mask | None = None
        if self.added is not None:
            allowed = cycle.shared(f"{self.name}/added", lambda: _selected(cycle, self.added))
            rejects.append(Reject(_ENFORCED, ~allowed, final=True))
        spec = cycle.shape.spec
        if has_required(spec):
            if _named_nodes(spec) == frozenset():
                return (Reject(_CONFLICT, cycle.snapshot.alive, final=True, of_pod=True),)
            refused = ~matching_nodes(cycle)
            rejects.append(Reject(_OWN, refused if allowed is None else refused & allowed, final=True))
        return rejects

    def score_is_static(self, cycle: Cycle) -> bool:
        own = _node_affinity(cycle.shape.spec).get("preferredDuringSchedulingIgnoredDuringExecution")
        return not own and not self.preferred

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        wishes = _node_affinity(cycle.shape.spec).get("preferredDuringSchedulingIgnoredDuringExecution")
        if not wishes and not self.preferred:
            return None
        weights = np.zeros(len(feasible), dtype=np.int64)
        if wishes:
            terms = [(new_term(each["preference"]), each["weight"]) for each in wishes if each["weight"]]
            weights = cycle.of_nodes(
                self.name + "/score", lambda where: _weights(cycle, terms, where), cycle.shape.node_selection
            )
        if self.preferred:
            weights = weights + cycle.shared(
                f"{self.name}/added/score", lambda: _weights(cycle, self.preferred, slice(None))
            )
        return normalise(weights, feasible)


def matching_nodes(cycle: Cycle) -> Mask:
    """Return the nodes that satisfy nodeSelector and required affinity (all, if there are neither)."""
    if not has_required(cycle.shape.spec):
        return cycle.snapshot.alive
    return cycle.of_nodes("NodeAffinity", lambda where: _compute(cycle, where), cycle.shape.node_selection)


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


def _named_nodes(spec: Any) -> frozenset[str] | None:
    """Return the only nodes that required affinity names; None if it does not go by names alone. No nodes:
    it contradicts itself.
    """
    terms = _required(spec).get("nodeSelectorTerms")
    if not terms:
        return None
    found: set[str] = set()
    for term in terms:
        names: set[str] | None = None
        for wanted in term.get("matchFields") or ():
            if (wanted["key"], wanted["operator"]) == ("metadata.name", "In"):
                names = set(wanted["values"]) if names is None else names.intersection(wanted["values"])
        if names is None:
            return None
        found |= names
    return frozenset(found)


def _selected(cycle: Cycle, selector: NodeSelector | None) -> Mask:
    """Return the nodes that a selector matches."""
    snapshot = cycle.snapshot
    selected = np.zeros(len(snapshot.alive), dtype=bool)
    for name, slot in snapshot.index.items():
        node = snapshot.nodes[slot]
        if node is not None and selector is not None:
            selected[slot] = selector.matches(name, node["metadata"].get("labels") or {})
    return selected


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


def _weights(cycle: Cycle, terms: Sequence[tuple[Term, int]], where: Where) -> Ints:
    weights = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for slot in cycle.snapshot.slots(where):
        node = cycle.snapshot.nodes[slot]
        if node is not None:
            labels = node["metadata"].get("labels") or {}
            name = cycle.snapshot.names[slot]
            weights[slot] = sum(weight for term, weight in terms if term.matches(name, labels))
    return weights[where]
