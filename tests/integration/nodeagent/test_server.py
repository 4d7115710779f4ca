"""The node's HTTPS server against a real containerd: logs, exec, attach, port-forward, for every client."""

import asyncio
import base64
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from kit import clock, tls
from nodeagent.server import Server, ServerConfig
from nodeagent.streams.spdy import Data, Framer, Reset, SynReply, SynStream
from tests.integration.nodeagent.private_containerd import HostPod, running_containerd

SUCCESS = {"metadata": {}, "status": "Success"}


@pytest.fixture(scope="module")
def node():
    with running_containerd() as node:
        yield node


@pytest.fixture
async def pod(node):
    pod = HostPod(node, "web")
    await pod.start()
    try:
        yield pod
    finally:
        await pod.stop()


@dataclass
class Running:
    """A served node: where, and by which authority."""

    port: int
    ca: tls.KeyPair
    folder: Path


@pytest.fixture
async def server(pod, tmp_path):
    ca = tls.new_ca("ca")
    ca.save(tmp_path / "ca")
    tls.issue(ca, "system:node:edge", ["system:nodes"], server_names=["127.0.0.1"]).save(tmp_path / "node")
    config = ServerConfig(
        tmp_path / "node.crt", tmp_path / "node.key", tmp_path / "ca.crt", "edge", address="127.0.0.1", port=0
    )
    server = Server(config, pod.runtime, pod.directory)
    await server.start()
    yield Running(server.port, ca, tmp_path)
    await server.close()


def context(server, user="admin", groups=("system:masters",)):
    tls.issue(server.ca, user, groups).save(server.folder / user)
    return tls.client_context(
        server.folder / "ca.crt", server.folder / f"{user}.crt", server.folder / f"{user}.key"
    )


@pytest.fixture
async def http(server):
    connector = aiohttp.TCPConnector(ssl=context(server))
    base = f"https://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession(base, connector=connector) as session:
        yield session


async def test_strangers_are_refused(server):
    base = f"https://127.0.0.1:{server.port}"
    no_certificate = tls.client_context(server.folder / "ca.crt")
    for trust, expected in ((no_certificate, 401), (context(server, "mallory", ("system:nodes",)), 403)):
        async with aiohttp.ClientSession(base) as session, session.get("/pods", ssl=trust) as answer:
            assert answer.status == expected


async def test_own_state(http, pod):
    await pod.run("main", "sleep 100")
    async with http.get("/healthz") as answer:
        assert await answer.text() == "ok"
    async with http.get("/pods") as answer:
        assert [item["metadata"]["name"] for item in (await answer.json())["items"]] == ["web"]
    async with http.get("/stats/summary") as answer:
        summary = await answer.json()
        assert summary["pods"][0]["podRef"] == {"name": "web", "namespace": "default", "uid": "uid-web"}
        assert summary["pods"][0]["containers"][0]["memory"]["workingSetBytes"] > 0
    async with http.get("/metrics/resource") as answer:
        assert 'container_memory_working_set_bytes{container="main"' in await answer.text()
    for path in ("/metrics", "/configz"):
        async with http.get(path) as answer:
            assert answer.status == 200
    async with http.get("/nothing") as answer:
        assert answer.status == 404


async def test_logs(http, pod):
    container = await pod.run("main", "echo one; echo two >&2; sleep 0.5; echo three")
    async with http.get("/containerLogs/default/web/main?follow=true") as answer:
        assert answer.status == 200
        lines = [await answer.content.readline() for _ in range(3)]
        pod.ended(container)
        assert await answer.content.read() == b""
    # The runtime reads the two streams apart: what is written to both at once has no order.
    assert (sorted(lines[:2]), lines[2]) == ([b"one\n", b"two\n"], b"three\n")
    whole = b"".join(lines)
    for query, expected in (
        ("tailLines=1", lines[2]),
        ("limitBytes=1", whole[:1]),
        ("sinceSeconds=3600", whole),
    ):
        async with http.get(f"/containerLogs/default/web/main?{query}") as answer:
            assert await answer.read() == expected


async def test_logs_that_are_not_there(http, pod):
    for path, code, text in (
        ("nope/main", 404, 'pod "nope" not found in namespace "default"'),
        ("web/other", 404, 'container "other" not found in pod "web"'),
        ("web/late", 400, 'container "late" in pod "web" is waiting to start: ContainerCreating'),
        ("web/late?previous=true", 400, 'previous terminated container "late" in pod "web" not found'),
    ):
        async with http.get(f"/containerLogs/default/{path}") as answer:
            assert (answer.status, await answer.text()) == (code, text)


