"""PodTopologySpread: pods evenly over zones, hosts or any other node label.

Source: pkg/scheduler/framework/plugins/podtopologyspread/{filtering,scoring,common}.go, KEP-895, KEP-3022,
KEP-3094.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.labels import Selector
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.plugins.node_affinity import matching_nodes
from scheduler.plugins.taint_toleration import refusing_nodes
from scheduler.shape import Namespaces, Spread
from scheduler.snapshot import Domains, Ints, Mask

HOSTNAME = "kubernetes.io/hostname"
_MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"
_SKEWED = "node(s) didn't match pod topology spread constraints"
# What pods of a service or controller get that ask for nothing: (label, maxSkew).
_DEFAULTS = ((HOSTNAME, 3), ("topology.kubernetes.io/zone", 5))


@dataclass(frozen=True)
class PodTopologySpread:
    name: str = "PodTopologySpread"

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        hard = [constraint for constraint in cycle.shape.spread if constraint.hard]
        if not hard:
            return ()
        labelled = _labelled(cycle, hard)
        rejects = [Reject(_MISSING, ~labelled, final=True)]
        for constraint in hard:
            too_full = _skewed(cycle, constraint, labelled)
            rejects.append(Reject(_SKEWED, too_full & labelled))
        return rejects

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        soft = [constraint for constraint in cycle.shape.spread if not constraint.hard]
        own = bool(cycle.shape.spread)
        if not own and cycle.default_selector is not None:
            soft = _default_constraints(cycle.default_selector)
        if not soft:
            return None
        # With constraints of its own a pod ignores nodes that lack any of the labels.
        counted = feasible & _labelled(cycle, soft) if own else feasible
        raw = np.zeros(len(feasible), dtype=np.float64)
        for constraint in soft:
            raw += _cost(cycle, constraint, counted)
        return _normalise(np.rint(raw).astype(np.int64), counted)


def _default_constraints(selector: Selector) -> list[Spread]:
    return [Spread(key, skew, selector, hard=False) for key, skew in _DEFAULTS]


def _labelled(cycle: Cycle, constraints: Sequence[Spread]) -> Mask:
    labelled = cycle.snapshot.alive
    for constraint in constraints:
        labelled = labelled & (cycle.snapshot.domains(constraint.topology_key).ids >= 0)
    return labelled


def _eligible(cycle: Cycle, constraint: Spread, labelled: Mask) -> Mask:
    """Return the nodes whose pods count."""
    eligible = labelled
    if constraint.honor_affinity:
        eligible = eligible & matching_nodes(cycle)
    if constraint.honor_taints:
        eligible = eligible & ~cycle.static("TaintToleration", lambda: refusing_nodes(cycle))
    return eligible


def _matching(cycle: Cycle, constraint: Spread) -> Ints:
    snapshot = cycle.snapshot
    namespaces = Namespaces(frozenset((cycle.shape.namespace,)))
    return snapshot.counts.matching(namespaces, constraint.selector, True, snapshot.pods.values)


def _per_domain(domains: Domains, pods: Ints, where: Mask) -> Ints:
    sums = np.bincount(domains.ids[where], weights=pods[where], minlength=max(domains.count, 1))
    return sums.astype(np.int64)


def _skewed(cycle: Cycle, constraint: Spread, labelled: Mask) -> Mask:
    domains = cycle.snapshot.domains(constraint.topology_key)
    eligible = _eligible(cycle, constraint, labelled)
    sums = _per_domain(domains, _matching(cycle, constraint), eligible)
    present = np.unique(domains.ids[eligible])
    least = int(sums[present].min()) if len(present) >= constraint.min_domains and len(present) else 0
    own = int(constraint.selector.matches(cycle.shape.labels))
    # Slots without the label read the last domain's sum; they are refused for the missing label anyway.
    too_full: Mask = sums[domains.ids] + own - least > constraint.max_skew
    return too_full


def _cost(cycle: Cycle, constraint: Spread, counted: Mask) -> NDArray[np.float64]:
    """Return what each node costs under one soft constraint: pods in its domain, weighed by the number of
    domains.
    """
    domains = cycle.snapshot.domains(constraint.topology_key)
    pods = _matching(cycle, constraint)
    has_label = domains.ids >= 0
    if constraint.topology_key == HOSTNAME:
        size, counts = int(np.count_nonzero(counted)), pods
    else:
        size = len(np.unique(domains.ids[counted & has_label]))
        where = _eligible(cycle, constraint, cycle.snapshot.alive & has_label)
        counts = _per_domain(domains, pods, where)[domains.ids]
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
