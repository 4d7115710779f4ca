"""The listener: aiohttp's low-level server over TLS. Makes a `Request` of each HTTP request and performs the
answer.

bytes -> Request -> handler -> Response   headers and pieces, written as they are
                            -> Stream     chunked; ready-made chunks go straight to the transport
                            -> Upgrade    101, then the connection belongs to the answer
handler fails -> Status; anything but an API error is logged and told as InternalError
"""

import asyncio
import gzip
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from api.errors import BadRequest, InternalError, RequestEntityTooLarge, StatusError, Timeout
from apiserver.http import wire
from apiserver.http.message import Answer, Handler, Request, Response, Stream, Upgrade
from kit import log

_log = log.get("apiserver.http")

# Spec: MaxRequestBodyBytes (1.36): 3 MiB.
BODY_LIMIT = 3 * 1024 * 1024
# How long a client may take to send a body. Spec: --request-timeout 60s, which reading counts against (1.36).
BODY_S = 60.0
# How long the headers of a request may take from their first byte, the first ones from the connection. Spec:
# ReadHeaderTimeout (1.36).
HEADER_S = 32.0
# How long a connection may say nothing between two requests. Spec: IdleTimeout (1.36).
IDLE_S = 90.0
# Answers from this size on are compressed if the client asks. Spec: gzip threshold 128 KiB (1.36).
GZIP_BYTES = 128 * 1024
# Beyond this a whole answer is not compressed: the time of one core is worth more than a local network's.
GZIP_MOST_BYTES = 1 << 20
# Characters of all warnings of an answer; of each, where they are more.
WARNINGS_LIMIT, WARNING_LIMIT = 4096, 256
# What must not stand in a header.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Bytes unsent at which a write waits.
HIGH_WATER = 2 << 20


class Listener:
    """Serves a handler on one or more addresses."""

    def __init__(self, handler: Handler, streams: Callable[[str], bool] = lambda path: False) -> None:
        """`streams` says of a path that bodies sent there are passed on as they come, and have no limit."""
        self._handler = handler
        self._streams = streams
        self._server: web.Server | None = None
        self._listening: list[asyncio.Server] = []

    async def start(
        self, host: str, port: int, context: ssl.SSLContext | None, reuse_port: bool = False
    ) -> int:
        """Begin to serve; return the port (useful when 0 was asked for)."""
        loop = asyncio.get_running_loop()
        if self._server is None:
            self._server = _Server(
                self._serve,
                access_log=None,
                keepalive_timeout=IDLE_S,
                lingering_time=2.0,
                max_line_size=65536,
                max_field_size=65536,
            )
        listening = await loop.create_server(
            self._server,
            host,
            port,
            ssl=context,
            backlog=1024,
            reuse_port=reuse_port or None,
            ssl_handshake_timeout=HEADER_S if context is not None else None,
        )
        self._listening.append(listening)
        name = listening.sockets[0].getsockname()
        return int(name[1])

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        for listening in self._listening:
            listening.close()
        if self._server is not None:
            await self._server.shutdown(1.0)
        self._listening.clear()

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            request = await _request(http, self._streams)
            answer = await self._handler(request)
        except StatusError as error:
            return await _respond(http, error_response(error))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 (one of the three places where all is caught)
            _log.exception("handler failed", method=http.method, path=http.path)
            return await _respond(http, error_response(InternalError(f"Internal error occurred: {error}")))
        return await _perform(http, request, answer)


class _Connection(RequestHandler):
    """One connection; remembers the client certificate, which never changes while it lasts.

    A lost connection cancels a stream, but no write: its outcome matters though nobody hears of it. One whose
    headers do not come is closed.
    """

    __slots__ = ("_header_timer", "peer_cert", "streaming")

    _header_timer: asyncio.TimerHandle | None
    peer_cert: bytes | None
    streaming: asyncio.Task[Any] | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.streaming = None
        found = transport.get_extra_info("ssl_object")
        self.peer_cert = found.getpeercert(True) if found is not None else None
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(HIGH_WATER)  # type: ignore[attr-defined]
        self._header_timer = self._loop.call_later(HEADER_S, self._headers_due)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiting = self._waiter is not None and not self._waiter.done()
        if self._header_timer is not None:
            if not waiting:
                self._header_timer.cancel()
                self._header_timer = None
        elif waiting:
            self._header_timer = self._loop.call_later(HEADER_S, self._headers_due)

    def _headers_due(self) -> None:
        self._header_timer = None
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._header_timer is not None:
            self._header_timer.cancel()
        if self.streaming is not None:
            self.streaming.cancel()


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


async def _request(http: web.BaseRequest, streams: Callable[[str], bool]) -> Request:
    url = http.rel_url
    query = _query(url.raw_query_string) if url.raw_query_string else {}
    body, upload = b"", None
    if http.body_exists:
        if streams(url.path):
            upload = http.content.iter_any()
        else:
            body = await _body(http)
    protocol = http.protocol
    request = Request(
        http.method,
        url.path,
        query,
        http.headers,
        body,
        protocol.peer_cert if isinstance(protocol, _Connection) else None,
        http.remote or "",
    )
    request.upload = upload
    return request


@lru_cache(maxsize=1024)
def _query(text: str) -> Mapping[str, list[str]]:
    """Return the parameters of a query; most requests of a client have the same."""
    return parse_qs(text, keep_blank_values=True)


