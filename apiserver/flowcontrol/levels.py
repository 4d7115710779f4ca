"""The seats of the server, shared among priority levels. Pure: `now` is passed in, nothing waits here.

    nominal   the level's part of all seats, by its shares
    kept      what nobody may borrow of them; what is lent goes into a pool
    most      up to where the level may go by taking from the pool

    take      a free seat at once, if nobody waits before
    queue     else a place in a queue, or a refusal
    release   give the seats back; the requests that may start now come out

A level below its nominal seats comes before one that borrows. DEVIATION: upstream works out every ten
seconds who borrows how much; here a lent seat is free as soon as the request on it ends, so no level waits
for seconds for what is its own. Called by `control.py`.
Source: k8s.io/apiserver/pkg/util/flowcontrol apf_controller.go (1.36).
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.flowcontrol.digest import LevelSpec
from apiserver.flowcontrol.queues import Queues, Ticket

# A request never takes more than this part of its level, nor more than so many seats.
# Spec: flowcontrol/request/config.go MaximumSeatsLimit, maxSeats 15 % (1.36).
WIDEST_PART, WIDEST_SEATS = 0.15, 10
QUEUE_FULL, NO_QUEUE = "queue-full", "concurrency-limit"


class Pool:
    """The seats that levels lend each other, and the levels in which somebody waits."""

    def __init__(self) -> None:
        self.free = 0
        self.waiting: dict[Level, None] = {}

    def admit(self, now: float) -> list[Ticket]:
        """Start what may start, own seats before borrowed ones; return it."""
        started: list[Ticket] = []
        for level in list(self.waiting):
            level.start_up_to(level.nominal, now, started)
        for level in list(self.waiting):
            level.start_up_to(level.most, now, started)
        return started


class Level:
    """One priority level. Counters only grow; `used` and `waiting` are of now."""

    def __init__(self, spec: LevelSpec, pool: Pool) -> None:
        self.spec = spec
        self.name = spec.name
        self._pool = pool
        self.queues: Queues | None = None
        self.nominal = self.kept = self.most = 0
        self.widest = 1
        self.used = 0
        self.running = 0
        # Its object is gone; it lives until the last request has ended.
        self.leaving = False
        self.configure(spec)

    def configure(self, spec: LevelSpec) -> None:
        """Take another spec; who waits or runs goes on."""
        self.spec = spec
        if spec.queues == 0:
            if self.queues is not None and not self.queues.waiting:
                self.queues = None
        elif self.queues is None:
            self.queues = Queues(spec.queues, spec.hand_size, spec.length)
        else:
            self.queues.reconfigure(spec.queues, spec.hand_size, spec.length)

    @property
    def waiting(self) -> int:
        return self.queues.waiting if self.queues is not None else 0

    @property
    def limit(self) -> int:
        """Return up to where the level could go now: its own seats and what is free in the pool."""
        return min(self.most, max(self.used, self.kept) + max(0, self._pool.free))

    def tickets(self) -> Iterator[Ticket]:
        """Yield who waits."""
        for queue in self.queues.dump() if self.queues is not None else ():
            yield from queue.waiting

    @property
    def idle(self) -> bool:
        return not self.running and not self.waiting

    def take(self, width: int) -> bool:
        """Take seats at once: no, if somebody waits before or none are free."""
        if self.spec.exempt:
            self.running += 1
            self.used += width
            return True
        if self in self._pool.waiting or not self._reserve(width, self.most):
            return False
        self.running += 1
        return True

    def queue(self, owner: Any, value: int, width: int, now: float) -> Ticket | str:
        """Return a ticket to wait with, or the reason why there is none."""
        if self.queues is None or self.spec.queues == 0:
            return NO_QUEUE
        ticket = self.queues.join(owner, value, width, now)
        if ticket is None:
            return QUEUE_FULL
        self._pool.waiting[self] = None
        return ticket

    def release(self, width: int, ticket: Ticket | None, now: float) -> None:
        """A request has ended; `Pool.admit` says who comes next."""
        self.running -= 1
        if not self.spec.exempt:
            over = self.used - self.kept
            if over > 0:
                self._pool.free += min(over, width)
        self.used -= width
        if ticket is not None and self.queues is not None:
            self.queues.end(ticket, now)

    def leave(self, ticket: Ticket) -> None:
        """A request gives up waiting."""
        assert self.queues is not None
        self.queues.leave(ticket)
        self._settle()

    def start_up_to(self, bound: int, now: float, started: list[Ticket]) -> None:
        """Start waiting requests in their order while they fit below `bound` seats."""
        queues = self.queues
        while queues is not None and (ticket := queues.first()) is not None:
            if not self._reserve(ticket.width, bound):
                break
            self.running += 1
            queues.start(ticket, now)
            started.append(ticket)
        self._settle()

    def _settle(self) -> None:
        if not self.waiting:
            self._pool.waiting.pop(self, None)

    def _reserve(self, width: int, bound: int) -> bool:
        used = self.used + width
        if used > bound:
            return False
        over = used - self.kept
        if over > 0:
            shared = min(over, width)
            if shared > self._pool.free:
                return False
            self._pool.free -= shared
        self.used = used
        return True


def share_out(levels: Iterable[Level], seats: int, pool: Pool) -> None:
    """Divide the server's seats by shares and work out what is lent."""
    limited = [level for level in levels if not level.spec.exempt]
    shares = sum(level.spec.shares for level in levels) or 1
    pool.free = 0
    for level in levels:
        spec = level.spec
        level.nominal = math.ceil(seats * spec.shares / shares)
        lent = round(level.nominal * spec.lendable_percent / 100)
        level.kept = level.nominal - lent
        level.most = seats
        if spec.borrowing_percent is not None:
            level.most = min(seats, level.nominal + round(level.nominal * spec.borrowing_percent / 100))
        level.widest = max(1, min(WIDEST_SEATS, math.ceil(level.nominal * WIDEST_PART)))
        pool.free += lent
    for level in limited:
        pool.free -= max(0, level.used - level.kept)
