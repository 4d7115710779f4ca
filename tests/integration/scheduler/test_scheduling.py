"""The scheduler against the real API server: binding, telling why not, waking up, restarting, preemption."""

from typing import Any

import pytest

from api.errors import Conflict, InternalError, NotFound, TooManyRequests
from api.types.core_v1 import NODES, PODS
from api.types.scheduling_v1 import PRIORITYCLASSES
from client.api import Client
from client.transport import RawRequest, RawResponse, Unreachable


async def test_pods_are_bound_and_told_so(cluster: Any) -> None:
    cluster.start()
    for name in ("n1", "n2"):
        await cluster.add_node(name)
    for number in range(4):
        await cluster.add_pod(f"web-{number}")
    where = await cluster.placed(*(f"web-{number}" for number in range(4)))
    assert sorted(where.values()) == ["n1", "n1", "n2", "n2"]
    assert (await cluster.condition("web-0", "PodScheduled", "True"))["status"] == "True"
    event = await cluster.event("web-0", "Scheduled")
    assert event["message"] == f"Successfully assigned default/web-0 to {where['web-0']}"
    assert event["source"]["component"] == "default-scheduler"
    assert event["metadata"]["name"].startswith("web-0.")


async def test_why_not_and_what_helps(cluster: Any) -> None:
    await cluster.add_node("n1", cpu="1")
    cluster.start()
    await cluster.add_pod("big", cpu="3")
    condition = await cluster.condition("big", "PodScheduled", "False")
    assert condition["reason"] == "Unschedulable"
    assert condition["message"] == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 Preemption is not helpful for scheduling."
    )
    assert (await cluster.event("big", "FailedScheduling"))["type"] == "Warning"
    await cluster.add_node("n2")
    assert await cluster.placed("big") == {"big": "n2"}


async def test_without_nodes_pods_wait_for_one(cluster: Any) -> None:
    cluster.start()
    await cluster.add_pod("web")
    condition = await cluster.condition("web", "PodScheduled", "False")
    assert condition["message"] == "no nodes available to schedule pods"
    await cluster.add_node("n1")
    assert await cluster.placed("web") == {"web": "n1"}


async def test_a_label_or_a_deleted_pod_makes_room(cluster: Any) -> None:
    await cluster.add_node("n1", cpu="1")
    cluster.start()
    await cluster.add_pod("first")
    await cluster.placed("first")
    await cluster.add_pod("picky", cpu="100m", nodeSelector={"disk": "ssd"})
    await cluster.condition("picky", "PodScheduled", "False")
    await cluster.add_pod("second")
    await cluster.condition("second", "PodScheduled", "False")
    await cluster.client.delete(PODS, "first", "default", grace_period_s=0)
    assert await cluster.placed("second") == {"second": "n1"}
    await cluster.client.delete(PODS, "second", "default", grace_period_s=0)
    await cluster.client.patch(NODES, "n1", body={"metadata": {"labels": {"disk": "ssd"}}})
    assert await cluster.placed("picky") == {"picky": "n1"}


async def test_gates(cluster: Any) -> None:
    await cluster.add_node("n1")
    cluster.start()
    await cluster.add_pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    await cluster.add_pod("free")
    await cluster.placed("free")
    assert "nodeName" not in (await cluster.pod("gated"))["spec"]
    await cluster.client.patch(
        PODS, "gated", "default", [{"op": "remove", "path": "/spec/schedulingGates"}], kind="json"
    )
    assert await cluster.placed("gated") == {"gated": "n1"}


async def test_restarts_lose_and_repeat_nothing(cluster: Any) -> None:
    for number in range(5):
        await cluster.add_node(f"n{number}")
    names = [f"p{number}" for number in range(20)]
    for name in names:
        await cluster.add_pod(name)
    for _ in range(3):
        cluster.start()
        await cluster.stop()
    cluster.start()
    where = await cluster.placed(*names)
    assert sorted(where.values()) == sorted(f"n{number}" for number in range(5) for _ in range(4))


class Faulty:
    """A transport that answers the first bindings (or what else) with a fault, before or after passing them
    on.
    """

    def __init__(self, inner: Any, fault: Exception, passed_on: bool, what: str = "/binding") -> None:
        self.inner, self.fault, self.passed_on, self.what = inner, fault, passed_on, what
        self.left = 2

    async def request(self, request: RawRequest) -> RawResponse:
        if not request.path.endswith(self.what) or not self.left:
            return await self.inner.request(request)  # type: ignore[no-any-return]
        self.left -= 1
        if self.passed_on:
            await self.inner.request(request)
        raise self.fault

    def stream(self, request: RawRequest) -> Any:
        return self.inner.stream(request)

    async def close(self) -> None:
        await self.inner.close()


