"""NodeResourcesBalancedAllocation: nodes whose cpu and memory are used to the same degree score higher.

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
        snapshot, requests = cycle.snapshot, cycle.shape.requests
        if not requests.get("cpu") and not requests.get("memory"):
            return None
        cpu = _fraction(snapshot.allocatable["cpu"], snapshot.requested["cpu"] + requests.get("cpu", 0))
        memory = _fraction(
            snapshot.allocatable["memory"], snapshot.requested["memory"] + requests.get("memory", 0)
        )
        # The standard deviation of two values is half their distance; of one value it is 0.
        both = (snapshot.allocatable["cpu"] > 0) & (snapshot.allocatable["memory"] > 0)
        deviation = np.where(both, np.abs(cpu - memory) / 2, 0.0)
        return ((1 - deviation) * MAX_SCORE).astype(np.int64)


def _fraction(offered: Ints, taken: Ints) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.minimum(taken / np.maximum(offered, 1), 1.0)
    return share
