"""Keeps all watch caches of the process in step with the store, by one watch over everything.

Since all caches follow the same stream, each is complete up to the stream's revision, and a consistent read
of any resource needs
no notice of its own from the store.

    start:  list everything at revision R (pages), load the caches, watch from R
    Compacted, FutureRevision:  history was dropped, or the store went back in time (a restored backup):
        end all watches, fill the caches anew, watch from there
    another store error:  wait, watch again from where the caches stand
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing

from api.resource import Key
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.channel import Pump
from apiserver.watchcache.progress import Progress
from kit import clock, log
from store.backend import Backend, Batch, Compacted, Event, FutureRevision, KeyValue, StoreError
from store.keys import ROOT

_log = log.get("apiserver.feed")

# Keys read per page when the caches are filled.
PAGE = 1000
# How long to wait before the store is asked again after an error.
RETRY_S = 0.5

Known = tuple[Mapping[str, str], Mapping[str, str]]
Stored = tuple[str, str]


class Feed:
    """The caches by the (group, plural) under which their objects are stored, and the task that fills
    them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._caches: dict[Stored, list[tuple[Cache, Callable[[bytes], bytes] | None]]] = {}
        self.pump = Pump()
        self.progress = Progress()
        # Writes of this process under way, so that nobody decodes their objects again: key -> (value, known).
        self.pending: dict[str, tuple[bytes, Known]] = {}

    @property
    def revision(self) -> int:
        """The store revision that all caches have reached; 0 before the first list."""
        return self.progress.revision

    @property
    def caches(self) -> list[Cache]:
        return [cache for pairs in self._caches.values() for cache, _ in pairs]

    def add(self, cache: Cache, stored: Stored, convert: Callable[[bytes], bytes] | None = None) -> None:
        """Feed `cache` from the keys of `stored`; `convert` makes its store values of the stored ones."""
        self._caches.setdefault(stored, []).append((cache, convert))

    async def fill(self) -> None:
        """Load all caches from the store, once, before `run`. Raises the store's errors."""
        items, revision = await self._read()
        self._load(items, revision)
        self.progress.advance(revision)

    def _load(self, items: list[KeyValue], revision: int) -> None:
        parts: dict[Stored, list[tuple[Key, KeyValue]]] = {}
        for item in items:
            stored, key = _split(item.key)
            parts.setdefault(stored, []).append((key, item))
        for stored, pairs in self._caches.items():
            for cache, convert in pairs:
                found = parts.get(stored, ())
                cache.load(
                    ((key, kv.revision, convert(kv.value) if convert else kv.value) for key, kv in found),
                    revision,
                )

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            try:
                async with aclosing(self._backend.watch(ROOT, self.revision)) as batches:
                    async for batch in batches:
                        self._apply(batch)
            except Compacted:
                _log.warning("history was compacted; reading everything again", revision=self.revision)
                await self._reread()
            except FutureRevision as error:
                _log.warning("the store went back in time", revision=self.revision, store=error.current)
                await self._reread()
            except StoreError as error:
                _log.warning("lost the store; trying again", error=str(error))
                await clock.sleep(RETRY_S)

    async def _read(self) -> tuple[list[KeyValue], int]:
        page = await self._backend.list(ROOT, limit=PAGE)
        items, revision = page.items, page.revision
        while page.remaining:
            page = await self._backend.list(ROOT, limit=PAGE, after=items[-1].key, revision=revision)
            items.extend(page.items)
        return items, revision

    async def _reread(self) -> None:
        """Fill the caches anew: what happened meanwhile is not known, so nobody can go on from before.

        To tell the differences as events instead would make one change of a deletion and a creation, and of
        several deletions, which would all bear one revision, those that a watcher misses when it resumes.
        Source: k8s.io/apiserver/pkg/storage/cacher, which ends all watchers when its reflector lists again.
        """
        try:
            items, revision = await self._read()
        except StoreError as error:
            _log.warning("cannot read the store", error=str(error))
            await clock.sleep(RETRY_S)
            return
        for cache in self.caches:
            cache.clear(revision)
        self.pending.clear()
        self._load(items, revision)
        self.progress.rewind(revision)

    def _apply(self, batch: Batch) -> None:
        for event in batch.events:
            self._take(event)
        self.progress.advance(batch.revision)

    def _take(self, event: Event) -> None:
        stored, key = _split(event.key)
        if event.value is None:
            for cache, _ in self._caches.get(stored, ()):
                cache.remove(key, event.revision)
            return
        known = None
        own = self.pending.get(event.key)
        if own is not None and own[0] == event.value:
            known = own[1]
            del self.pending[event.key]
        self._put(stored, key, event.revision, event.value, known)

    def _put(self, stored: Stored, key: Key, revision: int, value: bytes, known: Known | None) -> None:
        for cache, convert in self._caches.get(stored, ()):
            if convert is None:
                cache.put(key, revision, value, known)
            else:
                cache.put(key, revision, convert(value), None)


def _split(key: str) -> tuple[Stored, Key]:
    """Take a store key apart: `/registry/<group or core>/<plural>/[<namespace>/]<name>`."""
    parts = key.split("/")
    group = "" if parts[2] == "core" else parts[2]
    return (group, parts[3]), Key(parts[4] if len(parts) > 5 else "", parts[-1])
