"""What a watch of every backend promises: every write once, in order, with what was there before."""

import asyncio

import pytest

from store.backend import (
    Event,
    FutureRevision,
    KeyValue,
)
from tests.contract.stores import (
    Store,
    check_order,
    fill,
    first_error,
    following,
    names_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_watch_tells_all_writes_with_previous_values(store: Store):
    start = await store.backend.current_revision()
    key = store.key("a")
    async with following(store.backend, store.prefix, start) as follower:
        created = await store.backend.create(key, b"1")
        updated = await store.backend.update(key, b"2", created)
        deleted = await store.backend.delete(key, updated)
        again = await store.backend.create(key, b"3")
        await follower.reach(again)
    assert follower.events == [
        Event(key, b"1", created, created, None),
        Event(key, b"2", updated, created, KeyValue(key, b"1", created, created)),
        Event(key, None, deleted, created, KeyValue(key, b"2", created, updated)),
        Event(key, b"3", again, again, None),
    ]
    check_order(follower, start)


async def test_watch_from_each_revision_of_the_past(store: Store):
    start = await store.backend.current_revision()
    revision = await store.backend.create(store.key("a"), b"0")
    revisions = [revision]
    for number in range(1, 10):
        revisions.append(await store.backend.update(store.key("a"), b"%d" % number, revisions[-1]))
    for since in [start, *revisions]:
        async with following(store.backend, store.prefix, since) as follower:
            await store.backend.progress()
            await follower.reach(revisions[-1])
            expected = [revision for revision in revisions if revision > since]
            assert [event.revision for event in follower.events] == expected


async def test_watch_from_the_past_by_a_new_process(store: Store):
    if store.kind == "memory":
        return
    start = await store.backend.current_revision()
    last = await fill(store, [f"k{number}" for number in range(50)])
    await store.backend.delete(store.key("k0"), start + 1)
    if store.kind == "sqlite":
        await store.backend.close()
    second = await store.open()
    try:
        async with following(second, store.prefix, start) as follower:
            final = await second.create(store.key("last"), b"")
            await follower.reach(final)
            assert [event.revision for event in follower.events] == list(range(start + 1, final + 1))
            check_order(follower, start)
            assert follower.events[50].previous is not None
        assert last < final
    finally:
        await second.close()


async def test_watch_keeps_to_its_prefix(store: Store):
    start = await store.backend.current_revision()
    async with following(store.backend, store.key("a/"), start) as follower:
        await fill(store, ["b", "a", "a/1", "ab", "a/2"])
        await store.backend.progress()
        await follower.reach(await store.backend.current_revision())
        assert [event.key for event in follower.events] == [store.key("a/1"), store.key("a/2")]


async def test_watch_without_gap_or_repeat_under_concurrent_writers(store: Store):
    start = await store.backend.current_revision()

    async def write(writer: int) -> None:
        key = store.key(f"w{writer}")
        for round_ in range(30):
            revision = await store.backend.create(key, b"%d" % round_)
            revision = await store.backend.update(key, b"again", revision)
            await store.backend.delete(key, revision)

    async with following(store.backend, store.prefix, start) as early:
        writing = asyncio.gather(*(write(number) for number in range(10)))
        await asyncio.sleep(0.02)
        async with following(store.backend, store.prefix, start) as late:
            await writing
            end = await store.backend.current_revision()
            for follower in (early, late):
                await follower.reach(end)
                check_order(follower, start)
                assert [event.revision for event in follower.events] == list(range(start + 1, end + 1))
    assert end == start + 900
    state: dict[str, KeyValue] = {}
    for event in early.events:
        assert event.previous == state.pop(event.key, None)
        if event.value is not None:
            state[event.key] = KeyValue(event.key, event.value, event.created, event.revision)
    assert state == {}


async def test_list_then_watch_misses_nothing(store: Store):
    async def write() -> None:
        for number in range(150):
            await store.backend.create(store.key(f"k{number:03}"), b"")

    writing = asyncio.get_running_loop().create_task(write())
    await asyncio.sleep(0.01)
    page = await store.backend.list(store.prefix)
    async with following(store.backend, store.prefix, page.revision) as follower:
        await writing
        await store.backend.progress()
        await follower.reach(await store.backend.current_revision())
        seen = names_of(store, page.items) + [
            event.key.removeprefix(store.prefix) for event in follower.events
        ]
    assert seen == [f"k{number:03}" for number in range(150)]


async def test_many_watches(store: Store):
    start = await store.backend.current_revision()
    async with asyncio.timeout(20):
        watches = [following(store.backend, store.key(f"p{number}/"), start) for number in range(50)]
        followers = [await watch.__aenter__() for watch in watches]
        try:
            for number in range(50):
                await store.backend.create(store.key(f"p{number}/x"), b"")
            await store.backend.progress()
            for number, follower in enumerate(followers):
                await follower.reach(start + 50)
                assert [event.key for event in follower.events] == [store.key(f"p{number}/x")]
        finally:
            for watch in watches:
                await watch.__aexit__(None, None, None)


async def test_progress_reaches_quiet_watches(store: Store):
    async with following(store.backend, store.key("quiet/"), await store.backend.current_revision()) as quiet:
        await asyncio.sleep(0.02)
        revision = await store.backend.create(store.key("other"), b"")
        await store.backend.progress()
        await quiet.until(lambda follower: follower.revision >= revision, 2.0)
        assert quiet.events == []


async def test_closing_a_watch_ends_it(store: Store):
    watch = store.backend.watch(store.prefix, await store.backend.current_revision())
    assert (await anext(watch)).events == ()
    waiting = asyncio.get_running_loop().create_task(anext(watch))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await watch.aclose()
    revision = await store.backend.create(store.key("a"), b"")
    assert await store.backend.get(store.key("a")) == KeyValue(store.key("a"), b"", revision, revision)


async def test_watch_in_the_future(store: Store):
    current = await store.backend.current_revision()
    error = await first_error(store.backend, store.prefix, current + 100)
    assert isinstance(error, FutureRevision)
