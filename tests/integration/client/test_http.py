"""The HTTPS transport against the real API server: certificates, errors, streams, loss of the server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.errors import Conflict, Forbidden, NotFound, Unauthorized
from api.types.core_v1 import CONFIGMAPS, NAMESPACES
from apiserver.app import Server, build
from apiserver.config import Config
from client.accounts import Accounts
from client.api import Client
from client.http import HTTPTransport, Unreachable
from client.kubeconfig import Endpoint, without_identity
from kit import tls
from store.memory import MemoryBackend


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Server, Endpoint]]:
    ca = tls.new_ca("ca")
    ca.save(tmp_path / "ca")
    tls.issue(ca, "server", server_names=["127.0.0.1"]).save(tmp_path / "server")
    admin = tls.issue(ca, "admin", ("system:masters",))
    (tmp_path / "sa.key").write_bytes(tls.new_key())
    config = Config(
        bind_address="127.0.0.1",
        secure_port=0,
        tls_cert_file=tmp_path / "server.crt",
        tls_private_key_file=tmp_path / "server.key",
        client_ca_file=tmp_path / "ca.crt",
        service_account_signing_key_file=tmp_path / "sa.key",
    )
    server = await build(config, MemoryBackend())
    port = await server.listen()
    server_url = f"https://127.0.0.1:{port}"
    yield server, Endpoint(server_url, ca_data=ca.cert, cert_data=admin.cert, key_data=admin.key)
    await server.close()


@pytest.fixture
async def client(served: Any) -> AsyncIterator[Client]:
    made = Client(HTTPTransport(served[1]))
    await made.create(NAMESPACES, {"metadata": {"name": "shop"}})
    yield made
    await made.close()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


async def test_verbs_and_errors(client: Client) -> None:
    made: Any = await client.create(CONFIGMAPS, config_map("a", x="1"), "shop")
    patched: Any = await client.patch(CONFIGMAPS, "a", "shop", {"data": {"x": "2"}})
    assert patched["data"] == {"x": "2"}
    with pytest.raises(Conflict):
        await client.update(CONFIGMAPS, {**made, "data": {"x": "3"}})
    with pytest.raises(NotFound, match='configmaps "b" not found'):
        await client.get(CONFIGMAPS, "b", "shop")
    found = await client.list(CONFIGMAPS, "shop", limit=1)
    assert found.items[0]["kind"] == "ConfigMap"
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "a", "shop", uid="another")
    await client.delete(CONFIGMAPS, "a", "shop", uid=made["metadata"]["uid"])
    raw = await client.request("GET", "/healthz")
    assert (raw.status, raw.body) == (200, b"ok")


async def test_a_watch_delivers_and_ends(client: Client) -> None:
    start = (await client.list(CONFIGMAPS, "shop")).resource_version
    await client.create(CONFIGMAPS, config_map("a"), "shop")
    await client.create(CONFIGMAPS, config_map("b", big="x" * 300_000), "shop")
    await client.delete(CONFIGMAPS, "a", "shop")
    events = client.watch(CONFIGMAPS, "shop", resource_version=start, timeout_s=1)
    seen = [(e.type, e.object["metadata"]["name"]) async for e in events if e.type != "BOOKMARK"]
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_who_asks(served: Any, tmp_path: Path) -> None:
    nobody = Client(HTTPTransport(without_identity(served[1])))
    with pytest.raises(Unauthorized):
        await nobody.list(CONFIGMAPS)
    await nobody.close()
    token = tmp_path / "token"
    token.write_text("wrong\n")
    bearer = Client(HTTPTransport(replace(without_identity(served[1]), token_file=token)))
    with pytest.raises(Unauthorized):
        await bearer.list(CONFIGMAPS)
    await bearer.close()


async def test_accounts_act_with_their_own_rights(served: Any, client: Client) -> None:
    shared = HTTPTransport(without_identity(served[1]))
    account = Accounts(client, shared).client("root-ca-cert-publisher")
    await account.create(CONFIGMAPS, config_map("mine"), "shop")
    with pytest.raises(Forbidden, match="system:serviceaccount:kube-system:root-ca-cert-publisher"):
        await account.delete(CONFIGMAPS, "mine", "shop")
    await shared.close()


async def test_no_server(served: Any) -> None:
    endpoint = replace(served[1], server="https://127.0.0.1:1")
    gone = Client(HTTPTransport(endpoint))
    with pytest.raises(Unreachable):
        await gone.list(CONFIGMAPS)
    await gone.close()


async def test_a_foreign_server_is_not_believed(served: Any) -> None:
    endpoint = replace(served[1], ca_data=tls.new_ca("other").cert)
    wary = Client(HTTPTransport(endpoint))
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await wary.list(CONFIGMAPS)
    await wary.close()


async def test_a_watch_notices_that_the_server_stops(served: Any, client: Client) -> None:
    start = (await client.list(CONFIGMAPS, "shop")).resource_version

    async def follow() -> None:
        async for _ in client.watch(CONFIGMAPS, "shop", resource_version=start):
            continue

    task = asyncio.ensure_future(follow())
    await asyncio.sleep(0.1)
    await served[0].close()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    assert task.exception() is None or isinstance(task.exception(), Unreachable)


async def test_a_burst_of_requests_opens_no_more_connections_than_allowed() -> None:
    opened: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limited = Client(HTTPTransport(Endpoint(f"http://127.0.0.1:{port}"), most_requests=3))
    answers = await asyncio.gather(*(limited.request("GET", "/healthz") for _ in range(30)))
    assert [one.status for one in answers] == [200] * 30
    assert 1 <= len(opened) <= 3
    await limited.close()
    server.close()
    await asyncio.gather(*(one.wait_closed() for one in opened))
