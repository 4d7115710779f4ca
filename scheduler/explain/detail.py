"""One decision as arrays over slots, and what can be read from it without looking at nodes one by one. Pure.
Made by `packed` from a stored decision and by `asking` from the present state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduler.snapshot import Mask

Bytes: TypeAlias = NDArray[np.uint8]
# Bytes, unless somebody gives more than 255 points.
Scores: TypeAlias = NDArray[np.uint8] | NDArray[np.int32]
Totals: TypeAlias = NDArray[np.int32]
# (name, weight) of the plugins that saw a difference between the feasible nodes.
Weights: TypeAlias = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Verdict:
    """Why a plugin refused a node. `final`: no preemption could change it."""

    plugin: str
    reason: str
    final: bool


@dataclass(frozen=True)
class Scored:
    """A node with its scores in the order of plugins, and what they add up to with their weights."""

    node: str
    total: int
    scores: tuple[int, ...]


@dataclass(eq=False)
class Detail:
    """`scores` is plugins by slots, `refused` says who refused which slots. Scores of refused slots mean
    nothing.
    """

    names: Sequence[str]
    plugins: Weights
    scores: Scores
    refused: dict[Verdict, Mask]
    feasible: Mask
    _totals: Totals | None = None

    def set(self, slot: int, scores: Sequence[int], verdicts: Sequence[Verdict] = ()) -> None:
        """Replace what is said of one slot. The arrays must be this detail's own."""
        for mask in self.refused.values():
            mask[slot] = False
        for verdict in verdicts:
            mask = self.refused.setdefault(verdict, np.zeros_like(self.feasible))
            mask[slot] = True
        self.feasible[slot] = not verdicts
        if not verdicts:
            self.scores[:, slot] = scores
        if self._totals is not None:
            self._totals[slot] = 0 if verdicts else self.scored(slot).total

    def slot(self, node: str) -> int | None:
        """Return the slot of a node, None if there was none of that name."""
        try:
            return self.names.index(node) if node else None
        except ValueError:
            return None

    @property
    def totals(self) -> Totals:
        """The weighted sum of the scores by slot; 0 for nodes that were refused."""
        if self._totals is None:
            total = np.zeros(len(self.feasible), dtype=np.int32)
            for (_, weight), row in zip(self.plugins, self.scores, strict=True):
                total += np.multiply(row, weight, dtype=np.int32)
            total *= self.feasible
            self._totals = total
        return self._totals

    def verdicts(self, slot: int) -> list[Verdict]:
        """Return who refused a slot; empty if nobody did."""
        return [verdict for verdict, mask in self.refused.items() if mask[slot]]

    def counts(self) -> dict[Verdict, int]:
        """Return the number of nodes by verdict. A node with several verdicts counts under each."""
        return {verdict: int(np.count_nonzero(mask)) for verdict, mask in self.refused.items()}

    def examples(self, verdict: Verdict, most: int) -> list[str]:
        """Return the first nodes with a verdict."""
        return [self.names[slot] for slot in np.flatnonzero(self.refused[verdict])[:most]]

    def scored(self, slot: int) -> Scored:
        """Return the scores of a slot."""
        return Scored(self.names[slot], *weighted(self.plugins, self.scores, slot))

    def best(self, most: int, first: int | None = None) -> list[Scored]:
        """Return the feasible nodes with the highest totals, of equals by slot; `first` before its equals."""
        slots = np.flatnonzero(self.feasible)
        keys = self.totals[slots] * 2 + (slots == first)
        return [self.scored(int(slot)) for slot in slots[np.argsort(-keys, kind="stable")[:most]]]


def weighted(plugins: Weights, scores: Scores, slot: int) -> tuple[int, tuple[int, ...]]:
    """Return what the scores of a slot add up to, and the scores."""
    column, total = scores[:, slot].tolist(), 0
    for (_, weight), value in zip(plugins, column, strict=True):
        total += weight * value
    return total, tuple(column)


def next_best(totals: NDArray[np.integer], slot: int) -> int:
    """Return the best slot but this one; -1 if there is none (or all others have nothing).

    `totals` are 0 where nodes were refused, and the same again afterwards.
    """
    own, totals[slot] = totals[slot], 0
    other = int(totals.argmax())
    found = other if totals[other] else -1
    totals[slot] = own
    return found
