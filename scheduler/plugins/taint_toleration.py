"""TaintToleration: hard taints refuse, soft ones (PreferNoSchedule) cost score.

Source: pkg/scheduler/framework/plugins/tainttoleration (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.taints import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, tolerates, untolerated
from scheduler.framework import Cycle, Reject, normalise
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class TaintToleration:
    name: str = "TaintToleration"

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        refused = cycle.static(self.name, lambda: refusing_nodes(cycle))
        return (Reject("node(s) had untolerated taint(s)", refused, final=True),) if refused.any() else ()

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        counts = cycle.static(self.name + "/score", lambda: _soft_taints(cycle))
        return normalise(counts, feasible, reverse=True) if counts.any() else None


def refusing_nodes(cycle: Cycle) -> Mask:
    """Return the nodes with a hard taint that the pod does not tolerate."""
    tolerations = cycle.shape.spec.get("tolerations")
    refused = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    for slot, taints in cycle.snapshot.taints.items():
        if untolerated(taints, tolerations, (NO_SCHEDULE, NO_EXECUTE)) is not None:
            refused[slot] = True
    return refused


def _soft_taints(cycle: Cycle) -> Ints:
    soft = [
        t
        for t in cycle.shape.spec.get("tolerations") or ()
        if t.get("effect") in (None, "", PREFER_NO_SCHEDULE)
    ]
    counts = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for slot, taints in cycle.snapshot.taints.items():
        counts[slot] = sum(t.get("effect") == PREFER_NO_SCHEDULE and not tolerates(soft, t) for t in taints)
    return counts
