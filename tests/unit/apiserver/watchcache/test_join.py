"""Caches that come and go while the feed runs: nothing is lost, nothing comes twice."""

import asyncio
import random
from contextlib import suppress

import pytest

from api.resource import Key
from api.types.core_v1 import CONFIGMAPS
from apiserver.resources.catalog import strategy_of
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.feed import Direct, Feed
from apiserver.watchcache.layout import Layout
from apiserver.watchcache.select import Selection
from store.backend import Page
from store.memory import MemoryBackend

STORED = ("", "configmaps")
LAYOUT = Layout(CONFIGMAPS)


def value(name: str, at: int) -> bytes:
    return LAYOUT.encode({"metadata": {"name": name, "namespace": "a"}, "data": {"at": str(at)}})


def path(name: str) -> str:
    return f"/registry/core/configmaps/a/{name}"


def cache_of(feed: Feed) -> Cache:
    strategy = strategy_of(CONFIGMAPS)
    return Cache(CONFIGMAPS, strategy.fields, (), feed.pump, feed.progress)


class SlowBackend(MemoryBackend):
    """Lists take a moment, in which other writes happen."""

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        await asyncio.sleep(0)
        found = await super().list(prefix, limit=limit, after=after, revision=revision)
        await asyncio.sleep(0)
        return found


@pytest.mark.parametrize("seed", range(20))
async def test_a_cache_that_joins_amid_writes_is_whole(seed: int) -> None:
    chance, backend = random.Random(seed), SlowBackend()
    feed = Feed(backend)
    await feed.fill()
    running = asyncio.ensure_future(feed.run())
    revisions: dict[str, int] = {}

    async def write() -> None:
        for number in range(60):
            name = f"n{chance.randrange(8)}"
            if name not in revisions:
                revisions[name] = await backend.create(path(name), value(name, number))
            elif chance.random() < 0.3:
                await backend.delete(path(name), revisions.pop(name))
            else:
                revisions[name] = await backend.update(path(name), value(name, number), revisions[name])
            if chance.random() < 0.5:
                await asyncio.sleep(0)

    writing = asyncio.ensure_future(write())
    caches = [cache_of(feed), cache_of(feed)]
    for _ in range(chance.randrange(10)):
        await asyncio.sleep(0)
    await feed.join([Direct(caches[0], None)], STORED)
    start = caches[0].ring.start
    present = {entry.key.name: entry.revision for entry in caches[0].scan("")}
    assert all(revision <= caches[0].revision for revision in present.values())
    await feed.join([Direct(caches[1], None)], STORED)
    await writing
    await feed.progress.wait(await backend.current_revision())
    for cache in caches:
        assert {entry.key.name: entry.revision for entry in cache.scan("")} == revisions
    history = [event.revision for event in caches[0].ring.after(start)]
    assert history == sorted(set(history))
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_cache_that_leaves_ends_its_watches() -> None:
    backend = MemoryBackend()
    feed = Feed(backend)
    await feed.fill()
    running = asyncio.ensure_future(feed.run())
    cache, other = cache_of(feed), cache_of(feed)
    await backend.create(path("a"), value("a", 1))
    await feed.join([Direct(cache, None), Direct(other, None)], STORED)
    assert cache.get(Key("a", "a")) is not None

    class Outlet:
        ended = False

        def pending_bytes(self) -> int:
            return 0

        def send(self, frames: bytes) -> None:
            pass

        def end(self) -> None:
            self.ended = True

    outlet = Outlet()
    cache.subscribe(Selection(), Selection().compiled(), "", None, outlet)
    feed.leave([cache], STORED)
    assert outlet.ended
    assert feed.caches == [other]
    await backend.create(path("b"), value("b", 1))
    await feed.progress.wait(await backend.current_revision())
    assert (len(cache), len(other)) == (0, 2)
    # One who asked before it left is not kept waiting for ever.
    late = Outlet()
    cache.subscribe(Selection(), Selection().compiled(), "", None, late)
    assert late.ended
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
