"""Logs, exec and proxies through the real listener to an agent over TLS; and what must not get through."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.app import Server, build
from apiserver.config import Config
from apiserver.http.message import APISERVER
from kit import tls
from store.memory import MemoryBackend

POD = "/api/v1/namespaces/default/pods/p"
UPGRADE = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"


class Agent:
    """A node agent that answers by a script: path prefix -> what it says."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.peers: list[dict] = []
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(writer.get_extra_info("ssl_object").getpeercert())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                path = head.split(" ")[1]
                answer = next((value for key, value in self.answers.items() if path.startswith(key)), b"")
                writer.write(answer or b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope")
                if answer.startswith(b"HTTP/1.1 101"):
                    await self._echo(reader, writer)
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.ended.set()
            writer.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()


class World:
    def __init__(self, server: Server, agent: Agent, port: int, context: ssl.SSLContext) -> None:
        self.server, self.agent, self.port, self.context = server, agent, port, context

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)

    async def send(self, text: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request; return the head of the answer and the connection."""
        reader, writer = await self.connect()
        writer.write(text.encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
        return head, reader, writer


async def body_of(head: str, reader: asyncio.StreamReader) -> bytes:
    for line in head.lower().split("\r\n"):
        if line.startswith("content-length:"):
            return await reader.readexactly(int(line.partition(":")[2]))
    parts = b""
    while (size := int(await reader.readline(), 16)) > 0:
        parts += await reader.readexactly(size)
        await reader.readline()
    return parts


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ca = tls.new_ca("ca")
    ca.save(tmp_path / "ca")
    for name, user, names in (
        ("serving", "kube-apiserver", ("127.0.0.1",)),
        ("agent", "system:node:n1", ("127.0.0.1",)),
        ("kubelet-client", "kube-apiserver-kubelet-client", ()),
        ("admin", "admin", ()),
    ):
        groups = ("system:masters",) if user == "admin" else ()
        tls.issue(ca, user, groups, server_names=names).save(tmp_path / name)
    agent = Agent()
    listening = await asyncio.start_server(
        agent.serve,
        "127.0.0.1",
        0,
        ssl=tls.server_context(tmp_path / "agent.crt", tmp_path / "agent.key", tmp_path / "ca.crt"),
    )
    config = Config(
        bind_address="127.0.0.1",
        secure_port=0,
        tls_cert_file=tmp_path / "serving.crt",
        tls_private_key_file=tmp_path / "serving.key",
        client_ca_file=tmp_path / "ca.crt",
        kubelet_client_certificate=tmp_path / "kubelet-client.crt",
        kubelet_client_key=tmp_path / "kubelet-client.key",
        kubelet_certificate_authority=tmp_path / "ca.crt",
    )
    server = await build(config, MemoryBackend())
    port = await server.listen()
    await prepare(server, listening.sockets[0].getsockname()[1])
    context = tls.client_context(tmp_path / "ca.crt", tmp_path / "admin.crt", tmp_path / "admin.key")
    yield World(server, agent, port, context)
    listening.close()
    await server.close()


async def prepare(server: Server, agent_port: int) -> None:
    from api.types.core_v1 import NODES, PODS, SERVICEACCOUNTS

    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": agent_port}},
    }
    await server.registry.create(NODES, "", {"metadata": {"name": "n1"}, "status": status}, APISERVER)
    await server.registry.create(SERVICEACCOUNTS, "default", {"metadata": {"name": "default"}}, APISERVER)
    spec = {"containers": [{"name": "a", "image": "i"}], "nodeName": "n1"}
    await server.registry.create(PODS, "default", {"metadata": {"name": "p"}, "spec": spec}, APISERVER)


def get(path: str, headers: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"


async def test_logs_are_streamed(world: World) -> None:
    world.agent.answers["/containerLogs/default/p/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
    head, reader, writer = await world.send(get(f"{POD}/log?follow=true&tailLines=3"))
    assert head.startswith("HTTP/1.1 200")
    assert await body_of(head, reader) == b"hello\n"
    assert world.agent.requests[0].startswith("GET /containerLogs/default/p/a?follow=true&tailLines=3 ")
    names = [value for part in world.agent.peers[0]["subject"] for key, value in part if key == "commonName"]
    assert names == ["kube-apiserver-kubelet-client"]
    writer.close()


async def test_what_the_agent_says_against_a_log(world: World) -> None:
    text = b'container "a" in pod "p" is waiting to start: ContainerCreating'
    world.agent.answers["/containerLogs"] = (
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(text) + text
    )
    head, reader, writer = await world.send(get(f"{POD}/log"))
    assert head.startswith("HTTP/1.1 400")
    assert b"is waiting to start: ContainerCreating" in await body_of(head, reader)
    writer.close()


async def test_logs_over_websocket(world: World) -> None:
    world.agent.answers["/containerLogs"] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
    headers = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary.k8s.io\r\n"
    )
    head, reader, writer = await world.send(get(f"{POD}/log", headers))
    assert head.startswith("HTTP/1.1 101")
    # The key and its answer are those of RFC 6455, 1.3.
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert await reader.readexactly(8) == b"\x82\x06hello\n"
    assert await reader.readexactly(4) == b"\x88\x02\x03\xe8"
    writer.close()


async def test_exec_passes_bytes_both_ways(world: World) -> None:
    world.agent.answers["/exec/default/p/a"] = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nearly"
    )
    path = f"{POD}/exec?command=cat&stdin=true&stdout=true"
    text = f"POST {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}Authorization: Bearer t\r\nContent-Length: 0\r\n\r\n"
    head, reader, writer = await world.send(text)
    assert head.startswith("HTTP/1.1 101")
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    assert await reader.readexactly(5) == b"early"
    big = b"x" * 3_000_000
    writer.write(big)
    assert await asyncio.wait_for(reader.readexactly(len(big)), 20) == big.upper()
    asked = world.agent.requests[0]
    assert asked.startswith("POST /exec/default/p/a?input=1&output=1&command=cat ")
    assert "authorization" not in asked.lower()
    writer.close()
    await asyncio.wait_for(world.agent.ended.wait(), 5)


async def test_a_refused_upgrade_leaves_no_tunnel(world: World) -> None:
    """CVE-2018-1002105."""
    world.agent.answers["/exec"] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    second = get("/runningpods/", "")
    head, reader, writer = await world.send(
        f"POST {POD}/exec?command=ls HTTP/1.1\r\nHost: x\r\n{UPGRADE}Content-Length: 0\r\n\r\n{second}"
    )
    assert head.startswith("HTTP/1.1 403")
    assert b'"message":"no","reason":"Forbidden"' in await body_of(head, reader)
    await asyncio.wait_for(world.agent.ended.wait(), 5)
    assert len(world.agent.requests) == 1
    writer.close()


async def test_redirects_are_not_followed(world: World) -> None:
    """CVE-2020-8559."""
    world.agent.answers["/exec"] = (
        b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    )
    head, reader, writer = await world.send(
        f"POST {POD}/exec?command=ls HTTP/1.1\r\nHost: x\r\n{UPGRADE}Content-Length: 0\r\n\r\n"
    )
    assert head.startswith("HTTP/1.1 502")
    assert b"the backend attempted to redirect this request" in await body_of(head, reader)
    assert "location" not in head.lower()
    writer.close()


async def test_node_proxy(world: World) -> None:
    page = b'<a href="/x">x</a>'
    world.agent.answers["/pods"] = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    )
    head, reader, writer = await world.send(get("/api/v1/nodes/n1/proxy/pods?a=b"))
    assert head.startswith("HTTP/1.1 200")
    assert await body_of(head, reader) == b'<a href="/api/v1/nodes/n1/proxy/x">x</a>'
    assert world.agent.requests[0].startswith("GET /pods?a=b ")
    writer.close()
    head, _, writer = await world.send(get("/api/v1/nodes/n1/proxy?a=b"))
    assert head.startswith("HTTP/1.1 301")
    assert "Location: /api/v1/nodes/n1/proxy/?a=b" in head
    writer.close()


async def test_pod_proxy_refuses_own_addresses(world: World) -> None:
    """CVE-2020-8562: a pod that claims the API server's own address."""
    from api.types.core_v1 import PODS

    def claims(pod: dict) -> dict:
        return {**pod, "status": {**pod["status"], "podIP": "127.0.0.1"}}

    await world.server.registry.update(PODS, "default", "p", claims, subresource="status")
    head, reader, writer = await world.send(get(f"{POD}/proxy/"))
    assert head.startswith("HTTP/1.1 403")
    assert b"address not allowed" in await body_of(head, reader)
    writer.close()


async def test_not_an_upgrade(world: World) -> None:
    head, reader, writer = await world.send(get(f"{POD}/exec?command=ls"))
    assert head.startswith("HTTP/1.1 400")
    assert b"Upgrade request required" in await body_of(head, reader)
    writer.close()
