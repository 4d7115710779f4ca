"""Custom resources on two API servers over one store: definitions that change while objects are written."""

import asyncio
import random

import pytest
from aiohttp import ClientSession, TCPConnector

from apiserver.app import Server, build
from kit import tls
from tests.integration.apiserver.conftest import API
from tests.integration.apiserver.customresources import CRDS, definition, widget

WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CRD = f"{CRDS}/widgets.example.com"
DEFAULT = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color/default"
NAMES = [f"w{number}" for number in range(20)]


@pytest.fixture
async def both(server, api, backend, pki):
    """Two servers, each with a client of its own."""
    other: Server = await build(server.config, backend)
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    url = f"https://127.0.0.1:{await other.listen()}"
    async with ClientSession(url, connector=TCPConnector(ssl=context, limit=0)) as session:
        yield (server, api), (other, API(session))
    await other.close()


async def settled(both) -> None:
    """Wait until both servers know of every write there was."""
    for server, _ in both:
        await server.hub.fresh()
        await server.definitions.settled("widgets.example.com")


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_while_a_schema_changes(both, backend, seed: int) -> None:
    chance = random.Random(seed)

    def client() -> API:
        _, found = chance.choice(both)
        assert isinstance(found, API)
        return found

    await client().ok("POST", CRDS, definition())
    await settled(both)
    await asyncio.gather(*(client().ok("POST", WIDGETS, widget(name, size=0)) for name in NAMES))

    async def write(name: str) -> None:
        for size in (1, 2):
            answer = await client().patch(f"{WIDGETS}/{name}", {"spec": {"size": size}})
            assert answer.status == 200, answer.body

    async def change() -> None:
        for color in ("blue", "green"):
            turned = [{"op": "replace", "path": DEFAULT, "value": color}]
            assert (await client().patch(CRD, turned, "json")).status == 200

    await asyncio.gather(*(write(name) for name in NAMES), change())
    await client().ok("POST", WIDGETS, widget("late", size=2))
    await settled(both)
    for _, one in both:
        items = (await one.ok("GET", WIDGETS))["items"]
        assert sorted(item["metadata"]["name"] for item in items) == sorted([*NAMES, "late"])
        assert {item["spec"]["size"] for item in items} == {2}
    await client().ok("DELETE", CRD)
    for _, one in both:
        for _ in range(500):
            if (await one.ask("GET", CRD)).status == (await one.ask("GET", WIDGETS)).status == 404:
                break
            await asyncio.sleep(0.02)
        assert (await one.ask("GET", WIDGETS)).status == 404
    assert (await backend.list("/registry/example.com/")).items == []
