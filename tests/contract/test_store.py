"""What every backend of the store promises (`store/backend.py`): one suite over memory, SQLite and a real
etcd.

etcd runs as one supervised process per session, with TLS, its data in a temporary directory. Each test works
under a prefix of its own.
"""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from store.backend import (
    Backend,
    Batch,
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    RevisionMismatch,
    Unavailable,
)
from store.open import open_backend
from store.process import EtcdProcess, ensure_certs, find_etcd

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def etcd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EtcdProcess]:
    assert find_etcd() is not None, "the contract is checked against a real etcd: install one"
    directory = tmp_path_factory.mktemp("etcd")
    process = EtcdProcess(directory / "data", free_port(), free_port(), ensure_certs(directory / "pki"))
    await process.start()
    try:
        await process.ready()
        yield process
    finally:
        await process.stop()


@dataclass
class Store:
    """A backend under test, a prefix of the test's own, and how to open the same data once more."""

    kind: str
    backend: Backend
    prefix: str
    open: Callable[[], Awaitable[Backend]]
    etcd: EtcdProcess | None

    def key(self, name: str) -> str:
        return self.prefix + name


async def connect(process: EtcdProcess) -> Backend:
    assert process.certs is not None
    certs = process.certs
    return await open_backend(process.url, ca=certs.ca, cert=certs.cert, key=certs.key)


