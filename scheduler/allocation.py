"""How nodes are scored by what is taken of them: 0-100 per slot. Pure; used by the plugins about resources.

    LeastAllocated             the more is free, the better
    MostAllocated              the more is taken, the better
    RequestedToCapacityRatio   a curve over what is taken, in per cent

Source: pkg/scheduler/framework/plugins/noderesources/{least_allocated,most_allocated,
requested_to_capacity_ratio,resource_allocation}.go, plugins/helper/shape_score.go (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from api.core.pod_resources import is_extended
from scheduler.framework import MAX_SCORE, Cycle
from scheduler.kept import Where, at
from scheduler.snapshot import Ints, Mask

# Resources that every node offers; of others a node is scored only for pods that ask for them.
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_SCALAR_PREFIXES = ("hugepages-", "attachable-volumes-")


class Kind(Enum):
    LEAST = "LeastAllocated"
    MOST = "MostAllocated"
    RATIO = "RequestedToCapacityRatio"


@dataclass(frozen=True)
class Strategy:
    """`resources` are names with weights; `points` of the curve are (per cent taken, score 0-100)."""

    kind: Kind = Kind.LEAST
    resources: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    points: tuple[tuple[int, int], ...] = ()

    @cached_property
    def curve(self) -> Ints:
        """Scores by per cent taken, 0 to 100."""
        return curve_scores(self.points)


LEAST_ALLOCATED = Strategy()
Floats: TypeAlias = NDArray[np.float64]


def curve_scores(points: Sequence[tuple[int, int]]) -> Ints:
    """Return what a curve says of 0 to 100 per cent; `points` as those of a strategy."""
    return np.array([_on_curve(points, taken) for taken in range(101)], dtype=np.int64)


def _on_curve(points: Sequence[tuple[int, int]], taken: int) -> int:
    for number, (use, score) in enumerate(points):
        if taken <= use:
            if number == 0:
                return score
            before, start = points[number - 1]
            # Go rounds towards zero.
            return start + int((score - start) * (taken - before) / (use - before))
    return points[-1][1]


def score(cycle: Cycle, where: Where, strategy: Strategy) -> Ints:
    """Return the scores with the pod on the node, each resource by its weight."""
    total: Ints | None = None
    weights: Ints | None = None
    for name, weight in strategy.resources:
        columns = offered_and_taken(cycle, where, name, scored=True)
        if columns is None:
            continue
        offered, taken = columns
        scores = _score_one(strategy, offered, taken, divisor(cycle, where, name))
        # A resource that a node does not offer does not count towards its average.
        counts = scores > 0 if strategy.kind is Kind.RATIO else offered > 0
        total = _add(total, weight, scores)
        weights = _add(weights, weight, counts)
    if total is None or weights is None:
        return np.zeros(np.shape(cycle.snapshot.alive[where]), dtype=np.int64)
    weights = at_least(weights, 1)
    average: Ints = whole(total / weights + 0.5) if strategy.kind is Kind.RATIO else total // weights
    return average


def divisor(cycle: Cycle, where: Where, name: str) -> Floats | float:
    """Return what slots offer of a resource to divide by: as floats, and 1 where that is nothing.

    Dividing floats is three times as fast, and exact for less than 2**45 of anything.
    """
    offered = cycle.snapshot.allocatable[name]
    if isinstance(where, int):
        return float(max(offered.item(where), 1))
    every = cycle.shared(f"allocation/{name}", lambda: np.maximum(offered, 1).astype(np.float64))
    return every[where]


def at_least(values: Any, least: float) -> Any:
    """Return the greater of both: arrays, or numbers of Python."""
    return np.maximum(values, least) if isinstance(values, np.ndarray) else max(values, least)


def at_most(values: Any, most: float) -> Any:
    """Return the lesser of both, as above."""
    return np.minimum(values, most) if isinstance(values, np.ndarray) else min(values, most)


def whole(values: Any) -> Any:
    """Return what is in front of the point, as above."""
    return values.astype(np.int64) if isinstance(values, np.ndarray) else int(values)


def _add(total: Ints | None, weight: int, values: Ints | Mask) -> Ints:
    weighed: Ints = weight * values
    return weighed if total is None else total + weighed


def _score_one(strategy: Strategy, offered: Ints, taken: Ints, by: Floats | float) -> Ints:
    """Return the scores of one resource; 0 where nothing is offered."""
    if strategy.kind is Kind.LEAST:
        return _per_cent(at_least(offered - taken, 0), by)
    used = _per_cent(np.minimum(taken, offered), by)
    if strategy.kind is Kind.MOST:
        return used
    return np.where(offered > 0, strategy.curve[used], 0)


def _per_cent(part: Ints, by: Floats | float) -> Ints:
    share = part * float(MAX_SCORE)
    share /= by
    per_cent: Ints = whole(share)
    return per_cent


def offered_and_taken(cycle: Cycle, where: Where, name: str, scored: bool) -> tuple[Ints, Ints] | None:
    """Return what nodes offer of a resource and what would be taken with the pod; None if it does not matter.

    `scored`: pods that ask for no cpu or memory count with a little of both.
    """
    snapshot, shape, copies = cycle.snapshot, cycle.shape, cycle.copies
    if scored and name == "cpu":
        taken = at(snapshot.scored_cpu, where) + shape.scored_cpu * copies
        return at(snapshot.allocatable["cpu"], where), taken
    if scored and name == "memory":
        taken = at(snapshot.scored_memory, where) + shape.scored_memory * copies
        return at(snapshot.allocatable["memory"], where), taken
    wanted = shape.requests.get(name, 0) * copies
    if name not in _STANDARD and not (wanted and is_scalar(name)):
        return None
    offered = snapshot.allocatable.get(name)
    return None if offered is None else (at(offered, where), at(snapshot.requested[name], where) + wanted)


def is_scalar(name: str) -> bool:
    """Say whether a resource is counted beside the standard ones: devices, huge pages, volumes of a kind."""
    return is_extended(name) or name.startswith(_SCALAR_PREFIXES) or "kubernetes.io/" in name
