"""No request holds up the event loop: the watchdog of the server sees no turn of 50 ms, whatever is asked.

The client works in a thread of its own, so that what it does is not taken for the server's work.
"""

import asyncio
import gc
import http.client
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import yaml

from api.types.core_v1 import PODS as PODS_TOKEN
from apiserver.watchcache.select import Selection
from kit import tls
from kit.tasks import collect_rarely
from kit.watchdog import LIMIT_S, Watchdog

CONFIGMAPS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@pytest.fixture(autouse=True)
def _as_in_a_component():
    """What `kit.tasks.run` sets for a process."""
    before, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(0.001)
    collect_rarely()
    yield
    sys.setswitchinterval(before)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@dataclass
class Answer:
    status: int
    body: bytes


class Remote:
    """A client whose work is done in a thread."""

    def __init__(self, port: int, pki: Any) -> None:
        self._port = port
        self._context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")

    async def ask(
        self, method: str, path: str, body: Any = b"", headers: Any = None, lines: int = 0, **query: str
    ) -> Answer:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return await asyncio.to_thread(self._ask, method, path, raw, headers or {}, lines, query)

    def _ask(self, method: str, path: str, body: bytes, headers: Any, lines: int, query: Any) -> Answer:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60)
        try:
            given = {"Content-Type": "application/json", **headers}
            connection.request(method, f"{path}?{urlencode(query)}", body, given)
            answer = connection.getresponse()
            found = b"".join(answer.readline() for _ in range(lines)) if lines else answer.read()
            return Answer(answer.status, found)
        finally:
            connection.close()


@pytest.fixture
async def api(server, pki):
    return Remote(await server.listen(), pki)


@asynccontextmanager
async def watched():
    """Let nothing within take a turn of the loop that is too long."""
    dog = Watchdog(0.002, lambda _: None)
    watching = asyncio.ensure_future(dog.watch())
    await asyncio.sleep(0.01)
    try:
        yield
        await asyncio.sleep(0.01)
    finally:
        watching.cancel()
    assert dog.worst_s < LIMIT_S, f"the loop was held up for {dog.worst_s * 1000:.0f} ms"


def pod(name, **spec):
    container = {"name": "c", "image": "i"}
    return {
        "metadata": {"name": name, "labels": {"app": name[:3]}},
        "spec": {"containers": [container], **spec},
    }


def large_pod():
    """Two megabytes of a kind that has defaults, validation, merge keys and managed fields all over."""
    env = [{"name": f"VAR_{number}", "value": "x" * 20} for number in range(30_000)]
    return pod("large", containers=[{"name": "c", "image": "i", "env": env}])


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_large_object_is_created(api, form):
    obj = large_pod()
    body = orjson.dumps(obj) if form == "json" else yaml.dump(obj, Dumper=yaml.CSafeDumper).encode()
    async with watched():
        answer = await api.ask("POST", PODS, body, {"Content-Type": f"application/{form}"})
    assert answer.status == 201, answer.body[:500]


async def test_a_large_object_is_patched_and_applied(api):
    await api.ask("POST", PODS, large_pod())
    body = orjson.dumps({"metadata": {"annotations": {"a": "b"}}})
    config = yaml.dump({"apiVersion": "v1", "kind": "Pod", **large_pod()}, Dumper=yaml.CSafeDumper).encode()
    async with watched():
        answers = [await api.ask("PATCH", f"{PODS}/large", body, {"Content-Type": kind}) for kind in (
            "application/merge-patch+json", "application/strategic-merge-patch+json")]  # fmt: skip
        answers.append(
            await api.ask("PATCH", f"{PODS}/large", config, APPLY, fieldManager="me", force="true")
        )
    assert [answer.status for answer in answers] == [200, 200, 200], answers[-1].body[:500]


async def test_a_patch_of_many_operations(api):
    await api.ask("POST", CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    patch = [{"op": "add", "path": f"/data/k{number}", "value": "x" * 50} for number in range(10_000)]
    async with watched():
        kind = {"Content-Type": "application/json-patch+json"}
        answer = await api.ask("PATCH", f"{CONFIGMAPS}/a", patch, kind)
    assert answer.status == 200, answer.body[:300]


@pytest.fixture
async def many(server):
    """Three thousand pods that the caches know as bytes alone, as after a restart."""
    for number in range(3000):
        await server.registry.create(PODS_TOKEN, "default", pod(f"{number:04d}-p"))
    # Also of what was asked before.
    await server.hub.of(PODS_TOKEN).cache.prepare(Selection("", "a=b").compiled())
    await server.feed._reread()
    return 3000


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        pytest.param("", {}, id="json"),
        pytest.param("application/json;as=Table;v=v1;g=meta.k8s.io", {}, id="table"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", {}, id="metadata-alone"
        ),
        pytest.param("application/yaml", {"limit": "500"}, id="yaml"),
        pytest.param("", {"labelSelector": "app=001"}, id="label"),
        pytest.param("", {"labelSelector": "app notin (001)"}, id="label-unindexed"),
        pytest.param("", {"fieldSelector": "spec.nodeName=x"}, id="field"),
        pytest.param("", {"fieldSelector": "status.phase!=Running"}, id="field-unindexed"),
    ],
)
async def test_many_objects_are_listed(api, many, accept, query):
    async with watched():
        answer = await api.ask("GET", PODS, headers={"Accept": accept} if accept else {}, **query)
    assert answer.status == 200


async def test_many_objects_are_watched_from_the_beginning(api, many):
    async with watched():
        answer = await api.ask("GET", PODS, lines=many, watch="true", labelSelector="app")
    assert answer.body.count(b'"type":"ADDED"') == many


async def test_many_objects_are_deleted(api, many):
    async with watched():
        answer = await api.ask("DELETE", PODS, {}, gracePeriodSeconds="0")
    assert answer.status == 200
    assert len(orjson.loads(answer.body)["items"]) == many


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/apps/v1", "/apis", "/metrics"])
async def test_documents_are_made(api, path):
    async with watched():
        answer = await api.ask("GET", path)
    assert answer.status == 200


def costly_definition():
    """Rules that take as long as they may, over an object of a few kilobytes."""
    texts = {"type": "array", "maxItems": 150, "items": {"type": "string", "maxLength": 10}}
    rule = "self.words.all(a, self.words.all(b, a == b || a != b))"
    spec = {
        "type": "object",
        "properties": {"words": texts},
        "x-kubernetes-validations": [{"rule": rule}] * 5,
    }
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": "words.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": "words", "kind": "Word"},
            "versions": [version],
        },
    }  # fmt: skip


async def test_rules_of_custom_resources_are_run(api):
    made = await api.ask(
        "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", costly_definition()
    )
    assert made.status == 201, made.body
    obj = {"metadata": {"name": "a"}, "spec": {"words": [f"w{number}" for number in range(150)]}}
    async with watched():
        answer = await api.ask("POST", "/apis/example.com/v1/words", obj)
    assert answer.status in (201, 422), answer.body