@pytest_asyncio.fixture(loop_scope="session", params=["memory", "sqlite", "etcd"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, etcd: EtcdProcess) -> AsyncIterator[Store]:
    kind = request.param
    prefix = f"/registry/core/t{next(_numbers)}/"

    async def another() -> Backend:
        if kind == "etcd":
            return await connect(etcd)
        return await open_backend("memory:" if kind == "memory" else f"sqlite:{tmp_path / 'store.db'}")

    backend = await another()
    try:
        yield Store(kind, backend, prefix, another, etcd if kind == "etcd" else None)
    finally:
        await backend.close()


@dataclass
class Follower:
    """Collects what a watch yields."""

    batches: list[Batch]
    task: asyncio.Task[None]

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def revision(self) -> int:
        return self.batches[-1].revision if self.batches else 0

    async def until(self, done: Callable[["Follower"], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not done(self):
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the watch ended")
                await asyncio.sleep(0.005)

    async def reach(self, revision: int) -> None:
        await self.until(lambda follower: follower.revision >= revision)


@asynccontextmanager
async def following(backend: Backend, prefix: str, revision: int) -> AsyncIterator[Follower]:
    batches: list[Batch] = []

    async def collect() -> None:
        async with aclosing(backend.watch(prefix, revision)) as watch:
            async for batch in watch:
                # One by one: the test looks at them while they come.
                batches.append(batch)  # noqa: PERF401

    follower = Follower(batches, asyncio.get_running_loop().create_task(collect()))
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.wait([follower.task])


def check_order(follower: Follower, start: int) -> None:
    """Revisions rise, nothing repeats, and every batch is complete up to its own revision."""
    last = start
    for batch in follower.batches:
        for event in batch.events:
            assert last < event.revision <= batch.revision
            last = event.revision
        assert batch.revision >= last
        last = batch.revision


async def first_error(backend: Backend, prefix: str, revision: int) -> Exception:
    """Return what a watch raises."""
    async with asyncio.timeout(10), aclosing(backend.watch(prefix, revision)) as watch:
        try:
            async for _ in watch:
                pass
        except Exception as error:
            return error
    raise AssertionError("the watch ended without an error")


# One key.


async def test_empty_store_has_a_revision_and_no_keys(store: Store):
    assert await store.backend.current_revision() >= 1
    page = await store.backend.list(store.prefix)
    assert (page.items, page.remaining) == ([], 0)
    assert page.revision == await store.backend.current_revision()
    assert await store.backend.get(store.key("none")) is None


async def test_create_if_absent(store: Store):
    before = await store.backend.current_revision()
    revision = await store.backend.create(store.key("a"), b"one")
    assert revision == before + 1
    assert await store.backend.get(store.key("a")) == KeyValue(store.key("a"), b"one", revision, revision)
    with pytest.raises(KeyExists) as caught:
        await store.backend.create(store.key("a"), b"two")
    assert caught.value.current == KeyValue(store.key("a"), b"one", revision, revision)
    assert await store.backend.current_revision() == revision


async def test_update_if_revision(store: Store):
    created = await store.backend.create(store.key("a"), b"one")
    updated = await store.backend.update(store.key("a"), b"two", created)
    assert updated == created + 1
    with pytest.raises(RevisionMismatch) as caught:
        await store.backend.update(store.key("a"), b"three", created)
    assert caught.value.current == KeyValue(store.key("a"), b"two", created, updated)
    with pytest.raises(RevisionMismatch) as caught:
        await store.backend.update(store.key("b"), b"one", created)
    assert caught.value.current is None


async def test_update_at_revision_zero_creates_nothing(store: Store):
    with pytest.raises(RevisionMismatch):
        await store.backend.update(store.key("a"), b"one", 0)
    with pytest.raises(RevisionMismatch):
        await store.backend.delete(store.key("a"), 0)
    assert await store.backend.get(store.key("a")) is None


async def test_delete_if_revision(store: Store):
    created = await store.backend.create(store.key("a"), b"one")
    with pytest.raises(RevisionMismatch) as caught:
        await store.backend.delete(store.key("a"), created + 1)
    assert caught.value.current is not None
    deleted = await store.backend.delete(store.key("a"), created)
    assert deleted == created + 1
    assert await store.backend.get(store.key("a")) is None
    with pytest.raises(RevisionMismatch) as caught:
        await store.backend.delete(store.key("a"), created)
    assert caught.value.current is None
    again = await store.backend.create(store.key("a"), b"two")
    assert await store.backend.get(store.key("a")) == KeyValue(store.key("a"), b"two", again, again)


async def test_identical_value_still_takes_a_revision(store: Store):
    created = await store.backend.create(store.key("a"), b"same")
    assert await store.backend.update(store.key("a"), b"same", created) == created + 1


async def test_empty_and_binary_values(store: Store):
    values = {"empty": b"", "binary": bytes(range(256))}
    for name, value in values.items():
        await store.backend.create(store.key(name), value)
    assert {kv.key: kv.value for kv in (await store.backend.list(store.prefix)).items} == {
        store.key(name): value for name, value in values.items()
    }


async def test_three_mebibytes(store: Store):
    value = os.urandom(3 * 1024 * 1024)
    start = await store.backend.current_revision()
    created = await store.backend.create(store.key("big"), value)
    updated = await store.backend.update(store.key("big"), value[::-1], created)
    got = await store.backend.get(store.key("big"))
    assert got is not None
    assert got.value == value[::-1]
    async with following(store.backend, store.prefix, start) as follower:
        await follower.reach(updated)
        assert [event.value for event in follower.events] == [value, value[::-1]]


# Lists.


async def fill(store: Store, names: list[str]) -> int:
    revision = 0
    for name in names:
        revision = await store.backend.create(store.key(name), name.encode())
    return revision


def names_of(store: Store, items: list[KeyValue]) -> list[str]:
    return [kv.key.removeprefix(store.prefix) for kv in items]


async def test_list_is_in_byte_order_and_keeps_to_its_prefix(store: Store):
    await fill(store, ["b", "a/z", "a-b", "a", "ä", "Z", "a/b/c"])
    await store.backend.create(store.prefix[:-1] + "0/other", b"")
    await store.backend.create(store.prefix[:-1], b"")
    page = await store.backend.list(store.prefix)
    assert names_of(store, page.items) == ["Z", "a", "a-b", "a/b/c", "a/z", "b", "ä"]
    page = await store.backend.list(store.key("a/"))
    assert names_of(store, page.items) == ["a/b/c", "a/z"]


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 10, 100])
async def test_pages_cover_everything_once(store: Store, limit: int):
    names = [f"k{number}" for number in range(10)]
    revision = await fill(store, names)
    seen: list[str] = []
    after = ""
    while True:
        page = await store.backend.list(store.prefix, limit=limit, after=after, revision=revision)
        seen += names_of(store, page.items)
        assert page.revision == revision
        assert page.remaining == len(names) - len(seen)
        if not page.remaining:
            break
        after = page.items[-1].key
    assert seen == names


async def test_list_after_a_key_that_is_gone(store: Store):
    await fill(store, ["a", "c"])
    page = await store.backend.list(store.prefix, after=store.key("b"), limit=5)
    assert names_of(store, page.items) == ["c"]
    page = await store.backend.list(store.prefix, after=store.key("z"), limit=5)
    assert (page.items, page.remaining) == ([], 0)


async def test_list_at_an_old_revision(store: Store):
    first = await fill(store, ["a", "b", "c"])
    kv = await store.backend.get(store.key("b"))
    assert kv is not None
    await store.backend.update(store.key("b"), b"new", kv.revision)
    second = await store.backend.delete(store.key("c"), first)
    third = await store.backend.create(store.key("d"), b"d")
    fourth = await store.backend.create(store.key("c"), b"again")

    async def at(revision: int, **more) -> dict[str, bytes]:
        page = await store.backend.list(store.prefix, revision=revision, **more)
        assert page.revision == (revision or fourth)
        return {kv.key.removeprefix(store.prefix): kv.value for kv in page.items}

    assert await at(first) == {"a": b"a", "b": b"b", "c": b"c"}
    assert await at(second) == {"a": b"a", "b": b"new"}
    assert await at(third) == {"a": b"a", "b": b"new", "d": b"d"}
    assert await at(0) == {"a": b"a", "b": b"new", "c": b"again", "d": b"d"}
    assert await at(first, limit=2, after=store.key("a")) == {"b": b"b", "c": b"c"}


async def test_list_in_the_future(store: Store):
    current = await store.backend.current_revision()
    with pytest.raises(FutureRevision) as caught:
        await store.backend.list(store.prefix, revision=current + 100)
    assert caught.value.current == current


async def test_many_keys(store: Store):
    names = [f"k{number:05}" for number in range(2500)]
    await asyncio.gather(*(store.backend.create(store.key(name), name.encode() * 20) for name in names))
    page = await store.backend.list(store.prefix)
    assert names_of(store, page.items) == names
    assert len({kv.revision for kv in page.items}) == len(names)
    page = await store.backend.list(store.prefix, limit=700, after=store.key("k00999"))
    assert (names_of(store, page.items), page.remaining) == (names[1000:1700], 800)


# Watches.


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


# Compaction.


async def churn(store: Store, key: str, times: int) -> list[int]:
    revisions = [await store.backend.create(key, b"0")]
    for number in range(1, times):
        revisions.append(await store.backend.update(key, b"%d" % number, revisions[-1]))
    return revisions


async def test_compaction_refuses_old_lists_and_watches(store: Store):
    revisions = await churn(store, store.key("a"), 10)
    await store.backend.compact(revisions[5])
    with pytest.raises(Compacted) as caught:
        await store.backend.list(store.prefix, revision=revisions[4])
    assert caught.value.oldest == revisions[5]
    error = await first_error(store.backend, store.prefix, revisions[3])
    assert isinstance(error, Compacted)
    page = await store.backend.list(store.prefix, revision=revisions[5])
    assert [kv.value for kv in page.items] == [b"5"]
    async with following(store.backend, store.prefix, revisions[5]) as follower:
        await follower.reach(revisions[-1])
        assert [event.revision for event in follower.events] == revisions[6:]
        previous = follower.events[0].previous
        assert previous is not None
        assert previous.value == b"5"


async def test_compaction_again_or_to_the_past_does_nothing(store: Store):
    revisions = await churn(store, store.key("a"), 5)
    await store.backend.compact(revisions[3])
    await store.backend.compact(revisions[3])
    await store.backend.compact(revisions[1])
    with pytest.raises(Compacted):
        await store.backend.list(store.prefix, revision=revisions[2])
    assert len((await store.backend.list(store.prefix, revision=revisions[3])).items) == 1


async def test_compaction_of_the_future_is_refused(store: Store):
    with pytest.raises(FutureRevision):
        await store.backend.compact(await store.backend.current_revision() + 100)


async def test_compaction_keeps_what_lives(store: Store):
    await fill(store, ["a", "b", "c"])
    kv = await store.backend.get(store.key("b"))
    assert kv is not None
    deleted = await store.backend.delete(store.key("b"), kv.revision)
    await store.backend.compact(deleted)
    for _ in range(3):
        revisions = await churn(store, store.key(f"x{_}"), 5)
        await store.backend.compact(revisions[-1])
    assert await store.backend.current_revision() == revisions[-1]
    page = await store.backend.list(store.prefix)
    assert names_of(store, page.items) == ["a", "c", "x0", "x1", "x2"]
    again = await store.backend.create(store.key("b"), b"again")
    assert again == revisions[-1] + 1


async def test_watch_in_progress_survives_compaction(store: Store):
    start = await store.backend.current_revision()
    async with following(store.backend, store.prefix, start) as follower:
        first = await churn(store, store.key("a"), 20)
        await follower.reach(first[-1])
        await store.backend.compact(first[-1])
        second = await churn(store, store.key("b"), 20)
        await follower.reach(second[-1])
        assert [event.revision for event in follower.events] == first + second


async def test_pages_after_compaction(store: Store):
    revision = await fill(store, ["a", "b", "c"])
    page = await store.backend.list(store.prefix, limit=1, revision=revision)
    last = await fill(store, ["d", "e"])
    await store.backend.compact(last)
    with pytest.raises(Compacted):
        await store.backend.list(store.prefix, limit=1, after=page.items[-1].key, revision=revision)
    page = await store.backend.list(store.prefix, after=page.items[-1].key)
    assert names_of(store, page.items) == ["b", "c", "d", "e"]


# Races, time, cancellation, the end.


async def test_two_writers_race_and_one_wins_each_round(store: Store):
    if store.kind == "etcd":
        second = await store.open()
    else:
        second = store.backend
    try:
        revision = await store.backend.create(store.key("a"), b"")
        for round_ in range(40):
            outcomes = await asyncio.gather(
                store.backend.update(store.key("a"), b"first", revision),
                second.update(store.key("a"), b"second", revision),
                return_exceptions=True,
            )
            won = [outcome for outcome in outcomes if isinstance(outcome, int)]
            lost = [outcome for outcome in outcomes if isinstance(outcome, RevisionMismatch)]
            assert (len(won), len(lost)) == (1, 1), (round_, outcomes)
            revision = won[0]
            assert lost[0].current is not None
            assert lost[0].current.revision == revision
    finally:
        if second is not store.backend:
            await second.close()


async def test_two_creators_race(store: Store):
    for number in range(20):
        outcomes = await asyncio.gather(
            *(store.backend.create(store.key(f"k{number}"), b"%d" % who) for who in range(4)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, KeyExists) for outcome in outcomes) == 3


async def test_time_to_live_ends_in_a_deletion(store: Store):
    start = await store.backend.current_revision()
    async with following(store.backend, store.prefix, start) as follower:
        kept = await store.backend.create(store.key("kept"), b"1", ttl_s=1)
        kept = await store.backend.update(store.key("kept"), b"2", kept)
        gone = await store.backend.create(store.key("gone"), b"3", ttl_s=1)
        await follower.until(lambda follower: len(follower.events) >= 4)
        event = follower.events[3]
        assert (event.key, event.value) == (store.key("gone"), None)
        assert event.previous == KeyValue(store.key("gone"), b"3", gone, gone)
    assert await store.backend.get(store.key("gone")) is None
    assert [kv.revision for kv in (await store.backend.list(store.prefix)).items] == [kept]


async def test_cancelled_calls_leave_the_store_usable(store: Store):
    start = await store.backend.current_revision()
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(store.backend.create(store.key(f"k{number}"), b"")) for number in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, int) for outcome in outcomes[1::2])
    end = await store.backend.create(store.key("end"), b"")
    async with following(store.backend, store.prefix, start) as follower:
        await follower.reach(end)
        keys = [event.key for event in follower.events]
    listed = [kv.key for kv in (await store.backend.list(store.prefix)).items]
    assert sorted(keys) == listed
    assert {store.key(f"k{number}") for number in range(1, 20, 2)} <= set(listed)