@pytest.mark.parametrize(
    ("fault", "passed_on"),
    [
        pytest.param(Unreachable("reset"), False, id="not-written"),
        pytest.param(Unreachable("reset"), True, id="written-but-unanswered"),
        pytest.param(InternalError("etcd"), False, id="server-error"),
        pytest.param(Conflict("somebody was faster"), False, id="conflict"),
    ],
)
async def test_failed_bindings_heal(cluster: Any, fault: Exception, passed_on: bool) -> None:
    await cluster.add_node("n1", cpu="2")
    cluster.start(Client(Faulty(cluster.client.transport, fault, passed_on)))
    for name in ("a", "b"):
        await cluster.add_pod(name)
    assert await cluster.placed("a", "b") == {"a": "n1", "b": "n1"}
    await cluster.add_pod("c")
    await cluster.condition("c", "PodScheduled", "False")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(TooManyRequests("come back later"), id="turned-away"),
        pytest.param(Unreachable("reset"), id="not-written"),
    ],
)
async def test_why_not_is_told_in_spite_of_faults(cluster: Any, fault: Exception) -> None:
    transport = Faulty(cluster.client.transport, fault, False, "/status")
    cluster.start(Client(transport))
    await cluster.add_pod("a")
    said = await cluster.condition("a", "PodScheduled", "False")
    assert said["reason"] == "Unschedulable"
    assert transport.left == 0


async def test_a_pod_that_is_gone_when_bound_gives_its_room_back(cluster: Any) -> None:
    await cluster.add_node("n1", cpu="1")
    cluster.start(Client(Faulty(cluster.client.transport, NotFound("gone"), False)))
    await cluster.add_pod("a")
    await cluster.client.delete(PODS, "a", "default", grace_period_s=0)
    await cluster.add_pod("b")
    assert await cluster.placed("b") == {"b": "n1"}


async def add_class(cluster: Any, name: str, value: int, **more: str) -> None:
    await cluster.client.create(PRIORITYCLASSES, {"metadata": {"name": name}, "value": value, **more})


async def test_preemption_ends_the_least_important_pod_only(cluster: Any) -> None:
    for name, value in (("low", 1), ("middle", 100), ("high", 1000)):
        await add_class(cluster, name, value)
    for name in ("n1", "n2"):
        await cluster.add_node(name, cpu="5")
    cluster.start()
    await cluster.add_pod("low", cpu="2", priorityClassName="low")
    others = [f"mid-{number}" for number in range(3)]
    for name in others:
        await cluster.add_pod(name, cpu="2", priorityClassName="middle")
    where = await cluster.placed("low", *others)
    await cluster.client.patch(
        PODS, "low", "default", {"metadata": {"finalizers": ["example.com/hold"]}}, kind="merge"
    )
    await cluster.add_pod("vip", cpu="2", priorityClassName="high")
    condition = await cluster.condition("low", "DisruptionTarget", "True")
    assert condition["reason"] == "PreemptionByScheduler"

    async def nominated() -> Any:
        return ((await cluster.pod("vip")).get("status") or {}).get("nominatedNodeName")

    assert await cluster.until(nominated) == where["low"]
    assert (await cluster.event("low", "Preempted"))["message"].endswith(f"on node {where['low']}")
    # The place is kept: a pod of lower priority that would fit meanwhile does not get it.
    await cluster.client.patch(PODS, "low", "default", {"metadata": {"finalizers": None}}, kind="merge")
    await cluster.add_pod("slip", cpu="2", priorityClassName="low")
    assert await cluster.placed("vip") == {"vip": where["low"]}
    await cluster.condition("slip", "PodScheduled", "False")
    for name in others:
        assert "deletionTimestamp" not in (await cluster.pod(name))["metadata"]


async def test_victims_go_in_spite_of_faults(cluster: Any) -> None:
    for name, value in (("low", 1), ("high", 1000)):
        await add_class(cluster, name, value)
    await cluster.add_node("n1", cpu="1")
    transport = Faulty(cluster.client.transport, TooManyRequests("come back later"), False, "/pods/low")
    cluster.start(Client(transport))
    await cluster.add_pod("low", priorityClassName="low")
    await cluster.placed("low")
    await cluster.add_pod("vip", priorityClassName="high")
    assert await cluster.placed("vip") == {"vip": "n1"}
    assert transport.left == 0


async def test_a_pod_that_never_preempts(cluster: Any) -> None:
    await add_class(cluster, "high", 1000, preemptionPolicy="Never")
    await cluster.add_node("n1", cpu="1")
    cluster.start()
    await cluster.add_pod("old")
    await cluster.placed("old")
    await cluster.add_pod("polite", priorityClassName="high")
    condition = await cluster.condition("polite", "PodScheduled", "False")
    assert condition["message"].endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert "deletionTimestamp" not in (await cluster.pod("old"))["metadata"]
