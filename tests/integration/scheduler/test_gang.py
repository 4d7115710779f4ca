"""Gangs against the real API server with its alpha feature on: all of a group or none, told to users."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import conditions
from api.catalog import by_kind
from api.resource import Key
from api.types.core_v1 import PODS, SERVICEACCOUNTS
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from api.types.scheduling_v1 import PRIORITYCLASSES
from api.types.scheduling_v1alpha2 import PODGROUPS
from apiserver.app import build
from apiserver.config import Config
from apiserver.http.message import Request, User
from client.api import Client
from client.inprocess import InProcessTransport
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from store.memory import MemoryBackend
from tests.integration.in_process import client_of
from tests.integration.scheduler.conftest import Cluster

EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "examples" / "gang.yaml"
SETTINGS = Config(
    feature_gates=("GenericWorkload=true",), runtime_config=("scheduling.k8s.io/v1alpha2=true",)
)
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))


class Gangs(Cluster):
    """A cluster whose scheduler has a scheduler's rights, no more."""

    async def add_group(self, name: str, least: int = 0) -> Any:
        policy = {"gang": {"minCount": least}} if least else {"basic": {}}
        group: Any = {"metadata": {"name": name}, "spec": {"schedulingPolicy": policy}}
        return await self.client.create(PODGROUPS, group, "default")

    async def add_member(self, name: str, group: str = "g", cpu: str = "1", **spec: Any) -> Any:
        return await self.add_pod(name, cpu, schedulingGroup={"podGroupName": group}, **spec)

    async def told(self, status: str, group: str = "g") -> Any:
        """Wait until the group has PodGroupScheduled of this status; return it."""

        async def check() -> Any:
            found: Any = await self.client.get(PODGROUPS, group, "default")
            condition = conditions.find(found["status"].get("conditions"), "PodGroupScheduled")
            return condition if condition is not None and condition["status"] == status else None

        return await self.until(check)

    async def bound(self) -> dict[str, str]:
        pods: Any = (await self.client.list(PODS, "default")).items
        on_nodes = [pod for pod in pods if pod["spec"].get("nodeName")]
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in on_nodes}


@pytest.fixture
async def gangs() -> AsyncIterator[Gangs]:
    backend, tasks = MemoryBackend(), Tasks()
    server = await build(SETTINGS, backend)

    def as_scheduler(method: str, path: str, query: Any, headers: Any, body: bytes) -> Request:
        request = Request(method, path, query, headers, body)
        request.user = SCHEDULER
        return request

    admin = client_of(server)
    await admin.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    made = Gangs(admin, tasks)
    made.start(Client(InProcessTransport(server.handle, as_scheduler)))
    yield made
    await tasks.close()
    await admin.close()
    await server.close()
    await backend.close()


async def test_pods_wait_until_there_are_enough(gangs: Gangs) -> None:
    await gangs.add_node("n1")
    await gangs.add_member("a")
    await gangs.add_member("b")
    await gangs.add_group("g", 3)
    await gangs.add_pod("single")
    await gangs.placed("single")
    assert await gangs.bound() == {"single": "n1"}
    await gangs.add_member("c")
    assert await gangs.placed("a", "b", "c") == dict.fromkeys("abc", "n1")
    condition = await gangs.told("True")
    assert (condition["reason"], condition["message"]) == ("Scheduled", "")
    assert (await gangs.event("g", "Scheduled"))["involvedObject"]["kind"] == "PodGroup"
    assert (await gangs.event("a", "Scheduled"))["message"] == "Successfully assigned default/a to n1"
    counted = 'scheduler_podgroup_schedule_attempts_total{result="scheduled",profile="default-scheduler"}'
    assert counted in REGISTRY.render().decode()


async def test_a_gang_without_room_is_told_why_and_is_placed_when_there_is(gangs: Gangs) -> None:
    await gangs.add_node("n1", cpu="2")
    await gangs.add_group("g", 3)
    for name in "abc":
        await gangs.add_member(name)
    condition = await gangs.told("False")
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith(
        "pod group is unschedulable, minCount (3) cannot be satisfied: 2 scheduled, 0 remaining. "
        "0/1 nodes are available: 1 Insufficient cpu."
    )
    texts = {(await gangs.condition(name, "PodScheduled", "False"))["message"] for name in "ab"}
    assert texts == {"pod group is unschedulable, waiting for minCount pods from a gang to be scheduled"}
    assert (await gangs.event("g", "FailedScheduling"))["message"] == condition["message"]
    assert await gangs.bound() == {}
    await gangs.add_node("n2", cpu="2")
    where = await gangs.placed("a", "b", "c")
    assert sorted(where.values()) in (["n1", "n1", "n2"], ["n1", "n2", "n2"])
    await gangs.told("True")
    await gangs.add_member("d")
    await gangs.add_member("e")
    await gangs.condition("e", "PodScheduled", "False")
    assert (await gangs.told("True"))["reason"] == "Scheduled", "that stays, whatever becomes of late pods"


