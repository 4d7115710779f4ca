"""Fleets of hollow nodes in one process: their heartbeat, their loss, and their pods, with the real
controllers.
"""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.coordination.heartbeat import RENEWED_WITH
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PODS, SERVICEACCOUNTS
from controllers.app import run_with
from controllers.config import Config as ControllersConfig
from kit.tasks import Tasks
from nodeagent.hollow.config import Config
from nodeagent.hollow.fleet import SILENT, Fleet
from tests.integration.in_process import serving, until

NODE_LEASES = "kube-node-lease"
MANY = 300


@pytest.fixture
async def client():
    async with serving() as client:
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
        yield client


@asynccontextmanager
async def fleet_of(client, folder: Path, nodes: int, **settings):
    config = Config(
        nodes=nodes, kubeconfig=Path("unused"), root_dir=folder, node_lease_duration_s=1.0, **settings
    )
    fleet = Fleet(config, client)
    try:
        await fleet.start()
        yield fleet
    finally:
        await fleet.close()


@asynccontextmanager
async def node_controllers(client, grace_s=2.0):
    tasks = Tasks()
    config = ControllersConfig(
        kubeconfig=Path("unused"),
        secure_port=0,
        leader_elect=False,
        controllers=("node-lifecycle-controller", "node-ipam-controller", "garbage-collector-controller"),
        cluster_cidr="100.64.0.0/10",
        node_monitor_grace_period_s=grace_s,
        node_monitor_period_s=0.2,
    )
    tasks.spawn(run_with(client, config), "controllers")
    try:
        yield
    finally:
        await tasks.close()


def ready(node):
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((one["status"] for one in conditions if one["type"] == "Ready"), "")


async def readiness(client):
    return {node["metadata"]["name"]: ready(node) for node in (await client.list(NODES)).items}


async def lease_of(client, name):
    return await client.get(LEASES, name, NODE_LEASES)


async def test_hundreds_of_nodes_are_renewed_by_one_write(client, tmp_path):
    async with node_controllers(client), fleet_of(client, tmp_path, MANY):
        await until(
            lambda: client.list(NODES),
            lambda found: sum(bool(one["spec"].get("podCIDR")) for one in found.items) == MANY,
        )
        assert set((await readiness(client)).values()) == {"True"}
        found = await until(
            lambda: client.list(LEASES, NODE_LEASES), lambda found: len(found.items) == MANY + 1
        )
        leases = {one["metadata"]["name"]: one for one in found.items}
        lease, node = leases["node-7"], await client.get(NODES, "node-7")
        assert lease["spec"]["holderIdentity"] == "node-7"
        assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
        assert lease["metadata"]["annotations"][RENEWED_WITH].startswith("hollow-group-node-1/")
        later = await until(
            lambda: lease_of(client, "node-7"),
            lambda one: one["spec"]["renewTime"] > lease["spec"]["renewTime"],
        )
        # It was renewed without being written.
        assert later["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"]


async def test_nodes_of_a_dead_process_are_lost(client, tmp_path):
    async with node_controllers(client):
        async with fleet_of(client, tmp_path, 5):
            await until(lambda: readiness(client), lambda found: set(found.values()) == {"True"})
        lost = await until(lambda: readiness(client), lambda found: set(found.values()) == {"Unknown"})
        assert len(lost) == 5
        # A new process holds the group anew; its nodes have joined it.
        async with fleet_of(client, tmp_path, 5):
            await until(lambda: readiness(client), lambda found: set(found.values()) == {"True"})


async def test_a_node_that_fell_silent_is_lost_alone_and_comes_back(client, tmp_path):
    async with node_controllers(client), fleet_of(client, tmp_path, 4) as fleet:
        await until(lambda: readiness(client), lambda found: set(found.values()) == {"True"})
        await client.create(PODS, pod_on("node-2"), "default")
        await until(lambda: client.get(PODS, "p", "default"), lambda pod: pod["status"]["phase"] == "Running")
        await client.patch(NODES, "node-2", "", {"metadata": {"annotations": {SILENT: "true"}}})
        found = await until(lambda: readiness(client), lambda found: found["node-2"] == "Unknown")
        assert {name for name, status in found.items() if status == "True"} == {"node-1", "node-3", "node-4"}
        assert RENEWED_WITH not in ((await lease_of(client, "node-2"))["metadata"].get("annotations") or {})
        pod = await client.get(PODS, "p", "default")
        assert {one["type"]: one["status"] for one in pod["status"]["conditions"]}["Ready"] == "False"
        assert not fleet.nodes["node-2"].up
        await client.patch(NODES, "node-2", "", {"metadata": {"annotations": {SILENT: None}}})
        await until(lambda: readiness(client), lambda found: found["node-2"] == "True")
        await until(
            lambda: client.get(PODS, "p", "default"),
            lambda pod: (
                {one["type"]: one["status"] for one in pod["status"]["conditions"]}["Ready"] == "True"
            ),
        )


async def test_a_node_made_anew_gets_a_new_lease(client, tmp_path):
    async with node_controllers(client), fleet_of(client, tmp_path, 2):
        old = await until(lambda: lease_of(client, "node-1"))
        await client.delete(NODES, "node-1")

        def belongs(lease):
            owner = lease["metadata"]["ownerReferences"][0]["uid"]
            return owner != old["metadata"]["ownerReferences"][0]["uid"]

        lease = await until(lambda: lease_of(client, "node-1"), belongs)
        node = await client.get(NODES, "node-1")
        assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]


async def test_heartbeats_one_by_one_for_who_judges_by_writes(client, tmp_path):
    async with fleet_of(client, tmp_path, 2, join_heartbeats=False):
        lease = await until(lambda: lease_of(client, "node-1"))
        assert RENEWED_WITH not in (lease["metadata"].get("annotations") or {})
        version = lease["metadata"]["resourceVersion"]
        await until(
            lambda: lease_of(client, "node-1"), lambda one: one["metadata"]["resourceVersion"] != version
        )


async def test_a_pod_that_is_there_before_the_range_of_addresses_waits_for_it(client, tmp_path):
    async with fleet_of(client, tmp_path, 1):
        await until(lambda: readiness(client), lambda found: found.get("node-1") == "True")
        await client.create(PODS, pod_on("node-1"), "default")
        cidr = {"spec": {"podCIDR": "10.7.0.0/24", "podCIDRs": ["10.7.0.0/24"]}}
        await client.patch(NODES, "node-1", "", cidr)
        pod = await until(
            lambda: client.get(PODS, "p", "default"), lambda one: one["status"]["phase"] == "Running"
        )
        assert pod["status"]["podIP"].startswith("10.7.0.")


def pod_on(node):
    spec = {"containers": [{"name": "a", "image": "x:1"}], "nodeName": node}
    toleration = {"operator": "Exists"}
    return {"metadata": {"name": "p"}, "spec": {**spec, "tolerations": [toleration]}}
