"""Exec, attach and port-forward for SPDY clients: both ends speak SPDY, so bytes are passed on as they are.

The client's HTTP connection is taken away from aiohttp after the runtime has agreed. Called by the
node's HTTP server.
"""

import asyncio
import contextlib
from collections.abc import Iterable

from aiohttp import web

from nodeagent.streams.connection import upgrade

_READ = 64 * 1024


class Taken(web.Response):
    """What a handler returns after it has used up the connection itself: nothing is sent."""

    async def prepare(self, request: web.BaseRequest) -> None:
        del request
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        del data


async def serve(request: web.BaseRequest, url: str, protocols: Iterable[str]) -> web.StreamResponse:
    """Join the client with the runtime at `url` until both have ended; the runtime chooses the protocol.

    Raises `StreamError` if the runtime refuses, before anything was answered.
    """
    upgraded = await upgrade(url, protocols)
    reader, writer = _take(request)
    chosen = f"X-Stream-Protocol-Version: {upgraded.protocol}\r\n" if upgraded.protocol else ""
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        + chosen.encode()
        + b"\r\n"
    )
    try:
        async with asyncio.TaskGroup() as group:
            upward = group.create_task(_copy(reader, upgraded.writer), name="spdy input")
            await _copy(upgraded.reader, writer)
            upward.cancel()
    finally:
        upgraded.close()
        with contextlib.suppress(OSError):
            await _drain(writer)
        writer.close()
        request.protocol.connection_lost(None)
    return Taken()


def _take(request: web.BaseRequest) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the client's connection as streams of our own."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_READ)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if not transport.is_reading():
        transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until either end is gone; an end of input ends the connection, as SPDY has its own half-close."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _drain(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        await writer.drain()
