"""Fan-out of a watch cache: a channel is what equal watchers see; a watcher is a cursor into it.

    event -> Cache.apply -> Channel.accept (selectors applied and bytes framed once) -> log
    Pump: in slices, each watcher writes what it has not seen yet, in one piece shared with all watchers at
    the same place

A watcher whose connection takes no more bytes is passed over; it catches up later, in order. One that holds
up too many bytes is closed.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from apiserver.watchcache.layout import Layout
from apiserver.watchcache.ring import ADDED, DELETED, MODIFIED, RingEvent, frame
from apiserver.watchcache.select import Match, Selection

# Watchers served before the loop may do something else.
SLICE = 32
# Bytes in a connection's send buffer beyond which its watcher is passed over.
BUSY_BYTES = 512 << 10
# Bytes that a channel holds for watchers that lag; beyond it the slowest are closed.
LAG_BYTES = 32 << 20
# How soon watchers that were passed over are tried again.
RETRY_S = 0.02

# Makes other bytes of an object's bytes (Table, metadata only); None: as they are.
Transform = Callable[[bytes], bytes]


class Outlet(Protocol):
    """The connection of one watcher. All methods return at once."""

    def pending_bytes(self) -> int:
        """Return how much has been written but not yet sent."""

    def send(self, frames: bytes) -> None:
        """Write whole chunks made by `ring.frame`."""

    def end(self) -> None:
        """The watcher was too slow, or what it saw did not last: close its connection."""


class Watcher:
    """A cursor: `position` counts the frames of the channel it has written. Not served until `live`."""

    __slots__ = ("channel", "closed", "live", "outlet", "position")

    def __init__(self, channel: "Channel", outlet: Outlet) -> None:
        self.channel = channel
        self.outlet = outlet
        self.position = channel.head
        self.live = False
        self.closed = False

    def start(self) -> None:
        """Begin to be served: what must come first has been written."""
        self.live = True
        if self.position < self.channel.head:
            self.channel.pump.wake(self.channel)

    @property
    def caught_up(self) -> bool:
        return self.live and self.position == self.channel.head

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.channel.leave(self)


class Channel:
    """Equal watchers and the frames that not all of them have written yet."""

    def __init__(
        self, selection: Selection, match: Match, transform: Transform | None, layout: Layout, pump: "Pump"
    ) -> None:
        self.selection = selection
        self.match = match
        self.layout = layout
        self.transform = transform
        self.pump = pump
        self.watchers: dict[Watcher, None] = {}
        self._log: list[bytes] = []
        self._log_bytes = 0
        # Position of the first frame in the log.
        self._base = 0
        self._joined: dict[int, bytes] = {}
        # Called when the last watcher has gone.
        self.emptied: Callable[[], None] = lambda: None

    @property
    def head(self) -> int:
        return self._base + len(self._log)

    def framed(self, event: RingEvent) -> bytes:
        """Return the chunk that this channel's watchers get for an event, b"" if it is none of theirs."""
        kind = event.kind
        match = self.match
        if not match.everything or match.namespace:
            entry = event.entry
            if match.namespace and entry.key.namespace != match.namespace:
                return b""
            if not match.everything:
                return self._selected(event)
        if self.transform is None:
            return event.frame(kind)
        return frame(kind, self.transform(event.entry.data))

    def _selected(self, event: RingEvent) -> bytes:
        match, before = self.match, event.before
        was = before is not None and match.selects(before)
        if event.kind == DELETED:
            kind = DELETED if was else ""
        else:
            now = match.selects(event.entry)
            kind = (MODIFIED if was else ADDED) if now else (DELETED if was else "")
        if not kind:
            return b""
        if kind == DELETED and event.kind != DELETED and before is not None:
            data = self.layout.at(before.data, event.revision)
            return frame(kind, self.transform(data) if self.transform else data)
        if self.transform is None:
            return event.frame(kind)
        return frame(kind, self.transform(event.entry.data))

    def accept(self, event: RingEvent) -> None:
        """Take an event up for the watchers, if it is theirs."""
        made = self.framed(event)
        if not made:
            return
        self._log.append(made)
        self._log_bytes += len(made)
        self._joined.clear()
        if self._log_bytes > LAG_BYTES:
            self._drop_slowest()
        self.pump.wake(self)

    def pending(self, position: int) -> bytes:
        """Return the frames from `position` to the head as one piece."""
        made = self._joined.get(position)
        if made is None:
            frames = self._log[position - self._base :] if position > self._base else self._log
            made = self._joined[position] = frames[0] if len(frames) == 1 else b"".join(frames)
        return made

    def serve(self, watcher: Watcher) -> bool:
        """Write to a watcher what it has not had; False if its connection is busy."""
        head = self.head
        if watcher.position == head or not watcher.live or watcher.closed:
            return True
        if watcher.outlet.pending_bytes() > BUSY_BYTES:
            return False
        watcher.outlet.send(self.pending(watcher.position))
        watcher.position = head
        return True

    def trim(self) -> bool:
        """Drop the frames that every watcher has written; say whether none is left."""
        if not self._log:
            return True
        oldest = min((watcher.position for watcher in self.watchers), default=self.head)
        count = oldest - self._base
        if count > 0:
            self._log_bytes -= sum(map(len, self._log[:count]))
            del self._log[:count]
            self._base = oldest
            self._joined.clear()
        return not self._log

    def leave(self, watcher: Watcher) -> None:
        self.watchers.pop(watcher, None)
        if not self.watchers:
            self._log.clear()
            self._log_bytes = 0
            self.emptied()

    def end(self) -> None:
        """Close the connections of all watchers."""
        for watcher in list(self.watchers):
            watcher.outlet.end()
            watcher.close()

    def _drop_slowest(self) -> None:
        for watcher in [w for w in self.watchers if w.position == self._base]:
            watcher.outlet.end()
            watcher.close()
        self.trim()


class Pump:
    """Serves the channels of all caches of a process, in slices, from the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Channel, None] = {}
        self._queue: list[Watcher] = []
        self._busy: dict[Channel, None] = {}
        self._scheduled = False

    def wake(self, channel: Channel) -> None:
        """Serve this channel's watchers soon."""
        self._waiting[channel] = None
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        if not self._queue:
            channels, self._waiting = self._waiting, {}
            for channel in channels:
                self._queue.extend(channel.watchers)
                self._busy.setdefault(channel, None)
            self._queue.reverse()
        queue = self._queue
        lagging: dict[Channel, None] = {}
        for _ in range(min(SLICE, len(queue))):
            watcher = queue.pop()
            if not watcher.channel.serve(watcher):
                lagging[watcher.channel] = None
        if lagging:
            asyncio.get_running_loop().call_later(RETRY_S, self._retry, lagging)
        if queue:
            asyncio.get_running_loop().call_soon(self._run)
            return
        for channel in self._busy:
            channel.trim()
        self._busy.clear()
        self._scheduled = bool(self._waiting)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)

    def _retry(self, channels: dict[Channel, None]) -> None:
        for channel in channels:
            if channel.watchers:
                self.wake(channel)
