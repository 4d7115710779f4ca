"""The pods of every node as rows of a matrix, the most important first: what preemption chooses from.

    priority[slot, k]   of the k-th pod of the node; the rows are as long as the fullest node needs
    requests[r][slot, k]

Kept by `cluster`, which says whose pods have changed; a row is made anew when it is next asked for.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from api.types.core_v1 import Pod
from scheduler.shape import Shape
from scheduler.snapshot import Ints, Mask, Snapshot

# The priority of no pod: above all, so that it is never in anybody's way.
_NOBODY = np.iinfo(np.int64).max
_FIRST_WIDTH = 4
# What a pod that has not started sorts as: after all that have.
_NOT_STARTED = np.iinfo(np.int64).max


class Ranked:
    def __init__(self) -> None:
        self.priority: Ints = np.full((0, _FIRST_WIDTH), _NOBODY, dtype=np.int64)
        self.started: Ints = np.zeros((0, _FIRST_WIDTH), dtype=np.int64)
        self.guarded: Mask = np.zeros((0, _FIRST_WIDTH), dtype=bool)
        self.requests: dict[str, Ints] = {}
        self.pods: dict[int, list[Pod]] = {}
        self._changed: set[str] = set()

    def touch(self, node: str) -> None:
        """The pods of a node have changed, or it is a new one."""
        self._changed.add(node)

    def touch_all(self, nodes: Iterable[str]) -> None:
        self._changed.update(nodes)

    def refresh(
        self,
        snapshot: Snapshot,
        pods_on: Callable[[str], Iterable[Pod]],
        shape_of: Callable[[Pod], Shape],
        is_guarded: Callable[[Pod], bool],
    ) -> None:
        """Bring the rows of changed nodes up to date. `is_guarded` says whether a budget protects a pod."""
        self._lengthen(len(snapshot.alive))
        for name in self._changed:
            slot = snapshot.index.get(name)
            if slot is not None:
                self._fill(slot, sorted(pods_on(name), key=importance), shape_of, is_guarded)
        self._changed.clear()

    def amounts(self, resource: str) -> Ints:
        """Return what each pod requests of a resource."""
        found = self.requests.get(resource)
        return found if found is not None else np.zeros_like(self.priority)

    def _fill(
        self,
        slot: int,
        pods: list[Pod],
        shape_of: Callable[[Pod], Shape],
        is_guarded: Callable[[Pod], bool],
    ) -> None:
        if len(pods) > self.priority.shape[1]:
            self._widen(2 * len(pods))
        self.priority[slot] = _NOBODY
        self.guarded[slot] = False
        for column in self.requests.values():
            column[slot] = 0
        self.pods[slot] = pods
        for number, pod in enumerate(pods):
            self.priority[slot, number] = priority_of(pod)
            self.started[slot, number] = started(pod)
            self.guarded[slot, number] = is_guarded(pod)
            self._request(slot, number, shape_of(pod).requests)

    def _request(self, slot: int, number: int, requests: Mapping[str, int]) -> None:
        for resource, amount in requests.items():
            column = self.requests.get(resource)
            if column is None:
                column = self.requests[resource] = np.zeros_like(self.priority)
            column[slot, number] = amount

    def _lengthen(self, slots: int) -> None:
        rows = slots - len(self.priority)
        if rows > 0:
            self._pad(((0, rows), (0, 0)))

    def _widen(self, width: int) -> None:
        self._pad(((0, 0), (0, width - self.priority.shape[1])))

    def _pad(self, by: tuple[tuple[int, int], tuple[int, int]]) -> None:
        self.priority = np.pad(self.priority, by, constant_values=_NOBODY)
        self.started, self.guarded = np.pad(self.started, by), np.pad(self.guarded, by)
        self.requests = {resource: np.pad(column, by) for resource, column in self.requests.items()}


def priority_of(pod: Pod) -> int:
    return pod["spec"].get("priority") or 0


def importance(pod: Pod) -> tuple[int, int]:
    """Sort the most important first: higher priority, then longer running."""
    return -priority_of(pod), started(pod)


def started(pod: Pod) -> int:
    """Return when the pod started, as a number that grows with time (its digits)."""
    text = (pod.get("status") or {}).get("startTime")
    return int("".join(filter(str.isdigit, text))) if text else _NOT_STARTED
