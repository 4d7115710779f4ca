"""What every backend of the store promises (`store/backend.py`): one suite over memory, SQLite and a real
etcd.

Watches are in `test_store_watch.py`, crashes in `test_store_crash.py`.
"""

import asyncio
import os

import pytest

from store.backend import (
    Compacted,
    FutureRevision,
    KeyExists,
    KeyValue,
    RevisionMismatch,
    Unavailable,
)
from tests.contract.stores import (
    Store,
    churn,
    fill,
    first_error,
    following,
    names_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

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


# Compaction.


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