async def test_size_covers_what_is_stored(store: Store):
    for number in range(3):
        await store.backend.create(store.key(f"k{number}"), os.urandom(1024 * 1024))
    assert await store.backend.size_bytes() >= 3 * 1024 * 1024


async def test_closed_store_says_so(store: Store):
    backend = store.backend if store.kind != "etcd" else await store.open()
    async with following(backend, store.prefix, await backend.current_revision()) as follower:
        await asyncio.sleep(0.02)
        await backend.close()
        await asyncio.wait([follower.task], timeout=5)
        assert isinstance(follower.task.exception(), Unavailable)
    with pytest.raises(Unavailable):
        await backend.get(store.key("a"))
    with pytest.raises(Unavailable):
        await backend.create(store.key("a"), b"")
    await backend.close()


# Crashes: of the etcd process, and of the process that holds SQLite.


async def restarted(etcd: EtcdProcess, before: int) -> None:
    async with asyncio.timeout(20):
        while etcd.starts == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await etcd.ready()


async def test_etcd_killed_and_restarted_loses_nothing(etcd: EtcdProcess):
    backend = await connect(etcd)
    prefix = f"/registry/core/t{next(_numbers)}/"
    acknowledged: dict[str, int] = {}
    unknown: set[str] = set()
    stop = False

    async def write(writer: int) -> None:
        for number in itertools.count():
            if stop:
                return
            key = f"{prefix}{writer}-{number}"
            try:
                acknowledged[key] = await backend.create(key, b"x" * 500)
            except Unavailable as error:
                if error.outcome_unknown:
                    unknown.add(key)

    start = await backend.current_revision()
    try:
        async with following(backend, prefix, start) as follower, asyncio.timeout(60):
            writers = asyncio.gather(*(write(number) for number in range(8)))
            for _ in range(3):
                await asyncio.sleep(0.3)
                before = etcd.starts
                etcd.kill()
                await restarted(etcd, before)
            await asyncio.sleep(0.3)
            stop = True
            await writers
            end = await backend.create(prefix + "end", b"")
            await follower.reach(end)
            check_order(follower, start)
        seen = {event.key: event.revision for event in follower.events}
        assert len(acknowledged) > 100
        assert len(seen) == len(follower.events)
        assert acknowledged.items() <= seen.items()
        assert set(seen) - set(acknowledged) - {prefix + "end"} <= unknown
        stored = {kv.key: kv.revision for kv in (await backend.list(prefix)).items}
        assert stored == seen
    finally:
        await backend.close()


