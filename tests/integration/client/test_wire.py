"""The client's HTTP against a server that says what it is told to, byte by byte; aiohttp's client is the
oracle.
"""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from client.http import HTTPTransport, RawRequest, Unreachable
from client.kubeconfig import Endpoint
from client.wire import HIGH_WATER
from kit import clock

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server on a port; every connection is served by `serve`."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def asked(reader: asyncio.StreamReader) -> bytes:
    """Read one request; return its head."""
    return await reader.readuntil(b"\r\n\r\n")


def says(answer: bytes, size: int) -> Serve:
    """Serve one answer in pieces of `size` bytes, then end the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)

    return serve


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK, id="length"),
        pytest.param(CHUNKED + b"3\r\n{  \r\n1;x=y\r\n}\r\n0\r\n\r\n", id="chunks"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nTrailer: 1\r\n\r\n", id="chunks and a trailer"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no body"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="an early answer before the answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", id="until the end"),
        pytest.param(b"HTTP/1.1 503 Try Later\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n", id="error"),
    ],
)
async def test_answers_are_read_as_aiohttp_reads_them(answer: bytes, size: int) -> None:
    async with Peer(says(answer, size)) as url:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            expected = response.status, await response.read()
            headers = {name.lower(): value for name, value in response.headers.items()}
        transport = HTTPTransport(Endpoint(url))
        found = await transport.request(RawRequest("GET", "/"))
        await transport.close()
    assert (found.status, found.body) == expected
    assert {name: found.headers[name] for name in headers} == headers


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(b"", "closed the connection", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", "closed the connection", id="half a head"),
        pytest.param(OK[:-1], "closed the connection", id="half a body"),
        pytest.param(CHUNKED + b"5\r\nab", "closed the connection", id="half a chunk"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "is not HTTP", id="another protocol"),
        pytest.param(CHUNKED + b"zz\r\n", "is not HTTP", id="not a chunk"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "is not HTTP",
            id="an upgrade that nobody asked for",
        ),
    ],
)
async def test_broken_answers_are_no_answer(answer: bytes, why: str) -> None:
    async with Peer(says(answer, 4096)) as url:
        transport = HTTPTransport(Endpoint(url))
        with pytest.raises(Unreachable, match=why):
            await transport.request(RawRequest("POST", "/", body=b"{}"))
        await transport.close()


async def test_a_connection_serves_again_unless_something_is_wrong_with_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await asked(reader):
            # A second answer on top of the first, to whom asks for it.
            writer.write(OK + (OK if b"/twice" in head else b""))

    peer = Peer(serve)
    async with peer as url:
        transport = HTTPTransport(Endpoint(url))
        for path in ("/", "/", "/twice", "/", "/"):
            assert (await transport.request(RawRequest("GET", path))).body == b"{}"
            await clock.sleep(0.01)
        assert peer.connections == 2
        await transport.close()


async def test_who_gives_up_ends_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        await reader.read()

    peer = Peer(serve)
    async with peer as url:
        transport = HTTPTransport(Endpoint(url))
        with pytest.raises(Unreachable, match="no answer in time"):
            await transport.request(RawRequest("GET", "/", timeout_s=0.05))
        task = asyncio.ensure_future(transport.request(RawRequest("GET", "/")))
        await clock.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert peer.connections == 2
        await transport.close()


async def test_a_request_says_what_it_should() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await asked(reader))
        writer.write(OK)

    async with Peer(serve) as url:
        transport = HTTPTransport(Endpoint(f"{url}/base/", token="secret"), user_agent="test/1")
        ask = RawRequest(
            "POST",
            "/a b/ü:%",
            {"labelSelector": "app in (a, b)"},
            b"{}",
            {"Content-Type": "application/json"},
        )
        await transport.request(ask)
        with pytest.raises(ValueError, match="more than one line"):
            await transport.request(RawRequest("GET", "/", headers={"Impersonate-User": "a\r\nX: y"}))
        await transport.close()
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "POST /base/a%20b/%C3%BC:%25?labelSelector=app+in+%28a%2C+b%29 HTTP/1.1"
    assert {
        f"Host: {url.removeprefix('http://')}", "User-Agent: test/1", "Accept: application/json",
        "Authorization: Bearer secret", "Content-Type: application/json", "Content-Length: 2",
    } == set(lines[1:]) - {""}  # fmt: skip


async def test_a_reader_that_is_slow_holds_the_server_up() -> None:
    size, sent = 64 << 20, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(1 << 16))
            sent += 1 << 16
            await writer.drain()

    async with Peer(serve) as url:
        transport = HTTPTransport(Endpoint(url))
        async with transport.stream(RawRequest("GET", "/")) as response:
            before = -1
            while sent != before:
                before = sent
                await clock.sleep(0.1)
            # What is in the buffers of the kernel, and as much as may wait here.
            assert HIGH_WATER < sent < size
            assert len(await response.read()) == size
        await transport.close()
