"""NodeResourcesBalancedAllocation: nodes whose cpu and memory are used to the same degree score higher.

Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go (1.35). Pods without requests
are not scored. DEVIATION: later versions rank by how much the pod changes the balance; rounded to whole
points that prefers nodes which have such a pod already, so that small identical pods pile up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class NodeResourcesBalancedAllocation:
    name: str = "NodeResourcesBalancedAllocation"

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        requests = cycle.shape.requests
        if not requests.get("cpu") and not requests.get("memory"):
            return None
        return cycle.local(self.name, lambda where: _balance(cycle, where))

    def filter_at(self, cycle: Cycle, slots: Ints) -> Sequence[Reject]:
        return ()

    def score_at(self, cycle: Cycle, slots: Ints) -> Ints:
        return _balance(cycle, slots)


def _balance(cycle: Cycle, where: Where) -> Ints:
    """Return 0-100 per node with the pod there: 100 when cpu and memory are used to the same degree."""
    requests = cycle.shape.requests
    cpu, memory = requests.get("cpu", 0) * cycle.copies, requests.get("memory", 0) * cycle.copies
    offered, requested = cycle.snapshot.allocatable, cycle.snapshot.requested
    offered_cpu, offered_memory = offered["cpu"][where], offered["memory"][where]
    distance = np.abs(
        _fraction(offered_cpu, requested["cpu"][where] + cpu)
        - _fraction(offered_memory, requested["memory"][where] + memory)
    )
    # The standard deviation of two values is half their distance; of one value it is 0.
    both = (offered_cpu > 0) & (offered_memory > 0)
    balance: Ints = ((1 - np.where(both, distance / 2, 0.0)) * MAX_SCORE).astype(np.int64)
    return balance


def _fraction(offered: Ints, taken: Ints) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.minimum(taken / np.maximum(offered, 1), 1.0)
    return share
