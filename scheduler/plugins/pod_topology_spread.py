"""PodTopologySpread: pods evenly over zones, hosts or any other node label.

Source: pkg/scheduler/framework/plugins/podtopologyspread/{filtering,scoring,common}.go (1.36), KEP-895,
KEP-3022, KEP-3094.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from api.labels import Selector
from scheduler import hints
from scheduler.domains import Domains
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.hints import Hints
from scheduler.plugins.node_affinity import matching_nodes
from scheduler.plugins.taint_toleration import refusing_nodes
from scheduler.shape import Namespaces, Spread
from scheduler.snapshot import Ints, Mask

HOSTNAME = "kubernetes.io/hostname"
_MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"
_SKEWED = "node(s) didn't match pod topology spread constraints"
# What pods of a service or controller get that ask for nothing: (label, maxSkew).
_DEFAULTS = ((HOSTNAME, 3), ("topology.kubernetes.io/zone", 5))


@dataclass(frozen=True, eq=False)
class _Eligible:
    """The nodes whose pods count under one constraint, and the number of their domains."""

    nodes: Mask
    present: Mask  # by domain
    count: int


@dataclass(frozen=True)
class PodTopologySpread:
    name: str = "PodTopologySpread"
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None,
        hints.POD_CAME: None,
        hints.NODE_GONE: None,
        hints.NODE_CHANGED: hints.either(hints.labels_differ, hints.taints_differ, hints.uncordoned),
    }

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Like upstream, a node is told the first reason only."""
        hard = [constraint for constraint in cycle.shape.spread if constraint.hard]
        if not hard:
            return ()
        missing = np.zeros(len(cycle.snapshot.alive), dtype=bool)
        skewed = missing.copy()
        for number, constraint in enumerate(hard):
            ids = cycle.snapshot.domains(constraint.topology_key).ids
            missing |= (ids < 0) & ~skewed
            skewed |= _skewed(cycle, constraint, _eligible(cycle, "hard", number, hard)) & ~missing
        return (Reject(_MISSING, missing, final=True), Reject(_SKEWED, skewed))

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        own = bool(cycle.shape.spread)
        soft = [constraint for constraint in cycle.shape.spread if not constraint.hard]
        if not own and cycle.default_selector is not None:
            soft = _default_constraints(cycle.default_selector)
        if not soft:
            return None
        # With constraints of its own a pod ignores nodes that lack any of the labels.
        counted = feasible & _labelled(cycle, soft) if own else feasible
        raw = np.zeros(len(feasible), dtype=np.float64)
        for number, constraint in enumerate(soft):
            raw += _cost(cycle, constraint, counted, _eligible(cycle, "soft", number, soft, own))
        return _normalise(np.floor(raw + 0.5).astype(np.int64), counted)


def _default_constraints(selector: Selector) -> list[Spread]:
    return [Spread(key, skew, selector, hard=False) for key, skew in _DEFAULTS]


def _labelled(cycle: Cycle, constraints: Sequence[Spread]) -> Mask:
    """Return the nodes that have the labels of all constraints."""
    labelled = cycle.snapshot.alive
    for constraint in constraints:
        labelled = labelled & (cycle.snapshot.domains(constraint.topology_key).ids >= 0)
    return labelled


def _eligible(
    cycle: Cycle, group: str, number: int, constraints: Sequence[Spread], all_labels: bool = True
) -> _Eligible:
    """Return the nodes whose pods count under a constraint; with `all_labels`, of those that have every
    constraint's label.
    """
    constraint = constraints[number]
    needed = constraints if all_labels else (constraint,)
    return cycle.static(
        f"PodTopologySpread/{group}/{all_labels}/{number}",
        lambda: _find_eligible(cycle, constraint, _labelled(cycle, needed)),
    )


def _find_eligible(cycle: Cycle, constraint: Spread, labelled: Mask) -> _Eligible:
    nodes = labelled
    if constraint.honor_affinity:
        nodes = nodes & matching_nodes(cycle)
    if constraint.honor_taints:
        nodes = nodes & ~refusing_nodes(cycle)
    domains = cycle.snapshot.domains(constraint.topology_key)
    present = np.bincount(domains.ids[nodes], minlength=max(domains.count, 1)) > 0
    return _Eligible(nodes, present, int(np.count_nonzero(present)))


def _matching(cycle: Cycle, constraint: Spread) -> Ints:
    snapshot = cycle.snapshot
    namespaces = Namespaces(frozenset((cycle.shape.namespace,)))
    return snapshot.counts.matching(namespaces, constraint.selector, True, snapshot.alike)


def _per_domain(domains: Domains, pods: Ints, where: Mask) -> Ints:
    sums = np.bincount(domains.ids[where], weights=pods[where], minlength=max(domains.count, 1))
    return sums.astype(np.int64)


def _skewed(cycle: Cycle, constraint: Spread, eligible: _Eligible) -> Mask:
    domains = cycle.snapshot.domains(constraint.topology_key)
    sums = _per_domain(domains, _matching(cycle, constraint), eligible.nodes)
    enough = eligible.count >= max(constraint.min_domains, 1)
    least = int(sums[eligible.present].min()) if enough else 0
    own = int(constraint.selector.matches(cycle.shape.labels))
    # Slots without the label read the last domain's sum; they are refused for the missing label anyway.
    too_full: Mask = (sums + own - least > constraint.max_skew)[domains.ids]
    return too_full


def _cost(cycle: Cycle, constraint: Spread, counted: Mask, eligible: _Eligible) -> NDArray[np.float64]:
    """Return what each node costs under one soft constraint: pods in its domain, weighed by the number of
    domains.
    """
    domains = cycle.snapshot.domains(constraint.topology_key)
    pods = _matching(cycle, constraint)
    has_label = domains.ids >= 0
    if constraint.topology_key == HOSTNAME:
        size, counts = int(np.count_nonzero(counted)), pods
    else:
        present = np.bincount(domains.ids[counted & has_label], minlength=max(domains.count, 1))
        size = int(np.count_nonzero(present))
        counts = _per_domain(domains, pods, eligible.nodes)[domains.ids]
    cost = counts * math.log(size + 2) + (constraint.max_skew - 1)
    return np.where(has_label, cost, 0.0)


def _normalise(raw: Ints, counted: Mask) -> Ints:
    """Turn costs into scores: the cheapest node gets 100, ignored ones 0."""
    if not counted.any():
        return np.zeros_like(raw)
    least, most = int(raw[counted].min()), int(raw[counted].max())
    if most == 0:
        return np.where(counted, MAX_SCORE, 0)
    return np.where(counted, MAX_SCORE * (most + least - raw) // most, 0)
