"""The small HTTP listener of a component: /healthz, /livez, /readyz, /metrics. Started by its `app.py`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kit.metrics import REGISTRY

_READ_LIMIT_S = 5.0


@asynccontextmanager
async def listening(address: str, port: int) -> AsyncIterator[None]:
    """Serve within the block; port 0 serves nothing."""
    if not port:
        yield
        return
    server = await asyncio.start_server(_serve, address, port)
    try:
        yield
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(_READ_LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(head))
        await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def answer(head: bytes) -> bytes:
    """Return the whole HTTP answer to a request head."""
    path = head.split(b" ", 2)[1].split(b"?")[0] if head.count(b" ") >= 2 else b""
    match path:
        case b"/healthz" | b"/livez" | b"/readyz":
            status, body = "200 OK", b"ok"
        case b"/metrics":
            status, body = "200 OK", REGISTRY.render()
        case _:
            status, body = "404 Not Found", b"404 page not found\n"
    lines = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
