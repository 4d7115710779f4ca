"""Several streams in one WebSocket: each message begins with the number of its channel.

    protocol                     status of exec on channel 3      half-close of stdin     bytes
    v5.channel.k8s.io            JSON                             message 255, channel    binary
    v4.channel.k8s.io            JSON                             -                       binary
    v4.base64.channel.k8s.io     JSON                             -                       text: digit, base64
    channel.k8s.io, or none      text, only of a failure          -                       binary
    base64.channel.k8s.io        text, only of a failure          -                       text: digit, base64

Called by the translators of exec, attach and port-forward. Source: k8s.io/streaming wsstream, KEP-4006.
"""

import base64
import binascii
from dataclasses import dataclass

from aiohttp import WSMessage, WSMsgType, web

STDIN, STDOUT, STDERR, ERROR, RESIZE = 0, 1, 2, 3, 4
CLOSE = 255
# A client may send a whole file in one message (the Python client does); beyond this it is refused.
MAX_MESSAGE_BYTES = 64 << 20


@dataclass(frozen=True)
class ChannelProtocol:
    """How messages look under one subprotocol; `status`: JSON on the error channel."""

    name: str
    base64: bool = False
    status: bool = True
    half_close: bool = False


EXEC_PROTOCOLS = (
    ChannelProtocol("v5.channel.k8s.io", half_close=True),
    ChannelProtocol("v4.channel.k8s.io"),
    ChannelProtocol("v4.base64.channel.k8s.io", base64=True),
    ChannelProtocol("channel.k8s.io", status=False),
    ChannelProtocol("base64.channel.k8s.io", base64=True, status=False),
)
PORT_PROTOCOLS = (*EXEC_PROTOCOLS[1:3], ChannelProtocol("portforward.k8s.io"))
_NONE = ChannelProtocol("", status=False)


def chosen(name: str | None, known: tuple[ChannelProtocol, ...]) -> ChannelProtocol:
    """Return the protocol of the negotiated name; a client that asks for none gets plain binary channels."""
    return next((protocol for protocol in known if protocol.name == name), _NONE)


def encode(protocol: ChannelProtocol, channel: int, data: bytes) -> bytes | str:
    """Return the message that carries `data`."""
    if protocol.base64:
        return str(channel) + base64.b64encode(data).decode()
    return bytes((channel,)) + data


def decode(protocol: ChannelProtocol, raw: bytes) -> tuple[int, bytes] | None:
    """Return (channel, data) of a message, None if it says nothing."""
    if not raw:
        return None
    if not protocol.base64:
        return raw[0], raw[1:]
    try:
        return int(raw[:1]), base64.b64decode(raw[1:])
    except (ValueError, binascii.Error):
        return None


class ChannelSocket:
    """The server's end of one WebSocket of channels. One task sends, one receives."""

    def __init__(self, known: tuple[ChannelProtocol, ...]) -> None:
        self._known = known
        self._socket = new_socket(tuple(protocol.name for protocol in known))
        self.protocol = _NONE

    async def accept(self, request: web.BaseRequest) -> web.WebSocketResponse:
        """Answer the handshake; return what the HTTP handler must return."""
        await self._socket.prepare(request)
        self.protocol = chosen(self._socket.ws_protocol, self._known)
        return self._socket

    async def send(self, channel: int, data: bytes) -> None:
        """Send one message; waits while the client is slow. Raises `ConnectionError` when it is gone."""
        message = encode(self.protocol, channel, data)
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next (channel, data), None when the client has gone."""
        while True:
            message = await self._socket.receive()
            raw = message_bytes(message)
            if raw is None:
                return None
            if (found := decode(self.protocol, raw)) is not None:
                return found

    async def close(self) -> None:
        await self._socket.close()


def new_socket(protocols: tuple[str, ...]) -> web.WebSocketResponse:
    return web.WebSocketResponse(protocols=protocols, max_msg_size=MAX_MESSAGE_BYTES, compress=False)


def message_bytes(message: WSMessage) -> bytes | None:
    """Return the payload of a message, None if it ends the connection."""
    if message.type is WSMsgType.BINARY:
        return bytes(message.data)
    if message.type is WSMsgType.TEXT:
        return str(message.data).encode()
    return None
