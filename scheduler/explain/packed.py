"""What the plugins said in one decision, small enough to be kept by the thousand. Called by `decisions`.

    Trace (arrays that others go on using) --pack--> Packed --unpack--> Detail
    Packed + what single slots have become since -------------------------^

One byte per plugin and node for scores, one bit per reason and node for refusals; which nodes were feasible
follows from those. Names are shared by all decisions made while the nodes were the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np

from scheduler.explain.detail import Bytes, Detail, Scores, Verdict, Weights, next_best
from scheduler.framework import Trace
from scheduler.snapshot import Mask

T = TypeVar("T")
# What the objects around the arrays take, about: the record, its strings, the arrays' headers.
_OVERHEAD_BYTES = 700
# A decision that only refers to another one.
_FOLLOWER_BYTES = 600
_NAME_BYTES = 64


@dataclass(frozen=True, eq=False)
class Nodes:
    """The names of the snapshot's slots at one time; "" where there was no node."""

    names: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        return _NAME_BYTES * len(self.names)

    @cached_property
    def gapless(self) -> bool:
        """Whether there is a node in every slot."""
        return "" not in self.names

    @cached_property
    def alive(self) -> Mask:
        return np.array([name != "" for name in self.names], dtype=bool)


# Not frozen: that would cost a microsecond for each decision.
@dataclass(eq=False, slots=True)
class Packed:
    """One decision, never changed. `scores` is plugins by slots, `refused` reasons by slots (bits),
    `runner_up` the best slot but the chosen one (-1 if there is none).
    """

    nodes: Nodes
    plugins: Weights
    scores: Scores
    runner_up: int
    verdicts: tuple[Verdict, ...]
    refused: tuple[Bytes, ...]

    @property
    def nbytes(self) -> int:
        return self.scores.nbytes + sum([row.nbytes for row in self.refused]) + _OVERHEAD_BYTES


@dataclass(frozen=True)
class SlotChange:
    """What became of one slot: new scores in the order of the base's plugins, or refusals, which win."""

    slot: int
    scores: Sequence[int]
    verdicts: tuple[Verdict, ...] = ()


@lru_cache(1024)
def _shared(value: T) -> T:
    """Return the same object for equal values: decisions differ little in plugins and reasons."""
    return value


def pack(trace: Trace, nodes: Nodes, slot: int) -> Packed:
    """Return the trace as bytes; `slot` is the chosen one, -1 if none. Scores must be 0-100 for feasible
    nodes, unless the trace is `wide`; those of others are not read.
    """
    size, given, rejected = len(nodes.names), trace.scores, trace.rejected
    shape = len(given), size
    scores: Scores = np.empty(shape, np.int32) if trace.wide else np.empty(shape, np.uint8)
    for number, (_, _, values) in enumerate(given):
        scores[number] = values[:size]
    verdicts = tuple([Verdict(name, each.reason, each.final or each.of_pod) for name, each, _ in rejected])
    plugins = tuple([(name, weight) for name, weight, _ in given])
    return Packed(
        nodes,
        _shared(plugins),
        scores,
        _runner_up(trace, nodes, slot) if given and slot >= 0 else -1,
        _shared(verdicts) if verdicts else (),
        tuple([np.packbits(hit[:size]) for _, _, hit in rejected]),
    )


def _runner_up(trace: Trace, nodes: Nodes, slot: int) -> int:
    assert trace.total is not None, "there are scores"
    totals = trace.total[: len(nodes.names)]
    if trace.rejected or not nodes.gapless:
        totals = totals * trace.feasible[: len(nodes.names)]
    return next_best(totals, slot)


def unpack(packed: Packed) -> Detail:
    """Return the decision as arrays; its scores may not be written to."""
    feasible, refused = packed.nodes.alive, dict[Verdict, Mask]()
    for verdict, bits in zip(packed.verdicts, packed.refused, strict=True):
        row = np.unpackbits(bits, count=len(feasible)).view(np.bool_)
        feasible = feasible & ~row
        refused[verdict] = refused[verdict] | row if verdict in refused else row
    return Detail(packed.nodes.names, packed.plugins, packed.scores, refused, feasible)


@dataclass(eq=False)
class Batch:
    """Decisions about pods that are alike, one right after the other: the first one, and what each placement
    changed. Place `n` means: after the first `n` changes.
    """

    base: Packed
    changes: list[SlotChange] = field(default_factory=list)
    # Where reading has come to; reading goes forward most of the time.
    _place: int = 0
    _detail: Detail | None = None

    def at(self, place: int) -> Detail:
        """Return the decision at a place; good until the next call."""
        if self._detail is None or place < self._place:
            first = unpack(self.base)
            scores, feasible = first.scores.copy(), first.feasible.copy()
            self._detail, self._place = replace(first, scores=scores, feasible=feasible), 0
        for change in self.changes[self._place : place]:
            self._detail.set(change.slot, change.scores, change.verdicts)
        self._place = place
        return self._detail


@dataclass(frozen=True, eq=False)
class Follower:
    """A decision of a batch, but the first."""

    batch: Batch
    place: int

    @property
    def nbytes(self) -> int:
        return _FOLLOWER_BYTES
