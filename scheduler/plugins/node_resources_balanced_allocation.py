"""NodeResourcesBalancedAllocation: nodes whose resources are used to the same degree score higher.

Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go (1.35). Pods without requests
are not scored. DEVIATION: later versions rank by how much the pod changes the balance; rounded to whole
points that prefers nodes which have such a pod already, so that small identical pods pile up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.allocation import Floats, at_most, divisor, offered_and_taken, whole
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class NodeResourcesBalancedAllocation:
    name: str = "NodeResourcesBalancedAllocation"
    resources: tuple[str, ...] = ("cpu", "memory")

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        if not any(cycle.shape.requests.get(name) for name in self.resources):
            return None
        return cycle.local(self.name, lambda where: _balance(cycle, where, self.resources), cycle.shape.size)

    def filter_at(self, cycle: Cycle, slots: Ints) -> Sequence[Reject]:
        return ()

    def score_at(self, cycle: Cycle, slots: Ints) -> Ints:
        return _balance(cycle, slots, self.resources)


def _balance(cycle: Cycle, where: Where, resources: Sequence[str]) -> Ints:
    """Return 0-100 per node with the pod there: 100 when all resources are used to the same degree."""
    present: list[Mask] = []
    fractions: list[Floats] = []
    for name in resources:
        if (columns := offered_and_taken(cycle, where, name, scored=False)) is not None:
            present.append(columns[0] > 0)
            fractions.append(at_most(columns[1] / divisor(cycle, where, name), 1.0))
    if len(fractions) == 2:
        # The standard deviation of two values is half their distance; of one value it is 0.
        deviation = abs(fractions[0] - fractions[1]) * 0.5
        deviation *= present[0] & present[1]
    else:
        deviation = _deviation(fractions, present, np.shape(cycle.snapshot.alive[where]))
    balance: Ints = whole((1 - deviation) * MAX_SCORE)
    return balance


def _deviation(fractions: Sequence[Floats], present: Sequence[Mask], slots: tuple[int, ...]) -> Floats:
    """Return the standard deviation over the resources that each node offers."""
    count, total, squares = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    least, most = np.ones(slots), np.zeros(slots)
    for fraction, here in zip(fractions, present, strict=True):
        count += here
        total += np.where(here, fraction, 0.0)
        least, most = np.where(here, np.minimum(least, fraction), least), np.maximum(most, fraction * here)
    mean = total / np.maximum(count, 1)
    for fraction, here in zip(fractions, present, strict=True):
        squares += np.where(here, (fraction - mean) * (fraction - mean), 0.0)
    deviation: Floats = np.sqrt(squares / np.maximum(count, 1))
    return np.where(count == 2, (most - least) / 2, deviation)
