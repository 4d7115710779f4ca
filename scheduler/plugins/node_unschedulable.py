"""NodeUnschedulable: cordoned nodes take only pods that tolerate it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from api.taints import NO_SCHEDULE, tolerates
from api.types.core_v1 import Taint
from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints

_TAINT: Taint = {"key": "node.kubernetes.io/unschedulable", "effect": NO_SCHEDULE}


@dataclass(frozen=True)
class NodeUnschedulable:
    name: str = "NodeUnschedulable"
    hints: ClassVar[Hints] = {hints.NODE_CHANGED: hints.uncordoned, hints.POD_CHANGED: None}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        cordoned = cycle.snapshot.unschedulable
        if not np.count_nonzero(cordoned) or tolerates(cycle.shape.spec.get("tolerations"), _TAINT):
            return ()
        return (Reject("node(s) were unschedulable", cordoned, final=True),)
