"""Keeps all watch caches of the process in step with the store, by one watch over everything.

Since all caches follow the same stream, each is complete up to the stream's revision, and a consistent read
of any resource needs no notice of its own from the store.

    start:  list everything at revision R (pages), load the caches, watch from R
    Compacted, FutureRevision:  history was dropped, or the store went back in time (a restored backup):
        end all watches, fill the caches anew, watch from there
    another store error:  wait, watch again from where the caches stand
    join:   a cache that comes later: note what happens to its keys, list them at R, wait until the stream is
        at R, convert, load, apply what was noted after R; from then on it is one of the others. Its history
        begins with the last change before R, if that is known: nothing has happened since
    leave:  a cache that goes: its watches end
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from sys import intern
from typing import Protocol, TypeAlias

from api.resource import Key
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.channel import Pump
from apiserver.watchcache.progress import Progress
from apiserver.watchcache.translation import Translation
from kit import clock, log
from store.backend import Backend, Batch, Compacted, Event, FutureRevision, KeyValue, StoreError
from store.keys import ROOT, prefix_at

_log = log.get("apiserver.feed")

# Keys read per page when the caches are filled.
PAGE = 1000
# Resources of which it is known when they changed last; definitions come and go.
MOST_TOUCHED = 10_000
# How long to wait before the store is asked again after an error.
RETRY_S = 0.5

Known = tuple[Mapping[str, str], Mapping[str, str]]
# The (group, plural) under which objects are stored.
Stored = tuple[str, str]
Parts: TypeAlias = dict[Stored, list[tuple[Key, KeyValue]]]


@dataclass(frozen=True, slots=True)
class Own:
    """A write of this process under way: `served` is its value as `cache` is to have it.

    `known`: labels and fields of what is served, if the writer knows them.
    """

    value: bytes
    cache: Cache
    served: bytes
    known: Known | None


class Intake(Protocol):
    """What the feed brings the events of a resource to."""

    cache: Cache

    async def prepare(self, items: Sequence[tuple[Key, KeyValue]]) -> Sequence[bytes] | None:
        """Return the values of `items` as the cache is to have them, if that takes time."""

    def load(
        self,
        items: Sequence[tuple[Key, KeyValue]],
        revision: int,
        since: int,
        values: Sequence[bytes] | None = None,
    ) -> None:
        """Fill the empty cache with what the store held at `revision`, and has not changed since `since`.

        `values`: what `prepare` made of the items.
        """

    def put(self, key: Key, revision: int, value: bytes, own: Own | None) -> None: ...

    def remove(self, key: Key, revision: int) -> None: ...

    def clear(self, revision: int) -> None:
        """Forget everything and end all watches, before `load`."""

    def drop(self) -> None:
        """The same, but nothing comes any more."""


class Direct:
    """The intake of a cache that takes every event at once."""

    __slots__ = ("_translation", "cache")

    def __init__(self, cache: Cache, translation: Translation | None) -> None:
        self.cache = cache
        self._translation = translation

    async def prepare(self, items: Sequence[tuple[Key, KeyValue]]) -> Sequence[bytes] | None:
        if self._translation is None:
            return None
        return await self._translation.in_time([kv.value for _, kv in items])

    def load(
        self,
        items: Sequence[tuple[Key, KeyValue]],
        revision: int,
        since: int,
        values: Sequence[bytes] | None = None,
    ) -> None:
        if values is None:
            values = [self._served(kv.value) for _, kv in items]
        found = zip(items, values, strict=True)
        self.cache.load(((key, kv.revision, value) for (key, kv), value in found), since)

    def put(self, key: Key, revision: int, value: bytes, own: Own | None) -> None:
        if own is not None and own.cache is self.cache:
            self.cache.put(key, revision, own.served, own.known)
        else:
            self.cache.put(key, revision, self._served(value), None)

    def remove(self, key: Key, revision: int) -> None:
        self.cache.remove(key, revision)

    def clear(self, revision: int) -> None:
        self.cache.clear(revision)

    def drop(self) -> None:
        self.cache.drop()

    def _served(self, value: bytes) -> bytes:
        if self._translation is None:
            return value
        try:
            return self._translation.at_once(value) or value
        except ValueError:
            # No object: the cache sets it aside.
            return value


class _Joining:
    """Notes the events of a resource while its keys are read."""

    def __init__(self, intake: Intake) -> None:
        self.cache = intake.cache
        self.noted: list[tuple[Key, int, bytes | None, Own | None]] = []
        # The store's history broke off: the list must be read again.
        self.broken = False

    async def prepare(self, items: Sequence[tuple[Key, KeyValue]]) -> Sequence[bytes] | None:
        return None

    def load(
        self,
        items: Sequence[tuple[Key, KeyValue]],
        revision: int,
        since: int,
        values: Sequence[bytes] | None = None,
    ) -> None:
        return

    def put(self, key: Key, revision: int, value: bytes, own: Own | None) -> None:
        self.noted.append((key, revision, value, own))

    def remove(self, key: Key, revision: int) -> None:
        self.noted.append((key, revision, None, None))

    def clear(self, revision: int) -> None:
        self.noted.clear()
        self.broken = True

    def drop(self) -> None:
        return


class Feed:
    """The caches by what they hold, and the task that fills them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._intakes: dict[Stored, list[Intake]] = {}
        self.pump = Pump()
        self.progress = Progress()
        # Writes of this process under way, so that nobody decodes their objects again.
        self.pending: dict[str, Own] = {}
        # When something of a resource changed last, for those that did since the caches were filled at
        # `_filled`.
        self._touched: dict[Stored, int] = {}
        self._filled = 0

    @property
    def revision(self) -> int:
        """The store revision that all caches have reached; 0 before the first list."""
        return self.progress.revision

    @property
    def caches(self) -> list[Cache]:
        return [intake.cache for intakes in self._intakes.values() for intake in intakes]

    def add(self, cache: Cache, stored: Stored, translation: Translation | None = None) -> None:
        """Feed `cache` from the keys of `stored`, before `fill`; `translation` makes of them what it
        holds."""
        self._intakes.setdefault(stored, []).append(Direct(cache, translation))

    async def join(self, intakes: Sequence[Intake], stored: Stored, anew: bool = False) -> None:
        """Fill empty caches from the keys of `stored`, and feed them from then on. Raises the store's errors.

        When this returns they are as complete as all others, and have missed nothing. `anew`: nobody may go
        on from before, since the objects look different now.
        """
        joining = [_Joining(intake) for intake in intakes]
        present = self._intakes.setdefault(stored, [])
        present.extend(joining)
        since = self._touched.get(stored, self._filled)
        try:
            items, revision, values = await self._settled(stored, intakes, joining)
        except BaseException:
            self._take_out(stored, joining)
            raise
        # Nothing may be awaited from here on: no event comes between.
        for one, intake, made in zip(joining, intakes, values, strict=True):
            before = [changed for _, changed, _, _ in one.noted if changed <= revision]
            intake.load(items, revision, revision if anew else max(before, default=since), made)
            for key, changed, value, own in one.noted:
                if changed > revision:
                    _bring(intake, key, changed, value, own)
            present[present.index(one)] = intake

    async def _settled(
        self, stored: Stored, intakes: Sequence[Intake], joining: Sequence[_Joining]
    ) -> tuple[list[tuple[Key, KeyValue]], int, list[Sequence[bytes] | None]]:
        """Return the keys of `stored` at a revision that the stream has reached, and what the caches are to
        have of them."""
        while True:
            for one in joining:
                one.broken = False
            found, revision = await self._read(prefix_at(*stored))
            await self._backend.progress()
            await self.progress.wait(revision)
            items = [(_split(item.key)[1], item) for item in found]
            values = [await intake.prepare(items) for intake in intakes]
            if not any(one.broken for one in joining):
                return items, revision, values

    def leave(self, caches: Sequence[Cache], stored: Stored) -> None:
        """Feed these caches no more; end their watches."""
        gone = [intake for intake in self._intakes.get(stored, ()) if intake.cache in caches]
        self._take_out(stored, gone)
        for intake in gone:
            intake.drop()
            intake.cache.left = True
        for key in [key for key, own in self.pending.items() if own.cache in caches]:
            del self.pending[key]
        if len(self._touched) > MOST_TOUCHED:
            self._touched.clear()
            self._filled = self.revision

    def _take_out(self, stored: Stored, gone: Sequence[Intake]) -> None:
        left = [intake for intake in self._intakes.get(stored, ()) if intake not in gone]
        if left:
            self._intakes[stored][:] = left
        else:
            self._intakes.pop(stored, None)

    async def fill(self) -> None:
        """Load all caches from the store, once, before `run`. Raises the store's errors."""
        items, revision = await self._read(ROOT)
        parts = self._parted(items)
        self._load(parts, await self._prepared(parts), revision)
        self.progress.advance(revision)

    def _parted(self, items: list[KeyValue]) -> Parts:
        parts: Parts = {}
        for item in items:
            stored, key = _split(item.key)
            if stored in self._intakes:
                parts.setdefault(stored, []).append((key, item))
        return parts

    async def _prepared(self, parts: Parts) -> dict[Intake, Sequence[bytes] | None]:
        pairs = [(stored, intake) for stored, intakes in self._intakes.items() for intake in intakes]
        return {intake: await intake.prepare(parts.get(stored, [])) for stored, intake in pairs}

    def _load(self, parts: Parts, values: Mapping[Intake, Sequence[bytes] | None], revision: int) -> None:
        for stored, intakes in self._intakes.items():
            for intake in intakes:
                intake.load(parts.get(stored, []), revision, revision, values.get(intake))
        self._touched.clear()
        self._filled = revision

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

    async def _read(self, prefix: str) -> tuple[list[KeyValue], int]:
        page = await self._backend.list(prefix, limit=PAGE)
        items, revision = page.items, page.revision
        while page.remaining:
            page = await self._backend.list(prefix, limit=PAGE, after=items[-1].key, revision=revision)
            items.extend(page.items)
        return items, revision

    async def _reread(self) -> None:
        """Fill the caches anew: what happened meanwhile is not known, so nobody can go on from before.

        To tell the differences as events instead would make one change of a deletion and a creation, and of
        several deletions, which would all bear one revision, those that a watcher misses when it resumes.
        Source: k8s.io/apiserver/pkg/storage/cacher, which ends all watchers when its reflector lists again.
        """
        try:
            items, revision = await self._read(ROOT)
        except StoreError as error:
            _log.warning("cannot read the store", error=str(error))
            await clock.sleep(RETRY_S)
            return
        parts = self._parted(items)
        values = await self._prepared(parts)
        for intakes in self._intakes.values():
            for intake in intakes:
                intake.clear(revision)
        self.pending.clear()
        self._load(parts, values, revision)
        self.progress.rewind(revision)

    def _apply(self, batch: Batch) -> None:
        for event in batch.events:
            self._take(event)
        self.progress.advance(batch.revision)

    def _take(self, event: Event) -> None:
        stored, key = _split(event.key)
        own = self.pending.get(event.key)
        if own is not None:
            if own.value == event.value:
                del self.pending[event.key]
            else:
                own = None
        self._touched[stored] = event.revision
        # A listener of one cache may have others join or leave.
        for intake in tuple(self._intakes.get(stored, ())):
            _bring(intake, key, event.revision, event.value, own)


def _bring(intake: Intake, key: Key, revision: int, value: bytes | None, own: Own | None) -> None:
    if value is None:
        intake.remove(key, revision)
    else:
        intake.put(key, revision, value, own)


def _split(key: str) -> tuple[Stored, Key]:
    """Take a store key apart: `/registry/<group or core>/<plural>/[<namespace>/]<name>`."""
    parts = key.split("/")
    group = "" if parts[2] == "core" else parts[2]
    return (group, parts[3]), Key(intern(parts[4]) if len(parts) > 5 else "", parts[-1])