def exec_url(script, *options):
    pairs = [("command", "sh"), ("command", "-c"), ("command", script)]
    return "/exec/default/web/main?" + urlencode(pairs + [(name, "true") for name in options])


async def gathered(socket):
    """Return what came on each channel until the server closed, and the order of the channels."""
    channels: dict[int, bytes] = {}
    async for message in socket:
        data = message.data.encode() if message.type is aiohttp.WSMsgType.TEXT else message.data
        channels[data[0]] = channels.get(data[0], b"") + data[1:]
    return channels


async def test_exec_outputs_and_exit_code(http, pod):
    await pod.run("main", "sleep 100")
    url = exec_url("echo out; echo err >&2; exit 7", "stdout", "stderr")
    for protocol in ("v5.channel.k8s.io", "v4.channel.k8s.io"):
        async with http.ws_connect(url, protocols=[protocol]) as socket:
            assert socket.protocol == protocol
            found = await gathered(socket)
        assert (found[1], found[2]) == (b"out\n", b"err\n")
        status = json.loads(found[3])
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_exec_success(http, pod):
    await pod.run("main", "sleep 100")
    async with http.ws_connect(exec_url("echo hi", "stdout"), protocols=["v5.channel.k8s.io"]) as socket:
        found = await gathered(socket)
    assert found[1] == b"hi\n"
    assert json.loads(found[3]) == SUCCESS


async def test_exec_old_protocols(http, pod):
    await pod.run("main", "sleep 100")
    async with http.ws_connect(exec_url("echo hi", "stdout"), protocols=["channel.k8s.io"]) as socket:
        assert await gathered(socket) == {1: b"hi\n"}
    async with http.ws_connect(exec_url("echo hi", "stdout"), protocols=["base64.channel.k8s.io"]) as socket:
        texts = [message.data async for message in socket]
    assert texts == ["1", "1" + base64.b64encode(b"hi\n").decode()]


async def test_exec_stdin_is_closed_and_much_data_passes(http, pod):
    await pod.run("main", "sleep 100")
    payload = bytes(range(256)) * 16384
    url = exec_url("cat", "stdin", "stdout")
    async with http.ws_connect(url, protocols=["v5.channel.k8s.io"], max_msg_size=0) as socket:

        async def feed():
            for start in range(0, len(payload), 100_000):
                await socket.send_bytes(b"\x00" + payload[start : start + 100_000])
            await socket.send_bytes(b"\xff\x00")

        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            found = await gathered(socket)
    assert found[1] == payload
    assert json.loads(found[3]) == SUCCESS


async def test_exec_terminal_and_resize(http, pod):
    await pod.run("main", "sleep 100")
    url = exec_url("sleep 0.3; stty size; test -t 0 && echo terminal", "stdin", "stdout", "tty")
    async with http.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x04" + json.dumps({"Width": 99, "Height": 33}).encode())
        found = await gathered(socket)
    assert found[1] == b"33 99\r\nterminal\r\n"


async def test_exec_of_what_is_not_there(http, pod):
    await pod.run("main", "sleep 100")
    url = "/exec/default/web/main?command=/nope&stdout=1"
    async with http.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        found = await gathered(socket)
    status = json.loads(found[3])
    assert status["status"] == "Failure"
    assert "no such file or directory" in status["message"]
    async with http.get(
        "/exec/default/web/other?command=x&stdout=1", headers={"Upgrade": "SPDY/3.1"}
    ) as answer:
        assert (answer.status, await answer.text()) == (404, 'container not found ("other")')
    async with http.get("/exec/default/web/main?command=x") as answer:
        assert answer.status == 400


async def test_attach(http, pod):
    await pod.run("main", "read line; echo got $line; sleep 1", stdin=True)
    url = "/attach/default/web/main?stdin=1&stdout=1"
    async with http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x00hello\n")
        found = await gathered(socket)
    assert found[1] == b"got hello\n"


class SPDYClient:
    """What kubectl up to 1.29 does: POST, upgrade, streams."""

    def __init__(self, server):
        self.server, self.framer = server, Framer()

    async def connect(self, path, *protocols):
        port = self.server.port
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(self.server))
        offers = "".join(f"X-Stream-Protocol-Version: {protocol}\r\n" for protocol in protocols)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n{offers}"
        self.writer.write(f"{head}Content-Length: 0\r\n\r\n".encode())
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    def send(self, frame):
        self.writer.write(self.framer.encode(frame))

    async def frames(self):
        while data := await self.reader.read(65536):
            for frame in self.framer.feed(data):
                yield frame

    async def close(self):
        """Hang up: an orderly end of TLS would wait for frames that the server may still be sending."""
        self.writer.transport.abort()
        await self.writer.wait_closed()


