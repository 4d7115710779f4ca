"""Whole answers as bytes: what aiohttp's response classes do, without what the API server does not need.

Called by the listener for every answer that is not a stream.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

from kit import clock

# Answers up to this size go out in one write.
SMALL_BYTES = 64 << 10
# Bytes handed to the transport before waiting for the client.
WRITE_BYTES = 1 << 20
# How long a client may take nothing of what is written to it, as long as a request may last.
STALL_S = 60.0

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
# A header must not end early, whatever text it quotes.
_UNSAFE = dict.fromkeys((*range(32), 127), " ")
_date: tuple[int, str] = (0, "")


def head(
    status: int, length: int, content_type: str, headers: Iterable[tuple[str, str]], keep_alive: bool
) -> bytes:
    """Return status line and headers, up to and including the empty line."""
    lines = [
        _STATUS_LINES.get(status, f"HTTP/1.1 {status} \r\n"),
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\nDate: {_now()}\r\n",
    ]
    lines += [_line(name, value) for name, value in headers]
    lines.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
    return "".join(lines).encode("utf-8")


@lru_cache(maxsize=1024)
def _line(name: str, value: str) -> str:
    """Return one header; most are the same for many answers."""
    return f"{name}: {value.translate(_UNSAFE)}\r\n"


def _now() -> str:
    """Return the present second as HTTP writes it; made once per second."""
    global _date
    moment = clock.now()
    second = int(moment.timestamp())
    if second != _date[0]:
        _date = (second, format_datetime(moment, usegmt=True))
    return _date[1]


def _parts(pieces: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """Yield the pieces, large ones in parts: what is handed over is copied, and waits if nobody reads."""
    for piece in pieces:
        if len(piece) <= WRITE_BYTES:
            yield piece
            continue
        whole = memoryview(piece)
        for start in range(0, len(piece), WRITE_BYTES):
            yield whole[start : start + WRITE_BYTES]


async def drained(protocol: BaseProtocol) -> None:
    """Wait until the client has taken most of what was written; one that takes nothing is cut off.

    Raises `ConnectionResetError`.
    """
    try:
        async with asyncio.timeout(STALL_S):
            await protocol._drain_helper()
    except TimeoutError as error:
        if protocol.transport is not None:
            protocol.transport.abort()
        raise ConnectionResetError("the client does not read") from error


class Ready(web.StreamResponse):
    """An answer whose bytes are there: aiohttp only has to say when to write them."""

    __slots__ = ("_head", "_http", "_pieces")

    def __init__(self, http: web.BaseRequest, head_bytes: bytes, pieces: Sequence[bytes]) -> None:
        # The parent's own state is never used; making it would cost as much as the rest.
        self._http = http
        self._head = head_bytes
        self._pieces = pieces

    @property
    def keep_alive(self) -> bool | None:
        return self._http.keep_alive

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Write everything; wait for the client when much is on its way."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("Cannot write to closing transport")
        pieces = self._pieces
        if sum(map(len, pieces)) <= SMALL_BYTES:
            transport.write(b"".join((self._head, *pieces)))
            return None
        transport.write(self._head)
        waiting = 0
        for piece in _parts(pieces):
            transport.write(piece)
            waiting += len(piece)
            if waiting >= WRITE_BYTES:
                waiting = 0
                await drained(request.protocol)
                # Others get their turn, however fast this client reads.
                await clock.sleep(0)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything has been written."""
