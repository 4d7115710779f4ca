"""NodeDeclaredFeatures: a pod that needs what only some nodes can do goes to nodes that say they can.

Source: pkg/scheduler/framework/plugins/nodedeclaredfeatures (1.36), KEP-5328.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints
from scheduler.kept import Where
from scheduler.snapshot import Mask


def _declares_other(_: Any, old: Any, new: Any) -> bool:
    before, after = old.get("status") or {}, new.get("status") or {}
    return bool(before.get("declaredFeatures") != after.get("declaredFeatures"))


@dataclass(frozen=True)
class NodeDeclaredFeatures:
    name: str = "NodeDeclaredFeatures"
    hints: ClassVar[Hints] = {hints.NODE_CHANGED: _declares_other}

    def filter_is_static(self, cycle: Cycle) -> bool:
        return True

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        if not cycle.shape.features:
            return ()
        refused = cycle.of_nodes(self.name, lambda where: _lacking(cycle, where))
        return (Reject("node(s) didn't match Pod's required features", refused, final=True),)


def _lacking(cycle: Cycle, where: Where) -> Mask:
    snapshot, needed = cycle.snapshot, cycle.shape.features
    lacking = np.zeros(len(snapshot.alive), dtype=bool)
    for slot in snapshot.slots(where):
        node = snapshot.nodes[slot]
        if node is not None:
            status = node.get("status") or {}
            lacking[slot] = not needed.issubset(status.get("declaredFeatures") or ())
    return lacking[where]
