"""Pods with volumes against the real API server, as the scheduler's own user. The tests write what the volume
controller and provisioners would write.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS as PVCS
from api.types.core_v1 import PERSISTENTVOLUMES as PVS
from api.types.core_v1 import PODS
from api.types.scheduling_v1 import PRIORITYCLASSES
from api.types.storage_v1 import CSINODES, STORAGECLASSES, VOLUMEATTACHMENTS
from client.api import Client
from client.transport import RawRequest, RawResponse
from scheduler.configuration.model import Configuration, ProfileConfig
from tests.integration.scheduler.conftest import Cluster

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
SELECTED, COMPLETED = "volume.kubernetes.io/selected-node", "pv.kubernetes.io/bind-completed"


class AsScheduler:
    """A transport that asks as the scheduler's own user, whom RBAC must let."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def request(self, request: RawRequest) -> RawResponse:
        return await self.inner.request(_as_scheduler(request))  # type: ignore[no-any-return]

    def stream(self, request: RawRequest) -> Any:
        return self.inner.stream(_as_scheduler(request))

    async def close(self) -> None:
        await self.inner.close()


def _as_scheduler(request: RawRequest) -> RawRequest:
    return replace(request, headers={**request.headers, "Impersonate-User": "system:kube-scheduler"})


class Storage:
    """A cluster with storage classes, and hands to do what others would."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.client = cluster, cluster.client
        self.placed, self.condition = cluster.placed, cluster.condition

    async def new_class(self, name: str, provisioner: str, mode: str = "WaitForFirstConsumer") -> None:
        body: Any = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}
        await self.client.create(STORAGECLASSES, body)

    async def new_claim(self, name: str, storage: str, **spec: Any) -> Any:
        claim: Any = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": storage,
                **spec,
            },
        }
        return await self.client.create(PVCS, claim)

    async def new_volume(self, name: str, storage: str, on: str = "", **spec: Any) -> Any:
        volume: Any = {
            "metadata": {"name": name, "labels": spec.pop("labels", {})},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "csi": {"driver": "csi.example.com", "volumeHandle": name},
                "storageClassName": storage,
                **spec,
            },
        }
        if on:
            term = {"matchExpressions": [{"key": HOST, "operator": "In", "values": [on]}]}
            volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
        made = await self.client.create(PVS, volume)
        return await self.client.update(PVS, {**made, "status": {"phase": "Available"}}, subresource="status")

    async def new_pod(self, name: str, *claims: str, **spec: Any) -> None:
        volumes = [
            {"name": f"v{number}", "persistentVolumeClaim": {"claimName": claim}}
            for number, claim in enumerate(claims)
        ]
        await self.cluster.add_pod(name, cpu="100m", volumes=volumes, **spec)

    async def annotated(self, claim: str) -> Any:
        """Wait until the claim says for which node its volume is to be made; return that."""

        async def check() -> Any:
            found: Any = await self.client.get(PVCS, claim, "default")
            return (found["metadata"].get("annotations") or {}).get(SELECTED)

        return await self.cluster.until(check)

    async def taken(self, volume: str) -> Any:
        """Wait until a volume is taken; return for whom."""

        async def check() -> Any:
            return (await self.client.get(PVS, volume))["spec"].get("claimRef")

        return await self.cluster.until(check)

    async def bind(self, claim: str, volume: str) -> None:
        """Do what the volume controller does when both have found each other."""
        body = {"metadata": {"annotations": {COMPLETED: "yes"}}, "spec": {"volumeName": volume}}
        await self.client.patch(PVCS, claim, "default", body, kind="merge")
        status = {"status": {"phase": "Bound"}}
        await self.client.patch(PVCS, claim, "default", status, kind="merge", subresource="status")

    async def refused(self, pod: str) -> str:
        message: str = (await self.condition(pod, "PodScheduled", "False"))["message"]
        return message


@pytest.fixture
async def storage(cluster: Cluster) -> AsyncIterator[Storage]:
    """Two nodes in two zones; the scheduler runs as itself."""
    for name in ("n1", "n2"):
        await cluster.add_node(name, labels={ZONE: f"zone-{name}"})
    found = Storage(cluster)
    await found.new_class("local", "kubernetes.io/no-provisioner")
    await found.new_class("made", "csi.example.com")
    await found.new_class("now", "csi.example.com", "Immediate")
    cluster.start(Client(AsScheduler(cluster.client.transport)))
    yield found
    await cluster.stop()


async def test_a_pod_waits_for_its_claim_then_for_its_volume(storage: Storage) -> None:
    await storage.new_pod("web", "data")
    expected = '0/2 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/2 nodes are '
    expected += "available: 2 Preemption is not helpful for scheduling."
    assert await storage.refused("web") == expected
    await storage.new_claim("data", "now")

    async def unbound() -> Any:
        return "pod has unbound immediate PersistentVolumeClaims" in await storage.refused("web")

    await storage.cluster.until(unbound)
    await storage.new_volume("v", "now", on="n2")
    await storage.bind("data", "v")
    assert await storage.placed("web") == {"web": "n2"}


async def test_a_volume_that_exists_is_taken_where_it_is(storage: Storage) -> None:
    await storage.new_volume("v2", "local", on="n2")
    claim = await storage.new_claim("data", "local")
    await storage.new_pod("web", "data")
    reference = await storage.taken("v2")
    assert (reference["name"], reference["uid"]) == ("data", claim["metadata"]["uid"])
    volume: Any = await storage.client.get(PVS, "v2")
    assert volume["metadata"]["annotations"] == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert "nodeName" not in (await storage.cluster.pod("web"))["spec"], "bound before its claim"
    await storage.bind("data", "v2")
    assert await storage.placed("web") == {"web": "n2"}


async def test_no_volume_goes_to_two_pods(storage: Storage) -> None:
    await storage.new_volume("v1", "local", on="n1")
    for name in ("a", "b"):
        await storage.new_claim(f"data-{name}", "local")
        await storage.new_pod(name, f"data-{name}")
    reference = await storage.taken("v1")
    first, second = ("a", "b") if reference["name"] == "data-a" else ("b", "a")
    assert "2 node(s) didn't find available persistent volumes to bind" in await storage.refused(second)
    await storage.bind(f"data-{first}", "v1")
    assert await storage.placed(first) == {first: "n1"}
    await storage.new_volume("v2", "local", on="n2")
    assert (await storage.taken("v2"))["name"] == f"data-{second}"
    await storage.bind(f"data-{second}", "v2")
    assert await storage.placed(second) == {second: "n2"}


async def test_a_volume_is_made_for_the_node_that_was_chosen(storage: Storage) -> None:
    await storage.new_claim("data", "made")
    await storage.new_pod("web", "data", nodeSelector={HOST: "n2"})
    assert await storage.annotated("data") == "n2"
    await storage.new_volume("v", "made", on="n2")
    await storage.bind("data", "v")
    assert await storage.placed("web") == {"web": "n2"}


async def test_a_provisioner_that_gives_up_is_asked_again(storage: Storage) -> None:
    await storage.new_claim("data", "made")
    await storage.new_pod("web", "data")
    first = await storage.annotated("data")
    body = {"metadata": {"annotations": {SELECTED: None}}}
    await storage.client.patch(PVCS, "data", "default", body, kind="merge")
    event = await storage.cluster.event("web", "FailedScheduling")
    assert event["message"] == 'binding volumes: provisioning failed for PVC "data"'
    assert await storage.annotated("data") in {"n1", "n2"}, f"the first was {first}"
    await storage.new_volume("v", "made")
    await storage.bind("data", "v")
    assert (await storage.placed("web"))["web"] in {"n1", "n2"}


async def test_a_pod_that_goes_while_its_volume_is_made_holds_nothing(storage: Storage) -> None:
    await storage.new_volume("v1", "local", on="n1")
    await storage.new_claim("data", "local")
    await storage.new_pod("gone", "data")
    await storage.taken("v1")
    await storage.client.delete(PODS, "gone", "default", grace_period_s=0)
    await storage.client.patch(PVS, "v1", body={"spec": {"claimRef": None}}, kind="merge")
    await storage.new_claim("other", "local")
    await storage.new_pod("next", "other")

    async def theirs() -> Any:
        return (await storage.taken("v1"))["name"] == "other"

    await storage.cluster.until(theirs)


async def test_a_restart_goes_on_with_what_was_chosen(storage: Storage) -> None:
    await storage.new_claim("data", "made")
    await storage.new_pod("web", "data")
    chosen = await storage.annotated("data")
    await storage.cluster.stop()
    storage.cluster.start()
    await storage.new_volume("v", "made")
    await storage.bind("data", "v")
    assert await storage.placed("web") == {"web": chosen}


async def test_zones(storage: Storage) -> None:
    await storage.new_volume("v", "now", labels={ZONE: "zone-n2"})
    await storage.new_claim("data", "now")
    await storage.bind("data", "v")
    await storage.new_pod("web", "data")
    assert await storage.placed("web") == {"web": "n2"}
    await storage.new_pod("odd", "data", nodeSelector={HOST: "n1"})
    message = await storage.refused("odd")
    assert "1 node(s) didn't match Pod's node affinity/selector" in message
    assert "1 node(s) had no available volume zone" in message


async def test_a_claim_for_one_pod(storage: Storage) -> None:
    modes = ["ReadWriteOncePod"]
    await storage.new_volume("v", "now", accessModes=modes)
    await storage.new_claim("data", "now", accessModes=modes)
    await storage.bind("data", "v")
    await storage.new_pod("first", "data")
    await storage.placed("first")
    await storage.new_pod("second", "data")
    reason = "2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
    assert reason in await storage.refused("second")
    await storage.client.delete(PODS, "first", "default", grace_period_s=0)
    await storage.placed("second")


async def test_a_more_important_pod_takes_the_claim_for_one_pod(storage: Storage) -> None:
    body: Any = {"metadata": {"name": "high"}, "value": 1000}
    await storage.client.create(PRIORITYCLASSES, body)
    await storage.new_volume("v", "now", accessModes=["ReadWriteOncePod"])
    await storage.new_claim("data", "now", accessModes=["ReadWriteOncePod"])
    await storage.bind("data", "v")
    await storage.new_pod("first", "data")
    where = await storage.placed("first")
    await storage.new_pod("bystander", nodeSelector={HOST: where["first"]})
    await storage.placed("bystander")
    await storage.new_pod("second", "data", priorityClassName="high")
    assert await storage.placed("second") == {"second": where["first"]}
    assert "deletionTimestamp" not in (await storage.cluster.pod("bystander"))["metadata"]


async def test_nobody_waits_for_ever(storage: Storage) -> None:
    await storage.cluster.stop()
    arguments = {"VolumeBinding": {"bindTimeoutSeconds": 1}}
    profile = ProfileConfig(arguments=arguments)
    storage.cluster.start(file=Configuration(profiles=(profile,)))
    await storage.new_claim("data", "made")
    await storage.new_pod("web", "data")
    chosen = await storage.annotated("data")
    event = await storage.cluster.event("web", "FailedScheduling")
    assert event["message"] == "VolumeBinding: binding volumes: timed out after 1 s"
    await storage.new_volume("v", "made")
    await storage.bind("data", "v")
    assert await storage.placed("web") == {"web": chosen}


async def test_no_more_volumes_than_a_node_can_attach(storage: Storage) -> None:
    for node, count in (("n1", 1), ("n2", 0)):
        driver = {
            "name": "csi.example.com",
            "nodeID": node,
            "topologyKeys": [],
            "allocatable": {"count": count},
        }
        csinode: Any = {"metadata": {"name": node}, "spec": {"drivers": [driver]}}
        await storage.client.create(CSINODES, csinode)
    for name in ("a", "b"):
        await storage.new_volume(f"v-{name}", "now")
        await storage.new_claim(f"data-{name}", "now")
        await storage.bind(f"data-{name}", f"v-{name}")
    attachment: Any = {
        "metadata": {"name": "attached"},
        "spec": {
            "attacher": "csi.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "v-a"},
        },
    }  # fmt: skip
    await storage.new_pod("a", "data-a")
    assert await storage.placed("a") == {"a": "n1"}
    await storage.client.create(VOLUMEATTACHMENTS, attachment)
    await storage.new_pod("b", "data-b")
    assert "2 node(s) exceed max volume count" in await storage.refused("b")
    await storage.client.delete(PODS, "a", "default", grace_period_s=0)
    await storage.client.delete(VOLUMEATTACHMENTS, "attached")
    assert await storage.placed("b") == {"b": "n1"}


async def test_a_claim_of_an_ephemeral_volume(storage: Storage) -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    pod = await storage.cluster.add_pod("web", cpu="100m", volumes=volumes)
    waiting = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-scratch"'
    assert waiting in await storage.refused("web")
    await storage.new_claim("web-scratch", "made")

    async def foreign() -> Any:
        return "was not created for pod default/web (pod is not owner)" in await storage.refused("web")

    await storage.cluster.until(foreign)
    owner = {
        "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": pod["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    body = {"metadata": {"ownerReferences": [owner]}}
    await storage.client.patch(PVCS, "web-scratch", "default", body, kind="merge")
    chosen = await storage.annotated("web-scratch")
    await storage.new_volume("v", "made")
    await storage.bind("web-scratch", "v")
    assert await storage.placed("web") == {"web": chosen}


async def test_others_are_bound_while_a_volume_is_waited_for(storage: Storage) -> None:
    await storage.new_claim("data", "made")
    await storage.new_pod("slow", "data")
    await storage.annotated("data")
    await storage.new_pod("quick")
    await storage.placed("quick")
    assert "nodeName" not in (await storage.cluster.pod("slow"))["spec"]
