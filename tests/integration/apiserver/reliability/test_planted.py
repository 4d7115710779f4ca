"""A checker that never finds anything is worth nothing: servers with planted faults are found out."""

import itertools

import pytest

from store.backend import KeyValue, RevisionMismatch
from store.memory import MemoryBackend
from tests.integration.apiserver.reliability.cas import PATH, fight

pytestmark = pytest.mark.usefixtures("server")


def is_planted(key):
    return "/linear/" in key


class LosesWrites(MemoryBackend):
    """One update in twenty is acknowledged and not made."""

    turns = itertools.count()

    async def update(self, key, value, revision, ttl_s=0):
        if is_planted(key) and next(self.turns) % 20 == 19:
            return revision + 1
        return await super().update(key, value, revision, ttl_s)


class IgnoresRevisions(MemoryBackend):
    """Compare-and-set that does not compare."""

    async def update(self, key, value, revision, ttl_s=0):
        try:
            return await super().update(key, value, revision, ttl_s)
        except RevisionMismatch as error:
            if not is_planted(key) or error.current is None:
                raise
            return await super().update(key, value, error.current.revision, ttl_s)


class TellsOldRevisions(MemoryBackend):
    """A write's answer bears the revision of what it overwrote."""

    async def update(self, key, value, revision, ttl_s=0):
        made = await super().update(key, value, revision, ttl_s)
        return revision if is_planted(key) else made


class IsBehind(MemoryBackend):
    """From the first fight on its watch is late, and it says that nothing newer is there: reads are stale."""

    told = 0

    async def watch(self, prefix, revision):
        late, before = [], revision
        async for batch in super().watch(prefix, revision):
            late.append(batch)
            if not self.told and any(is_planted(event.key) for event in batch.events):
                self.told = before
            while len(late) > (5 if self.told else 0):
                before = late[0].revision
                self.told = before if self.told else 0
                yield late.pop(0)

    async def current_revision(self):
        return self.told or await super().current_revision()


class ForgetsDeletions(MemoryBackend):
    """A deletion is acknowledged and not made."""

    async def delete(self, key, revision):
        if is_planted(key):
            found: KeyValue | None = await self.get(key)
            if found is None or found.revision != revision:
                raise RevisionMismatch(key, found)
            return revision + 1
        return await super().delete(key, revision)


@pytest.mark.parametrize(
    "backend",
    [LosesWrites(), IgnoresRevisions(), TellsOldRevisions(), IsBehind(), ForgetsDeletions()],
    ids=lambda one: type(one).__name__,
)
async def test_found(backend, api):
    url, told = str(api.session._base_url).rstrip("/"), list[int]()
    # How much is done in a second depends on the machine: what takes two clients at once may need a few.
    for seed in range(5, 15):
        history = await fight(api.session, [url], seconds=1.5, seed=seed)
        told.append(history.count)
        if history.faults():
            return
    raise AssertionError(f"nothing found in {told} operations at {PATH}")


async def test_an_honest_server_has_no_faults(api):
    url = str(api.session._base_url).rstrip("/")
    history = await fight(api.session, [url], seconds=1.5, seed=5)
    assert history.faults() == []
    assert history.count > 150
