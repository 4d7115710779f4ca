"""A connection that is no longer HTTP: after a 101 answer it belongs to another protocol."""

import asyncio

from apiserver.http.connection import HIGH_WATER


class RawConnection(asyncio.Protocol):
    """See `message.Connection`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False

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
