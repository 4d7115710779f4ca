"""The transport over HTTP(S): one pool of connections per process to one API server.

Called by `client.api`. TCP keep-alive finds a silent peer, so a watch does not hang on a dead server.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from client.kubeconfig import Endpoint
from client.transport import RawRequest, RawResponse, StreamResponse, Transport, Unreachable
from kit.chain import load_chain

__all__ = ["HTTPTransport", "RawRequest", "RawResponse", "StreamResponse", "Transport", "Unreachable"]

CONNECT_TIMEOUT_S = 10.0
# A peer that is gone without a word is noticed after IDLE + INTERVAL * COUNT seconds.
KEEPALIVE_IDLE_S = 15
KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
_USER_AGENT = "pelamis"


class HTTPTransport:
    """Speaks to `endpoint`. Connections are opened on demand: each watch holds one, and each request.

    `most_requests` limits how many requests are under way at once, so that a burst of them opens no more
    connections, whose handshakes would cost more than the requests; 0: no limit.
    """

    def __init__(self, endpoint: Endpoint, user_agent: str = _USER_AGENT, *, most_requests: int = 0) -> None:
        self.endpoint = endpoint
        self._turn = asyncio.Semaphore(most_requests) if most_requests else nullcontext()
        self._root = URL(endpoint.server)
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._token = _Token(endpoint.token, endpoint.token_file)

    async def request(self, request: RawRequest) -> RawResponse:
        timeout = aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._turn, self._open(request, timeout) as response:
                return RawResponse(response.status, _lower(response.headers), await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout(request.timeout_s):
                response = await self._open(request, timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error) from error
        try:
            yield StreamResponse(response.status, _lower(response.headers), _pieces(response))
        finally:
            response.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self, request: RawRequest, timeout: aiohttp.ClientTimeout) -> Any:
        headers = {"Accept": "application/json", "User-Agent": self._user_agent, **request.headers}
        if token := self._token.read():
            headers["Authorization"] = f"Bearer {token}"
        return self._connected().request(
            request.method,
            self._root.with_path(self._root.path.rstrip("/") + request.path).with_query(request.query),
            data=request.body or None,
            headers=headers,
            timeout=timeout,
            server_hostname=self.endpoint.tls_server_name or None,
            allow_redirects=False,
        )

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=tls_context(self.endpoint) if self._root.scheme == "https" else False,
                socket_factory=_socket,
                keepalive_timeout=60.0,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept-Encoding", "Content-Type"),
                read_bufsize=1 << 18,
            )
        return self._session


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(str(error) or type(error).__name__)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _socket(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = info[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    silent_ms = (KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_COUNT) * 1000
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)
    return made


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
