"""Fills the cache of a version in which objects are not stored: only if somebody reads it, and in its own
time if a webhook must convert them.

    cold:     nobody has read this version yet, or the webhook failed; the cache is empty and not fed
    filling:  somebody reads: the cache joins the feed, what is stored is converted, by one call
    live:     events that need no webhook go straight into the cache; one that does, and all after it, wait in
              a queue, which a task converts several at a time

A failure ends the watches and leaves the cache cold. Meanwhile readers ask the store and convert what they
find, so that each gets the error of the objects it asks for, as upstream's readers do. The next read after
`PAUSE_S` tries again. A webhook is never called for a version that nobody reads.
DEVIATION: upstream's watches get an ERROR event before they end.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from api.errors import StatusError
from api.resource import Key
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.translation import Translation
from kit import clock
from kit.tasks import Tasks
from store.backend import KeyValue, StoreError

if TYPE_CHECKING:
    from apiserver.watchcache.feed import Feed, Own, Stored

# Events converted with one call at most.
BATCH = 100
# After a failure the cache stays cold for this long.
PAUSE_S = 1.0


class LaneProgress:
    """How far the cache of a lane has come; `Cache` asks it as it asks `Progress`."""

    def __init__(self, feed: "Feed") -> None:
        self._feed = feed
        # Revisions of the events that wait, in order.
        self.waiting: deque[tuple[Key, int, bytes | None, Own | None]] = deque()

    @property
    def revision(self) -> int:
        return self.waiting[0][1] - 1 if self.waiting else self._feed.revision


class Lane:
    """See the module's text. An intake of the feed (`feed.Intake`)."""

    def __init__(
        self,
        make: Callable[[LaneProgress], Cache],
        translation: Translation,
        feed: "Feed",
        stored: "Stored",
        anew: bool = False,
    ) -> None:
        """`anew`: this version was served before, but its objects look different now."""
        self._progress = LaneProgress(feed)
        self.cache = make(self._progress)
        self._translation = translation
        self._feed = feed
        self._stored = stored
        self._anew = anew
        self._tasks = Tasks()
        self.live = False
        # Why the cache is cold, if it was not always.
        self.failure: StatusError | None = None
        self._cold_until = 0.0
        self._start: asyncio.Task[None] | None = None
        self._worker: asyncio.Task[None] | None = None
        # Set, and replaced, whenever the cache has come further or has failed.
        self._moved = asyncio.Event()

    # Readers.

    async def complete(self) -> bool:
        """Wait until the cache is as far as all others; False if it cannot be: the reader asks the store."""
        if not self.live and not await self._fill():
            return False
        wanted = self._feed.revision
        while self.live and self._progress.revision < wanted:
            await self._moved.wait()
        return self.live

    async def _fill(self) -> bool:
        if clock.monotonic() < self._cold_until:
            return False
        if self._start is None:
            self._start = self._tasks.spawn(self._join(), "fill a converted cache")
        await asyncio.wait([self._start])
        return self.live

    async def _join(self) -> None:
        try:
            await self._feed.join([self], self._stored, self._anew)
            if self._worker is not None:
                await asyncio.wait([self._worker])
        except StoreError:
            self._cold_until = clock.monotonic() + PAUSE_S
        finally:
            self._start = None

    def retire(self) -> None:
        """Never be filled again: another lane takes over. Call it before the cache leaves the feed."""
        self._cold_until = math.inf
        if self._start is not None:
            self._start.cancel()

    async def close(self) -> None:
        """End what is under way; the cache has left the feed."""
        await self._tasks.close()

    # The feed.

    async def prepare(self, items: Sequence[tuple[Key, KeyValue]]) -> Sequence[bytes] | None:
        return None

    def load(
        self,
        items: Sequence[tuple[Key, KeyValue]],
        revision: int,
        since: int,
        values: Sequence[bytes] | None = None,
    ) -> None:
        self._work(self._load(items, since))

    def put(self, key: Key, revision: int, value: bytes, own: "Own | None") -> None:
        if not self._progress.waiting and self.live and self._take(key, revision, value, own):
            return
        self._progress.waiting.append((key, revision, value, own))
        if self._worker is None:
            self._work(self._drain())

    def remove(self, key: Key, revision: int) -> None:
        if self.live and not self._progress.waiting:
            self.cache.remove(key, revision)
        else:
            self._progress.waiting.append((key, revision, None, None))

    def clear(self, revision: int) -> None:
        self.drop()

    def drop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
        self._progress.waiting.clear()
        self.live = False
        self.cache.drop()
        self._tell()

    # The work.

    def _work(self, what: Coroutine[Any, Any, None]) -> None:
        self._worker = self._tasks.spawn(self._run(what), "convert events")

    async def _run(self, what: Coroutine[Any, Any, None]) -> None:
        try:
            await what
            self._worker = None
        except StatusError as error:
            self._worker = None
            self.failure = error
            self._cold_until = clock.monotonic() + PAUSE_S
            self._feed.leave([self.cache], self._stored)
        self._tell()

    async def _load(self, items: Sequence[tuple[Key, KeyValue]], since: int) -> None:
        values = await self._translation.in_time([kv.value for _, kv in items])
        found = zip(items, values, strict=True)
        self.cache.load(((key, kv.revision, value) for (key, kv), value in found), since)
        self._anew = False
        self.live = True
        await self._drain()

    async def _drain(self) -> None:
        waiting = self._progress.waiting
        while waiting:
            batch = [waiting[number] for number in range(min(BATCH, len(waiting)))]
            asked = [value for _, _, value, own in batch if value is not None and not self._is_own(own)]
            values = iter(await self._translation.in_time(asked))
            for key, revision, value, own in batch:
                waiting.popleft()
                if value is None:
                    self.cache.remove(key, revision)
                elif own is not None and self._is_own(own):
                    self.cache.put(key, revision, own.served, own.known)
                else:
                    self.cache.put(key, revision, next(values), None)
            self._tell()

    def _take(self, key: Key, revision: int, value: bytes, own: "Own | None") -> bool:
        if own is not None and self._is_own(own):
            self.cache.put(key, revision, own.served, own.known)
            return True
        served = self._translation.at_once(value)
        if served is not None:
            self.cache.put(key, revision, served, None)
        return served is not None

    def _is_own(self, own: "Own | None") -> bool:
        return own is not None and own.cache is self.cache

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
