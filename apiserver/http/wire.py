"""Answers as bytes: status line, headers, and the pieces of a body.

Called by the listener.
"""

from collections.abc import Iterable, Iterator, Sequence
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus

from apiserver.http.connection import Connection
from kit import clock

# Answers up to this size go out in one write.
SMALL_BYTES = 64 << 10
# Bytes handed to the transport before waiting for the client.
WRITE_BYTES = 1 << 20

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
# A header must not end early, whatever text it quotes.
_UNSAFE = dict.fromkeys((*range(32), 127), " ")
_date: tuple[int, str] = (0, "")


def head(
    status: int, length: int | None, content_type: str, headers: Iterable[tuple[str, str]], stays: bool
) -> bytes:
    """Return status line and headers, up to and including the empty line; without a `length`, the caller says
    among `headers` where the body ends.
    """
    size = "" if length is None else f"Content-Length: {length}\r\n"
    lines = [
        _STATUS_LINES.get(status, f"HTTP/1.1 {status} \r\n"),
        f"Content-Type: {content_type}\r\n{size}Date: {_now()}\r\n",
    ]
    lines += [_line(name, value) for name, value in headers]
    lines.append("\r\n" if stays else "Connection: close\r\n\r\n")
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


async def send(connection: Connection, head_bytes: bytes, pieces: Sequence[bytes]) -> None:
    """Write a whole answer; wait for the client when much is on its way. Raises `ConnectionResetError`."""
    if connection.is_closed:
        raise ConnectionResetError("the client has gone")
    if sum(map(len, pieces)) <= SMALL_BYTES:
        connection.write(b"".join((head_bytes, *pieces)))
        return
    connection.write(head_bytes)
    waiting = 0
    for piece in _parts(pieces):
        connection.write(piece)
        waiting += len(piece)
        if waiting >= WRITE_BYTES:
            waiting = 0
            await connection.drained()
            # Others get their turn, however fast this client reads.
            await clock.sleep(0)
