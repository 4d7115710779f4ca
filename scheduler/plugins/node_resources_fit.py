"""NodeResourcesFit: the pod's requests must fit; emptier nodes score higher (LeastAllocated over cpu and
memory).

Source: pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated}.go (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.framework import MAX_SCORE, Cycle, Reject
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class NodeResourcesFit:
    name: str = "NodeResourcesFit"

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        snapshot = cycle.snapshot
        rejects = []
        crowded = snapshot.requested["pods"] + 1 > snapshot.allocatable["pods"]
        if crowded.any():
            rejects.append(Reject("Too many pods", crowded))
        for resource, amount in cycle.shape.requests.items():
            offered = snapshot.allocatable.get(resource)
            if offered is None:
                rejects.append(Reject(f"Insufficient {resource}", snapshot.alive, final=True))
                continue
            short = snapshot.requested[resource] + amount > offered
            if short.any():
                never = short & (offered < amount)
                rejects.append(Reject(f"Insufficient {resource}", short & ~never))
                rejects.append(Reject(f"Insufficient {resource}", never, final=True))
        return rejects

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        snapshot, shape = cycle.snapshot, cycle.shape
        cpu = _free_share(snapshot.allocatable["cpu"], snapshot.scored_cpu + shape.scored_cpu)
        memory = _free_share(snapshot.allocatable["memory"], snapshot.scored_memory + shape.scored_memory)
        # A resource that a node does not offer does not count towards its average.
        kinds = (snapshot.allocatable["cpu"] > 0).astype(np.int64) + (snapshot.allocatable["memory"] > 0)
        average: Ints = (cpu + memory) // np.maximum(kinds, 1)
        return average


def _free_share(offered: Ints, taken: Ints) -> Ints:
    """Return what is left as a whole percentage; 0 where too much is taken or nothing is offered."""
    left = np.maximum(offered - taken, 0)
    share: Ints = left * MAX_SCORE // np.maximum(offered, 1)
    return share
