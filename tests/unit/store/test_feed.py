import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from store import feed as feed_module
from store.backend import Batch, Compacted, Event, Unavailable
from store.feed import Feed


def event(revision: int, key: str = "/a/x") -> Event:
    return Event(key, b"v", revision, revision, None)


async def no_history(prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
    raise AssertionError(f"history of {prefix} after {revision} asked for")
    yield Batch((), revision)


async def take(feed: Feed, prefix: str, revision: int, count: int, replay=no_history) -> list[Batch]:
    batches = []
    async with asyncio.timeout(60), aclosing(feed.follow(prefix, revision, replay)) as watch:
        async for batch in watch:
            batches.append(batch)
            if len(batches) == count:
                break
    return batches


async def test_a_watch_says_at_once_where_it_stands():
    feed = Feed(1)
    feed.publish([event(2), event(3, "/b/x"), event(4)], 4)
    assert await take(feed, "/a/", 1, 1) == [Batch((event(2), event(4)), 4)]
    assert await take(feed, "/a/", 2, 1) == [Batch((event(4),), 4)]
    assert await take(feed, "/c/", 4, 1) == [Batch((), 4)]


async def test_a_watch_from_beyond_gets_nothing_twice():
    feed = Feed(1)
    taking = asyncio.get_running_loop().create_task(take(feed, "/a/", 3, 2))
    await asyncio.sleep(0)
    feed.publish([event(2), event(3)], 3)
    await asyncio.sleep(0)
    feed.publish([event(4)], 4)
    assert await taking == [Batch((), 3), Batch((event(4),), 4)]


async def test_what_came_meanwhile_comes_in_one_batch():
    feed = Feed(1)
    async with aclosing(feed.follow("/", 1, no_history)) as watch:
        assert await anext(watch) == Batch((), 1)
        for revision in range(2, 12):
            feed.publish([event(revision)], revision)
        assert [e.revision for e in (await anext(watch)).events] == list(range(2, 12))


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        pytest.param("/a/", ["/a/x", "/a/b/y"], id="directory"),
        pytest.param("/a", ["/a/x", "/a/b/y", "/ab"], id="part-of-a-name"),
        pytest.param("/a/b", ["/a/b/y"], id="name-or-directory"),
        pytest.param("", ["/a/x", "/a/b/y", "/ab", "/c/z"], id="everything"),
        pytest.param("/a/b/y/more", [], id="deeper"),
    ],
)
async def test_prefixes(prefix, keys):
    feed = Feed(1)
    async with aclosing(feed.follow(prefix, 1, no_history)) as watch:
        await anext(watch)
        feed.publish([event(n, key) for n, key in enumerate(("/a/x", "/a/b/y", "/ab", "/c/z"), 2)], 5)
        feed.notify()
        assert [e.key for e in (await anext(watch)).events] == keys


@pytest.mark.looptime
async def test_a_quiet_watch_gives_notice_every_ten_seconds(looptime):
    assert await take(Feed(1), "/", 1, 4) == [Batch((), 1)] * 4
    assert looptime == 30


def history_of(feed: Feed, asked: list[int]):
    async def replay(prefix: str, revision: int) -> AsyncGenerator[Batch, None]:
        asked.append(revision)
        while revision < feed.oldest:
            revision += 1
            yield Batch((event(revision),), revision)

    return replay


async def test_history_fills_what_is_no_longer_kept(monkeypatch):
    monkeypatch.setattr(feed_module, "KEEP_EVENTS", 4)
    feed = Feed(1)
    for revision in range(2, 12):
        feed.publish([event(revision)], revision)
    assert (feed.oldest, len(feed.events)) == (7, 4)
    asked: list[int] = []
    batches = await take(feed, "/a/", 3, 5, history_of(feed, asked))
    assert [e.revision for batch in batches for e in batch.events] == list(range(4, 12))
    assert asked == [3]


async def test_a_slow_watch_goes_back_to_history(monkeypatch):
    monkeypatch.setattr(feed_module, "KEEP_EVENTS", 4)
    monkeypatch.setattr(feed_module, "MAX_PENDING", 6)
    feed = Feed(1)
    asked: list[int] = []
    async with aclosing(feed.follow("/a/", 1, history_of(feed, asked))) as watch:
        await anext(watch)
        for revision in range(2, 30):
            feed.publish([event(revision)], revision)
        seen: list[int] = []
        while len(seen) < 28:
            seen += [e.revision for e in (await anext(watch)).events]
    assert seen == list(range(2, 30))
    assert asked == [1]


async def test_bytes_are_bounded_too(monkeypatch):
    monkeypatch.setattr(feed_module, "KEEP_BYTES", 10_000)
    feed = Feed(1)
    for revision in range(2, 100):
        feed.publish([Event("/a", b"x" * 1000, revision, revision, None)], revision)
    assert len(feed.events) == 8


async def test_what_is_pending_comes_before_the_error():
    feed = Feed(1)
    async with aclosing(feed.follow("/a/", 1, no_history)) as watch:
        await anext(watch)
        feed.publish([event(2)], 2)
        feed.restart(9, Compacted(9))
        assert await anext(watch) == Batch((event(2),), 2)
        with pytest.raises(Compacted):
            await anext(watch)
    assert (feed.revision, feed.oldest) == (9, 9)


async def test_reached_waits():
    feed = Feed(1)
    await feed.reached(1)
    waiting = asyncio.gather(feed.reached(3), feed.reached(2))
    await asyncio.sleep(0)
    feed.publish([event(2)], 2)
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.publish([event(3)], 3)
    await waiting


async def test_closing_ends_everything():
    feed = Feed(1)
    waiting = asyncio.gather(feed.reached(3), return_exceptions=True)
    await asyncio.sleep(0)
    feed.close(Unavailable("closed"))
    assert [type(error) for error in await waiting] == [Unavailable]
    with pytest.raises(Unavailable):
        await take(feed, "/a/", 1, 1)
    with pytest.raises(Unavailable):
        await feed.reached(5)
