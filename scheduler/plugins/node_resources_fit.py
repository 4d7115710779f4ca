"""NodeResourcesFit: the pod's requests must fit; emptier nodes score higher (LeastAllocated over cpu and
memory).

Source: pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated}.go (1.36).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scheduler import hints
from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.hints import Hints
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask

# What is wrong with a node is a number: bit 0, too many pods; bits 2i+1 and 2i+2, too little of the pod's
# resource i now, and ever.
_CROWDED = 1


@dataclass(frozen=True)
class NodeResourcesFit:
    name: str = "NodeResourcesFit"
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None, hints.NODE_CHANGED: hints.allocatable_differs, hints.POD_CHANGED: None,
    }  # fmt: skip

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        faults = cycle.local(self.name, lambda where: _faults(cycle, where))
        return tuple(_explain(cycle, faults)) if faults.any() else ()

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        return cycle.local(self.name + "/score", lambda where: _least_allocated(cycle, where))

    def filter_at(self, cycle: Cycle, slots: Ints) -> Sequence[Reject]:
        faults = _faults(cycle, slots)
        return tuple(_explain(cycle, faults)) if faults.any() else ()

    def score_at(self, cycle: Cycle, slots: Ints) -> Ints:
        return _least_allocated(cycle, slots)


def _faults(cycle: Cycle, where: Where) -> Ints:
    """Usually there are none at all, so that is found out first."""
    bad = _is_short(cycle, where)
    faults = np.zeros(len(bad), dtype=np.int64)
    if bad.any():
        slots = np.flatnonzero(bad)
        faults[slots] = _name_faults(cycle, slots if isinstance(where, slice) else where[slots])
    return faults


def _is_short(cycle: Cycle, where: Where) -> Mask:
    snapshot, copies = cycle.snapshot, cycle.copies
    bad: Mask = snapshot.requested["pods"][where] + copies > snapshot.allocatable["pods"][where]
    for resource, amount in cycle.shape.requests.items():
        offered = snapshot.allocatable.get(resource)
        if offered is None:
            return snapshot.alive[where]
        bad |= snapshot.requested[resource][where] + amount * copies > offered[where]
    bad &= snapshot.alive[where]
    return bad


def _name_faults(cycle: Cycle, slots: Ints) -> Ints:
    snapshot, copies = cycle.snapshot, cycle.copies
    crowded = snapshot.requested["pods"][slots] + copies > snapshot.allocatable["pods"][slots]
    faults: Ints = crowded * np.int64(_CROWDED)
    for number, (resource, amount) in enumerate(cycle.shape.requests.items()):
        offered = snapshot.allocatable.get(resource)
        if offered is None:
            faults |= 2 << 2 * number | 4 << 2 * number
            continue
        short = snapshot.requested[resource][slots] + amount * copies > offered[slots]
        faults |= short * np.int64(2 << 2 * number)
        faults |= (offered[slots] < amount) * np.int64(4 << 2 * number)
    return faults


def _explain(cycle: Cycle, faults: Ints) -> Iterator[Reject]:
    yield Reject("Too many pods", faults & _CROWDED != 0)
    for number, resource in enumerate(cycle.shape.requests):
        short, never = faults & (2 << 2 * number) != 0, faults & (4 << 2 * number) != 0
        yield Reject(f"Insufficient {resource}", short & ~never)
        yield Reject(f"Insufficient {resource}", never, final=True)


def _least_allocated(cycle: Cycle, where: Where) -> Ints:
    snapshot, shape, copies = cycle.snapshot, cycle.shape, cycle.copies
    offered_cpu, offered_memory = snapshot.allocatable["cpu"][where], snapshot.allocatable["memory"][where]
    cpu = _free_share(offered_cpu, snapshot.scored_cpu[where] + shape.scored_cpu * copies)
    memory = _free_share(offered_memory, snapshot.scored_memory[where] + shape.scored_memory * copies)
    # A resource that a node does not offer does not count towards its average.
    kinds = (offered_cpu > 0).astype(np.int64) + (offered_memory > 0)
    average: Ints = (cpu + memory) // np.maximum(kinds, 1)
    return average


def _free_share(offered: Ints, taken: Ints) -> Ints:
    """Return what is left as a whole percentage; 0 where too much is taken or nothing is offered.

    Divided as floats, which is three times as fast, and exact for less than 2**45 of anything.
    """
    left = np.maximum(offered - taken, 0)
    share: Ints = (left * MAX_SCORE / np.maximum(offered, 1)).astype(np.int64)
    return share
