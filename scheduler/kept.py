"""What plugins have computed for pods that are alike to them, and what of it is still true.

    static     anything, good until any node changes
    of_nodes   an array over slots that depends on the Node objects: changed nodes are computed anew
    local      the same, of the Node and the pods on it

Full, a table starts anew. Asked through `framework.Cycle`.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from scheduler.changes import Changes
from scheduler.snapshot import Ints, Mask, Snapshot

# Slots of the snapshot: some, all, or one, for which a number stands where there would be an array.
Where: TypeAlias = slice | Ints | int
A = TypeVar("A", Ints, Mask)
T = TypeVar("T")


def at(column: Any, where: Where) -> Any:
    """Return the cells of a column: an array, or one number of Python, with which one computes ten times as
    fast as with an array of one cell.
    """
    return column.item(where) if isinstance(where, int) else column[where]


@dataclass
class _Array:
    values: Any
    # Places in the snapshot's logs of changed nodes and of changed pods.
    nodes: int = 0
    pods: int = 0


class Kept:
    LIMIT = 1024
    ARRAYS = 192
    # With more changed slots than this it is cheaper to compute all; up to so many, one by one.
    FEW, SINGLE = 256, 6

    def __init__(self) -> None:
        self._version = -1
        self._results: dict[tuple[str, Hashable], Any] = {}
        self._arrays: dict[tuple[str, Hashable], _Array] = {}

    def get(self, key: tuple[str, Hashable], version: int, compute: Callable[[], T]) -> T:
        if version != self._version or len(self._results) >= self.LIMIT:
            self._results.clear()
            self._version = version
        if key not in self._results:
            self._results[key] = compute()
        found: T = self._results[key]
        return found

    def of_nodes(self, key: tuple[str, Hashable], snapshot: Snapshot, compute: Callable[[Where], A]) -> A:
        kept, nodes = self._arrays.get(key), snapshot.changed_nodes
        if kept is not None and kept.nodes == nodes.now:
            found: A = kept.values
            return found
        return self._refresh(key, kept, snapshot, ((nodes, kept.nodes if kept else 0),), compute)

    def local(self, key: tuple[str, Hashable], snapshot: Snapshot, compute: Callable[[Where], Ints]) -> Ints:
        kept, nodes, pods = self._arrays.get(key), snapshot.changed_nodes, snapshot.changed_pods
        if kept is not None and kept.nodes == nodes.now and kept.pods == pods.now:
            found: Ints = kept.values
            return found
        logs = ((nodes, kept.nodes), (pods, kept.pods)) if kept is not None else ()
        return self._refresh(key, kept, snapshot, logs, compute)

    def _refresh(
        self,
        key: tuple[str, Hashable],
        kept: _Array | None,
        snapshot: Snapshot,
        logs: Iterable[tuple[Changes[int], int]],
        compute: Callable[[Where], A],
    ) -> A:
        changed = None
        if kept is not None and len(kept.values) == len(snapshot.alive):
            changed = _changed(logs, self.FEW)
        if kept is None or changed is None:
            if key not in self._arrays and len(self._arrays) >= self.ARRAYS:
                self._arrays.clear()
            kept = self._arrays[key] = _Array(compute(slice(None)))
        elif len(changed) <= self.SINGLE:
            for slot in changed:
                kept.values[slot] = compute(slot)
        else:
            slots = np.array(list(changed), dtype=np.int64)
            kept.values[slots] = compute(slots)
        kept.nodes, kept.pods = snapshot.changed_nodes.now, snapshot.changed_pods.now
        found: A = kept.values
        return found


def _changed(logs: Iterable[tuple[Changes[int], int]], limit: int) -> set[int] | None:
    """Return the slots that have changed; None if those are many, or not known."""
    found: set[int] = set()
    for log, place in logs:
        slots = log.since(place)
        if slots is None or len(slots) > limit:
            return None
        found.update(slots)
    return found
