"""Random histories: every backend answers as a model of a few lines does, at present and at old revisions."""

import random

import pytest

from store.backend import KeyExists, KeyValue, RevisionMismatch
from tests.contract.stores import Store, check_order, following

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = ("a", "a/b", "a/b/c", "aa", "b", "b-", "b/")
STEPS = 250


class Model:
    """What the store holds, and what it held at each revision."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.live: dict[str, KeyValue] = {}
        self.past: dict[int, dict[str, KeyValue]] = {revision: {}}

    def apply(self, operation: str, key: str, value: bytes, revision: int) -> int | type[Exception]:
        current = self.live.get(key)
        if operation == "create":
            if current is not None:
                return KeyExists
        elif current is None or current.revision != revision:
            return RevisionMismatch
        self.revision += 1
        if operation == "delete":
            self.live = {name: kv for name, kv in self.live.items() if name != key}
        else:
            created = current.created if current else self.revision
            self.live = self.live | {key: KeyValue(key, value, created, self.revision)}
        self.past[self.revision] = self.live
        return self.revision


async def perform(store: Store, operation: str, key: str, value: bytes, revision: int):
    try:
        match operation:
            case "create":
                return await store.backend.create(key, value)
            case "update":
                return await store.backend.update(key, value, revision)
            case _:
                return await store.backend.delete(key, revision)
    except (KeyExists, RevisionMismatch) as error:
        return type(error)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_operations_agree_with_a_model(store: Store, seed: int):
    draw = random.Random(seed)
    start = await store.backend.current_revision()
    model = Model(start)
    compacted = start
    async with following(store.backend, store.prefix, start) as follower:
        await follower.reach(start)
        for step in range(STEPS):
            key = store.key(draw.choice(NAMES))
            operation = draw.choice(("create", "update", "update", "update", "delete"))
            known = model.live.get(key)
            stale = draw.randint(start, model.revision)
            revision = known.revision if known and draw.random() < 0.8 else stale
            value = b"%d" % step
            expected = model.apply(operation, key, value, revision)
            assert await perform(store, operation, key, value, revision) == expected
            assert await store.backend.get(key) == model.live.get(key)
            if step % 10 == 0:
                await check_list(store, model, draw, draw.randint(compacted, model.revision))
            if step % 100 == 99:
                compacted = draw.randint(compacted, model.revision)
                await store.backend.compact(compacted)
        await store.backend.progress()
        await follower.reach(model.revision)
        check_order(follower, start)
        assert len(follower.events) == model.revision - start
        for event in follower.events:
            before = model.past[event.revision - 1].get(event.key)
            after = model.past[event.revision].get(event.key)
            assert event.previous == before
            assert event.value == (after.value if after else None)


async def check_list(store: Store, model: Model, draw: random.Random, revision: int) -> None:
    """Compare one page of a random prefix at an old revision."""
    prefix = store.key(draw.choice(("", "a", "a/", "b", "c")))
    limit = draw.choice((0, 1, 2))
    after = store.key(draw.choice(NAMES)) if draw.random() < 0.5 else ""
    past = model.past[revision]
    expected = [past[key] for key in sorted(past) if key.startswith(prefix) and key > after]
    page = await store.backend.list(prefix, limit=limit, after=after, revision=revision)
    assert page.items == (expected[:limit] if limit else expected)
    assert page.remaining == (len(expected[limit:]) if limit else 0)
    assert page.revision == revision
