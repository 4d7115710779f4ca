"""NodeName: a pod that names its node goes nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints


@dataclass(frozen=True)
class NodeName:
    name: str = "NodeName"
    hints: ClassVar[Hints] = {}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        wanted = cycle.node_name
        if not wanted:
            return ()
        others = cycle.snapshot.alive.copy()
        slot = cycle.snapshot.index.get(wanted)
        if slot is not None:
            others[slot] = False
        return (Reject("node(s) didn't match the requested node name", others, final=True),)