async def test_exec_over_spdy(server, pod):
    await pod.run("main", "sleep 100")
    client = SPDYClient(server)
    url = exec_url("cat; echo done >&2", "stdin", "stdout", "stderr").replace(" ", "+")
    head = await client.connect(url, "v4.channel.k8s.io", "v3.channel.k8s.io")
    assert "101 Switching Protocols" in head
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    names = {1: "error", 3: "stdin", 5: "stdout", 7: "stderr"}
    for number, name in names.items():
        client.send(SynStream(number, {"streamtype": name}))
    replied: set[int] = set()
    found: dict[str, bytes] = {}
    sent = False
    async with asyncio.timeout(20):
        async for frame in client.frames():
            if isinstance(frame, SynReply):
                replied.add(frame.stream_id)
                if replied == set(names) and not sent:
                    sent = True
                    client.send(Data(3, b"through", fin=True))
            elif isinstance(frame, Data):
                found[names[frame.stream_id]] = found.get(names[frame.stream_id], b"") + frame.data
            elif isinstance(frame, Reset):
                break
            if found.get("error"):
                break
    assert (found["stdout"], found["stderr"]) == (b"through", b"done\n")
    assert json.loads(found["error"]) == SUCCESS
    await client.close()


@pytest.fixture
async def echo(pod):
    """A port of the pod that answers what it is sent, in capitals."""

    async def serve(reader, writer):
        writers.append(writer)
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    writers: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_port_forward_channels(http, echo):
    for options in ({"protocols": ["v4.channel.k8s.io"]}, {}):
        async with http.ws_connect(f"/portForward/default/web?ports={echo}", **options) as socket:
            number = struct.pack("<H", echo)
            assert [await socket.receive_bytes() for _ in range(2)] == [b"\x00" + number, b"\x01" + number]
            await socket.send_bytes(b"\x00hello\n")
            assert await socket.receive_bytes(timeout=10) == b"\x00HELLO\n"


async def test_port_forward_to_a_closed_port(http):
    async with http.ws_connect("/portForward/default/web?ports=1", protocols=["v4.channel.k8s.io"]) as socket:
        found = await gathered(socket)
    assert b"refused" in found[1]


def forward_frames(client, port):
    client.send(SynStream(1, {"streamtype": "error", "port": str(port), "requestid": "0"}))
    client.send(Data(1, b"", fin=True))
    client.send(SynStream(3, {"streamtype": "data", "port": str(port), "requestid": "0"}))


async def test_port_forward_over_spdy(server, echo):
    client = SPDYClient(server)
    head = await client.connect("/portForward/default/web", "portforward.k8s.io")
    assert "X-Stream-Protocol-Version: portforward.k8s.io" in head
    forward_frames(client, echo)
    async with asyncio.timeout(20):
        async for frame in client.frames():
            if frame == SynReply(3, {}):
                client.send(Data(3, b"abc\n"))
            if isinstance(frame, Data) and frame.data:
                assert frame.data == b"ABC\n"
                break
    await client.close()


async def test_port_forward_tunnel(http, echo):
    framer = Framer()
    url = "/portForward/default/web"
    async with http.ws_connect(url, protocols=["SPDY/3.1+portforward.k8s.io"]) as socket:
        assert socket.protocol == "SPDY/3.1+portforward.k8s.io"
        streams = [
            SynStream(1, {"streamtype": "error", "port": str(echo), "requestid": "0"}),
            SynStream(3, {"streamtype": "data", "port": str(echo), "requestid": "0"}),
        ]
        await socket.send_bytes(b"".join(framer.encode(frame) for frame in streams))
        found = b""
        async with asyncio.timeout(20):
            while not found:
                for frame in framer.feed(await socket.receive_bytes()):
                    if frame == SynReply(3, {}):
                        await socket.send_bytes(framer.encode(Data(3, b"tunnel\n")))
                    elif isinstance(frame, Data) and frame.data:
                        found = frame.data
    assert found == b"TUNNEL\n"


async def test_a_client_that_leaves_ends_the_command(http, pod):
    await pod.run("main", "sleep 100")
    async with http.ws_connect(exec_url("cat", "stdin", "stdout"), protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x00x")
        await socket.receive_bytes()
    await clock.sleep(0.2)
    result = await pod.runtime.exec_sync(pod.containers[0].id, ["sh", "-c", "ps | grep -c '[c]at'"], 5)
    assert result.stdout.strip() == b"0"
