"""The seam between the typed client and the wire: what a transport does, and the one error it adds.

`client.http` goes over HTTPS, `client.inprocess` calls a server's handler in the same process.

    StatusError  (api.errors)   the server answered, and said no
    Unreachable                 no answer: refused, reset, timed out. Whether a write happened is unknown
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

# A whole call, from connect to the last byte. Upstream's server gives a request 60 s.
REQUEST_TIMEOUT_S = 60.0


class Unreachable(Exception):
    """The server did not answer. A write may or may not have happened."""


@dataclass(slots=True)
class RawResponse:
    """A whole answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class RawRequest:
    """One call, of any method but HEAD. `path` is not percent-encoded.

    `timeout_s` limits the whole call, or a stream's wait for headers.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = REQUEST_TIMEOUT_S


@dataclass(slots=True)
class StreamResponse:
    """An answer whose body arrives piece by piece; `pieces` raises `Unreachable` if it breaks off."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]

    async def read(self) -> bytes:
        """Return the rest of the body in one piece."""
        return b"".join([piece async for piece in self.pieces])


class Transport(Protocol):
    """Carries requests. Safe for any number of tasks of one loop; repeats no write."""

    async def request(self, request: RawRequest) -> RawResponse:
        """Return the answer, whatever its status. Raises `Unreachable`."""

    def stream(self, request: RawRequest) -> AbstractAsyncContextManager[StreamResponse]:
        """Open a streaming call; leaving the context ends it. Raises `Unreachable`."""

    async def close(self) -> None:
        """Release all connections."""
