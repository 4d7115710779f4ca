"""Passing an upgraded connection through: the client's request goes to a backend as it is, then bytes both
ways.

    client request -> backend, without credentials
      101        the answer goes back, then whatever comes goes through, with back-pressure
      3xx        refused: credentials must not follow a redirect (CVE-2020-8559)
      otherwise  relayed as an ordinary answer; the connection to the backend is closed, nothing follows
                 through it (CVE-2018-1002105)

Source: k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go (1.36).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from api.errors import BadRequest, InternalError, from_status
from apiserver.authn.bearer import without_token
from apiserver.http.headers import all_values
from apiserver.http.message import Answer, Connection, Request, Response, Sink, Upgrade
from apiserver.subresources.kubelet import Target

# Longest head of a backend's answer, and longest body of a refusal.
_HEAD_LIMIT, _BODY_LIMIT = 64 * 1024, 1 << 20
_DIAL_S = 10.0
_ANSWER_S = 60.0
_CHUNK = 64 * 1024
# Headers of one connection, which no proxy passes on. Spec: RFC 9110 7.6.1.
HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
# What tells the backend who asked: not its business, or worse.
_PRIVATE = frozenset(("authorization", "cookie", "proxy-authorization", "host", "content-length"))
_PRIVATE_PREFIXES = ("impersonate-", "x-remote-")


@dataclass(frozen=True)
class Head:
    """The status line and headers of an HTTP answer; names as they came."""

    status: int
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


def is_upgrade(request: Request) -> bool:
    """Tell whether a request asks for another protocol."""
    connection = request.headers.get("connection", "").lower()
    return "upgrade" in connection and bool(request.headers.get("upgrade"))


async def relay_upgrade(
    request: Request, target: Target, path: str, extra: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Send an upgrade request on to `target` at `path` (with its query) and return what to answer.

    `extra` are headers besides the client's: who asks, for a server that believes us.
    """
    if not is_upgrade(request):
        raise BadRequest("Upgrade request required")
    reader, writer = await dial(target)
    try:
        writer.write(request_head(request, target, path, extra))
        async with asyncio.timeout(_ANSWER_S):
            head = parse_head(await reader.readuntil(b"\r\n\r\n"))
        if head.status == 101:
            return Upgrade(lambda client: pipe(client, reader, writer), dict(head.headers))
        response = await _refusal(head, reader)
    except (
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ValueError,
    ) as error:
        writer.close()
        raise InternalError(f"error dialing backend: {error}") from error
    except BaseException:
        writer.close()
        raise
    writer.close()
    return response


async def dial(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to a backend. Raises `InternalError`."""
    name = (target.name or target.host) if target.context is not None else None
    try:
        async with asyncio.timeout(_DIAL_S):
            return await asyncio.open_connection(
                target.host, target.port, ssl=target.context, server_hostname=name, limit=_HEAD_LIMIT
            )
    except (OSError, TimeoutError) as error:
        raise InternalError(f"error dialing backend: dial tcp {target.authority}: {error}") from error


def request_head(request: Request, target: Target, path: str, extra: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return the bytes of the request as the backend gets it."""
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {target.authority}"]
    for name, value in (*forwarded_headers(request), *extra):
        lines.append(f"{name}: {value}")
    if request.method == "POST":
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def forwarded_headers(request: Request) -> list[tuple[str, str]]:
    """Return the client's headers without what is private to it and the API server."""
    found = []
    for name in dict.fromkeys(key.lower() for key in request.headers):
        if name in _PRIVATE or name.startswith(_PRIVATE_PREFIXES):
            continue
        for given in all_values(request.headers, name):
            value = without_token(given) if name == "sec-websocket-protocol" else given
            # A header cannot hold a line end; a parser that let one through must not split ours.
            if value and "\r" not in value and "\n" not in value:
                found.append((name, value))
    return found


def parse_head(raw: bytes) -> Head:
    """Return the head of an HTTP answer. Raises `ValueError`."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1."):
        raise ValueError(f"malformed HTTP response {first[:80]!r}")
    pairs = [line.partition(":") for line in lines if line]
    return Head(int(words[1]), [(name.strip(), value.strip()) for name, _, value in pairs])


async def _refusal(head: Head, reader: asyncio.StreamReader) -> Response:
    """Return what a backend said instead of 101, as an ordinary answer."""
    if 300 <= head.status < 400:
        text = "the backend attempted to redirect this request, which is not permitted"
        return Response(502, text.encode(), "text/plain; charset=utf-8", {"Connection": "close"})
    length = head.get("content-length")
    async with asyncio.timeout(_ANSWER_S):
        if head.get("transfer-encoding").lower() == "chunked":
            body = await _chunked(reader)
        elif length.isdigit():
            body = await reader.readexactly(min(int(length), _BODY_LIMIT))
        else:
            body = await reader.read(_BODY_LIMIT)
    kind = head.get("content-type") or "text/plain"
    code = head.status if head.status >= 200 else 502
    if kind.startswith("text/plain") and code >= 400:
        # Clients look for a Status; some take plain text for YAML and show nothing of it.
        text = body.decode(errors="replace").strip()
        status = {**from_status(code, {"message": text}).to_status(), "code": code}
        body, kind = orjson.dumps(status), "application/json"
    return Response(code, body, kind, {"Connection": "close"})


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        length = int((await reader.readuntil(b"\r\n")).split(b";")[0].strip(), 16)
        if length == 0 or size + length > _BODY_LIMIT:
            return b"".join(parts)
        parts.append(await reader.readexactly(length))
        size += length
        await reader.readexactly(2)


async def copy(backend: aiohttp.ClientResponse, sink: Sink) -> None:
    """Pass the body of a backend's answer on as it comes, with back-pressure; then close the backend's
    connection."""
    try:
        async for piece in backend.content.iter_any():
            sink.write(piece)
            await sink.drain()
    finally:
        backend.close()


async def pipe(client: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Move bytes both ways until one side ends; then end the other."""

    async def upward() -> None:
        while data := await client.read():
            writer.write(data)
            await writer.drain()

    async def downward() -> None:
        while data := await reader.read(_CHUNK):
            client.write(data)
            await client.drain()

    try:
        async with asyncio.TaskGroup() as group:
            ways = [group.create_task(upward()), group.create_task(downward())]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    except* OSError:
        # One side broke off: the same as its end.
        pass
    finally:
        writer.close()
        client.close()
