"""Storage objects in use through the real API server: deletion waits for the user, then goes through."""

from typing import Any

import pytest

from api.errors import NotFound
from api.resource import Resource
from api.types.core_v1 import NAMESPACES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, SERVICEACCOUNTS
from api.types.storage_v1 import VOLUMEATTRIBUTESCLASSES
from controllers.persistentvolumeclaim_protection import persistentvolumeclaim_protection
from kit import clock
from tests.integration.controllers.conftest import Cluster
from tests.integration.in_process import serving
from tests.sim.world import World

CLAIMS = PERSISTENTVOLUMECLAIMS


def claim(name: str, **spec: Any) -> dict[str, Any]:
    size = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size, **spec}}


def pod(name: str, claim_name: str, node: str = "") -> dict[str, Any]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}]
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    return {"metadata": {"name": name}, "spec": {**spec, "nodeName": node} if node else spec}


def volume(name: str, **spec: Any) -> dict[str, Any]:
    kind = {"hostPath": {"path": "/data"}, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    return {"metadata": {"name": name}, "spec": {**kind, **spec}}


def vac(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "driverName": "csi.example.com", "parameters": {"iops": "1"}}


async def run_pod(cluster: Cluster, obj: Any, namespace: str = "default") -> None:
    name = obj["metadata"]["name"]
    # Refused until the namespace has its service account.
    await cluster.until(lambda: cluster.client.create(PODS, obj, namespace))

    async def check() -> bool:
        found: Any = await cluster.client.get(PODS, name, namespace)
        return (found.get("status") or {}).get("phase") == "Running"

    await cluster.until(check)


async def is_held(cluster: Cluster, resource: Resource[Any], name: str, namespace: str = "") -> bool:
    """Tell whether the object is still there, being deleted."""
    found = await cluster.client.get(resource, name, namespace)
    return "deletionTimestamp" in found["metadata"] and bool(found["metadata"]["finalizers"])


async def ends(cluster: Cluster, namespace: str) -> None:
    async def gone() -> bool:
        try:
            await cluster.client.get(NAMESPACES, namespace)
        except NotFound:
            return True
        return False

    await cluster.until(gone)


async def test_a_claim_waits_for_its_pod(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    for name in ("used", "unused"):
        await client.create(CLAIMS, claim(name), "default")
    await run_pod(cluster, pod("p", "used"))
    await client.delete(CLAIMS, "used", "default")
    await client.delete(CLAIMS, "unused", "default")
    await cluster.gone(CLAIMS, "unused")
    assert await is_held(cluster, CLAIMS, "used", "default")
    await client.delete(PODS, "p", "default")
    await cluster.gone(CLAIMS, "used")


async def test_a_namespace_with_a_claim_in_use_ends(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    await client.create(NAMESPACES, {"metadata": {"name": "doomed"}})
    for name in ("used", "unused"):
        await client.create(CLAIMS, claim(name), "doomed")
    await run_pod(cluster, pod("p", "used"), "doomed")
    await client.delete(NAMESPACES, "doomed")
    await ends(cluster, "doomed")


async def test_a_volume_waits_until_it_is_released(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    for name in ("bound", "free"):
        await client.create(PERSISTENTVOLUMES, volume(name))
    await client.patch(PERSISTENTVOLUMES, "bound", "", {"status": {"phase": "Bound"}}, subresource="status")
    for name in ("bound", "free"):
        await client.delete(PERSISTENTVOLUMES, name)
    await cluster.gone(PERSISTENTVOLUMES, "free", "")
    assert await is_held(cluster, PERSISTENTVOLUMES, "bound")
    await client.patch(
        PERSISTENTVOLUMES, "bound", "", {"status": {"phase": "Released"}}, subresource="status"
    )
    await cluster.gone(PERSISTENTVOLUMES, "bound", "")


async def test_a_class_waits_for_its_claim_and_its_volume(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    csi = {"csi": {"driver": "csi.example.com", "volumeHandle": "h"}, "hostPath": None}
    for name in ("wanted", "given", "free"):
        await client.create(VOLUMEATTRIBUTESCLASSES, vac(name))
    await client.create(CLAIMS, claim("c", volumeAttributesClassName="wanted"), "default")
    await client.create(PERSISTENTVOLUMES, volume("v", volumeAttributesClassName="given", **csi))
    for name in ("wanted", "given", "free"):
        await client.delete(VOLUMEATTRIBUTESCLASSES, name)
    await cluster.gone(VOLUMEATTRIBUTESCLASSES, "free", "")
    assert await is_held(cluster, VOLUMEATTRIBUTESCLASSES, "wanted")
    assert await is_held(cluster, VOLUMEATTRIBUTESCLASSES, "given")
    await client.delete(CLAIMS, "c", "default")
    await client.delete(PERSISTENTVOLUMES, "v")
    await cluster.gone(VOLUMEATTRIBUTESCLASSES, "wanted", "")
    await cluster.gone(VOLUMEATTRIBUTESCLASSES, "given", "")


@pytest.mark.parametrize(
    ("resource", "obj"),
    [
        pytest.param(CLAIMS, claim("x"), id="claim"),
        pytest.param(PERSISTENTVOLUMES, volume("x"), id="volume"),
        pytest.param(VOLUMEATTRIBUTESCLASSES, vac("x"), id="class"),
    ],
)
async def test_a_finalizer_that_is_taken_away_comes_back(
    cluster: Cluster, resource: Resource[Any], obj: Any
) -> None:
    cluster.start()
    namespace = "default" if resource.namespaced else ""
    made = await cluster.client.create(resource, obj, namespace)
    bare = await cluster.client.patch(resource, "x", namespace, {"metadata": {"finalizers": None}})
    assert not bare["metadata"].get("finalizers")

    async def finalizers() -> Any:
        found = await cluster.client.get(resource, "x", namespace)
        return found["metadata"].get("finalizers")

    assert await cluster.until(finalizers) == made["metadata"]["finalizers"]


async def test_pods_that_the_cache_does_not_know_of_hold_a_claim() -> None:
    controller = persistentvolumeclaim_protection()
    empty = World(controller).view()

    async def has_users(name: str) -> bool:
        found = await client.get(CLAIMS, name, "default")
        assert controller.observe is not None
        return bool(await controller.observe(found, empty, clock.now(), client))

    async with serving() as client:
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
        for name in ("used", "unused", "later"):
            await client.create(CLAIMS, claim(name), "default")
        await client.create(PODS, pod("p", "used", "n1"), "default")
        await client.create(PODS, pod("unplaced", "unused"), "default")
        assert not await has_users("used"), "it is not being deleted"
        for name in ("used", "unused"):
            await client.delete(CLAIMS, name, "default")
        assert await has_users("used")
        assert not await has_users("unused")
        await client.create(PODS, pod("q", "later", "n1"), "default")
        await client.delete(CLAIMS, "later", "default")
        assert await has_users("later"), "an answer from before the deletion does not count"
        await client.delete(PODS, "p", "default", grace_period_s=0)
        assert not await has_users("used"), "an answer that says used is asked for again"


async def test_every_page_of_pods_is_looked_at() -> None:
    controller = persistentvolumeclaim_protection()
    async with serving() as client:
        await client.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
        await client.create(CLAIMS, claim("used"), "default")
        for number in range(500):
            await client.create(PODS, pod(f"a{number}", "other", "n1"), "default")
        await client.create(PODS, pod("z", "used", "n1"), "default")
        await client.delete(CLAIMS, "used", "default")
        found = await client.get(CLAIMS, "used", "default")
        assert controller.observe is not None
        assert await controller.observe(found, World(controller).view(), clock.now(), client)
