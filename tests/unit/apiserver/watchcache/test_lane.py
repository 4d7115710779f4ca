"""A cache whose objects somebody else converts: order, failures, and what readers are told of them."""

import asyncio
from contextlib import suppress

import pytest

from api.errors import StatusError
from api.resource import Key
from api.types.core_v1 import CONFIGMAPS
from apiserver.resources.catalog import strategy_of
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.feed import Feed
from apiserver.watchcache.lane import PAUSE_S, Lane
from apiserver.watchcache.layout import Layout
from store.memory import MemoryBackend

STORED = ("", "configmaps")
LAYOUT = Layout(CONFIGMAPS)


def value(name: str, version: str) -> bytes:
    return LAYOUT.encode({"metadata": {"name": name, "namespace": "a"}, "data": {"version": version}})


def path(name: str) -> str:
    return f"/registry/core/configmaps/a/{name}"


class Slow:
    """Converts what is stored as `old`, when it is let, and counts the calls."""

    asks, same = True, False

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False

    def at_once(self, stored: bytes) -> bytes | None:
        return stored if b'"new"' in stored else None

    async def in_time(self, values: list[bytes]) -> list[bytes]:
        late = sum(self.at_once(item) is None for item in values)
        if late:
            self.calls.append(late)
            await self.gate.wait()
        if self.failing and late:
            raise StatusError("no luck")
        return [item.replace(b'"old"', b'"new"') for item in values]

    async def stored(self, obj: object) -> bytes:
        raise NotImplementedError


class World:
    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.feed = Feed(self.backend)
        self.slow = Slow()
        strategy = strategy_of(CONFIGMAPS)

        def make(progress: object) -> Cache:
            return Cache(CONFIGMAPS, strategy.fields, (), self.feed.pump, progress)  # type: ignore[arg-type]

        self.lane = Lane(make, self.slow, self.feed, STORED)  # type: ignore[arg-type]

    async def write(self, name: str, version: str) -> int:
        return await self.backend.create(path(name), value(name, version))

    async def caught_up(self) -> None:
        await self.feed.progress.wait(await self.backend.current_revision())

    @property
    def names(self) -> list[str]:
        return [entry.key.name for entry in self.lane.cache.scan("")]


@pytest.fixture
async def world():
    made = World()
    await made.feed.fill()
    running = asyncio.ensure_future(made.feed.run())
    yield made
    await made.lane.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_nobody_is_asked_before_somebody_reads(world) -> None:
    await world.write("a", "old")
    await world.write("b", "old")
    await world.caught_up()
    assert world.slow.calls == []
    assert await world.lane.complete()
    assert (world.slow.calls, world.names) == ([2], ["a", "b"])


async def test_what_needs_no_webhook_waits_behind_what_does(world) -> None:
    assert await world.lane.complete()
    world.slow.gate.clear()
    first = await world.write("a", "old")
    await world.write("b", "new")
    await world.backend.delete(path("b"), await world.backend.current_revision())
    await world.write("c", "old")
    await world.caught_up()
    assert world.names == []
    assert world.lane.cache.revision == first - 1
    reading = asyncio.ensure_future(world.lane.complete())
    await asyncio.sleep(0)
    assert not reading.done()
    world.slow.gate.set()
    assert await reading
    assert world.names == ["a", "c"]
    kinds = [(event.kind, event.entry.key.name) for event in world.lane.cache.ring.after(first - 1)]
    assert kinds == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b"), ("ADDED", "c")]
    assert all(b'"new"' in entry.data for entry in world.lane.cache.scan(""))


@pytest.mark.looptime
async def test_a_failure_leaves_the_cache_cold_for_a_while(world) -> None:
    assert await world.lane.complete()
    world.slow.failing = True
    await world.write("a", "old")
    await world.caught_up()
    assert not await world.lane.complete()
    assert str(world.lane.failure) == "no luck"
    assert world.feed.caches == []
    calls = len(world.slow.calls)
    assert not await world.lane.complete()
    assert len(world.slow.calls) == calls
    world.slow.failing = False
    await asyncio.sleep(PAUSE_S)
    assert await world.lane.complete()
    assert world.names == ["a"]
    entry = world.lane.cache.get(Key("a", "a"))
    assert entry is not None
