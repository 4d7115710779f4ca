"""The feed when the store loses history: compacted, or gone back in time."""

import asyncio
from contextlib import suppress
from typing import cast

from api.resource import Key
from api.types.core_v1 import CONFIGMAPS
from apiserver.resources.catalog import strategy_of
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.feed import Feed
from apiserver.watchcache.layout import Layout
from apiserver.watchcache.select import Selection
from store.backend import Backend, Batch, FutureRevision, KeyValue, Page

LAYOUT = Layout(CONFIGMAPS)


def stored(name, revision):
    value = LAYOUT.encode({"metadata": {"name": name, "namespace": "a"}, "data": {"at": str(revision)}})
    return KeyValue(f"/registry/core/configmaps/a/{name}", value, revision, revision)


class Store:
    """A backend that can be set back to an earlier state, as a restored backup is."""

    def __init__(self, items, revision):
        self.items, self.revision = items, revision
        self.broken, self.rewatched = asyncio.Event(), asyncio.Event()
        self.watched_from = []

    async def list(self, prefix, *, limit=0, after="", revision=0):
        return Page(self.items, self.revision, 0)

    async def watch(self, prefix, revision):
        self.watched_from.append(revision)
        if len(self.watched_from) == 2:
            self.rewatched.set()
        if revision > self.revision:
            raise FutureRevision(self.revision)
        await self.broken.wait()
        self.broken.clear()
        if revision > self.revision:
            raise FutureRevision(self.revision)
        yield Batch((), revision)


class Outlet:
    ended = False

    def pending_bytes(self):
        return 0

    def send(self, frames):
        pass

    def end(self):
        self.ended = True


async def test_a_store_that_went_back_in_time_is_read_anew():
    store = Store([stored("kept", 5), stored("lost", 90), stored("changed", 80)], 100)
    feed, strategy = Feed(cast(Backend, store)), strategy_of(CONFIGMAPS)
    cache = Cache(CONFIGMAPS, strategy.fields, strategy.indexed_fields, feed.pump, feed.progress)
    feed.add(cache, ("", "configmaps"))
    await feed.fill()
    told, outlet = {}, Outlet()
    cache.listeners.append(lambda key, entry: told.update({key.name: entry and entry.revision}))
    watcher = cache.subscribe(Selection(), Selection().compiled(), "", None, outlet)
    running = asyncio.ensure_future(feed.run())
    await asyncio.sleep(0)
    store.items, store.revision = [stored("kept", 5), stored("changed", 20)], 30
    store.broken.set()
    await store.rewatched.wait()
    assert store.watched_from == [100, 30]
    assert feed.revision == 30
    assert sorted(key.name for key in cache.keys()) == ["changed", "kept"]  # noqa: SIM118
    entry = cache.get(Key("a", "changed"))
    assert entry is not None
    assert entry.revision == 20
    assert told == {"kept": 5, "changed": 20, "lost": None}
    assert outlet.ended
    assert watcher.closed
    assert cache.ring.start == 30
    assert len(cache.ring) == 0
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
