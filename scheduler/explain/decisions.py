"""The decisions of late, by pod. Written by the scheduling loop, read by `explainer`.

    full      everything that the plugins said, as far as `budget_bytes` go
    summary   what, when, why, and how the chosen node compares with the next; the oldest of `limit` decisions

A pod that is refused again for the same reasons has one decision, which counts how often and since when. Pods
that are gone keep their decisions until newer ones push them out.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np

from api.types.core_v1 import Pod
from scheduler.attempt import MakeRoom, Outcome, Placed, Refused
from scheduler.explain.detail import Detail, Scored, Verdict, Weights, next_best
from scheduler.explain.packed import Batch, Follower, Nodes, Packed, SlotChange, pack, unpack
from scheduler.framework import Trace
from scheduler.plugins.gang_scheduling import NAME as GANG_SCHEDULING
from scheduler.queue import Entry
from scheduler.snapshot import Snapshot

SCHEDULED, PREEMPTING, UNSCHEDULABLE = "Scheduled", "Preempting", "Unschedulable"
# There may be nodes that would do, but the pods of its group do not all find theirs.
HELD = "Held"
BUDGET_BYTES = 32 << 20
LIMIT = 10_000
# Decisions kept of one pod (of one name).
PER_POD = 8
_GROUPS_ALONE = frozenset((GANG_SCHEDULING,))
_EMPTY = Trace(Snapshot().alive)

Kept: TypeAlias = Packed | Follower


@dataclass(frozen=True)
class Summary:
    """What is left of a decision whose details had to go."""

    feasible: int
    counts: Mapping[Verdict, int]
    plugins: Weights
    winner: Scored | None
    runner_up: Scored | None


@dataclass(eq=False, slots=True)
class Record:
    """One decision. `times` and `since`: made so often since then, each time with the same result."""

    namespace: str
    name: str
    uid: str
    scheduler: str
    outcome: str
    # Why no node would do, in upstream's words; "" if one did.
    message: str
    # Where the pod was placed, or where room is being made for it; the slot is -1 unless it was placed.
    node: str
    slot: int
    # Pods that have to go, as namespace/name.
    victims: tuple[str, ...]
    attempts: int
    at: datetime
    since: datetime
    times: int = 1
    kept: Kept | None = None
    summary: Summary | None = None
    # Its place in the order of decisions.
    serial: int = 0

    def detail(self) -> Detail | None:
        """Return what the plugins said; None if only the summary is left. Good until the next call of any."""
        return _unpacked(self.kept) if self.kept is not None else None


class Decisions:
    def __init__(self, budget_bytes: int = BUDGET_BYTES, limit: int = LIMIT) -> None:
        self._budget, self._limit = budget_bytes, limit
        self.nbytes = 0
        self._serial = 0
        self._last: Record | None = None
        # Both from the oldest to the newest; a record leaves the first when it is summed up.
        self._full: OrderedDict[int, Record] = OrderedDict()
        self._all: OrderedDict[int, Record] = OrderedDict()
        # (namespace, name) -> its decisions, the newest last.
        self._of: dict[tuple[str, str], list[Record]] = {}
        self._nodes, self._version = Nodes(()), -1
        # Parts that records share, by identity: how many use it.
        self._users: dict[Nodes | Packed, int] = {}

    def __len__(self) -> int:
        return len(self._all)

    def of(self, namespace: str, name: str) -> Sequence[Record]:
        """Return the decisions about pods of this name, the newest last."""
        return self._of.get((namespace, name), ())

    def keep(self, outcome: Outcome, entry: Entry, now: datetime) -> Record:
        """Keep what has just been decided about a pod, anew or as one more of a run."""
        if isinstance(outcome, Placed) and outcome.after is not None and self._last is not None:
            after, slot = outcome.after, outcome.cycle.snapshot.index[outcome.node]
            verdicts = [Verdict(plugin, each.reason, each.final) for plugin, each in after.rejected]
            change = SlotChange(after.slot, after.scores, tuple(verdicts))
            self._last = self.follow(self._last, entry, outcome.node, slot, (change,), now)
        else:
            self._last = self.note(outcome, entry.attempts, now)
        return self._last

    def note(self, outcome: Outcome, attempts: int, now: datetime) -> Record:
        """Keep what has just been decided. Must be called before the snapshot changes or another pod is
        decided about: the arrays of the trace are not its own.
        """
        cycle = outcome.cycle
        record = _new_record(cycle.pod, attempts, now)
        match outcome:
            case Placed(node=node):
                record.node, record.slot = node, cycle.snapshot.index[node]
            case MakeRoom(plan=plan, message=message):
                record.outcome, record.message, record.node = PREEMPTING, message, plan.node
                record.victims = tuple(_name(victim) for victim in plan.victims)
            case Refused(message=message, plugins=plugins):
                record.outcome = HELD if plugins == _GROUPS_ALONE else UNSCHEDULABLE
                record.message = message
        record.kept = pack(cycle.trace or _EMPTY, self._names_of(cycle.snapshot), record.slot)
        self._enter(record)
        return record

    def retract(self, record: Record, message: str) -> None:
        """The place of a pod was given up, since its group has not enough: what plugins said of it stays."""
        record.outcome, record.message, record.node, record.slot = HELD, message, "", -1
        record.victims = ()
        mine = self._of.get((record.namespace, record.name), ())
        if len(mine) > 1 and mine[-1] is record and _is_same(mine[-2], record):
            self._go_on_from(mine[-2], record)

    def follow(
        self, base: Record, entry: Entry, node: str, slot: int, changes: Sequence[SlotChange], now: datetime
    ) -> Record:
        """Keep the decision that a pod, alike to that of `base`, was placed on `node`, which has that slot of
        the snapshot; at the cost of a few hundred bytes and a few microseconds.

        The pods must be of one shape and profile, and the decision the next one after `base`, with the same
        nodes and the same plugins' scores except in the slots of `changes`: usually the one where `base` has
        placed its pod. If other scores differ (a plugin has normalised them anew), use `note`. Returns the
        record, which is the `base` of the next.
        """
        record = _new_record(entry.pod, entry.attempts, now)
        record.node, record.slot = node, slot
        if base.kept is not None:
            batch, place = _batch_of(base.kept)
            batch.changes += changes
            record.kept = Follower(batch, place + len(changes))
        self._enter(record)
        return record

    def _names_of(self, snapshot: Snapshot) -> Nodes:
        if snapshot.version != self._version:
            names = tuple(snapshot.names)
            if names != self._nodes.names:
                self._nodes = Nodes(names)
            self._version = snapshot.version
        return self._nodes

    def _enter(self, record: Record) -> None:
        self._serial += 1
        record.serial = self._serial
        mine = self._of.setdefault((record.namespace, record.name), [])
        if mine:
            last = mine[-1]
            if _is_same(last, record):
                self._go_on_from(last, record)
            elif len(mine) >= PER_POD:
                self._drop(mine[0])
        self._of.setdefault((record.namespace, record.name), mine).append(record)
        self._all[record.serial] = record
        if record.kept is not None:
            self._full[record.serial] = record
            self._use(record.kept, 1)
        while self.nbytes > self._budget and self._full:
            self._sum_up(next(iter(self._full.values())))
        if len(self._all) > self._limit:
            self._drop(next(iter(self._all.values())))

    def _go_on_from(self, last: Record, record: Record) -> None:
        """Count a decision with the result of the last one as one more of that."""
        record.times, record.since = last.times + 1, last.since
        self._drop(last)

    def _drop(self, record: Record) -> None:
        key = (record.namespace, record.name)
        self._of[key].remove(record)
        if not self._of[key]:
            del self._of[key]
        del self._all[record.serial]
        self._release(record)

    def _sum_up(self, record: Record) -> None:
        if record.kept is not None:
            record.summary = summarise(record.kept, record.slot)
        self._release(record)

    def _release(self, record: Record) -> None:
        if record.kept is not None:
            self._use(record.kept, -1)
            del self._full[record.serial]
            record.kept = None

    def _use(self, kept: Kept, sign: int) -> None:
        """Count the bytes of a decision in or out; those of what it shares with the first or last user."""
        if isinstance(kept, Follower):
            self.nbytes += sign * kept.nbytes
            kept = kept.batch.base
        for part in (kept, kept.nodes):
            users = self._users.get(part, 0)
            if users + sign == 0:
                del self._users[part]
                self.nbytes -= part.nbytes
            else:
                self._users[part] = users + sign
                if not users:
                    self.nbytes += part.nbytes


def summarise(kept: Kept, slot: int) -> Summary:
    """Return what is worth keeping of a decision for the node in a slot (-1 if it was for none)."""
    detail = _unpacked(kept)
    feasible, counts = int(np.count_nonzero(detail.feasible)), detail.counts()
    if slot < 0 or not detail.plugins:
        return Summary(feasible, counts, detail.plugins, None, None)
    # Packed, it was found in passing; to add the scores up again would cost three times as much.
    other = kept.runner_up if isinstance(kept, Packed) else next_best(detail.totals, slot)
    second = detail.scored(other) if other >= 0 else None
    return Summary(feasible, counts, detail.plugins, detail.scored(slot), second)


def _unpacked(kept: Kept) -> Detail:
    """Return the decision as arrays, good until the next call."""
    return unpack(kept) if isinstance(kept, Packed) else kept.batch.at(kept.place)


def _new_record(pod: Pod, attempts: int, now: datetime) -> Record:
    metadata, scheduler = pod["metadata"], pod["spec"].get("schedulerName") or "default-scheduler"
    namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
    return Record(namespace, name, uid, scheduler, SCHEDULED, "", "", -1, (), attempts, now, now)


def _batch_of(kept: Kept) -> tuple[Batch, int]:
    """Return the batch that a decision is the last one of; one that has gone on without it is copied."""
    if isinstance(kept, Packed):
        return Batch(kept), 0
    batch, place = kept.batch, kept.place
    if place == len(batch.changes):
        return batch, place
    return Batch(batch.base, batch.changes[:place]), place


def _is_same(last: Record, record: Record) -> bool:
    return (
        record.outcome == last.outcome
        and record.outcome in (UNSCHEDULABLE, HELD)
        and record.uid == last.uid
        and record.message == last.message
    )


def _name(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
