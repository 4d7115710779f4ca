"""Groups of pods through the real API server with its alpha feature on: they stay as long as their pods."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.types.batch_v1 import JOBS
from api.types.core_v1 import NAMESPACES, PODS
from api.types.scheduling_v1alpha2 import PODGROUPS
from apiserver.config import Config
from kit.tasks import Tasks
from tests.integration.controllers.conftest import Cluster
from tests.integration.controllers.test_protection import ends, is_held
from tests.integration.in_process import serving

SETTINGS = Config(feature_gates=("AllAlpha=true",), runtime_config=("api/alpha=true",))
GROUP: Any = {"metadata": {"name": "g"}, "spec": {"schedulingPolicy": {"gang": {"minCount": 2}}}}


def job(parallelism: int = 2) -> Any:
    containers = [{"name": "c", "image": "i"}]
    spec = {"restartPolicy": "Never", "schedulingGroup": {"podGroupName": "g"}, "containers": containers}
    counts = {"parallelism": parallelism, "completions": parallelism}
    return {"metadata": {"name": "j"}, "spec": {**counts, "template": {"spec": spec}}}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with serving(SETTINGS) as client:
        tasks = Tasks()
        made = Cluster(client, tasks)
        tasks.spawn(made.run_pods(), "node agent of the test")
        made.start()
        yield made
        await tasks.close()


async def has_finalizer(cluster: Cluster, namespace: str = "default") -> None:
    async def check() -> bool:
        found = await cluster.client.get(PODGROUPS, "g", namespace)
        return found["metadata"].get("finalizers") == ["scheduling.k8s.io/podgroup-protection"]

    await cluster.until(check)


async def test_a_group_waits_for_the_pods_of_its_job(cluster: Cluster) -> None:
    await cluster.client.create(PODGROUPS, GROUP, "default")
    await cluster.client.create(JOBS, job(), "default")
    await has_finalizer(cluster)
    pods: Any = (await cluster.client.list(PODS, "default")).items
    assert {pod["spec"]["schedulingGroup"]["podGroupName"] for pod in pods} == {"g"}
    await cluster.client.delete(PODGROUPS, "g", "default")
    assert await is_held(cluster, PODGROUPS, "g", "default")
    cluster.phase = lambda pod: "Succeeded"
    await cluster.gone(PODGROUPS, "g")


async def test_a_group_without_pods_goes_at_once(cluster: Cluster) -> None:
    await cluster.client.create(PODGROUPS, GROUP, "default")
    await cluster.client.delete(PODGROUPS, "g", "default")
    await cluster.gone(PODGROUPS, "g")


async def test_a_namespace_with_a_group_in_use_ends(cluster: Cluster) -> None:
    await cluster.client.create(NAMESPACES, {"metadata": {"name": "doomed"}})
    await cluster.client.create(PODGROUPS, GROUP, "doomed")
    await cluster.until(lambda: cluster.client.create(JOBS, job(), "doomed"))
    await has_finalizer(cluster, "doomed")
    await cluster.client.delete(NAMESPACES, "doomed")
    await ends(cluster, "doomed")
