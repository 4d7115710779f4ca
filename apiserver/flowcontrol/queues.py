"""The queues of one priority level: who waits, and whose turn is next. Pure.

    a flow is dealt a hand of queues (shuffle sharding); a request waits in the shortest of them
    each queue carries a virtual time: the seat-seconds it has had. The queue that has had least goes next
    what a request really took is known when it ends, and corrects its queue then

This is start-time fair queuing (Goyal, Vin, Cheng 1996): two busy queues differ by no more than the longest
request. DEVIATION: upstream advances its virtual time with the clock; the shares come out the same, and an
idle level costs nothing here. Called by `levels.py`.
Source: k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset, KEP-1040 (1.36).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from api.flowcontrol.sharding import deal

# What a request is charged until it is known what it took. Spec: estimatedServiceSeconds (1.36).
ESTIMATE_S = 0.003


@dataclass(eq=False, slots=True)
class Ticket:
    """One request that waits, or that waited and runs."""

    # What the owner needs to find the request again (its flow, and a future).
    owner: Any
    width: int
    arrived: float
    queue: "Queue"
    running: bool = False
    started: float = 0.0


@dataclass(eq=False, slots=True)
class Queue:
    """Requests in order of arrival. `had` is the virtual time at which the next of them starts."""

    index: int
    had: float = 0.0
    waiting: deque[Ticket] = field(default_factory=deque)
    running: int = 0
    seats: int = 0


class Queues:
    """A level's queues; only those in use exist."""

    def __init__(self, count: int, hand_size: int, length: int) -> None:
        self._count, self._hand_size, self._length = count, hand_size, length
        self._queues: dict[int, Queue] = {}
        # The virtual time: where the request that was started last began.
        self._now = 0.0
        self.waiting = 0

    def reconfigure(self, count: int, hand_size: int, length: int) -> None:
        """Change the shape; who waits stays where it is."""
        self._count, self._hand_size, self._length = count, hand_size, length

    def join(self, owner: Any, value: int, width: int, now: float) -> Ticket | None:
        """Return a ticket in the shortest queue of the hand that `value` deals, None if that one is full."""
        hand = deal(value, self._count, self._hand_size)
        index = min(hand, key=self._length_of)
        queue = self._queues.get(index)
        if queue is None:
            queue = self._queues[index] = Queue(index)
        if len(queue.waiting) >= self._length:
            return None
        if not queue.waiting:
            queue.had = max(queue.had, self._now)
        ticket = Ticket(owner, width, now, queue)
        queue.waiting.append(ticket)
        self.waiting += 1
        return ticket

    def first(self) -> Ticket | None:
        """Return the request whose turn is next, None if none waits."""
        busy = [queue for queue in self._queues.values() if queue.waiting]
        return min(busy, key=_had).waiting[0] if busy else None

    def start(self, ticket: Ticket, now: float) -> None:
        """The first request begins to run."""
        queue = ticket.queue
        queue.waiting.popleft()
        self.waiting -= 1
        self._now = max(self._now, queue.had)
        queue.had += ESTIMATE_S * ticket.width
        queue.running += 1
        queue.seats += ticket.width
        ticket.running, ticket.started = True, now

    def end(self, ticket: Ticket, now: float) -> None:
        """A request that has run is done."""
        queue = ticket.queue
        queue.had += (now - ticket.started - ESTIMATE_S) * ticket.width
        queue.running -= 1
        queue.seats -= ticket.width
        self._forget(queue)

    def leave(self, ticket: Ticket) -> None:
        """A request waits no longer."""
        ticket.queue.waiting.remove(ticket)
        self.waiting -= 1
        self._forget(ticket.queue)

    def dump(self) -> list[Queue]:
        """Return the queues in use, in order."""
        return sorted(self._queues.values(), key=lambda queue: queue.index)

    def _length_of(self, index: int) -> tuple[int, float]:
        """Return how long a queue is: in seats wanted or taken, then in what it has had."""
        queue = self._queues.get(index)
        if queue is None:
            return 0, 0.0
        return sum(ticket.width for ticket in queue.waiting) + queue.seats, queue.had

    def _forget(self, queue: Queue) -> None:
        # A queue ahead of its time is remembered, or leaving and coming back would be a way to the front.
        idle = not queue.waiting and not queue.running and queue.had <= self._now
        if idle and self._queues.get(queue.index) is queue:
            del self._queues[queue.index]


def _had(queue: Queue) -> float:
    return queue.had
