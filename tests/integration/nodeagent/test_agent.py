"""Whole agents on hollow runtimes against a real API server in this process, over the memory store."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.types.coordination_v1 import LEASES
from api.types.core_v1 import EVENTS, NODES, PODS, SERVICEACCOUNTS
from client.events import Recorder
from client.informer import Informers
from kit.tasks import Tasks
from nodeagent.agent import Agent, Parts, Rhythm
from nodeagent.hollow.config import Config
from nodeagent.hollow.fleet import hollow_machine, new_service, node_spec
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.hollow.nothing import AlwaysWell, NoHooks, NothingToMount, NothingToRefer
from nodeagent.images import ImageManager
from nodeagent.pod.directory import PodDirectory
from nodeagent.pod.edges import Edges, NodeSettings
from nodeagent.pod.status_writer import StatusWriter
from tests.integration.in_process import serving, until


@pytest.fixture
async def client():
    async with serving() as client:
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
        yield client


@asynccontextmanager
async def running_agent(client, folder: Path, service=None):
    tasks = Tasks()
    config = Config(root_dir=folder, keep_state=False)
    runtime = InProcessRuntime(service or new_service(config, "n1", tasks))
    informers = Informers(client)
    edges = Edges(
        runtime, NothingToMount(), NothingToRefer(), AlwaysWell(), NoHooks(), ImageManager(runtime),
        Recorder(client, "kubelet", tasks, "n1"), StatusWriter(client, tasks), PodDirectory(),
        NodeSettings("n1", ("10.9.9.9",), folder, folder / "logs", virtual=True, runtime_name="hollow"),
    )  # fmt: skip
    parts = Parts(
        client, runtime, edges, node_spec(config, "n1", 1, 10250), hollow_machine(config, "n1"),
        informers.of(PODS, field_selector="spec.nodeName=n1"),
        informers.of(NODES, field_selector="metadata.name=n1"),
        rhythm=Rhythm(4.0, 0.5, 300.0),
    )  # fmt: skip
    await informers.start(tasks)
    agent = Agent(parts, tasks)
    await agent.start()
    try:
        yield agent
    finally:
        await tasks.close()


async def ready_node(client):
    cidr = {"spec": {"podCIDR": "10.7.0.0/24", "podCIDRs": ["10.7.0.0/24"]}}
    await client.patch(NODES, "n1", "", cidr)
    return await until(lambda: client.get(NODES, "n1"), is_ready)


def is_ready(obj):
    conditions = obj.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def new_pod(name="p", annotations=None, **spec):
    spec = {"containers": [{"name": "a", "image": "x:1"}], "nodeName": "n1", **spec}
    return {"metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}


async def test_a_node_registers_and_beats(client, tmp_path):
    async with running_agent(client, tmp_path):
        node = await client.get(NODES, "n1")
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
        node = await ready_node(client)
        assert {"type": "InternalIP", "address": "127.0.0.1"} in node["status"]["addresses"]
        lease = await until(lambda: client.get(LEASES, "n1", "kube-node-lease"))
        first = lease["spec"]["renewTime"]
        await until(
            lambda: client.get(LEASES, "n1", "kube-node-lease"), lambda one: one["spec"]["renewTime"] > first
        )


async def test_a_deleted_node_registers_again(client, tmp_path):
    async with running_agent(client, tmp_path):
        old = await ready_node(client)
        await client.delete(NODES, "n1")
        uid = old["metadata"]["uid"]
        await until(lambda: client.get(NODES, "n1"), lambda node: node["metadata"]["uid"] != uid)


async def test_a_pod_runs_and_is_deleted(client, tmp_path):
    async with running_agent(client, tmp_path):
        await ready_node(client)
        await client.create(PODS, new_pod(), "default")
        pod = await until(lambda: client.get(PODS, "p", "default"), is_ready)
        assert pod["status"]["phase"] == "Running"
        assert pod["status"]["podIP"].startswith("10.7.0.")
        assert pod["status"]["observedGeneration"] == pod["metadata"]["generation"]
        assert not [one for one in pod["status"]["conditions"] if one.get("reason")]
        events = await until(lambda: client.list(EVENTS, "default"), lambda found: len(found.items) >= 3)
        assert {"Pulled", "Created", "Started"} <= {event["reason"] for event in events.items}
        await client.delete(PODS, "p", "default")
        await until(lambda: client.list(PODS, "default"), lambda found: not found.items)


async def test_jobs_pods_succeed(client, tmp_path):
    async with running_agent(client, tmp_path):
        await ready_node(client)
        script = {"hollow.pelamis.dev/exit-after": "0.1s"}
        await client.create(PODS, new_pod(annotations=script, restartPolicy="Never"), "default")
        pod = await until(
            lambda: client.get(PODS, "p", "default"), lambda one: one["status"]["phase"] == "Succeeded"
        )
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


async def test_pods_outlive_their_agent(client, tmp_path):
    tasks = Tasks()
    service = new_service(Config(root_dir=tmp_path, keep_state=False), "n1", tasks)
    async with running_agent(client, tmp_path, service):
        await ready_node(client)
        await client.create(PODS, new_pod(), "default")
        before = await until(lambda: client.get(PODS, "p", "default"), is_ready)
    async with running_agent(client, tmp_path, service):
        await asyncio.sleep(0.3)
        after = await client.get(PODS, "p", "default")
    statuses = [pod["status"]["containerStatuses"][0] for pod in (before, after)]
    assert statuses[0] == statuses[1]
    await tasks.close()


async def test_a_pod_that_does_not_fit_is_refused(client, tmp_path):
    async with running_agent(client, tmp_path):
        await ready_node(client)
        resources = {"requests": {"cpu": "1000"}}
        pod = new_pod(containers=[{"name": "a", "image": "x:1", "resources": resources}])
        await client.create(PODS, pod, "default")
        found = await until(
            lambda: client.get(PODS, "p", "default"), lambda one: one["status"]["phase"] == "Failed"
        )
        assert found["status"]["reason"] == "OutOfcpu"
