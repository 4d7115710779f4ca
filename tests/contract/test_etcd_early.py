"""etcd alone: own events need not come back on the stream, and nothing gets out of order for it."""

import asyncio
import random

import pytest

from store.backend import Event, KeyValue
from store.etcd import EtcdBackend
from store.process import EtcdProcess
from tests.contract.stores import check_order, connect, following, new_prefix

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Until it is set, no backend hears anything from etcd's stream."""
    event, stream = asyncio.Event(), EtcdBackend._stream_once

    async def stream_later(self: EtcdBackend) -> None:
        await event.wait()
        await stream(self)

    monkeypatch.setattr(EtcdBackend, "_stream_once", stream_later)
    return event


async def test_own_writes_are_told_at_once(etcd: EtcdProcess, hearing: asyncio.Event) -> None:
    backend, key = await connect(etcd), new_prefix() + "a"
    start = await backend.current_revision()
    async with following(backend, key, start) as follower:
        created = await backend.create(key, b"1")
        updated = await backend.update(key, b"2", created)
        deleted = await backend.delete(key, updated)
        await follower.reach(deleted)
        hearing.set()
        again = await backend.create(key, b"3")
        await follower.reach(again)
        await asyncio.sleep(0.1)
    assert follower.events == [
        Event(key, b"1", created, created, None),
        Event(key, b"2", updated, created, KeyValue(key, b"1", created, created)),
        Event(key, None, deleted, created, KeyValue(key, b"2", created, updated)),
        Event(key, b"3", again, again, None),
    ]
    await backend.close()


async def test_writes_of_others_come_before_own_later_ones(etcd: EtcdProcess, hearing: asyncio.Event) -> None:
    prefix = new_prefix()
    backend, other = await connect(etcd), await connect(etcd)
    start = await backend.current_revision()
    async with following(backend, prefix, start) as follower:
        await backend.create(prefix + "a", b"")
        theirs = await other.create(prefix + "b", b"")
        last = await backend.create(prefix + "c", b"")
        await follower.until(lambda one: bool(one.events))
        await asyncio.sleep(0.05)
        assert [event.key[-1] for event in follower.events] == ["a"]
        assert follower.revision < theirs
        hearing.set()
        await follower.reach(last)
    assert [event.key[-1] for event in follower.events] == ["a", "b", "c"]
    await backend.close()
    await other.close()


async def test_many_writers_are_heard_once_and_in_order(etcd: EtcdProcess) -> None:
    prefix = new_prefix()
    backends = [await connect(etcd), await connect(etcd)]
    start = await backends[0].current_revision()
    written: list[int] = []

    async def write(number: int) -> None:
        backend = backends[number % 3 // 2]
        revision = await backend.create(f"{prefix}{number}", b"x")
        written.append(revision)
        await asyncio.sleep(random.random() / 100)
        written.append(await backend.update(f"{prefix}{number}", b"y", revision))

    async with following(backends[0], prefix, start) as one, following(backends[1], prefix, start) as two:
        await asyncio.gather(*map(write, range(150)))
        for follower in (one, two):
            await follower.reach(max(written))
            assert [event.revision for event in follower.events] == sorted(written)
            check_order(follower, start)
    for backend in backends:
        await backend.close()
