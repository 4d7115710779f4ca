"""A real API server in this process over the memory store, asked by an administrator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from api.errors import AlreadyExists, StatusError
from api.types.core_v1 import NAMESPACES
from apiserver.app import Server, build
from apiserver.config import Config
from apiserver.http.message import Request, User
from client.api import Client
from client.inprocess import InProcessTransport
from kit import clock
from store.memory import MemoryBackend

_ADMIN = User("admin", ("system:masters", "system:authenticated"))
PATIENCE_S = 20.0


def _new_request(method: str, path: str, query: Any, headers: Any, body: bytes) -> Request:
    request = Request(method, path, query, headers, body)
    request.user = _ADMIN
    return request


def client_of(server: Server) -> Client:
    """Return a client of this server, without a socket between."""
    return Client(InProcessTransport(server.handle, _new_request))


@asynccontextmanager
async def serving(settings: Config | None = None) -> AsyncIterator[Client]:
    """Yield a client of a new server, that has the namespaces of every cluster."""
    backend = MemoryBackend()
    server = await build(settings or Config(), backend)
    client = client_of(server)
    for name in ("default", "kube-system", "kube-node-lease"):
        with suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": name}})
    yield client
    await client.close()
    await server.close()
    await backend.close()


async def until(what: Callable[[], Awaitable[Any]], found: Callable[[Any], Any] = bool) -> Any:
    """Ask until `found` says yes to the answer; return that. What the server refuses is asked again."""
    end, answer = clock.monotonic() + PATIENCE_S, None
    while clock.monotonic() < end:
        try:
            answer = await what()
            if found(answer):
                return answer
        except StatusError as error:
            answer = error
        await clock.sleep(0.02)
    raise AssertionError(f"not in time: {answer!r}")
