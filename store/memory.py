"""The store in memory: for tests, simulations and `pelamis up --store memory`. Nothing outlives the process.

Keys in a dict plus a sorted list; the history is the feed's list of events, and a list at an old revision is
the present one with the younger events undone.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator

from store.backend import (
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    Page,
    RevisionMismatch,
    Unavailable,
)
from store.expiry import Expiries
from store.feed import Feed

FIRST_REVISION = 1
# Beyond every key that continues a prefix: no key holds the last code point.
LAST = "\U0010ffff"


class MemoryBackend:
    """See `store.backend.Backend`. Make it inside the event loop that uses it."""

    def __init__(self) -> None:
        self._feed = Feed(FIRST_REVISION, keep_all=True)
        self._live: dict[str, KeyValue] = {}
        self._keys: list[str] = []
        self._expiries = Expiries(self._expire)
        self._closed = False

    async def get(self, key: str) -> KeyValue | None:
        self._check_open()
        return self._live.get(key)

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        self._check_open()
        at = self._check_revision(revision)
        keys, values = self._keys, self._live
        if at < self._feed.revision:
            values = self._state_at(prefix, at)
            keys = sorted(values)
        start = max(bisect_left(keys, prefix), bisect_right(keys, after) if after else 0)
        end = bisect_left(keys, prefix + LAST) if prefix else len(keys)
        stop = min(end, start + limit) if limit else end
        return Page([values[key] for key in keys[start:stop]], at, max(0, end - max(start, stop)))

    def _check_revision(self, revision: int) -> int:
        if revision > self._feed.revision:
            raise FutureRevision(self._feed.revision)
        if revision and revision < self._feed.oldest:
            raise Compacted(self._feed.oldest)
        return revision or self._feed.revision

    def _state_at(self, prefix: str, revision: int) -> dict[str, KeyValue]:
        state = {key: kv for key, kv in self._live.items() if key.startswith(prefix)}
        for event in reversed(self._feed.events):
            if event.revision <= revision:
                break
            if event.previous is not None and event.key.startswith(prefix):
                state[event.key] = event.previous
            else:
                state.pop(event.key, None)
        return state

    async def create(self, key: str, value: bytes, ttl_s: int = 0) -> int:
        self._check_open()
        if (current := self._live.get(key)) is not None:
            raise KeyExists(current)
        revision = self._feed.revision + 1
        insort(self._keys, key)
        self._put(KeyValue(key, value, revision, revision), None, ttl_s)
        return revision

    async def update(self, key: str, value: bytes, revision: int, ttl_s: int = 0) -> int:
        self._check_open()
        current = self._at_revision(key, revision)
        new = self._feed.revision + 1
        self._put(KeyValue(key, value, current.created, new), current, ttl_s)
        return new

    async def delete(self, key: str, revision: int) -> int:
        self._check_open()
        return self._remove(self._at_revision(key, revision))

    def _at_revision(self, key: str, revision: int) -> KeyValue:
        current = self._live.get(key)
        if current is None or current.revision != revision:
            raise RevisionMismatch(key, current)
        return current

    def _put(self, kv: KeyValue, previous: KeyValue | None, ttl_s: int) -> None:
        self._live[kv.key] = kv
        if ttl_s:
            self._expiries.add(kv.key, kv.revision, ttl_s)
        event = Event(kv.key, kv.value, kv.revision, kv.created, previous)
        self._feed.publish((event,), kv.revision)

    def _remove(self, current: KeyValue) -> int:
        del self._live[current.key]
        del self._keys[bisect_left(self._keys, current.key)]
        revision = self._feed.revision + 1
        event = Event(current.key, None, revision, current.created, current)
        self._feed.publish((event,), revision)
        return revision

    def _expire(self, key: str, revision: int) -> None:
        current = self._live.get(key)
        if current is not None and current.revision == revision:
            self._remove(current)

    async def watch(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        self._check_open()
        self._check_revision(revision)
        follow = self._feed.follow(prefix, revision, self._replay)
        try:
            async for batch in follow:
                yield batch
        finally:
            await follow.aclose()

    async def _replay(self, prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        # All history is in the feed: what it does not keep is compacted.
        raise Compacted(self._feed.oldest)
        yield Batch((), revision)

    async def progress(self) -> None:
        self._check_open()
        self._feed.notify()

    async def current_revision(self) -> int:
        self._check_open()
        return self._feed.revision

    async def compact(self, revision: int) -> None:
        self._check_open()
        if revision > self._feed.revision:
            raise FutureRevision(self._feed.revision)
        self._feed.forget(revision)

    async def size_bytes(self) -> int:
        return sum(len(key) + len(kv.value) for key, kv in self._live.items())

    async def close(self) -> None:
        self._closed = True
        self._expiries.close()
        self._feed.close(Unavailable("the store is closed"))

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")
