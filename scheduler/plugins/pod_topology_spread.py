"""PodTopologySpread: pods evenly over zones, hosts or any other node label.

Source: pkg/scheduler/framework/plugins/podtopologyspread/{filtering,scoring,common}.go (1.36), KEP-895,
KEP-3022, KEP-3094.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from api.labels import NOTHING
from scheduler import hints
from scheduler.counts import Vector
from scheduler.domains import Domains
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.hints import Hints
from scheduler.plugins.node_affinity import has_required, matching_nodes
from scheduler.plugins.taint_toleration import refusing_nodes
from scheduler.shape import Namespaces, Spread
from scheduler.snapshot import Ints, Mask

Floats: TypeAlias = NDArray[np.floating[Any]]
HOSTNAME = "kubernetes.io/hostname"
_MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"
_SKEWED = "node(s) didn't match pod topology spread constraints"
# What pods of a service or controller get that ask for nothing.
SYSTEM_DEFAULTS = (
    Spread(HOSTNAME, 3, NOTHING, hard=False),
    Spread("topology.kubernetes.io/zone", 5, NOTHING, hard=False),
)


@dataclass(frozen=True, eq=False)
class _Eligible:
    """The nodes whose pods count under one constraint, and the domains that they are in."""

    nodes: Mask
    present: Ints  # domain ids
    # Whether these are all nodes that have the label: then the sums that are kept anyway will do.
    whole: bool


@dataclass(frozen=True)
class PodTopologySpread:
    """`defaults` are for pods of a service or controller that ask for nothing; their selectors are found."""

    name: str = "PodTopologySpread"
    defaults: tuple[Spread, ...] = SYSTEM_DEFAULTS
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None,
        hints.POD_CAME: None,
        hints.NODE_GONE: None,
        hints.NODE_CHANGED: hints.either(hints.labels_differ, hints.taints_differ, hints.uncordoned),
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not self._constraints(cycle, hard=True)

    def _constraints(self, cycle: Cycle, hard: bool) -> list[Spread]:
        """Return the pod's own constraints of a kind, or the default ones if it has none of any kind."""
        own, selector = cycle.shape.spread, cycle.default_selector
        if own or selector is None:
            return [constraint for constraint in own if constraint.hard == hard]
        return [replace(each, selector=selector) for each in self.defaults if each.hard == hard]

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        """Like upstream, a node is told the first reason only."""
        hard = self._constraints(cycle, hard=True)
        if not hard:
            return ()
        judged = [_too_full(cycle, hard, number) for number in range(len(hard))]
        if all(domains.complete and not np.count_nonzero(full) for domains, full in judged):
            return ()
        missing = np.zeros(len(cycle.snapshot.alive), dtype=bool)
        skewed = missing.copy()
        for domains, full in judged:
            if not domains.complete:
                missing |= (domains.ids < 0) & ~skewed
            skewed |= full.take(domains.ids, mode="wrap") & ~missing
        return (Reject(_MISSING, missing, final=True), Reject(_SKEWED, skewed))

    def score_is_static(self, cycle: Cycle) -> bool:
        return not self._constraints(cycle, hard=False)

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        soft = self._constraints(cycle, hard=False)
        if not soft:
            return None
        # Nodes that lack any of the labels are ignored, unless the constraints are the system's.
        strict = bool(cycle.shape.spread) or self.defaults is not SYSTEM_DEFAULTS
        counted = feasible & _labelled(cycle, soft) if strict else feasible
        raw = np.zeros(len(feasible), dtype=np.float64)
        for number, constraint in enumerate(soft):
            raw += _cost(cycle, constraint, counted, _eligible(cycle, "soft", number, soft, strict))
        return _normalise(np.floor(raw + 0.5).astype(np.int64), counted)


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
    if not constraint.honor_taints and not (constraint.honor_affinity and has_required(cycle.shape.spec)):
        keys = "/".join(each.topology_key for each in (constraint, *needed))
        keep = partial(cycle.shared, f"PodTopologySpread/{keys}")
    else:
        keep = partial(cycle.static, f"PodTopologySpread/{group}/{all_labels}/{number}")
    return keep(lambda: _find_eligible(cycle, constraint, _labelled(cycle, needed)))


def _find_eligible(cycle: Cycle, constraint: Spread, labelled: Mask) -> _Eligible:
    nodes = labelled
    if constraint.honor_affinity:
        nodes = nodes & matching_nodes(cycle)
    if constraint.honor_taints:
        nodes = nodes & ~refusing_nodes(cycle)
    ids = cycle.snapshot.domains(constraint.topology_key).ids
    return _Eligible(nodes, np.unique(ids[nodes & (ids >= 0)]), bool(np.array_equal(nodes, ids >= 0)))


def _matching(cycle: Cycle, constraint: Spread) -> Vector:
    namespaces = Namespaces(frozenset((cycle.shape.namespace,)))
    return cycle.snapshot.counts.matching(namespaces, constraint.selector, True)


def _sums(domains: Domains, pods: Vector, eligible: _Eligible) -> Ints:
    """Return the pods per domain that are on eligible nodes; the last cell means nothing."""
    if eligible.whole:
        return pods.sums(domains)
    where = eligible.nodes
    sums = np.bincount(domains.ids[where] + 1, weights=pods.values[where], minlength=domains.count + 1)
    return np.roll(sums.astype(np.int64), -1)


def _too_full(cycle: Cycle, hard: Sequence[Spread], number: int) -> tuple[Domains, Mask]:
    """Return the domains of a constraint, and in which of them a pod more would be too many; the last cell is
    for nodes without the label, of which that is not said.
    """
    constraint, eligible = hard[number], _eligible(cycle, "hard", number, hard)
    domains = cycle.snapshot.domains(constraint.topology_key)
    sums = _sums(domains, _matching(cycle, constraint), eligible)
    enough = len(eligible.present) >= max(constraint.min_domains, 1)
    least = int(np.minimum.reduce(sums[eligible.present])) if enough else 0
    own = int(constraint.selector.matches(cycle.shape.labels))
    too_full = sums > constraint.max_skew + least - own
    too_full[-1] = False
    return domains, too_full


def _cost(cycle: Cycle, constraint: Spread, counted: Mask, eligible: _Eligible) -> Floats:
    """Return what each node costs under one soft constraint: pods in its domain, weighed by the number of
    domains.
    """
    domains = cycle.snapshot.domains(constraint.topology_key)
    pods, skew = _matching(cycle, constraint), constraint.max_skew - 1
    if constraint.topology_key == HOSTNAME:
        weight = math.log(int(np.count_nonzero(counted)) + 2)
        cost: Floats = pods.values * weight + skew
        return cost if domains.complete else np.where(domains.ids >= 0, cost, 0.0)
    # Nodes without the label are one more domain, as upstream counts.
    size = int(np.count_nonzero(np.bincount(domains.ids[counted] + 1)))
    by_domain: Floats = _sums(domains, pods, eligible) * math.log(size + 2) + skew
    by_domain[-1] = 0.0
    return by_domain.take(domains.ids, mode="wrap")


def _normalise(raw: Ints, counted: Mask) -> Ints:
    """Turn costs into scores: the cheapest node gets 100, ignored ones 0."""
    costs = raw[counted]
    if not len(costs):
        return np.zeros_like(raw)
    least, most = int(costs.min()), int(costs.max())
    if most == 0:
        return np.where(counted, MAX_SCORE, 0)
    return np.where(counted, MAX_SCORE * (most + least - raw) // most, 0)
