"""InterPodAffinity: near to some pods, far from others, by any topology.

Existing pods' terms count too: their required anti-affinity refuses, their preferences score (both ways).
Source: pkg/scheduler/framework/plugins/interpodaffinity/{filtering,scoring}.go (1.36).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from scheduler import hints
from scheduler.counts import Vector
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.hints import Hints
from scheduler.shape import Term
from scheduler.snapshot import Ints, Mask

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
# Sums of wishes mostly differ by less than this.
_TABULATED = 256


@dataclass(frozen=True)
class InterPodAffinity:
    """`hard_weight` is what existing pods' required affinity adds to scores. `ignore_preferred`: preferences
    of existing pods count only for pods with preferences of their own.
    """

    name: str = "InterPodAffinity"
    hard_weight: int = 1
    ignore_preferred: bool = False
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None,
        hints.POD_CAME: None,
        hints.NODE_CHANGED: hints.labels_differ,
        hints.NAMESPACE_CHANGED: None,
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        counts, shape = cycle.snapshot.counts, cycle.shape
        if shape.affinity or shape.anti_affinity:
            return False
        return next(counts.about(counts.anti_affinity, shape), None) is None

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Like upstream, a node is told the first of the three reasons only."""
        told: Mask | None = None
        rejects = []
        for reason, refused, final in (
            (_AFFINITY, _lacking_affinity(cycle), True),
            (_ANTI_AFFINITY, _near_unwanted(cycle), False),
            (_EXISTING, _near_unwilling(cycle), False),
        ):
            if refused is not None:
                rejects.append(Reject(reason, refused if told is None else refused & ~told, final))
                told = refused if told is None else told | refused
        return rejects

    def score_is_static(self, cycle: Cycle) -> bool:
        shape = cycle.shape
        if shape.affinity or shape.preferred:
            return False
        return self.ignore_preferred or next(_wishes(cycle, self.hard_weight), None) is None

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        raw: Ints | None = None
        if self.ignore_preferred and not cycle.shape.preferred:
            return None
        for weight, term, vector in _wishes(cycle, self.hard_weight):
            if not vector.total:
                continue
            near = weight * vector.over(cycle.snapshot.domains(term.topology_key))
            raw = near if raw is None else raw + near
        if raw is None:
            return None
        wanted = raw[feasible]
        least, most = int(np.minimum.reduce(wanted)), int(np.maximum.reduce(wanted))
        if most == least:
            return None
        if most - least < _TABULATED:
            return _scale(most - least).take(raw - least, mode="clip")
        return _scaled(raw - least, most - least)


def _scaled(wishes: Ints, most: int) -> Ints:
    scores: Ints = (MAX_SCORE * (wishes / most)).astype(np.int64)
    return scores


@lru_cache(_TABULATED)
def _scale(most: int) -> Ints:
    """Return the scores of 0 to `most`, to look them up: in half the time."""
    return _scaled(np.arange(most + 1), most)


def _wishes(cycle: Cycle, hard_weight: int) -> Iterator[tuple[int, Term, Vector]]:
    """Yield (weight, term, pods that it is about): the pod's own preferences, and others' towards it."""
    counts, shape = cycle.snapshot.counts, cycle.shape
    for term in shape.preferred:
        yield term.weight, term, _matching(cycle, term)
    for term, holders in counts.about(counts.preferred, shape):
        yield term.weight, term, holders
    if hard_weight:
        for term, holders in counts.about(counts.affinity, shape):
            yield hard_weight, term, holders


def _matching(cycle: Cycle, term: Term) -> Vector:
    return cycle.snapshot.counts.matching(term.namespaces, term.selector, False)


def _near(cycle: Cycle, term: Term, vector: Vector) -> Mask:
    """Return the nodes whose domain has any of the pods."""
    if not vector.total:
        return np.zeros(len(cycle.snapshot.alive), dtype=bool)
    near: Mask = vector.over(cycle.snapshot.domains(term.topology_key)) > 0
    return near


def _lacking_affinity(cycle: Cycle) -> Mask | None:
    terms = cycle.shape.affinity
    if not terms:
        return None
    refused = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    counts = cycle.snapshot.counts
    # A pod that matches only some of the terms satisfies none.
    pods = _matching(cycle, terms[0]) if len(terms) == 1 else counts.matching_all(terms)
    found = False
    for term in terms:
        near = _near(cycle, term, pods)
        found = found or bool(near.any())
        refused |= ~near
    if not found and all(counts.matches(term, cycle.shape) for term in terms):
        # The first of a group that wants its own kind: any node with the labels will do.
        labelled = [cycle.snapshot.domains(term.topology_key).ids >= 0 for term in terms]
        unlabelled: Mask = ~np.logical_and.reduce(labelled)
        return unlabelled
    return refused


def _near_unwanted(cycle: Cycle) -> Mask | None:
    return _any(_near(cycle, term, _matching(cycle, term)) for term in cycle.shape.anti_affinity)


def _near_unwilling(cycle: Cycle) -> Mask | None:
    counts = cycle.snapshot.counts
    held = counts.about(counts.anti_affinity, cycle.shape)
    return _any(_near(cycle, term, holders) for term, holders in held)


def _any(masks: Iterable[Mask]) -> Mask | None:
    found: Mask | None = None
    for mask in masks:
        found = mask if found is None else found | mask
    return found
