"""The recent history of one resource, shared by all its watchers: events with their ready-made HTTP
chunks."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from apiserver.watchcache.entry import Entry

# History kept per resource: whichever limit is reached first. Upstream keeps up to 100,000 events of 75 s or
# more.
MOST_EVENTS = 20_000
MOST_BYTES = 48 << 20
# Ready-made chunks are kept for this many events; slower watchers have theirs made again.
HOT = 64

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_OPENING = {
    name: b'{"type":"' + name.encode() + b'","object":'
    for name in (ADDED, MODIFIED, DELETED, "BOOKMARK", "ERROR")
}


def frame(kind: str, data: bytes) -> bytes:
    """Return an event as one chunk of a chunked HTTP answer."""
    opening = _OPENING[kind]
    return b"%x\r\n%b%b}\n\r\n" % (len(opening) + len(data) + 2, opening, data)


def payload(chunk: bytes) -> bytes:
    """Return the JSON line inside a chunk made by `frame`."""
    return chunk[chunk.index(b"\n") + 1 : -2]


class RingEvent:
    """One change: `entry` is the object after it (for a deletion: its last state at the revision of the
    deletion)."""

    __slots__ = ("_frames", "before", "entry", "kind", "revision")

    def __init__(self, kind: str, entry: Entry, before: Entry | None) -> None:
        self.kind = kind
        self.entry = entry
        self.before = before
        self.revision = entry.revision
        self._frames: dict[str, bytes] | None = {}

    def frame(self, kind: str) -> bytes:
        """Return this event's object framed as an event of `kind`."""
        if self._frames is None:
            return frame(kind, self.entry.data)
        made = self._frames.get(kind)
        if made is None:
            made = self._frames[kind] = frame(kind, self.entry.data)
        return made

    def cool(self) -> None:
        self._frames = None


class Ring:
    """Events in order of revision. `start`: all changes after that revision are here."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._events: deque[RingEvent] = deque()
        self._bytes = 0

    def append(self, event: RingEvent) -> None:
        self._events.append(event)
        self._bytes += len(event.entry.data)
        if len(self._events) > HOT:
            self._events[-HOT - 1].cool()
        while len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.entry.data)
            self.start = oldest.revision

    def after(self, revision: int) -> Iterator[RingEvent]:
        """Yield the events after `revision`, which must not be before `start`."""
        low, high = 0, len(self._events)
        while low < high:
            middle = (low + high) // 2
            if self._events[middle].revision <= revision:
                low = middle + 1
            else:
                high = middle
        return islice(self._events, low, None)

    def __len__(self) -> int:
        return len(self._events)
