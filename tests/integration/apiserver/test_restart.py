"""A server that comes back over the same store, and two servers over one store."""

import asyncio

from api.types.core_v1 import CONFIGMAPS, SERVICES
from apiserver.app import build
from apiserver.config import Config
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
