"""Preemption where only room is missing: the victims on all nodes at once, in columns. Pure.

The same as `preempt` finds node by node: of the pods of lower priority those stay, the most important first,
beside whom the new pod fits. Source: pkg/scheduler/framework/plugins/defaultpreemption (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from api.types.core_v1 import Pod
from scheduler.framework import Cycle
from scheduler.ranked import Ranked
from scheduler.snapshot import Ints, Mask

NO_VICTIMS = "No preemption victims found for incoming pod"
# Lifts every priority above zero.
LIFT = 2**31


@dataclass(frozen=True)
class Room:
    """The best node and who must leave it (nobody: there is no such node); the others by reason."""

    node: str
    victims: tuple[Pod, ...]
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class _Column:
    """One resource on the nodes looked at: what is offered, what is taken by those who stay for sure, what
    each pod asks for, what the new pod asks for.
    """

    reason: str
    offered: Ints
    taken: Ints
    pods: Ints
    wanted: int

    def only(self, rows: Mask) -> "_Column":
        return _Column(self.reason, self.offered[rows], self.taken[rows], self.pods[rows], self.wanted)


def guarded_nodes(ranked: Ranked, priority: int) -> Mask:
    """Return the nodes with a pod of lower priority that a budget protects."""
    return _any(ranked.guarded & (ranked.priority < priority))


def _any(rows: Mask) -> Mask:
    """Return which rows have any."""
    found: Mask = np.count_nonzero(rows, axis=1) > 0
    return found


def make(cycle: Cycle, ranked: Ranked, priority: int, among: Mask, demands: Mapping[str, int]) -> Room:
    """Return the best of the nodes `among`, of which `ranked` must be up to date; `demands` are amounts by
    resource.
    """
    slots = np.flatnonzero(among)
    lower = ranked.priority[slots] < priority
    some = _any(lower)
    reasons = {NO_VICTIMS: int(np.count_nonzero(~some))}
    slots, lower = slots[some], lower[some]
    columns = _columns(cycle, ranked, slots, lower, demands)
    fits: Mask = np.ones(len(slots), dtype=bool)
    for column in columns:
        enough = column.taken + column.wanted <= column.offered
        reasons[column.reason] = int(np.count_nonzero(fits & ~enough))
        fits &= np.asarray(enough, dtype=bool)
    reasons = {reason: count for reason, count in reasons.items() if count}
    slots, lower = slots[fits], lower[fits]
    if not len(slots):
        return Room("", (), reasons)
    victims = _victims([column.only(fits) for column in columns], lower)
    some = _any(victims)
    if not some.all():
        # Refused by others than the filters: nobody's end would help.
        reasons[NO_VICTIMS] = reasons.get(NO_VICTIMS, 0) + int(np.count_nonzero(~some))
        slots, victims = slots[some], victims[some]
        if not len(slots):
            return Room("", (), reasons)
    best = _best(ranked, slots, victims)
    pods = ranked.pods[int(slots[best])]
    chosen = tuple(pods[number] for number in np.flatnonzero(victims[best]))
    return Room(cycle.snapshot.names[int(slots[best])], chosen, reasons)


def _columns(
    cycle: Cycle, ranked: Ranked, slots: Ints, lower: Mask, demands: Mapping[str, int]
) -> list[_Column]:
    """Return what the pod needs, the number of pods first; taken by all but the pods of lower priority."""
    offered, requested = cycle.snapshot.allocatable, cycle.snapshot.requested
    heads = lower.astype(np.int64)
    taken = requested["pods"][slots] - heads.sum(axis=1)
    found = [_Column("Too many pods", offered["pods"][slots], taken, heads, 1)]
    for resource, wanted in demands.items():
        pods = np.where(lower, ranked.amounts(resource)[slots], 0)
        taken = requested[resource][slots] - pods.sum(axis=1)
        found.append(_Column(f"Insufficient {resource}", offered[resource][slots], taken, pods, wanted))
    return found


def _victims(columns: list[_Column], lower: Mask) -> Mask:
    """Return who cannot stay, row by row; the columns' `taken` grow by those who do."""
    victims = np.zeros_like(lower)
    taken = [column.taken.copy() for column in columns]
    for number in map(int, np.flatnonzero(lower.any(axis=0))):
        stays = lower[:, number].copy()
        for column, used in zip(columns, taken, strict=True):
            stays &= used + column.pods[:, number] + column.wanted <= column.offered
        for column, used in zip(columns, taken, strict=True):
            used += np.where(stays, column.pods[:, number], 0)
        victims[:, number] = lower[:, number] & ~stays
    return victims


def _best(ranked: Ranked, slots: Ints, victims: Mask) -> int:
    """Return the row with the least important victims; see `preempt.cost` for the order."""
    priority = ranked.priority[slots]
    # Sorted by importance, the first victim of a row is the most important, and has started first.
    first = victims.argmax(axis=1)
    rows = np.arange(len(slots))
    highest, start = priority[rows, first], ranked.started[slots][rows, first]
    total = np.where(victims, priority + LIFT, 0).sum(axis=1)
    count = victims.sum(axis=1)
    for key in (highest, total, count, -start):
        values = key[rows]
        rows = rows[values == values.min()]
    return int(rows[0])
