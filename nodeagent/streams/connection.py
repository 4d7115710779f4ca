"""A SPDY connection as a client, over asyncio: to the container runtime's streaming server.

    connection = await open_spdy(url, protocols)        POST url, Upgrade: SPDY/3.1
    stdin = await connection.open({"streamtype": "stdin"})
    async for event in connection.events(): ...         Data, Reset; ends with the connection
    await connection.send(stdin, b"...", fin=True)

Back-pressure is the sockets': who does not read `events` makes the runtime wait; `send` waits for it.
Called by the translators of exec, attach and port-forward.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import urlsplit

from nodeagent.streams.spdy import Data, Frame, Framer, GoAway, Ping, Reset, SPDYError, SynReply, SynStream

_READ = 64 * 1024
_HANDSHAKE_S = 30.0
# Frames of this size go to the runtime; Go's side reads 32 KiB at a time.
_CHUNK = 32 * 1024


class StreamError(Exception):
    """The runtime's streaming server refused, broke off, or could not be reached."""


class Upgraded:
    """A connection after `101 Switching Protocols`, and the stream protocol that the runtime chose."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: str) -> None:
        self.reader, self.writer, self.protocol = reader, writer, protocol

    def close(self) -> None:
        self.writer.close()


async def upgrade(url: str, protocols: Iterable[str]) -> Upgraded:
    """Ask the runtime at `url` to speak SPDY. Raises `StreamError` with the runtime's answer."""
    target = urlsplit(url)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    lines = [f"POST {path} HTTP/1.1", f"Host: {target.netloc}", "Connection: Upgrade", "Upgrade: SPDY/3.1"]
    lines += [f"X-Stream-Protocol-Version: {protocol}" for protocol in protocols]
    lines += ["Content-Length: 0", "", ""]
    try:
        async with asyncio.timeout(_HANDSHAKE_S):
            reader, writer = await asyncio.open_connection(target.hostname, target.port)
            try:
                writer.write("\r\n".join(lines).encode())
                protocol = await _answer(reader)
            except BaseException:
                writer.close()
                raise
    except TimeoutError:
        raise StreamError("the container runtime did not answer in time") from None
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise StreamError(f"error dialing the container runtime: {error}") from error
    return Upgraded(reader, writer, protocol)


async def _answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = head[0].split(" ", 2)
    headers = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if status[1] != "101":
        body = await reader.read(4096)
        raise StreamError(body.decode(errors="replace").strip() or " ".join(status[1:]))
    return headers.get("x-stream-protocol-version", "")


class Connection:
    """SPDY client streams over an upgraded connection. One task reads `events`; any may send."""

    def __init__(self, upgraded: Upgraded) -> None:
        self.protocol = upgraded.protocol
        self._reader, self._writer = upgraded.reader, upgraded.writer
        self._framer = Framer()
        self._next_id = 1

    async def open(self, headers: Mapping[str, str], fin: bool = False) -> int:
        """Open a stream; return its id. The runtime answers in its own time."""
        stream_id, self._next_id = self._next_id, self._next_id + 2
        await self._write(SynStream(stream_id, headers, fin))
        return stream_id

    async def send(self, stream_id: int, data: bytes, fin: bool = False) -> None:
        """Send bytes, then close our side of the stream if `fin`. Raises `StreamError`."""
        if len(data) <= _CHUNK:
            await self._write(Data(stream_id, data, fin))
            return
        for start in range(0, len(data), _CHUNK):
            piece = data[start : start + _CHUNK]
            await self._write(Data(stream_id, piece, fin and start + _CHUNK >= len(data)))

    async def events(self) -> AsyncIterator[Data | Reset | SynReply]:
        """Yield what comes on the streams until the connection ends. Raises `StreamError`."""
        try:
            while raw := await self._reader.read(_READ):
                for frame in self._framer.feed(raw):
                    match frame:
                        case Data() | Reset() | SynReply():
                            yield frame
                        case Ping(number):
                            if number % 2 == 0:
                                await self._write(frame)
                        case GoAway():
                            pass
        except (OSError, SPDYError) as error:
            raise StreamError(f"the container runtime's stream broke: {error}") from error

    def close(self) -> None:
        self._writer.close()

    async def _write(self, frame: Frame) -> None:
        try:
            self._writer.write(self._framer.encode(frame))
            await self._writer.drain()
        except OSError as error:
            raise StreamError(f"the container runtime's stream broke: {error}") from error


async def open_spdy(url: str, protocols: Iterable[str]) -> Connection:
    """Upgrade and wrap. Raises `StreamError`."""
    return Connection(await upgrade(url, protocols))
