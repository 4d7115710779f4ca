"""One HTTP/1.1 connection to a server: requests go out and answers come in, one after the other.

Bytes are parsed by llhttp (httptools). Called by the pool in `client.http` alone.
"""

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# How far an answer has come: nothing of it is here, status and headers are, everything is.
ASKED, HEAD, WHOLE = range(3)
# Bytes of a body that may wait to be taken by whoever reads it piece by piece.
HIGH_WATER = 1 << 18


class Connection(asyncio.Protocol):
    """`status` and `headers` (lower-case names; of several with one name the last) are those of the present
    answer, from `HEAD` on. Everything that waits raises `ConnectionError` when the connection ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._stage = WHOLE
        self._stays_open = True
        # Why there is nothing more to be had here.
        self._fault = ""
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._is_read_by_piece = False
        self._needed = WHOLE
        self._waiter: asyncio.Future[None] | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.status = 0
        self.headers: dict[str, str] = {}
        # When the pool got it back, by the loop's clock.
        self.idle_since = 0.0

    @property
    def is_free(self) -> bool:
        """Say whether another request may go out: the last answer is complete, and nobody ends it here."""
        return self._stage == WHOLE and self._stays_open and not self._fault

    def send(self, request: bytes, by_piece: bool = False) -> None:
        """Send a request, head and body. `by_piece`: the server has to wait when nobody takes its answer."""
        assert self._transport is not None, "a connection is made before it is used"
        self._stage, self._parts, self._waiting_bytes = ASKED, [], 0
        self._is_read_by_piece = by_piece
        self.headers = {}
        self._transport.write(request)

    async def reach(self, stage: int) -> None:
        """Wait until the answer has come so far."""
        while self._stage < stage:
            await self._next(stage)

    def taken(self) -> bytes:
        """Return what has come in of the body since the last time."""
        parts, self._parts = self._parts, []
        if self._waiting_bytes > HIGH_WATER and self._transport is not None:
            self._transport.resume_reading()
        self._waiting_bytes = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def piece(self) -> bytes:
        """Return more of the body, b"" at its end."""
        while not self._parts and self._stage < WHOLE:
            await self._next(HEAD)
        return self.taken()

    def end(self) -> None:
        """End the connection, whatever is under way."""
        self._fail("the connection was closed")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    async def _next(self, needed: int) -> None:
        if self._fault:
            raise ConnectionResetError(self._fault)
        self._needed, self._waiter = needed, self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _advance(self, stage: int) -> None:
        self._stage = stage
        if stage >= self._needed:
            self._wake()

    def _fail(self, fault: str) -> None:
        self._fault = self._fault or fault
        self._wake()

    # --- what the loop tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(f"the server's answer is not HTTP: {error}")
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        # A body of unknown length ends with the connection.
        if self._stage == HEAD and exc is None and not self._fault and self._ends_with_connection():
            self._stays_open = False
            self._advance(WHOLE)
        self._fail(str(exc) if exc is not None else "the server closed the connection")
        if not self.gone.done():
            self.gone.set_result(None)

    def _ends_with_connection(self) -> bool:
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        if self._stage == WHOLE:
            raise ConnectionError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        # Not those behind the body.
        if self._stage < HEAD:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._advance(HEAD)

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        if self._is_read_by_piece:
            before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes + len(data)
            if before <= HIGH_WATER < self._waiting_bytes and self._transport is not None:
                self._transport.pause_reading()
        if self._needed == HEAD:
            self._wake()

    def on_message_complete(self) -> None:
        if self.status < 200:
            # An answer to follow: 100 Continue, 103 Early Hints.
            self.headers = {}
            return
        self._stays_open = self._parser.should_keep_alive()
        self._advance(WHOLE)
