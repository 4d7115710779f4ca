"""Addresses and ports of services on several API servers over one store: none given out twice, none lost."""

import asyncio

import pytest

from api.errors import Invalid, NotFound, StatusError
from api.resource import Key
from api.types.core_v1 import SERVICES
from api.types.networking_v1 import IPADDRESSES
from apiserver.allocators import repair
from apiserver.allocators.claims import Patient
from apiserver.allocators.pool import Taken
from apiserver.app import build
from apiserver.config import Config
from tests.integration.in_process import until

CONFIG = Config(service_cluster_ip_range="10.7.0.0/27", service_node_port_range="30000-30015")
PORTS = "/registry/ranges/servicenodeports/"


def service(name, kind="ClusterIP", port=0, **spec):
    node_port = {"nodePort": port} if port else {}
    ports = [{"port": 80, **node_port}]
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": ports, **spec}}


@pytest.fixture
async def servers(backend):
    made = [await build(CONFIG, backend) for _ in range(3)]
    yield made
    for server in made:
        await server.close()


async def create(server, obj):
    return await server.registry.create(SERVICES, "default", obj)


async def claimed(server):
    await server.hub.fresh()
    return {obj["metadata"]["name"]: obj["spec"]["parentRef"]["name"]
            for obj in server.registry.cached_list(IPADDRESSES)}  # fmt: skip


async def ports(backend):
    return {item.key.removeprefix(PORTS) for item in (await backend.list(PORTS)).items}


async def test_none_is_given_out_twice(servers):
    made = await asyncio.gather(
        *(create(servers[n % 3], service(f"s{n}", "NodePort")) for n in range(15)), return_exceptions=True
    )
    good = [one for one in made if not isinstance(one, BaseException)]
    assert len(good) >= 14, [one for one in made if isinstance(one, BaseException)]
    assert len({one["spec"]["clusterIP"] for one in good}) == len(good)
    assert len({one["spec"]["ports"][0]["nodePort"] for one in good}) == len(good)


@pytest.mark.parametrize(
    ("obj", "fault"),
    [
        pytest.param(
            service("b", clusterIP="10.7.0.20"),
            'spec.clusterIPs: Invalid value: ["10.7.0.20"]: failed to allocate IP 10.7.0.20: provided IP is '
            "already allocated",
            id="address",
        ),
        pytest.param(
            service("b", "NodePort", 30003),
            "spec.ports[0].nodePort: Invalid value: 30003: provided port is already allocated",
            id="port",
        ),
    ],
)
async def test_what_two_ask_for_at_once_one_gets(servers, obj, fault):
    wanted = [{**obj, "metadata": {"name": name}} for name in ("a", "b", "c")]
    made = await asyncio.gather(*map(create, servers, wanted), return_exceptions=True)
    refused = [one for one in made if isinstance(one, Invalid)]
    assert len(refused) == 2
    assert all(fault in str(one) for one in refused)


async def test_claims_come_and_go_with_services(servers, backend):
    made = await create(servers[0], service("a", "NodePort"))
    address, port = made["spec"]["clusterIP"], str(made["spec"]["ports"][0]["nodePort"])
    assert (await claimed(servers[1]))[address] == "a"
    assert await ports(backend) == {port}

    def plain(old):
        spec = {**old["spec"], "type": "ClusterIP", "ports": [{"port": 80, "targetPort": 80}]}
        return {**old, "spec": spec}

    await servers[1].registry.update(SERVICES, "default", "a", plain)
    await until(lambda: ports(backend), lambda found: not found)
    assert (await claimed(servers[1]))[address] == "a"
    await servers[2].registry.delete(SERVICES, "default", "a", {})
    await until(lambda: claimed(servers[0]), lambda found: address not in found)
    again = await create(servers[1], service("b", clusterIP=address))
    assert again["spec"]["clusterIP"] == address


async def test_a_refused_service_leaves_nothing(servers, backend):
    wrong = service("a", "NodePort", clusterIP="10.7.0.21", sessionAffinity="Often")
    with pytest.raises(StatusError):
        await create(servers[0], wrong)
    await until(lambda: ports(backend), lambda found: not found)
    await until(lambda: claimed(servers[0]), lambda found: "10.7.0.21" not in found)


async def test_a_dry_run_claims_nothing(servers, backend):
    api = servers[0].hub.of(SERVICES)
    strategy = api.strategy
    await strategy.reserve({**service("a", "NodePort")}, None, True)
    assert await ports(backend) == set()
    assert set((await claimed(servers[0])).values()) == {"kubernetes"}


async def test_what_a_killed_server_left_is_mended(servers, backend, monkeypatch):
    server = servers[0]
    address, port = "10.7.0.22", "30003"
    await create(server, service("a", "NodePort", int(port), clusterIP=address))
    # Claims without service, and a service without claims.
    monkeypatch.setattr(repair, "GRACE", -repair.GRACE)
    claims = list(server._claims.values())
    gone = Key("default", "gone")
    await claims[0].take("10.7.0.25", gone)
    await claims[1].take("30009", gone)
    await server.registry.delete(IPADDRESSES, "", address, {})
    found = await backend.get(PORTS + port)
    await backend.delete(PORTS + port, found.revision)
    await server.hub.fresh()
    await repair.repair(server.registry, server._claims)
    assert await claimed(server) == {"10.7.0.1": "kubernetes", address: "a"}
    assert await ports(backend) == {port}


async def test_caches_that_are_read_again_give_nothing_up(servers, backend):
    server = servers[0]
    made = await create(server, service("a", "NodePort"))
    before = await claimed(server)
    await server.feed._reread()
    await asyncio.sleep(0.05)
    assert await claimed(server) == before
    assert await ports(backend) == {str(made["spec"]["ports"][0]["nodePort"])}


async def test_a_late_give_does_not_hurt_a_service_made_anew(servers):
    server = servers[0]
    claims = next(iter(server._claims.values()))
    made = await create(server, service("a", clusterIP="10.7.0.22"))
    await claims.give("10.7.0.22", Key("default", "a"))
    assert (await claimed(server))["10.7.0.22"] == "a"
    assert made["spec"]["clusterIP"] == "10.7.0.22"
    with pytest.raises(NotFound):
        await server.registry.get(IPADDRESSES, "", "10.7.0.23")


async def test_a_claim_that_is_being_given_up_is_waited_for():
    owner, other = Key("default", "a"), Key("default", "b")
    holder, may_end = [owner], asyncio.Event()

    class Slow:
        async def take(self, number, key):
            if holder and holder[0] != key:
                raise Taken
            holder[:] = [key]

        async def give(self, number, key):
            await may_end.wait()
            holder.clear()

        async def claimed(self, before):
            return []

    claims = Patient(Slow())
    with pytest.raises(Taken):
        await claims.take("30001", other)
    giving = asyncio.ensure_future(claims.give("30001", owner))
    await asyncio.sleep(0)
    taking = asyncio.ensure_future(claims.take("30001", other))
    await asyncio.sleep(0.01)
    assert not taking.done()
    may_end.set()
    await asyncio.gather(giving, taking)
    assert holder == [other]
