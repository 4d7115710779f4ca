"""A whole API server over the memory store, asked over HTTPS."""

import io
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, TCPConnector

from apiserver.app import Server, build
from apiserver.config import Config
from kit import tls
from store.memory import MemoryBackend
from tests.integration.apiserver import hooks

PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class API:
    """A client of one server; every call returns status, headers and body."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Any = None, **query: str
    ) -> Answer:
        raw = body if isinstance(body, bytes | None) else orjson.dumps(body)
        data = io.BytesIO(raw) if raw is not None else None
        given = {"Content-Type": "application/json", "User-Agent": "tests/1", **(headers or {})}
        async with self.session.request(method, path, data=data, headers=given, params=query) as response:
            return Answer(response.status, response.headers, await response.read())

    async def ok(self, method: str, path: str, body: Any = None, headers: Any = None, **query: str) -> Any:
        answer = await self.ask(method, path, body, headers, **query)
        assert answer.status < 300, answer.body
        return answer.json

    async def patch(self, path: str, body: Any, kind: str = "merge", **query: str) -> Answer:
        return await self.ask("PATCH", path, body, {"Content-Type": PATCHES[kind]}, **query)

    async def watch(self, path: str, count: int, **query: str) -> list[Any]:
        """Return the first `count` events."""
        events: list[Any] = []
        async with self.session.get(
            path, params={"watch": "true", "timeoutSeconds": "10", **query}
        ) as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                events.append(orjson.loads(line))
                if len(events) == count:
                    break
        return events


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    ca = tls.new_ca("test")
    ca.save(folder / "ca")
    tls.issue(ca, "server", server_names=["127.0.0.1"], client=False).save(folder / "server")
    tls.issue(ca, "admin", ["system:masters"]).save(folder / "admin")
    tls.issue(ca, "hook", server_names=hooks.NAMES, client=False).save(folder / "hook")
    return folder


@pytest.fixture
def backend():
    return MemoryBackend()


@pytest.fixture
def settings() -> dict[str, Any]:
    """What the server of a file is given besides; files put a fixture of their own in its place."""
    return {}


@pytest.fixture
async def server(pki, backend, settings):
    config: dict[str, Any] = {
        "bind_address": "127.0.0.1",
        "secure_port": 0,
        "tls_cert_file": pki / "server.crt",
        "tls_private_key_file": pki / "server.key",
        "client_ca_file": pki / "ca.crt",
        "disable_admission_plugins": ("ServiceAccount",),
        **settings,
    }
    made: Server = await build(Config(**config), backend)
    yield made
    await made.close()
    await backend.close()


@pytest.fixture
async def api(server, pki):
    port = await server.listen()
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    async with ClientSession(
        f"https://127.0.0.1:{port}", connector=TCPConnector(ssl=context, limit=0)
    ) as session:
        yield API(session)


@pytest.fixture
async def hook(pki):
    """A server of webhooks; see `hooks.py`."""
    context = tls.server_context(pki / "hook.crt", pki / "hook.key")
    made = await hooks.start((pki / "ca.crt").read_bytes(), context)
    yield made
    await made.runner.cleanup()


@pytest.fixture
def kubeconfig(api, pki, tmp_path):
    """A file by which a real kubectl reaches the server as its administrator."""
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": str(api.session._base_url),
                    "certificate-authority": str(pki / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "client-certificate": str(pki / "admin.crt"),
                    "client-key": str(pki / "admin.key"),
                },
            }
        ],
    }
    path = tmp_path / "kubeconfig"
    path.write_bytes(orjson.dumps(text))
    return path
