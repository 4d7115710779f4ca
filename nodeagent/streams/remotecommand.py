"""Exec and attach for WebSocket clients: channels on their side, SPDY streams towards the container runtime.

    client   0 stdin  -------------->  stdin    runtime
             1 stdout <--------------  stdout
             2 stderr <--------------  stderr
             3 status <--- at the end, whole ---  error
             4 resize -------------->  resize

The runtime's status is held back until both outputs have ended, so a client that stops at the status has
seen everything.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from aiohttp import web

from nodeagent.streams import channels
from nodeagent.streams.channels import EXEC_PROTOCOLS, ChannelSocket
from nodeagent.streams.connection import Connection, StreamError, open_spdy
from nodeagent.streams.spdy import Data, Reset

# What the runtimes' streaming servers speak (k8s.io/kubelet/pkg/cri/streaming).
_RUNTIME_PROTOCOLS = ("v4.channel.k8s.io",)
_MAX_STATUS = 64 * 1024
_TRUE = ("1", "true")


class BadOptions(ValueError):
    """The request asks for nothing that could be streamed."""


@dataclass(frozen=True)
class StreamOptions:
    """Which streams a client wants."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


def parse_options(query: Mapping[str, str]) -> StreamOptions:
    """Read the options of a request: the API's names (`stdin`) and the kubelet's (`input`)."""

    def asked(*names: str) -> bool:
        return any(query.get(name, "").lower() in _TRUE for name in names)

    options = StreamOptions(
        asked("stdin", "input"), asked("stdout", "output"), asked("stderr", "error"), asked("tty")
    )
    if not (options.stdin or options.stdout or options.stderr):
        raise BadOptions("you must specify at least 1 of stdin, stdout, stderr")
    # A terminal has one output.
    return replace(options, stderr=False) if options.tty else options


async def serve(request: web.BaseRequest, url: str, options: StreamOptions) -> web.StreamResponse:
    """Stream between the client's WebSocket and the runtime at `url` until one of them ends.

    Raises `StreamError` if the runtime refuses, before anything was answered.
    """
    connection = await open_spdy(url, _RUNTIME_PROTOCOLS)
    try:
        socket = ChannelSocket(EXEC_PROTOCOLS)
        response = await socket.accept(request)
        await _Session(socket, connection, options).run()
        return response
    finally:
        connection.close()


class _Session:
    def __init__(self, socket: ChannelSocket, connection: Connection, options: StreamOptions) -> None:
        self._socket, self._connection, self._options = socket, connection, options
        self._ids: dict[str, int] = {}
        self._channel_of: dict[int, int] = {}
        self._status = b""

    async def run(self) -> None:
        try:
            await self._open()
            async with asyncio.TaskGroup() as group:
                inputs = group.create_task(self._inputs(), name="exec input")
                await self._outputs()
                inputs.cancel()
            await self._finish()
        except* (ConnectionError, StreamError) as group_error:
            # Either side is gone; there is nobody left to tell if it is the client.
            await self._fail(group_error.exceptions[0])
        await self._socket.close()

    async def _open(self) -> None:
        wanted = [("error", channels.ERROR, True), ("stdin", channels.STDIN, self._options.stdin)]
        wanted += [("stdout", channels.STDOUT, self._options.stdout)]
        wanted += [("stderr", channels.STDERR, self._options.stderr)]
        wanted += [("resize", channels.RESIZE, self._options.tty)]
        for name, channel, is_asked in wanted:
            if is_asked:
                stream_id = await self._connection.open({"streamtype": name})
                self._ids[name] = stream_id
                self._channel_of[stream_id] = channel
        first = channels.STDOUT if self._options.stdout else channels.STDERR
        # As upstream: an empty message tells the client that the streams are there.
        await self._socket.send(
            first if self._options.stdout or self._options.stderr else channels.ERROR, b""
        )

    async def _inputs(self) -> None:
        stdin, resize = self._ids.get("stdin"), self._ids.get("resize")
        while (received := await self._socket.receive()) is not None:
            channel, data = received
            if channel == channels.STDIN and stdin is not None and data:
                await self._connection.send(stdin, data)
            elif channel == channels.RESIZE and resize is not None and data:
                await self._connection.send(resize, data)
            elif self._is_end_of_stdin(channel, data) and stdin is not None:
                await self._connection.send(stdin, b"", fin=True)
                stdin = None
        # The client has gone: the runtime sees the connection end, and so do the outputs.
        self._connection.close()

    def _is_end_of_stdin(self, channel: int, data: bytes) -> bool:
        half_close = self._socket.protocol.half_close
        return half_close and channel == channels.CLOSE and data[:1] == bytes((channels.STDIN,))

    async def _outputs(self) -> None:
        """Pass on what comes until outputs and status have ended, or the connection."""
        open_ids = {self._ids[name] for name in ("error", "stdout", "stderr") if name in self._ids}
        async for event in self._connection.events():
            if isinstance(event, Data) and event.data:
                await self._pass(event)
            if isinstance(event, Reset) or (isinstance(event, Data) and event.fin):
                open_ids.discard(event.stream_id)
            if not open_ids:
                return

    async def _pass(self, event: Data) -> None:
        channel = self._channel_of.get(event.stream_id)
        if channel == channels.ERROR:
            self._status = (self._status + event.data)[:_MAX_STATUS]
        elif channel is not None:
            await self._socket.send(channel, event.data)

    async def _finish(self) -> None:
        status = self._status or failure("the container runtime ended the stream without a status")
        if self._socket.protocol.status:
            await self._socket.send(channels.ERROR, status)
        elif text := failure_text(status):
            await self._socket.send(channels.ERROR, text)

    async def _fail(self, error: BaseException) -> None:
        if isinstance(error, StreamError):
            self._status = self._status or failure(str(error))
            try:
                await self._finish()
            except ConnectionError:
                return


def failure(message: str) -> bytes:
    """Return a `Status` that says that the stream failed."""
    return orjson.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": "InternalError",
            "details": {"causes": [{"message": message}]},
            "code": 500,
        }
    )


def failure_text(status: bytes) -> bytes:
    """Return the message of a status that is not a success, for the protocols that send texts."""
    try:
        decoded = orjson.loads(status)
    except orjson.JSONDecodeError:
        return status
    if decoded.get("status") == "Success":
        return b""
    return str(decoded.get("message", "")).encode()
