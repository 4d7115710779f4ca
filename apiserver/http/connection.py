"""One connection of a client: bytes become requests, answered one after the other.

    head complete -> Incoming -> serve() -> whatever it writes -> the next one
    not HTTP, too large a head     400 or 431, and the end
    answered before its body came  the rest is thrown away for a moment, so that the answer is read; the end

Bytes are parsed by llhttp (httptools). Made by the listener (`server.py`), whose `serve` answers.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from multidict import CIMultiDict

# How long the headers of a request may take from their first byte, the first ones from the connection. Spec:
# ReadHeaderTimeout (1.36).
HEADER_S = 32.0
# How long a connection may say nothing between two requests. Spec: IdleTimeout (1.36).
IDLE_S = 90.0
# How long a client may take nothing of what is written to it, as long as a request may last.
STALL_S = 60.0
# How long the rest of a body is waited for that nobody wants, before the connection ends.
LINGER_S = 2.0
# Bytes of request line and headers. Spec: net/http DefaultMaxHeaderBytes.
HEAD_LIMIT = 1 << 20
# Bytes unsent at which a write waits, and bytes unread at which a client waits.
HIGH_WATER = 2 << 20

_REFUSAL = "HTTP/1.1 {0}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{0}"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOBODYS = HttpRequestParser(object())


class Malformed(Exception):
    """The body of a request is not in the encoding that its headers name."""


class Incoming:
    """A request whose head is here, and as much of its body as has come. `target` as it was sent."""

    def __init__(
        self, connection: "Connection", method: str, target: str, headers: CIMultiDict[str], is_old: bool
    ) -> None:
        self.method, self.target, self.headers = method, target, headers
        # HTTP/1.0: no chunks, no second request.
        self.is_old = is_old
        # Whether the client may send another request after it.
        self.stays = not is_old
        # Bytes of the body so far, and whether that is all.
        self.size, self.is_complete = 0, False
        self._connection = connection
        self._parts: list[bytes] = []
        # Bytes that nobody has taken; None: nobody will.
        self._held: int | None = 0
        self._more: asyncio.Future[None] | None = None
        self._fault: Exception | None = None

    def taken(self) -> bytes:
        """Return what has come of the body since the last time."""
        parts, self._parts, self._held = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def more(self) -> None:
        """Wait until more of the body is here. Raises `Malformed`, `ConnectionResetError`."""
        if self._fault is not None:
            raise self._fault
        self._more = asyncio.get_running_loop().create_future()
        try:
            await self._more
        finally:
            self._more = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; the client waits when nobody takes it."""
        while True:
            if piece := self.taken():
                self._connection.read_on()
                yield piece
            elif self.is_complete:
                return
            else:
                await self.more()

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        if self._held is None:
            return
        self._parts.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER:
            self._connection.hold()
        self._wake()

    def finish(self, stays: bool) -> None:
        self.is_complete, self.stays = True, self.stays and stays
        self._wake()

    def fail(self, fault: Exception) -> None:
        self._fault = self._fault or fault
        self._wake()

    def forget(self) -> None:
        """Keep nothing of the body any more."""
        self._parts, self._held = [], None

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


Serve = Callable[["Connection", Incoming], Awaitable[None]]


