"""TaintToleration: hard taints refuse, soft ones (PreferNoSchedule) cost score.

Source: pkg/scheduler/framework/plugins/tainttoleration (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from api.taints import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, tolerates, untolerated
from scheduler import hints
from scheduler.framework import Cycle, Reject, normalise
from scheduler.hints import Hints
from scheduler.kept import Where
from scheduler.snapshot import Ints, Mask


@dataclass(frozen=True)
class TaintToleration:
    name: str = "TaintToleration"
    hints: ClassVar[Hints] = {hints.NODE_CHANGED: hints.taints_differ, hints.POD_CHANGED: None}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        refused = refusing_nodes(cycle)
        if not np.count_nonzero(refused):
            return ()
        return (Reject("node(s) had untolerated taint(s)", refused, final=True),)

    def score_is_static(self, cycle: Cycle) -> bool:
        return not self._soft(cycle).any()

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        counts = self._soft(cycle)
        return normalise(counts, feasible, reverse=True) if np.count_nonzero(counts) else None

    def _soft(self, cycle: Cycle) -> Ints:
        return cycle.of_nodes(
            self.name + "/score", lambda where: _soft_taints(cycle, where), cycle.shape.tolerations
        )


def refusing_nodes(cycle: Cycle) -> Mask:
    """Return the nodes with a hard taint that the pod does not tolerate."""
    return cycle.of_nodes("TaintToleration", lambda where: _refusing(cycle, where), cycle.shape.tolerations)


def _refusing(cycle: Cycle, where: Where) -> Mask:
    tolerations = cycle.shape.spec.get("tolerations")
    refused = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    for slot, taints in cycle.snapshot.taints_of(where):
        refused[slot] = untolerated(taints, tolerations, (NO_SCHEDULE, NO_EXECUTE)) is not None
    return refused[where]


def _soft_taints(cycle: Cycle, where: Where) -> Ints:
    soft = [
        t
        for t in cycle.shape.spec.get("tolerations") or ()
        if t.get("effect") in (None, "", PREFER_NO_SCHEDULE)
    ]
    counts = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for slot, taints in cycle.snapshot.taints_of(where):
        counts[slot] = sum(t.get("effect") == PREFER_NO_SCHEDULE and not tolerates(soft, t) for t in taints)
    return counts[where]
