"""A server that comes back over the same store, and two servers over one store."""

import asyncio
from types import SimpleNamespace

import pytest

from api.errors import RequestEntityTooLarge, Timeout
from api.resource import Key
from api.types.core_v1 import CONFIGMAPS, ENDPOINTS, SERVICES
from apiserver.app import build
from apiserver.config import Config
from apiserver.rest import update
from apiserver.rest.hub import Operation
from apiserver.watchcache.cache import TooOld
from apiserver.watchcache.layout import Layout
from apiserver.watchcache.select import Selection
from store.backend import TooLarge, Unavailable
from store.memory import MemoryBackend

CONFIG = Config(bind_address="127.0.0.1", secure_port=0)


def service(name):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}


async def test_addresses_survive_a_restart():
    backend = MemoryBackend()
    first = await build(CONFIG, backend)
    made = [await first.registry.create(SERVICES, "default", service(f"s{number}")) for number in range(20)]
    await first.close()
    second = await build(CONFIG, backend)
    more = [await second.registry.create(SERVICES, "default", service(f"t{number}")) for number in range(20)]
    addresses = [one["spec"]["clusterIP"] for one in [*made, *more]]
    assert len(set(addresses)) == 40
    await second.close()
    await backend.close()


async def test_two_servers_see_each_others_writes():
    backend = MemoryBackend()
    one, two = await build(CONFIG, backend), await build(CONFIG, backend)
    await one.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "a"}})
    assert (await two.registry.get(CONFIGMAPS, "default", "a"))["metadata"]["name"] == "a"
    written = []

    async def bump(server):
        for _ in range(20):

            def change(old):
                count = int((old.get("data") or {}).get("n", "0"))
                return {**old, "data": {"n": str(count + 1)}}

            written.append(await server.registry.update(CONFIGMAPS, "default", "a", change))

    await asyncio.gather(bump(one), bump(two))
    assert (await one.registry.get(CONFIGMAPS, "default", "a"))["data"] == {"n": "40"}
    for server in (one, two):
        await server.close()
    await backend.close()


async def test_an_update_that_changes_nothing_is_judged_by_the_store():
    backend = MemoryBackend()
    one, two = await build(CONFIG, backend), await build(CONFIG, backend)
    made = await one.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "a"}, "data": {"n": "1"}})
    await two.hub.fresh()
    # The second server hears of nothing any more.
    await two.tasks.close()
    await one.registry.update(CONFIGMAPS, "default", "a", lambda old: {**old, "data": {"n": "2"}})
    back = await two.registry.update(CONFIGMAPS, "default", "a", lambda old: {**old, "data": {"n": "1"}})
    assert int(back["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"]) + 1
    for server in (one, two):
        await server.close()
    await backend.close()


async def test_after_compaction_the_caches_read_everything_again():
    backend = MemoryBackend()
    server = await build(CONFIG, backend)
    await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "a"}})
    await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "b"}})
    await server.hub.fresh()
    await server.feed._reread()
    names = {one["metadata"]["name"] for one in server.registry.cached_list(CONFIGMAPS, "default")}
    assert {"a", "b"} <= names
    await server.close()
    await backend.close()


async def test_after_compaction_watches_end_and_nothing_is_told_twice_or_as_something_else():
    backend = MemoryBackend()
    server = await build(CONFIG, backend)
    for name in ("a", "b", "c"):
        await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": name}})
    before = await server.hub.fresh()
    cache = server.hub.of(CONFIGMAPS).cache
    sent: list[bytes] = []
    ended: list[bool] = []
    outlet = SimpleNamespace(pending_bytes=lambda: 0, send=sent.append, end=lambda: ended.append(True))
    watcher = cache.subscribe(Selection(), Selection().compiled(), "", None, outlet)
    watcher.start()
    # What the feed does when it was away for so long that its history is gone.
    await server.tasks.close()
    key = "/registry/core/configmaps/default/"
    for name in ("a", "b"):
        found = await backend.get(key + name)
        assert found is not None
        await backend.delete(key + name, found.revision)
    await backend.create(key + "a", Layout(CONFIGMAPS).encode({"metadata": {"name": "a", "uid": "new"}}))
    await server.feed._reread()
    await asyncio.sleep(0)
    assert [key.name for key in cache.keys() if key.name in "abc"] == ["a", "c"]  # noqa: SIM118
    assert ended
    assert sent == []
    with pytest.raises(TooOld):
        cache.history(watcher, before)
    await server.close()
    await backend.close()


class LostAnswers(MemoryBackend):
    """A store whose answers get lost on the way, after the writes have been made."""

    lost = False

    async def update(self, key, value, revision, ttl_s=0):
        made = await super().update(key, value, revision, ttl_s)
        if self.lost:
            raise Unavailable("the answer was lost")
        return made


@pytest.mark.parametrize("operation", ["update", "rewrite"])
async def test_a_write_whose_outcome_is_unknown_is_not_made_again(operation):
    backend = LostAnswers()
    server = await build(CONFIG, backend)
    await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "a"}, "data": {"n": "x"}})
    await server.hub.fresh()
    collection = server.hub.of(CONFIGMAPS)

    def longer(old):
        return {**old, "data": {"n": old["data"]["n"] + "x"}}

    backend.lost = True
    change = getattr(update, operation)
    with pytest.raises(Timeout):
        await change(server.hub, collection, Key("default", "a"), longer, Operation())
    backend.lost = False
    assert (await server.registry.get(CONFIGMAPS, "default", "a"))["data"] == {"n": "xx"}
    await server.close()
    await backend.close()


async def test_what_the_store_finds_too_large_is_the_clients_fault(monkeypatch):
    backend = MemoryBackend()
    server = await build(CONFIG, backend)

    async def refuse(key, value, ttl_s=0):
        raise TooLarge("etcdserver: request is too large")

    monkeypatch.setattr(backend, "create", refuse)
    with pytest.raises(RequestEntityTooLarge):
        await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": "a"}})
    await server.close()
    await backend.close()


async def test_a_server_that_ends_takes_its_address_away():
    backend = MemoryBackend()
    one, two = [
        await build(Config(bind_address="127.0.0.1", advertise_address=ip, secure_port=0), backend)
        for ip in ("10.9.0.1", "10.9.0.2")
    ]
    await two.bootstrap._service.reconcile()

    async def addresses():
        found = await two.registry.get(ENDPOINTS, "default", "kubernetes")
        return [one["ip"] for subset in found.get("subsets") or () for one in subset["addresses"]]

    assert await addresses() == ["10.9.0.1", "10.9.0.2"]
    await one.withdraw()
    assert await addresses() == ["10.9.0.2"]
    for server in (one, two):
        await server.close()
    await backend.close()


async def test_writes_leave_nothing_behind_in_memory():
    backend = MemoryBackend()
    server = await build(CONFIG, backend)
    for number in range(5):
        await server.registry.create(CONFIGMAPS, "default", {"metadata": {"name": f"a{number}"}})
    await server.hub.fresh()
    assert server.feed.pending == {}
    await server.close()
    await backend.close()