async def test_etcd_calls_wait_for_a_restart(etcd: EtcdProcess):
    backend = await connect(etcd)
    try:
        revision = await backend.current_revision()
        before = etcd.starts
        etcd.kill()
        assert await backend.current_revision() >= revision
        await restarted(etcd, before)
    finally:
        await backend.close()


async def test_etcd_cannot_be_used_without_a_certificate(etcd: EtcdProcess):
    assert etcd.certs is not None
    with pytest.raises(Unavailable):
        async with asyncio.timeout(20):
            await open_backend(etcd.url, ca=etcd.certs.ca)


async def test_etcd_data_directory_is_private(etcd: EtcdProcess):
    assert etcd.data_dir.stat().st_mode & 0o777 == 0o700


WRITER = """
import asyncio, sys
from pathlib import Path
from store.sqlite import SqliteBackend

async def write(backend, writer):
    number = 0
    while True:
        key = f"/registry/core/t/{writer}-{number}"
        revision = await backend.create(key, b"x" * 3000)
        print(key, revision, flush=True)
        number += 1

async def main():
    backend = await SqliteBackend.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(backend, n) for n in range(20)))

asyncio.run(main())
"""


def write_until_killed(path: Path, round_: int) -> dict[str, int]:
    """Run a writer of its own process, kill it in the middle, and return what it said was acknowledged."""
    command = [sys.executable, "-c", WRITER.replace("/t/", f"/t/{round_}-"), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        lines = list(itertools.islice(process.stdout, 400))
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout if line.endswith("\n")]
    return {key: int(revision) for key, revision in (line.split() for line in lines)}


