"""Port-forward for WebSocket clients.

    tunnel     `SPDY/3.1+portforward.k8s.io` (kubectl): the messages' payloads are the client's own SPDY
               connection, passed on raw
    channels   `v4.channel.k8s.io` or none (Python clients): the port at index i has channels 2i (data) and
               2i+1 (error), each opened by a message of the port's number in two bytes, low first

Towards the runtime both are SPDY `portforward.k8s.io`: per connection a pair of streams, error and data.
"""

import asyncio
import struct
from collections.abc import Sequence

from aiohttp import web

from nodeagent.streams.channels import PORT_PROTOCOLS, ChannelSocket, message_bytes, new_socket
from nodeagent.streams.connection import Connection, StreamError, Upgraded, open_spdy, upgrade
from nodeagent.streams.spdy import Data, Reset

TUNNEL = "SPDY/3.1+portforward.k8s.io"
PROTOCOL = "portforward.k8s.io"
_READ = 64 * 1024


class BadPorts(ValueError):
    """The `port` or `ports` of the request are missing or not numbers."""


def parse_ports(values: Sequence[str]) -> list[int]:
    """Return the ports of repeated or comma-separated query values."""
    texts = [text for value in values for text in value.split(",") if text]
    if not texts:
        raise BadPorts('query parameter "port" is required')
    ports = []
    for text in texts:
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise BadPorts(f"unable to parse {text!r} as a port")
        ports.append(int(text))
    return ports


async def serve_tunnel(request: web.BaseRequest, url: str) -> web.StreamResponse:
    """Pass the client's SPDY bytes on. Raises `StreamError` if the runtime refuses."""
    upgraded = await upgrade(url, (PROTOCOL,))
    socket = new_socket((TUNNEL,))
    try:
        await socket.prepare(request)
        async with asyncio.TaskGroup() as group:
            upward = group.create_task(_tunnel_up(socket, upgraded), name="port-forward input")
            await _tunnel_down(socket, upgraded)
            upward.cancel()
    except* (ConnectionError, OSError):
        pass
    finally:
        upgraded.close()
    await socket.close()
    return socket


async def _tunnel_up(socket: web.WebSocketResponse, upgraded: Upgraded) -> None:
    while (raw := message_bytes(await socket.receive())) is not None:
        upgraded.writer.write(raw)
        await upgraded.writer.drain()
    upgraded.close()


async def _tunnel_down(socket: web.WebSocketResponse, upgraded: Upgraded) -> None:
    while raw := await upgraded.reader.read(_READ):
        await socket.send_bytes(raw)


async def serve_channels(request: web.BaseRequest, url: str, ports: Sequence[int]) -> web.StreamResponse:
    """Forward the ports until the pod has closed them all. Raises `StreamError` if the runtime refuses."""
    connection = await open_spdy(url, (PROTOCOL,))
    try:
        socket = ChannelSocket(PORT_PROTOCOLS)
        response = await socket.accept(request)
        await _Ports(socket, connection, ports).run()
        return response
    finally:
        connection.close()


class _Ports:
    def __init__(self, socket: ChannelSocket, connection: Connection, ports: Sequence[int]) -> None:
        self._socket, self._connection, self._ports = socket, connection, ports
        # Data stream of each port, by index; and the channel of every stream.
        self._data: list[int] = []
        self._channel_of: dict[int, int] = {}

    async def run(self) -> None:
        try:
            for index, port in enumerate(self._ports):
                await self._open(index, port)
            async with asyncio.TaskGroup() as group:
                inputs = group.create_task(self._inputs(), name="port-forward input")
                await self._outputs()
                inputs.cancel()
        except* (ConnectionError, StreamError):
            pass
        await self._socket.close()

    async def _open(self, index: int, port: int) -> None:
        headers = {"port": str(port), "requestid": str(index)}
        error = await self._connection.open({"streamtype": "error", **headers})
        await self._connection.send(error, b"", fin=True)
        data = await self._connection.open({"streamtype": "data", **headers})
        self._data.append(data)
        self._channel_of |= {data: 2 * index, error: 2 * index + 1}
        for channel in (2 * index, 2 * index + 1):
            await self._socket.send(channel, struct.pack("<H", port))

    async def _inputs(self) -> None:
        while (received := await self._socket.receive()) is not None:
            channel, data = received
            if channel % 2 == 0 and channel // 2 < len(self._data) and data:
                await self._connection.send(self._data[channel // 2], data)
        self._connection.close()

    async def _outputs(self) -> None:
        open_ids = set(self._channel_of)
        async for event in self._connection.events():
            channel = self._channel_of.get(event.stream_id)
            if isinstance(event, Data) and event.data and channel is not None:
                await self._socket.send(channel, event.data)
            if isinstance(event, Reset) or (isinstance(event, Data) and event.fin):
                open_ids.discard(event.stream_id)
            if not open_ids:
                return
