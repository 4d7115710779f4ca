"""InterPodAffinity: near to some pods, far from others, by any topology.

Existing pods' terms count too: their required anti-affinity refuses, their preferences score (both ways).
Source: pkg/scheduler/framework/plugins/interpodaffinity/{filtering,scoring}.go (1.36).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scheduler import hints
from scheduler.counts import in_namespaces
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.hints import Hints
from scheduler.shape import Shape, Term
from scheduler.snapshot import Ints, Mask

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
# Weight of existing pods' required affinity in scores. Source: DefaultHardPodAffinityWeight.
_HARD_WEIGHT = 1


@dataclass(frozen=True)
class InterPodAffinity:
    name: str = "InterPodAffinity"
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None,
        hints.POD_CAME: None,
        hints.NODE_CHANGED: hints.labels_differ,
        hints.NAMESPACE_CHANGED: None,
    }

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Like upstream, a node is told the first of the three reasons only."""
        told = np.zeros(len(cycle.snapshot.alive), dtype=bool)
        rejects = []
        for reason, refused, final in (
            (_AFFINITY, _lacking_affinity(cycle), True),
            (_ANTI_AFFINITY, _near_unwanted(cycle), False),
            (_EXISTING, _near_unwilling(cycle), False),
        ):
            if refused is not None:
                rejects.append(Reject(reason, refused & ~told, final))
                told |= refused
        return rejects

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        raw = np.zeros(len(feasible), dtype=np.float64)
        counts, shape = cycle.snapshot.counts, cycle.shape
        for term in shape.preferred:
            raw += term.weight * _spread_over(cycle, term, _matching(cycle, term))
        for term, holders in counts.preferred.items():
            if _matches(cycle, term, shape):
                raw += term.weight * _spread_over(cycle, term, holders)
        for term, holders in counts.affinity.items():
            if _matches(cycle, term, shape):
                raw += _HARD_WEIGHT * _spread_over(cycle, term, holders)
        if not raw.any():
            return None
        least, most = raw[feasible].min(), raw[feasible].max()
        if most == least:
            return None
        scores: Ints = (MAX_SCORE * (raw - least) / (most - least)).astype(np.int64)
        return scores


def _matching(cycle: Cycle, term: Term) -> Ints:
    snapshot = cycle.snapshot
    return snapshot.counts.matching(term.namespaces, term.selector, False, snapshot.alike)


def _matches(cycle: Cycle, term: Term, shape: Shape) -> bool:
    labels: Mapping[str, Mapping[str, str]] = cycle.snapshot.namespace_labels
    return in_namespaces(term.namespaces, shape.namespace, labels) and term.selector.matches(shape.labels)


def _spread_over(cycle: Cycle, term: Term, vector: Ints) -> NDArray[np.float64]:
    """Return, per node, the sum of `vector` over the node's domain; 0 without the label."""
    domains = cycle.snapshot.domains(term.topology_key)
    labelled = domains.ids >= 0
    if domains.unique:
        return np.where(labelled, vector, 0).astype(np.float64)
    sums = np.bincount(domains.ids[labelled], weights=vector[labelled], minlength=max(domains.count, 1))
    return np.where(labelled, sums[domains.ids], 0.0)


def _lacking_affinity(cycle: Cycle) -> Mask | None:
    terms = cycle.shape.affinity
    if not terms:
        return None
    refused = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    counts = _matching_all(cycle, terms)
    found = False
    for term in terms:
        near = _spread_over(cycle, term, counts)
        found = found or bool(near.any())
        refused |= near <= 0
    if not found and all(_matches(cycle, term, cycle.shape) for term in terms):
        # The first of a group that wants its own kind: any node with the labels will do.
        labelled = [cycle.snapshot.domains(term.topology_key).ids >= 0 for term in terms]
        unlabelled: Mask = ~np.logical_and.reduce(labelled)
        return unlabelled
    return refused


def _matching_all(cycle: Cycle, terms: Sequence[Term]) -> Ints:
    """Return pods per node that match every term: one that matches only some satisfies none."""
    if len(terms) == 1:
        return _matching(cycle, terms[0])
    counts = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for alike in cycle.snapshot.alike.values():
        shape = next(iter(alike.values())).shape
        if all(_matches(cycle, term, shape) for term in terms):
            for record in alike.values():
                counts[record.slot] += 1
    return counts


def _near_unwanted(cycle: Cycle) -> Mask | None:
    if not cycle.shape.anti_affinity:
        return None
    refused = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    for term in cycle.shape.anti_affinity:
        refused |= _spread_over(cycle, term, _matching(cycle, term)) > 0
    return refused


def _near_unwilling(cycle: Cycle) -> Mask | None:
    refused = None
    for term, holders in cycle.snapshot.counts.anti_affinity.items():
        if _matches(cycle, term, cycle.shape):
            hit = _spread_over(cycle, term, holders) > 0
            refused = hit if refused is None else refused | hit
    return refused
