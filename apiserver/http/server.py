"""The listener: makes a `Request` of each HTTP request and performs the answer.

bytes -> Incoming -> Request -> handler -> Response   headers and pieces, written as they are
                                        -> Stream     chunked; ready-made chunks go straight to the transport
                                        -> Upgrade    101, then the connection belongs to the answer
handler fails -> Status; anything but an API error is logged and told as InternalError
"""

import asyncio
import gzip
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from api.errors import BadRequest, InternalError, RequestEntityTooLarge, StatusError, Timeout
from apiserver.http import wire
from apiserver.http.connection import HEADER_S, LINGER_S, Connection, Incoming, Malformed
from apiserver.http.message import Answer, Handler, Request, Response, Stream, Upgrade
from apiserver.http.takeover import RawConnection
from kit import log

_log = log.get("apiserver.http")

# Spec: MaxRequestBodyBytes (1.36): 3 MiB.
BODY_LIMIT = 3 * 1024 * 1024
# How long a client may take to send a body. Spec: --request-timeout 60s, which reading counts against (1.36).
BODY_S = 60.0
# How long requests under way are waited for when the listener ends.
SHUTDOWN_S = 1.0
# Answers from this size on are compressed if the client asks. Spec: gzip threshold 128 KiB (1.36).
GZIP_BYTES = 128 * 1024
# Beyond this a whole answer is not compressed: the time of one core is worth more than a local network's.
GZIP_MOST_BYTES = 1 << 20
# Characters of all warnings of an answer; of each, where they are more.
WARNINGS_LIMIT, WARNING_LIMIT = 4096, 256
# What must not stand in a header.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CACHING = ("Cache-Control", "no-cache, private")


class Listener:
    """Serves a handler on one or more addresses."""

    def __init__(self, handler: Handler, streams: Callable[[str], bool] = lambda path: False) -> None:
        """`streams` says of a path that bodies sent there are passed on as they come, and have no limit."""
        self._handler = handler
        self._streams = streams
        self._connections: set[Connection] = set()
        self._listening: list[asyncio.Server] = []

    async def start(
        self, host: str, port: int, context: ssl.SSLContext | None, reuse_port: bool = False
    ) -> int:
        """Begin to serve; return the port (useful when 0 was asked for)."""
        listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._serve, self._connections),
            host,
            port,
            ssl=context,
            backlog=1024,
            reuse_port=reuse_port or None,
            ssl_handshake_timeout=HEADER_S if context is not None else None,
            ssl_shutdown_timeout=LINGER_S if context is not None else None,
        )
        self._listening.append(listening)
        name = listening.sockets[0].getsockname()
        return int(name[1])

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        for listening in self._listening:
            listening.close()
        self._listening.clear()
        for connection in list(self._connections):
            connection.shut()
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=SHUTDOWN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()

    async def _serve(self, connection: Connection, http: Incoming) -> None:
        request = None
        answer: Answer
        try:
            request = await _request(connection, http, self._streams)
            answer = await self._handler(request)
        except StatusError as error:
            request, answer = None, error_response(error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 (one of the three places where all is caught)
            _log.exception("handler failed", method=http.method, path=http.target)
            request, answer = None, error_response(InternalError(f"Internal error occurred: {error}"))
        match answer:
            case Response():
                await _respond(connection, http, answer, request)
            case Stream():
                await _stream(connection, http, answer, request)
            case Upgrade():
                await _upgrade(connection, answer)


async def _request(connection: Connection, http: Incoming, streams: Callable[[str], bool]) -> Request:
    path, query = _target(http.target)
    body, upload = b"", None
    if streams(path):
        upload = http.pieces() if _has_body(http) else None
    elif not http.is_complete or http.size:
        body = await _body(http)
    request = Request(http.method, path, query, http.headers, body, connection.peer_cert, connection.remote)
    request.upload = upload
    return request


def _has_body(http: Incoming) -> bool:
    return http.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in http.headers


def _target(target: str) -> tuple[str, Mapping[str, list[str]]]:
    """Return the path, percent-decoded, and the query of a request's target; it may be a whole URL (RFC 9112,
    3.2).
    """
    if not target.startswith("/"):
        url = urlsplit(target)
        target = f"{url.path or '/'}?{url.query}"
    path, _, query = target.partition("?")
    return unquote(path) if "%" in path else path, _query(query.partition("#")[0]) if query else {}


@lru_cache(maxsize=1024)
def _query(text: str) -> Mapping[str, list[str]]:
    """Return the parameters of a query; most requests of a client have the same."""
    return parse_qs(text, keep_blank_values=True)


async def _body(http: Incoming) -> bytes:
    if int(http.headers.get("Content-Length", "0")) > BODY_LIMIT:
        raise _too_large()
    if http.is_complete:
        # It came with the headers, as small ones do.
        return http.taken()
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in http.pieces():
                if http.size > BODY_LIMIT:
                    raise _too_large()
                parts.append(piece)
    except Malformed as error:
        raise BadRequest("the body of the request is not in the encoding that its headers name") from error
    except TimeoutError as error:
        raise Timeout(f"Timeout: the body of the request did not arrive within {BODY_S:g} s") from error
    return b"".join(parts)


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


async def _respond(connection: Connection, http: Incoming, answer: Response, request: Request | None) -> None:
    body = answer.body
    headers = [*answer.headers.items(), _CACHING]
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
    head = wire.head(answer.status, length, answer.content_type, headers, connection.stays(http))
    pieces = [body] if isinstance(body, bytes) else body
    await wire.send(connection, head, [] if http.method == "HEAD" else pieces)


class _Sink:
    """The sink of a stream, for a client that knows no chunks: HTTP/1.0."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.write(data)

    async def drain(self) -> None:
        await self._connection.drained()

    @property
    def closed(self) -> bool:
        return self._connection.is_closed


class _ChunkedSink(_Sink):
    def write(self, data: bytes) -> None:
        if data:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data))

    def write_frames(self, frames: bytes) -> None:
        self._connection.write(frames)

    def pending_bytes(self) -> int:
        return self._connection.transport.get_write_buffer_size()


async def _stream(connection: Connection, http: Incoming, answer: Stream, request: Request | None) -> None:
    headers = [*answer.headers.items(), _CACHING]
    if request is not None:
        headers.extend(_warnings(request))
    if not http.is_old:
        headers.append(("Transfer-Encoding", "chunked"))
    connection.write(wire.head(answer.status, None, answer.content_type, headers, connection.stays(http)))
    connection.is_streaming = True
    try:
        await answer.run(_Sink(connection) if http.is_old else _ChunkedSink(connection))
    finally:
        connection.is_streaming = False
    if not http.is_old:
        connection.write(b"0\r\n\r\n")


async def _upgrade(connection: Connection, answer: Upgrade) -> None:
    head = "HTTP/1.1 101 Switching Protocols\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    connection.write(head.encode() + b"\r\n")
    raw = RawConnection(connection.transport)
    connection.hand_over(raw)
    try:
        await answer.run(raw)
    finally:
        raw.close()
