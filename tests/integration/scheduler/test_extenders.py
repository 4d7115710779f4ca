"""Real extenders over HTTP: what they refuse, prefer, bind and end; and what if they are not there."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from api.types.core_v1 import NODES, PODS
from api.types.scheduling_v1 import PRIORITYCLASSES
from kit import clock
from kit.metrics import REGISTRY
from kit.tls import issue, new_ca, server_context
from scheduler.configuration.load import load
from scheduler.configuration.model import Configuration

Verb = Callable[[Any], Awaitable[Any]]


class Extender:
    """A web server; `verbs` answer what is posted to their paths, others are not found."""

    def __init__(self) -> None:
        self.verbs: dict[str, Verb] = {}
        self.asked: list[tuple[str, Any]] = []
        # The certificate of who asked last.
        self.peer: Any = None
        self.stopping = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, tls: Any = None) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/{verb}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        verb, body = request.match_info["verb"], orjson.loads(await request.read())
        self.asked.append((verb, body))
        self.peer = request.get_extra_info("peercert")
        if verb not in self.verbs:
            raise web.HTTPNotFound
        return web.Response(body=orjson.dumps(await self.verbs[verb](body)))

    def said(self, **more: Any) -> Configuration:
        """Return the configuration of a scheduler that asks this extender."""
        url = f"http://127.0.0.1:{self.port}"
        file = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "podInitialBackoffSeconds": 1,
            "podMaxBackoffSeconds": 1,
            "extenders": [{"urlPrefix": url, **more}],
        }
        return load(orjson.dumps(file))


@pytest.fixture
async def extender() -> AsyncIterator[Extender]:
    found = Extender()
    yield found
    await found.stop()


@pytest.fixture
async def nodes(cluster: Any) -> None:
    for name in ("n1", "n2", "n3"):
        await cluster.add_node(name)


def _errors() -> float:
    head = b'scheduler_schedule_attempts_total{result="error"} '
    found = [line for line in REGISTRY.render().splitlines() if line.startswith(head)]
    return float(found[0].removeprefix(head)) if found else 0.0


def _nodes(body: Any) -> list[Any]:
    return list(body["Nodes"]["items"])


def _name(node: Any) -> str:
    return str(node["metadata"]["name"])


async def refuse_n1(body: Any) -> Any:
    left = [node for node in _nodes(body) if _name(node) != "n1"]
    return {"Nodes": {"items": left}, "FailedNodes": {"n1": "no licence"}, "Error": ""}


async def prefer_n3(body: Any) -> Any:
    return [{"Host": _name(node), "Score": 10 * (_name(node) == "n3")} for node in _nodes(body)]


async def refuse_all(body: Any) -> Any:
    return {"Nodes": {"items": []}, "FailedNodes": {_name(node): "no licence" for node in _nodes(body)}}


@pytest.mark.usefixtures("nodes")
async def test_nodes_are_refused_and_preferred(cluster: Any, extender: Extender) -> None:
    extender.verbs = {"filter": refuse_n1, "prioritize": prefer_n3}
    await extender.start()
    cluster.start(file=extender.said(filterVerb="filter", prioritizeVerb="prioritize", weight=100))
    names = [f"p{number}" for number in range(3)]
    for name in names:
        await cluster.add_pod(name)
    assert await cluster.placed(*names) == dict.fromkeys(names, "n3")
    assert [verb for verb, _ in extender.asked] == ["filter", "prioritize"] * 3
    asked = extender.asked[0][1]
    assert asked["Pod"]["metadata"]["name"] == "p0"
    assert sorted(map(_name, _nodes(asked))) == ["n1", "n2", "n3"]
    assert sorted(map(_name, _nodes(extender.asked[1][1]))) == ["n2", "n3"]


@pytest.mark.usefixtures("nodes")
async def test_an_extender_that_knows_the_nodes_hears_names(cluster: Any, extender: Extender) -> None:
    async def only_n2(body: Any) -> Any:
        return {"nodenames": [name for name in body["NodeNames"] if name == "n2"]}

    extender.verbs = {"filter": only_n2}
    await extender.start()
    cluster.start(file=extender.said(filterVerb="filter", nodeCacheCapable=True))
    await cluster.add_pod("web")
    assert await cluster.placed("web") == {"web": "n2"}
    assert extender.asked[0][1]["Nodes"] is None


@pytest.mark.usefixtures("nodes")
async def test_reasons_are_told_and_anything_wakes_the_pod(cluster: Any, extender: Extender) -> None:
    extender.verbs = {"filter": refuse_all}
    await extender.start()
    cluster.start(file=extender.said(filterVerb="filter"))
    await cluster.add_pod("web")
    condition = await cluster.condition("web", "PodScheduled", "False")
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith("0/3 nodes are available: 3 no licence. preemption: 0/3 nodes")
    extender.verbs = {"filter": refuse_n1}
    node: Any = await cluster.client.get(NODES, "n1")
    node["metadata"]["labels"]["licence"] = "bought"
    await cluster.client.update(NODES, node)
    assert (await cluster.placed("web"))["web"] in ("n2", "n3")


@pytest.mark.usefixtures("nodes")
async def test_pods_wait_until_the_extender_is_there(cluster: Any, extender: Extender) -> None:
    extender.verbs = {"filter": refuse_n1}
    await extender.start()
    await extender.stop()
    errors = _errors()
    cluster.start(file=extender.said(filterVerb="filter"))
    await cluster.add_pod("web")
    condition = await cluster.condition("web", "PodScheduled", "False")
    assert condition["reason"] == "SchedulerError"
    assert f'Post "http://127.0.0.1:{extender.port}/filter"' in condition["message"]
    assert (await cluster.event("web", "FailedScheduling"))["message"] == condition["message"]
    assert _errors() > errors
    await extender.start()
    assert (await cluster.placed("web"))["web"] in ("n2", "n3")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"filterVerb": "unknown", "ignorable": True}, id="no-such-path"),
        pytest.param({"filterVerb": "slow", "ignorable": True, "httpTimeout": "50ms"}, id="too-slow"),
        pytest.param({"prioritizeVerb": "slow", "weight": 1, "httpTimeout": "50ms"}, id="slow-opinion"),
        pytest.param({"filterVerb": "text", "ignorable": True}, id="another-shape"),
    ],
)
@pytest.mark.usefixtures("nodes")
async def test_some_extenders_need_not_answer(cluster: Any, extender: Extender, broken: Any) -> None:
    async def slow(body: Any) -> Any:
        await extender.stopping.wait()

    async def text(body: Any) -> Any:
        return "yes"

    extender.verbs = {"slow": slow, "text": text}
    await extender.start()
    cluster.start(file=extender.said(**broken))
    await cluster.add_pod("web")
    await cluster.placed("web")
    assert extender.asked


@pytest.mark.usefixtures("nodes")
async def test_an_extender_manages_a_resource_and_binds_its_pods(cluster: Any, extender: Extender) -> None:
    """No node offers the resource: the plugins leave it to the extender."""

    async def bind(body: Any) -> Any:
        binding = {
            "metadata": {
                "name": body["PodName"],
                "namespace": body["PodNamespace"],
                "uid": body["PodUID"],
                "annotations": {"example.com/device": "7"},
            },
            "target": {"kind": "Node", "name": body["Node"]},
        }
        await cluster.client.create(
            PODS, binding, body["PodNamespace"], subresource="binding", name=body["PodName"]
        )
        return {"Error": ""}

    extender.verbs = {"filter": refuse_n1, "bind": bind}
    await extender.start()
    managed = [{"name": "example.com/gpu", "ignoredByScheduler": True}]
    cluster.start(file=extender.said(filterVerb="filter", bindVerb="bind", managedResources=managed))
    await cluster.add_pod("plain")
    await cluster.placed("plain")
    assert extender.asked == []
    resources = {"limits": {"example.com/gpu": "1"}, "requests": {"example.com/gpu": "1"}}
    await cluster.add_pod("gpu", containers=[{"name": "main", "image": "app:1", "resources": resources}])
    where = (await cluster.placed("gpu"))["gpu"]
    assert where in ("n2", "n3")
    assert (await cluster.pod("gpu"))["metadata"]["annotations"] == {"example.com/device": "7"}
    event = await cluster.event("gpu", "Scheduled")
    assert event["message"] == f"Successfully assigned default/gpu to {where}"


@pytest.mark.usefixtures("nodes")
async def test_a_pod_that_could_not_be_bound_is_tried_again(cluster: Any, extender: Extender) -> None:
    async def refuse(body: Any) -> Any:
        return {"Error": "the device is gone"}

    extender.verbs = {"bind": refuse}
    await extender.start()
    cluster.start(file=extender.said(bindVerb="bind"))
    await cluster.add_pod("web")
    event = await cluster.event("web", "FailedScheduling")
    assert event["message"] == "binding rejected: the device is gone"

    async def asked_again() -> bool:
        return len(extender.asked) > 1

    await cluster.until(asked_again)


async def test_an_extender_chooses_who_has_to_go(cluster: Any, extender: Extender) -> None:
    async def only_n2(body: Any) -> Any:
        victims = body["NodeNameToVictims"]["n2"]["Pods"]
        return {
            "NodeNameToMetaVictims": {"n2": {"Pods": [{"UID": each["metadata"]["uid"]} for each in victims]}}
        }

    for name in ("n1", "n2"):
        await cluster.add_node(name, cpu="2")
    await cluster.client.create(PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 1000})
    extender.verbs = {"preempt": only_n2}
    await extender.start()
    cluster.start(file=extender.said(preemptVerb="preempt"))
    for name in ("low-1", "low-2"):
        await cluster.add_pod(name, cpu="2")
    before = await cluster.placed("low-1", "low-2")
    await cluster.add_pod("high", cpu="2", priorityClassName="high")
    assert await cluster.placed("high") == {"high": "n2"}
    (gone,) = [name for name, node in before.items() if node == "n2"]
    assert (await cluster.event(gone, "Preempted"))["type"] == "Normal"


async def test_a_node_that_closes_while_it_is_asked_about_is_not_taken(
    cluster: Any, extender: Extender
) -> None:
    async def close_and_prefer_n1(body: Any) -> Any:
        node: Any = await cluster.client.get(NODES, "n1")
        if not node["spec"].get("unschedulable"):
            await cluster.client.update(NODES, {**node, "spec": {"unschedulable": True}})
            # The scheduler hears of it before the answer.
            await clock.sleep(0.2)
        return [{"Host": "n1", "Score": 10}]

    for name in ("n1", "n2"):
        await cluster.add_node(name)
    extender.verbs = {"prioritize": close_and_prefer_n1}
    await extender.start()
    cluster.start(file=extender.said(prioritizeVerb="prioritize", weight=100))
    await cluster.add_pod("web")
    assert await cluster.placed("web") == {"web": "n2"}


@pytest.mark.usefixtures("nodes")
async def test_an_extender_over_tls(cluster: Any, extender: Extender, tmp_path: Path) -> None:
    authority = new_ca("extenders")
    authority.save(tmp_path / "ca")
    issue(authority, "extender", server_names=["extender.example"], client=False).save(tmp_path / "server")
    client = issue(authority, "scheduler")
    extender.verbs = {"filter": refuse_n1}
    await extender.start(
        server_context(tmp_path / "server.crt", tmp_path / "server.key", tmp_path / "ca.crt")
    )
    tls = {
        "serverName": "extender.example",
        "caData": base64.b64encode(authority.cert).decode(),
        "certData": base64.b64encode(client.cert).decode(),
        "keyData": base64.b64encode(client.key).decode(),
    }
    url = f"https://127.0.0.1:{extender.port}"
    cluster.start(file=extender.said(urlPrefix=url, enableHTTPS=True, filterVerb="filter", tlsConfig=tls))
    await cluster.add_pod("web")
    assert (await cluster.placed("web"))["web"] in ("n2", "n3")
    assert len(extender.asked) == 1
    assert (("commonName", "scheduler"),) in extender.peer["subject"]
