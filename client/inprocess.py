"""The transport without a socket: it calls a server's handler in the same process.

The handler is described by shape only: the client layer does not know the API server. The caller gives:

    InProcessTransport(handler=app, new_request=lambda method, path, query, headers, body: Request(...))

`new_request` also decides who asks. An answer with `body` is whole; one with `status` and `run` is a stream.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from client.transport import RawRequest, RawResponse, StreamResponse, Unreachable

Query: TypeAlias = Mapping[str, list[str]]
NewRequest: TypeAlias = Callable[[str, str, Query, Mapping[str, str], bytes], Any]

# Bytes that a stream may run ahead of its reader before `drain` waits.
_HIGH_WATER_BYTES = 1 << 20


class InProcessTransport:
    """Calls `handler(new_request(method, path, query, headers, body))`."""

    def __init__(self, handler: Callable[[Any], Awaitable[Any]], new_request: NewRequest) -> None:
        self._handler = handler
        self._new_request = new_request

    async def request(self, request: RawRequest) -> RawResponse:
        async with self.stream(request) as response:
            return RawResponse(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        query = {name: [value] for name, value in request.query.items()}
        headers = {"accept": "application/json"}
        headers.update((name.lower(), value) for name, value in request.headers.items())
        made = self._new_request(request.method, request.path, query, headers, request.body)
        answer = await self._handler(made)
        if hasattr(answer, "body"):
            yield StreamResponse(answer.status, _headers(answer), _whole(answer.body))
        elif hasattr(answer, "status"):
            async with _piped(answer) as pieces:
                yield StreamResponse(answer.status, _headers(answer), pieces)
        else:
            raise Unreachable("this transport cannot upgrade a connection")

    async def close(self) -> None:
        """Nothing is held."""


class _Pipe:
    """The sink a stream writes to; the reader takes whatever has gathered in one piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.ended = False
        self.closed = False

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        self._readable.set()
        if self._size > _HIGH_WATER_BYTES:
            self._writable.clear()

    async def drain(self) -> None:
        await self._writable.wait()

    def end(self) -> None:
        self.ended = True
        self._readable.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            await self._readable.wait()
            self._readable.clear()
            data, self._parts, self._size = b"".join(self._parts), [], 0
            self._writable.set()
            if data:
                yield data
            if self.ended and not self._parts:
                return


@asynccontextmanager
async def _piped(answer: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    pipe = _Pipe()

    async def run() -> None:
        try:
            await answer.run(pipe)
        finally:
            pipe.end()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        try:
            yield pipe.pieces()
        finally:
            pipe.closed = True
            task.cancel()


async def _whole(body: bytes | list[bytes]) -> AsyncIterator[bytes]:
    for piece in [body] if isinstance(body, bytes) else body:
        yield piece


def _headers(answer: Any) -> dict[str, str]:
    named = {name.lower(): value for name, value in answer.headers.items()}
    return {"content-type": answer.content_type, **named}
