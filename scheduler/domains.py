"""One node label as a column: which topology domain each node is in. Kept current by `snapshot`."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Domains:
    """The values of one node label as numbers: `ids[slot]` is -1 where the label is missing.

    `count` is above every id; an id whose last node has gone is empty until another value takes it.
    """

    def __init__(self, slots: int, values: Iterable[tuple[int, str | None]]) -> None:
        self.ids: NDArray[np.int64] = np.full(slots, -1, dtype=np.int64)
        self.count = 0
        # Grows whenever the domain of any node changes.
        self.version = 0
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._free: list[int] = []
        self._crowded = 0
        self._without: set[int] = set()
        for slot, value in values:
            self.set(slot, value)

    @property
    def unique(self) -> bool:
        """Whether each domain is one node at most."""
        return self._crowded == 0

    @property
    def complete(self) -> bool:
        """Whether every node has the label."""
        return not self._without

    def name(self, number: int) -> str:
        """Return the value of the label in a domain."""
        return self._names[number]

    def find(self, value: str) -> int:
        """Return the domain of the nodes with this value, -2 if there are none."""
        return self._numbers.get(value, -2)

    def set(self, slot: int, value: str | None) -> None:
        """Note the label of a node; None if it has none."""
        if value is None:
            self._without.add(slot)
            self._move(slot, -1)
            return
        self._without.discard(slot)
        number = self._numbers.get(value)
        if number is None or number != self.ids[slot]:
            self._move(slot, self._number(value) if number is None else number)

    def leave(self, slot: int) -> None:
        """The node is gone."""
        self._without.discard(slot)
        self._move(slot, -1)

    def grow(self, extra: int) -> None:
        self.ids = np.concatenate([self.ids, np.full(extra, -1, dtype=np.int64)])
        self.version += 1

    def _move(self, slot: int, after: int) -> None:
        before = int(self.ids[slot])
        if before == after:
            return
        self.ids[slot] = after
        self.version += 1
        if after >= 0:
            self._sizes[after] += 1
            self._crowded += self._sizes[after] == 2
        if before >= 0:
            self._sizes[before] -= 1
            self._crowded -= self._sizes[before] == 1
            if not self._sizes[before]:
                del self._numbers[self._names[before]]
                self._free.append(before)

    def _number(self, value: str) -> int:
        """Return an id for a value that no node has had until now."""
        if self._free:
            number = self._free.pop()
            self._names[number] = value
        else:
            number = self.count
            self.count += 1
            self._names.append(value)
            self._sizes.append(0)
        self._numbers[value] = number
        return number
