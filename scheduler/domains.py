"""One node label as a column: which topology domain each node is in. Kept current by `snapshot`."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Domains:
    """The values of one node label as numbers: `ids[slot]` is -1 where the label is missing.

    `count` is above every id; an id whose last node has gone is empty until another value takes it.
    """

    def __init__(self, slots: int, values: Iterable[tuple[int, str]]) -> None:
        self.ids: NDArray[np.int64] = np.full(slots, -1, dtype=np.int64)
        self.count = 0
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._free: list[int] = []
        self._crowded = 0
        for slot, value in values:
            self.set(slot, value)

    @property
    def unique(self) -> bool:
        """Whether each domain is one node at most."""
        return self._crowded == 0

    def name(self, number: int) -> str:
        """Return the value of the label in a domain."""
        return self._names[number]

    def set(self, slot: int, value: str | None) -> None:
        """Note the label of a node; None if it has none, or has gone."""
        before = int(self.ids[slot])
        after = -1 if value is None else self._numbers.get(value, -2)
        if before == after:
            return
        if before >= 0:
            self._leave(before)
        if after == -2:
            assert value is not None
            after = self._number(value)
        if after >= 0:
            self._sizes[after] += 1
            self._crowded += self._sizes[after] == 2
        self.ids[slot] = after

    def grow(self, extra: int) -> None:
        self.ids = np.concatenate([self.ids, np.full(extra, -1, dtype=np.int64)])

    def _leave(self, number: int) -> None:
        self._sizes[number] -= 1
        self._crowded -= self._sizes[number] == 1
        if not self._sizes[number]:
            del self._numbers[self._names[number]]
            self._free.append(number)

    def _number(self, value: str) -> int:
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
