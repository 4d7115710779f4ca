"""Requests and answers, free of any HTTP library: what filters and handlers see.

The listener (`server.py`) makes a `Request` and performs the `Response`, `Stream` or `Upgrade` that comes
back.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from api.resource import Resource


@dataclass(frozen=True)
class User:
    """Who asks. `extra` values are lists of strings. Spec: k8s.io/apiserver/pkg/authentication/user
    (1.36).
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def user_info(user: User) -> dict[str, Any]:
    """Return a user as `authentication.k8s.io/v1` UserInfo."""
    extra = {key: list(values) for key, values in user.extra.items()}
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    return {key: value for key, value in info.items() if value}


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
# The API server acting for itself (bootstrap objects, defaults from other objects): all-powerful.
APISERVER = User("system:apiserver", ("system:masters", "system:authenticated"))


@dataclass(frozen=True)
class RequestInfo:
    """What a request is about. `verb` is the API verb for resource requests, the lower-case method otherwise.

    Spec: k8s.io/apiserver/pkg/endpoints/request RequestInfoFactory (1.36).
    """

    is_resource: bool
    path: str
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    # What follows the subresource: the path of a proxy request.
    rest: str = ""
    # The served resource, None if the server has no such one.
    token: Resource[Any] | None = None
    # The field selector of a list or watch; filled in only for authorizers that look at it.
    field_selector: str = ""


class Request:
    """One request. `body` is complete (bounded by the listener) unless there is an `upload`.

    Header names are lower case. Filters fill in `info`, `user` and `audit`; `peer_cert` is the verified
    client certificate in DER, if any.
    """

    __slots__ = (
        "audit",
        "body",
        "deadline",
        "headers",
        "info",
        "method",
        "path",
        "peer_cert",
        "query",
        "remote",
        "upload",
        "user",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, list[str]],
        headers: Mapping[str, str],
        body: bytes = b"",
        peer_cert: bytes | None = None,
        remote: str = "",
    ) -> None:
        self.method = method
        # Percent-decoded, without the query.
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer_cert = peer_cert
        self.remote = remote
        # The body as it comes in, of a request that is passed on to another server; then `body` is empty.
        self.upload: AsyncIterable[bytes] | None = None
        self.info: RequestInfo = RequestInfo(False, path, method.lower())
        self.user: User = ANONYMOUS
        # By `kit.clock.monotonic`: when the answer is due.
        self.deadline = float("inf")
        # Annotations for the audit log, and warnings to send as `Warning:` headers under the key "warnings".
        self.audit: dict[str, Any] = {}

    def param(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    @property
    def weight(self) -> int:
        """Return how many bytes of JSON are as much work as the body: YAML is eight times as slow."""
        size = len(self.body)
        return size * 8 if size > 4096 and "yaml" in self.headers.get("content-type", "") else size

    def warn(self, text: str) -> None:
        """Send `text` to the client as a `Warning: 299` header."""
        self.audit.setdefault("warnings", []).append(text)


@dataclass(slots=True)
class Response:
    """A whole answer. `body` may be given in pieces, which are written one after the other, never joined."""

    status: int = 200
    body: bytes | list[bytes] = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Sink(Protocol):
    """Where a stream writes. `write` never waits; `drain` waits until the client has caught up."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    @property
    def closed(self) -> bool: ...


@runtime_checkable
class FrameSink(Protocol):
    """A sink that speaks HTTP/1.1 itself and takes ready-made chunks (size line, data, line end), as many as
    are due."""

    def write_frames(self, frames: bytes) -> None: ...

    def pending_bytes(self) -> int:
        """Return how much has been written but not yet sent."""


@dataclass(slots=True)
class Stream:
    """A chunked answer of unknown length: `run` writes to the sink until it returns or is cancelled (client
    gone).
    """

    run: Callable[[Sink], Awaitable[None]]
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Connection(Protocol):
    """A byte stream taken over from HTTP after a 101 answer."""

    async def read(self) -> bytes:
        """Return some bytes, b"" at the end."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Upgrade:
    """Switch protocols: answer 101 with `headers`, then `run` owns the connection."""

    run: Callable[[Connection], Awaitable[None]]
    headers: dict[str, str] = field(default_factory=dict)


Answer: TypeAlias = Response | Stream | Upgrade
Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]


class Filter(Protocol):
    """Does its part and calls the next one, or answers itself."""

    def __call__(self, request: Request, following: Handler) -> Awaitable[Answer]: ...


async def chunks(response: Response) -> AsyncIterator[bytes]:
    """Yield the body of a response piece by piece."""
    for piece in [response.body] if isinstance(response.body, bytes) else response.body:
        yield piece