async def test_two_gangs_that_fit_alone(gangs: Gangs) -> None:
    for name in ("n1", "n2"):
        await gangs.add_node(name, cpu="2")
    for group in "gh":
        for number in range(3):
            await gangs.add_member(f"{group}{number}", group)
    for group in "gh":
        await gangs.add_group(group, 3)
    names = await gangs.until(gangs.bound, lambda found: len(found) == 3)
    assert len({name[0] for name in names}) == 1
    for name in names:
        await gangs.client.delete(PODS, name, "default", grace_period_s=0)
    left = {f"{group}{number}" for group in "gh" for number in range(3)} - names.keys()
    await gangs.placed(*left)


async def test_room_is_made_for_a_gang(gangs: Gangs) -> None:
    await gangs.client.create(PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 10})
    for number in range(2):
        await gangs.add_node(f"n{number}", cpu="2")
        await gangs.add_pod(f"low{number}", "2")
    await gangs.placed("low0", "low1")
    await gangs.add_group("big", 3)
    for number in range(3):
        await gangs.add_member(f"big{number}", "big", "2", priorityClassName="high")
    await gangs.told("False", "big")
    assert sorted(await gangs.bound()) == ["low0", "low1"], "nobody goes for a gang that does not fit"
    await gangs.add_group("g", 2)
    for name in "ab":
        await gangs.add_member(name, "g", "2", priorityClassName="high")
    assert sorted((await gangs.placed("a", "b")).values()) == ["n0", "n1"]
    await gangs.told("True")
    assert sorted(await gangs.bound()) == ["a", "b"]


async def test_the_example(gangs: Gangs) -> None:
    await gangs.add_node("n1", cpu="1900m")
    objects = list(yaml.safe_load_all(EXAMPLE.read_text()))
    for obj in objects:
        resource = by_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None
        await gangs.client.create(resource, obj, "default")
    job = objects[-1]["spec"]
    names = [f"worker-{number}" for number in range(job["parallelism"])]
    for name in names:
        await gangs.client.create(PODS, {"metadata": {"name": name}, **job["template"]}, "default")
    assert "3 scheduled, 0 remaining" in (await gangs.told("False", "training-workers"))["message"]
    await gangs.add_node("n2", cpu="500m")
    await gangs.placed(*names)


async def test_basic_groups_and_groups_that_go(gangs: Gangs) -> None:
    await gangs.add_node("n1", cpu="2")
    made = await gangs.add_group("g")
    for name in "abc":
        await gangs.add_member(name)
    await gangs.condition("c", "PodScheduled", "False")
    assert sorted(await gangs.bound()) == ["a", "b"]
    await gangs.told("True")
    await gangs.client.delete(PODGROUPS, "g", "default", uid=made["metadata"]["uid"])
    await gangs.client.delete(PODS, "a", "default", grace_period_s=0)

    async def failure() -> Any:
        return await gangs.condition("c", "PodScheduled", "False")

    condition = await gangs.until(failure, lambda found: found["reason"] == "SchedulerError")
    assert condition["message"] == f"failed to get podGroup {Key('default', 'g')}"
    await gangs.add_group("g")
    await gangs.placed("c")


async def test_a_gang_shares_a_device(gangs: Gangs) -> None:
    await gangs.add_node("n1")
    await gangs.add_node("n2")
    request = {"name": "r", "exactly": {"deviceClassName": "gpu"}}
    pool = {"name": "n2", "resourceSliceCount": 1}
    offered = {"driver": "gpu.example.com", "nodeName": "n2", "pool": pool, "devices": [{"name": "gpu"}]}
    await gangs.client.create(DEVICECLASSES, {"metadata": {"name": "gpu"}, "spec": {}})
    await gangs.client.create(RESOURCESLICES, {"metadata": {"name": "s"}, "spec": offered})
    shared: Any = {"metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}}}
    await gangs.client.create(RESOURCECLAIMS, shared, "default")
    await gangs.add_group("g", 3)
    for name in "abc":
        await gangs.add_member(name, resourceClaims=[{"name": "x", "resourceClaimName": "c"}])
    assert await gangs.placed("a", "b", "c") == dict.fromkeys("abc", "n2")
    claim: Any = await gangs.client.get(RESOURCECLAIMS, "c", "default")
    assert sorted(each["name"] for each in claim["status"]["reservedFor"]) == ["a", "b", "c"]
