"""The transport over HTTP(S): one pool of connections per process to one API server.

Called by `client.api`. TCP keep-alive finds a silent peer, so a watch does not hang on a dead server.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from client.kubeconfig import Endpoint
from client.transport import RawRequest, RawResponse, StreamResponse, Transport, Unreachable
from client.wire import HEAD, WHOLE, Connection
from kit.chain import load_chain

__all__ = ["HTTPTransport", "RawRequest", "RawResponse", "StreamResponse", "Transport", "Unreachable"]

# From the first packet to the end of the TLS handshake.
CONNECT_TIMEOUT_S = 10.0
# Servers close what says nothing for 90 s (upstream's IdleTimeout): earlier than that we do.
IDLE_S = 60.0
# A peer that is gone without a word is noticed after IDLE + INTERVAL * COUNT seconds.
KEEPALIVE_IDLE_S = 15
KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
_USER_AGENT = "pelamis"
_PORTS = {"https": 443, "http": 80}
# RFC 3986: what a path may hold as it is.
_PATH_SAFE = "/:@!$&'()*+,;=~"


class HTTPTransport:
    """Speaks to `endpoint`. Connections are opened on demand: each watch holds one, and each request.

    `most_requests` limits how many requests are under way at once, so that a burst of them opens no more
    connections, whose handshakes would cost more than the requests; 0: no limit.
    """

    def __init__(self, endpoint: Endpoint, user_agent: str = _USER_AGENT, *, most_requests: int = 0) -> None:
        self.endpoint = endpoint
        self._turn = asyncio.Semaphore(most_requests) if most_requests else nullcontext()
        self._server = urlsplit(endpoint.server)
        self._root = quote(self._server.path.rstrip("/"), _PATH_SAFE + "%")
        host = self._server.netloc.rpartition("@")[2]
        self._head = f" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {user_agent}\r\n"
        self._token = _Token(endpoint.token, endpoint.token_file)
        self._context: ssl.SSLContext | None = None
        # All connections; those that nobody uses, the one used last at the end.
        self._made: set[Connection] = set()
        self._idle: list[Connection] = []
        self._sweeping: asyncio.TimerHandle | None = None

    async def request(self, request: RawRequest) -> RawResponse:
        connection = None
        try:
            async with self._turn, asyncio.timeout(request.timeout_s):
                connection = await self._connected()
                connection.send(self._bytes(request))
                await connection.reach(WHOLE)
                return RawResponse(connection.status, connection.headers, connection.taken())
        except OSError as error:
            raise _unreachable(error) from error
        finally:
            self._give_back(connection)

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        connection = None
        try:
            try:
                async with asyncio.timeout(request.timeout_s):
                    connection = await self._connected()
                    connection.send(self._bytes(request), by_piece=True)
                    await connection.reach(HEAD)
            except OSError as error:
                raise _unreachable(error) from error
            yield StreamResponse(connection.status, connection.headers, _pieces(connection))
        finally:
            self._give_back(connection)

    async def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in self._made:
            connection.end()
        if self._made:
            await asyncio.wait([connection.gone for connection in self._made])

    def _bytes(self, request: RawRequest) -> bytes:
        """Return a request as it goes over the wire."""
        query = _query(tuple(request.query.items())) if request.query else ""
        lines = [request.method, " ", self._root, quote(request.path, _PATH_SAFE), query, self._head]
        lines += [_line(name, value) for name, value in request.headers.items()]
        if "Accept" not in request.headers:
            lines.append("Accept: application/json\r\n")
        if token := self._token.read():
            lines.append(_line("Authorization", f"Bearer {token}"))
        if request.body or request.method != "GET":
            lines.append(f"Content-Length: {len(request.body)}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + request.body

    async def _connected(self) -> Connection:
        """Return a connection that is free: one that is there, or a new one. Raises `OSError`."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free:
                return connection
        return await self._connect()

    async def _connect(self) -> Connection:
        try:
            transport, connection = await self._open()
        except OSError as error:
            raise OSError(f"cannot connect to {self._server.netloc}: {_why(error)}") from error
        _keep_alive(transport.get_extra_info("socket"))
        self._made.add(connection)
        connection.gone.add_done_callback(lambda _: self._made.discard(connection))
        return connection

    async def _open(self) -> tuple[asyncio.BaseTransport, Connection]:
        scheme, host = self._server.scheme, self._server.hostname or ""
        if scheme == "https" and self._context is None:
            self._context = tls_context(self.endpoint)
        name = self.endpoint.tls_server_name or host
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.get_running_loop().create_connection(
                Connection,
                host,
                self._server.port or _PORTS[scheme],
                ssl=self._context,
                server_hostname=name if self._context is not None else None,
            )

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None:
            return
        if not connection.is_free:
            connection.end()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what nobody has used for long."""
        loop = asyncio.get_running_loop()
        old, self._sweeping = loop.time() - IDLE_S, None
        for connection in self._idle:
            if connection.idle_since <= old:
                connection.end()
        self._idle = [connection for connection in self._idle if connection.is_free]
        if self._idle:
            self._sweeping = loop.call_later(self._idle[0].idle_since - old, self._sweep)


async def _pieces(connection: Connection) -> AsyncIterator[bytes]:
    try:
        while piece := await connection.piece():
            yield piece
    except OSError as error:
        raise _unreachable(error) from error


def _unreachable(error: OSError) -> Unreachable:
    return Unreachable(_why(error))


def _why(error: OSError) -> str:
    """Return what went wrong, in the system's words where it has some."""
    if isinstance(error, TimeoutError) and not error.args:
        return "no answer in time"
    if isinstance(error, socket.gaierror | ssl.SSLError):
        return str(error.strerror or error)
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


@lru_cache(maxsize=1024)
def _query(parameters: tuple[tuple[str, str], ...]) -> str:
    return "?" + urlencode(parameters)


@lru_cache(maxsize=1024)
def _line(name: str, value: str) -> str:
    """Return a header; most are the same for many requests. Raises `ValueError` for more than one line."""
    if "\r" in value or "\n" in value:
        raise ValueError(f"the value of the header {name} is more than one line")
    return f"{name}: {value}\r\n"


def _keep_alive(made: Any) -> None:
    """Set the options of a connection's socket."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    silent_ms = (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_COUNT) * 1000
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return what a connection to the endpoint trusts, and shows of itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif endpoint.ca_data:
        context.load_verify_locations(cadata=endpoint.ca_data.decode())
    elif endpoint.ca_file:
        context.load_verify_locations(cafile=endpoint.ca_file)
    else:
        context.load_default_certs()
    cert = endpoint.cert_data or (endpoint.cert_file.read_bytes() if endpoint.cert_file else b"")
    key = endpoint.key_data or (endpoint.key_file.read_bytes() if endpoint.key_file else b"")
    if cert:
        load_chain(context, cert, key)
    return context


class _Token:
    """A bearer token, or the file that holds it, read again when it has changed."""

    def __init__(self, token: str, file: Path | None) -> None:
        self._token = token
        self._file = None if token else file
        self._changed_ns = -1

    def read(self) -> str:
        if self._file is not None:
            try:
                changed_ns = self._file.stat().st_mtime_ns
                if changed_ns != self._changed_ns:
                    self._token, self._changed_ns = self._file.read_text().strip(), changed_ns
            except OSError as error:
                raise Unreachable(f"cannot read the token: {error}") from error
        return self._token