async def test_sqlite_killed_in_the_middle_keeps_what_it_acknowledged(tmp_path: Path):
    path = tmp_path / "store.db"
    acknowledged: dict[str, int] = {}
    for round_ in range(3):
        acknowledged |= await asyncio.to_thread(write_until_killed, path, round_)
    backend = await open_backend(f"sqlite:{path}")
    try:
        page = await backend.list("/registry/core/t/")
        stored = {kv.key: kv.revision for kv in page.items}
        assert len(acknowledged) >= 1200
        assert acknowledged.items() <= stored.items()
        assert sorted(stored.values()) == list(range(2, page.revision + 1))
    finally:
        await backend.close()


async def test_sqlite_survives_reopening(tmp_path: Path):
    path = tmp_path / "store.db"
    backend = await open_backend(f"sqlite:{path}")
    first = await backend.create("/a", b"1")
    second = await backend.create("/b", b"2", ttl_s=1)
    last = await backend.delete("/a", first)
    await backend.close()
    backend = await open_backend(f"sqlite:{path}")
    try:
        assert await backend.current_revision() == last
        assert [kv.revision for kv in (await backend.list("/")).items] == [second]
        async with following(backend, "/", 1) as follower:
            await follower.until(lambda follower: len(follower.events) == 4)
            assert [event.value for event in follower.events] == [b"1", b"2", None, None]
    finally:
        await backend.close()


async def test_sqlite_is_for_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("store.sqlite.LOCK_S", 0.1)
    backend = await open_backend(f"sqlite:{tmp_path / 'store.db'}")
    try:
        with pytest.raises(Unavailable, match="in use by another process"):
            await open_backend(f"sqlite:{tmp_path / 'store.db'}")
    finally:
        await backend.close()