async def _body(http: web.BaseRequest) -> bytes:
    length = http.content_length
    if length is not None and length > BODY_LIMIT:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        if length is not None and http.content.is_eof() and "Content-Encoding" not in http.headers:
            # It came with the headers, as small ones do: nothing to wait for, nothing to count.
            return http.content.read_nowait()
        async with asyncio.timeout(BODY_S):
            async for part in http.content.iter_any():
                size += len(part)
                if size > BODY_LIMIT:
                    raise _too_large()
                parts.append(part)
    except web.RequestPayloadError as error:
        raise BadRequest("the body of the request is not in the encoding that its headers name") from error
    except TimeoutError as error:
        raise Timeout(f"Timeout: the body of the request did not arrive within {BODY_S:g} s") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large() -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"Request entity too large: limit is {BODY_LIMIT}")


def error_response(error: StatusError) -> Response:
    """Return the answer that tells an API error."""
    response = Response(error.code, orjson.dumps(error.to_status()), headers=dict(error.headers))
    if error.retry_after_s:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _warnings(request: Request) -> Iterable[tuple[str, str]]:
    """Yield the headers of all different warnings; many or long ones are cut short.

    Spec: k8s.io/apiserver/pkg/endpoints/filters/warning.go (1.36).
    """
    texts = list(dict.fromkeys(request.audit.get("warnings", ())))
    cut = sum(map(len, texts)) > WARNINGS_LIMIT
    left = WARNINGS_LIMIT
    for text in texts:
        shown = text[:WARNING_LIMIT] if cut else text
        left -= len(shown)
        if left < 0:
            return
        quoted = _CONTROL.sub(" ", shown).replace("\\", "\\\\").replace('"', '\\"')
        yield "Warning", f'299 - "{quoted}"'


async def _perform(http: web.BaseRequest, request: Request, answer: Answer) -> web.StreamResponse:
    if isinstance(answer, Response):
        return await _respond(http, answer, request)
    if isinstance(answer, Stream):
        return await _stream(http, request, answer)
    return await _upgrade(http, answer)


async def _respond(
    http: web.BaseRequest, answer: Response, request: Request | None = None
) -> web.StreamResponse:
    body = answer.body
    headers = [*answer.headers.items(), ("Cache-Control", "no-cache, private")]
    if request is not None and "warnings" in request.audit:
        headers.extend(_warnings(request))
    length = len(body) if isinstance(body, bytes) else sum(map(len, body))
    # What a handler has packed itself (OpenAPI documents) is not packed again.
    if length >= GZIP_BYTES and "Content-Encoding" not in answer.headers:
        headers.append(("Vary", "Accept-Encoding"))
        if length <= GZIP_MOST_BYTES and "gzip" in http.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body if isinstance(body, bytes) else b"".join(body), 1)
            headers.append(("Content-Encoding", "gzip"))
            length = len(body)
    head = wire.head(answer.status, length, answer.content_type, headers, bool(http.keep_alive))
    pieces = [body] if isinstance(body, bytes) else body
    return wire.Ready(http, head, [] if http.method == "HEAD" else pieces)


class _HTTPSink:
    """The sink of a stream, on aiohttp's connection; speaks chunks itself."""

    def __init__(self, http: web.BaseRequest, response: web.StreamResponse) -> None:
        self._http = http
        self._response = response

    def write(self, data: bytes) -> None:
        if data:
            self.write_frames(b"%x\r\n%b\r\n" % (len(data), data))

    def write_frames(self, frames: bytes) -> None:
        transport = self._http.transport
        if transport is not None and not transport.is_closing():
            transport.write(frames)

    def pending_bytes(self) -> int:
        transport = self._http.transport
        return transport.get_write_buffer_size() if transport is not None else 0

    async def drain(self) -> None:
        await wire.drained(self._http.protocol)

    @property
    def closed(self) -> bool:
        transport = self._http.transport
        return transport is None or transport.is_closing()


async def _stream(http: web.BaseRequest, request: Request, answer: Stream) -> web.StreamResponse:
    headers = {
        **answer.headers,
        "Content-Type": answer.content_type,
        "Cache-Control": "no-cache, private",
    }
    response = web.StreamResponse(status=answer.status, headers=headers)
    for name, value in _warnings(request):
        response.headers.add(name, value)
    response.enable_chunked_encoding()
    await response.prepare(http)
    writer = http._payload_writer
    writer.send_headers()
    protocol = http.protocol
    if isinstance(protocol, _Connection):
        protocol.streaming = asyncio.current_task()
    try:
        await answer.run(_HTTPSink(http, response))
    finally:
        if isinstance(protocol, _Connection):
            protocol.streaming = None
    await response.write_eof()
    return response


class _RawConnection(asyncio.Protocol):
    """A connection taken over from HTTP."""

    def __init__(self, transport: asyncio.Transport, early: bytes) -> None:
        self._transport = transport
        self._parts: list[bytes] = [early] if early else []
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._readable.set()
        if sum(map(len, self._parts)) > HIGH_WATER:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._readable.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._readable.set()
        self._writable.set()
        self.lost.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def read(self) -> bytes:
        while not self._parts and not self._ended:
            self._readable.clear()
            await self._readable.wait()
        data = b"".join(self._parts)
        self._parts.clear()
        if not self._ended:
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        await self._writable.wait()

    def close(self) -> None:
        self._transport.close()


async def _upgrade(http: web.BaseRequest, answer: Upgrade) -> web.StreamResponse:
    transport = http.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    protocol = http.protocol
    head = "HTTP/1.1 101 Switching Protocols\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    connection = _RawConnection(transport, b"")
    # What the parser kept belongs to the new protocol.
    early, protocol._message_tail = protocol._message_tail, b""
    if early:
        connection.data_received(early)
    transport.set_protocol(connection)
    transport.write(head.encode() + b"\r\n")
    try:
        await answer.run(connection)
    finally:
        connection.close()
        protocol.force_close()
    return web.StreamResponse(status=101)
