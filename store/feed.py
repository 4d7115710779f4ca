"""Hands every write, once, to the watches that asked for it. All backends end in one `Feed`.

A backend publishes events in revision order; the feed keeps the youngest of them and gives each watch those
under its prefix. A watch that starts before what is kept, or that falls too far behind, is first brought up
by the backend's own `replay` from its history.

    follow -> revision kept?  --yes-->  pending events, then wait -> Batch ... (for ever)
                 ^    | no                                     | fell behind
                 |    v                                        |
                 +- replay from history -> Batch ...  <--------+

State changes only in plain methods called on the event loop, so no locks are needed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import takewhile
from typing import TypeAlias

from store.backend import Batch, Event, StoreError

# Yields what happened under a prefix after a revision, from history, until the feed keeps the rest.
Replay: TypeAlias = Callable[[str, int], AsyncGenerator[Batch, None]]

# A quiet watch still says this often how far it is.
NOTICE_S = 10.0
# What is kept for watches that start a little in the past: lists are followed by a watch within moments.
KEEP_EVENTS = 4096
KEEP_BYTES = 8 * 1024 * 1024
# A watch with more events than this waiting is sent back to the history.
MAX_PENDING = 65536
# Directories whose watches are remembered; more are forgotten all at once.
MAX_ROUTES = 16384


class _Watcher:
    """One watch: what waits for it. `after`: it has been given everything up to this revision."""

    __slots__ = ("after", "behind", "due", "error", "pending", "prefix", "waiter")

    def __init__(self, prefix: str, after: int) -> None:
        self.prefix = prefix
        self.after = after
        self.pending: list[Event] = []
        self.due = False
        self.behind = False
        self.error: StoreError | None = None
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        self.due = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Feed:
    """The youngest events and the watches on them.

    `revision`: all events up to it have been published. `oldest`: all events after it are kept here.
    `keep_all` is for a backend that has no other history; it forgets by `forget`.
    """

    def __init__(self, revision: int, keep_all: bool = False) -> None:
        self.revision = revision
        self.oldest = revision
        self.events: deque[Event] = deque()
        self._keep_all = keep_all
        self._bytes = 0
        self._watchers: list[_Watcher] = []
        self._routes: dict[str, list[_Watcher]] = {}
        self._arrivals: list[tuple[int, asyncio.Future[None]]] = []
        self._closed: StoreError | None = None

    def publish(self, events: Sequence[Event], revision: int) -> None:
        """Add events, in order, after which everything up to `revision` is known."""
        woken: set[_Watcher] = set()
        for event in events:
            self.events.append(event)
            self._bytes += _size(event)
            for watcher in self._candidates(event.key):
                if event.revision > watcher.after and event.key.startswith(watcher.prefix):
                    watcher.pending.append(event)
                    woken.add(watcher)
        self.revision = revision
        for watcher in woken:
            watcher.behind = watcher.behind or len(watcher.pending) > MAX_PENDING
            watcher.wake()
        self._trim()
        self._arrive()

    def _candidates(self, key: str) -> list[_Watcher]:
        # Watches whose prefix can match keys of this directory; found once per directory, not once per event.
        directory = key[: key.rfind("/") + 1]
        found = self._routes.get(directory)
        if found is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            found = self._routes[directory] = [
                w for w in self._watchers if directory.startswith(w.prefix) or w.prefix.startswith(directory)
            ]
        return found

    def _trim(self) -> None:
        while not self._keep_all and (len(self.events) > KEEP_EVENTS or self._bytes > KEEP_BYTES):
            gone = self.events.popleft()
            self._bytes -= _size(gone)
            self.oldest = gone.revision

    def forget(self, revision: int) -> None:
        """Drop the events up to `revision`: only when nothing else holds them and nobody may ask any more."""
        while self.events and self.events[0].revision <= revision:
            self._bytes -= _size(self.events.popleft())
        self.oldest = max(self.oldest, revision)

    def notify(self) -> None:
        """Make every watch yield soon, events or not."""
        for watcher in self._watchers:
            watcher.wake()

    def fail(self, error: StoreError) -> None:
        """End every watch with `error`, after what is pending for it."""
        for watcher in self._watchers:
            watcher.error = error
            watcher.wake()

    def restart(self, revision: int, error: StoreError) -> None:
        """End every watch with `error` and begin anew at `revision`, with nothing kept."""
        self.fail(error)
        self.events.clear()
        self._bytes = 0
        self.oldest = self.revision = revision
        self._arrive()

    def close(self, error: StoreError) -> None:
        """End every watch, now and later, with `error`."""
        self._closed = error
        self.fail(error)
        for _, waiting in self._arrivals:
            if not waiting.done():
                waiting.set_exception(error)
        self._arrivals.clear()

    async def reached(self, revision: int) -> None:
        """Wait until everything up to `revision` has been published."""
        if self._closed is not None:
            raise self._closed
        if self.revision < revision:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arrivals.append((revision, waiting))
            await waiting

    def _arrive(self) -> None:
        if not self._arrivals:
            return
        for revision, waiting in self._arrivals:
            if revision <= self.revision and not waiting.done():
                waiting.set_result(None)
        self._arrivals = [entry for entry in self._arrivals if not entry[1].done()]

    async def follow(self, prefix: str, revision: int, replay: Replay) -> AsyncGenerator[Batch, None]:
        """Yield what happens under `prefix` after `revision`, for ever. See `Backend.watch`."""
        while True:
            while self._closed is None and revision < self.oldest:
                history = replay(prefix, revision)
                try:
                    async for batch in history:
                        revision = batch.revision
                        yield batch
                finally:
                    await history.aclose()
            watcher = self._subscribe(prefix, revision)
            try:
                while not watcher.behind:
                    if not watcher.due:
                        await self._wait(watcher)
                    if watcher.behind:
                        break
                    events, watcher.pending, watcher.due = tuple(watcher.pending), [], False
                    if (error := watcher.error) is not None:
                        # The feed may have begun anew elsewhere: claim no more than what is handed out.
                        if events:
                            yield Batch(events, events[-1].revision)
                        raise error
                    revision = watcher.after = max(self.revision, watcher.after)
                    yield Batch(events, revision)
            finally:
                self._unsubscribe(watcher)

    def _subscribe(self, prefix: str, revision: int) -> _Watcher:
        watcher = _Watcher(prefix, revision)
        later = takewhile(lambda event: event.revision > revision, reversed(self.events))
        watcher.pending = [event for event in later if event.key.startswith(prefix)][::-1]
        # A new watch says at once where it stands: whoever asked for progress a moment ago is answered too.
        watcher.due = True
        if self._closed is not None:
            watcher.error = self._closed
        self._watchers.append(watcher)
        self._routes.clear()
        return watcher

    def _unsubscribe(self, watcher: _Watcher) -> None:
        self._watchers.remove(watcher)
        self._routes.clear()

    async def _wait(self, watcher: _Watcher) -> None:
        loop = asyncio.get_running_loop()
        watcher.waiter = loop.create_future()
        notice = loop.call_later(NOTICE_S, watcher.wake)
        try:
            await watcher.waiter
        finally:
            notice.cancel()
            watcher.waiter = None


def _size(event: Event) -> int:
    previous = len(event.previous.value) if event.previous is not None else 0
    return len(event.value or b"") + previous + 200