class Connection(asyncio.Protocol):
    """`connections` holds all that are open. A lost connection cancels a stream, but no write: its outcome
    matters though nobody hears of it.
    """

    def __init__(self, serve: Serve, connections: set["Connection"]) -> None:
        self._serve = serve
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._target = b""
        self._headers: CIMultiDict[str] = CIMultiDict()
        # Bytes since a head began; None: none is on its way in.
        self._head_bytes: int | None = None
        # Bytes of a request since there was something of its body: trailers, extensions of chunks.
        self._idle_bytes = 0
        self._receiving: Incoming | None = None
        self._waiting: deque[Incoming] = deque()
        self._is_ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None
        # Whether all that may still come is thrown away.
        self._is_deaf = False
        self._early = b""
        # The task that answers.
        self.task: asyncio.Task[None] | None = None
        self.is_streaming = False
        self.remote = ""
        # The verified client certificate in DER, if any.
        self.peer_cert: bytes | None = None

    # --- for who answers ---

    def write(self, data: bytes | memoryview) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written; one that takes nothing is cut off.

        Raises `ConnectionResetError`.
        """
        if self.is_closed:
            raise ConnectionResetError("the client has gone")
        if self._writable is None:
            return
        try:
            async with asyncio.timeout(STALL_S):
                await asyncio.shield(self._writable)
        except TimeoutError as error:
            self.abort()
            raise ConnectionResetError("the client does not read") from error

    @property
    def is_closed(self) -> bool:
        return self.transport.is_closing()

    def stays(self, request: Incoming) -> bool:
        """Say whether another request may follow this one."""
        return request.stays and request.is_complete and not self._is_ending

    def hold(self) -> None:
        """Let the client wait."""
        self.transport.pause_reading()

    def read_on(self) -> None:
        if not self._waiting:
            self.transport.resume_reading()

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Let another protocol have the connection from here on."""
        self._expect(None)
        self.transport.set_protocol(protocol)
        if self._early:
            protocol.data_received(self._early)
        self.transport.resume_reading()

    def shut(self) -> None:
        """Take no more requests; end now if none is under way."""
        self._is_ending = True
        if self.task is None:
            self.transport.close()

    def abort(self) -> None:
        """End at once; what is still to be sent is lost."""
        if not self.transport.is_closing():
            self.transport.abort()

    # --- what the loop tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        found = transport.get_extra_info("ssl_object")
        self.peer_cert = found.getpeercert(True) if found is not None else None
        address: Any = transport.get_extra_info("peername")
        self.remote = address[0] if isinstance(address, tuple) else ""
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        self._expect(HEADER_S)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        before, receiving = self._head_bytes, self._receiving
        size = receiving.size if receiving is not None else 0
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            # What follows is for the protocol that takes over; if none does, this was the last request.
            self._early = data[upgrade.args[0] :]
            self.hold()
        except HttpParserError:
            self._refuse("400 Bad Request")
            return
        if self._head_bytes is None:
            is_idle = receiving is not None and receiving.size == size and not receiving.is_complete
            self._idle_bytes = self._idle_bytes + len(data) if is_idle else 0
            if self._idle_bytes > HEAD_LIMIT:
                self._refuse("400 Bad Request")
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_LIMIT:
            self._refuse("431 Request Header Fields Too Large")
        elif before is None and self._receiving is not None and self.task is None:
            self._expect(HEADER_S)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self.resume_writing()
        self._waiting.clear()
        self._connections.discard(self)
        if self._receiving is not None:
            self._receiving.fail(ConnectionResetError("the client has gone"))
        # Both hold this connection as this one holds them.
        self._receiving, self._parser = None, _NOBODYS
        if self.is_streaming and self.task is not None:
            self.task.cancel()

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        self._target, self._headers, self._head_bytes = b"", CIMultiDict(), 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_bytes is None:
            # A trailer. What comes behind a body must not be taken for a header (RFC 9110, 6.5.1).
            return
        self._headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        parser = self._parser
        method, target = parser.get_method().decode(), self._target.decode("utf-8", "surrogateescape")
        self._head_bytes = None
        request = Incoming(self, method, target, self._headers, parser.get_http_version() == "1.0")
        self._receiving = request
        if self.task is not None or self._is_ending:
            self._waiting.append(request)
            self.hold()
            return
        self._start(request)

    def on_body(self, body: bytes) -> None:
        if self._receiving is not None:
            self._receiving.feed(body)

    def on_message_complete(self) -> None:
        if self._receiving is not None:
            self._receiving.finish(self._parser.should_keep_alive() and not self._parser.should_upgrade())
        if self._is_ending and self.task is None:
            self.transport.close()

    # --- one request after the other ---

    def _expect(self, seconds: float | None) -> None:
        """End the connection unless something happens within so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.transport.close) if seconds is not None else None

    def _start(self, request: Incoming) -> None:
        self._expect(None)
        if request.headers.get("Expect", "").lower() == "100-continue":
            self.write(_CONTINUE)
        self.task = self._loop.create_task(self._answer(request))

    async def _answer(self, request: Incoming) -> None:
        is_answered = False
        try:
            with suppress(ConnectionError):
                await self._serve(self, request)
                is_answered = True
        finally:
            if not is_answered:
                self.abort()
            self._go_on(request)

    def _go_on(self, request: Incoming) -> None:
        """Take the next request, or wait for one; end the connection if there can be none."""
        self.task = None
        if self.transport.is_closing():
            self._connections.discard(self)
        elif self.stays(request):
            if self._waiting:
                self._start(self._waiting.popleft())
            else:
                self._expect(IDLE_S if self._head_bytes is None else HEADER_S)
            self.read_on()
        elif request.is_complete or self._is_deaf:
            self.transport.close()
        else:
            # If the connection ended now, the client might lose the answer with it.
            self._is_ending = True
            request.forget()
            self.read_on()
            self._expect(LINGER_S)

    def _refuse(self, status: str) -> None:
        """Answer what is no request, if nothing else is under way; then the connection ends."""
        self._is_deaf = True
        if self.task is not None:
            if self._receiving is not None and not self._receiving.is_complete:
                self._receiving.fail(Malformed())
        else:
            if not self._is_ending:
                self.write(_REFUSAL.format(status).encode())
            self.transport.close()
        self._is_ending = True
