"""NodeResourcesBalancedAllocation: the pod goes where it brings the use of cpu and memory closer together.

Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go (1.36). Pods without requests
are not scored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.framework import MAX_SCORE, Cycle
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class NodeResourcesBalancedAllocation:
    name: str = "NodeResourcesBalancedAllocation"

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        requests = cycle.shape.requests
        more = requests.get("cpu", 0), requests.get("memory", 0)
        if more == (0, 0):
            return None
        half = MAX_SCORE // 2
        change = _balance(cycle, *more) - _balance(cycle, 0, 0)
        scores: Ints = half + (half + change) // 2
        return scores


def _balance(cycle: Cycle, cpu: int, memory: int) -> Ints:
    """Return 0-100 per node with so much more in use: 100 when cpu and memory are used to the same degree."""
    offered, requested = cycle.snapshot.allocatable, cycle.snapshot.requested
    distance = np.abs(
        _fraction(offered["cpu"], requested["cpu"] + cpu)
        - _fraction(offered["memory"], requested["memory"] + memory)
    )
    # The standard deviation of two values is half their distance; of one value it is 0.
    both = (offered["cpu"] > 0) & (offered["memory"] > 0)
    balance: Ints = ((1 - np.where(both, distance / 2, 0.0)) * MAX_SCORE).astype(np.int64)
    return balance


def _fraction(offered: Ints, taken: Ints) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.minimum(taken / np.maximum(offered, 1), 1.0)
    return share
