"""Devices through the API server: what claims, pods and drivers see. The test plays the driver, and the
controller that makes claims from templates and frees those that nobody uses.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from api.errors import Conflict
from api.types.core_v1 import EVENTS, PODS
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from client.api import Client
from client.transport import RawRequest, RawResponse, StreamResponse, Unreachable
from tests.unit.scheduler.devices.build import claim, class_, device, exactly, first, slice_, wish

FINALIZER = "resource.kubernetes.io/delete-protection"
CANNOT = (
    "0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are "
    "available: 1 Preemption is not helpful for scheduling."
)


class _As:
    """A transport over another that asks as a user, refuses to bind a pod so many times, and loses so many
    answers to writes to claims.
    """

    def __init__(self, client: Client, user: str = "", refusals: int = 0, lost: int = 0) -> None:
        self._inner: Any = client.transport
        self._headers = {"Impersonate-User": user} if user else {}
        self._refusals, self._lost = refusals, lost

    async def request(self, request: RawRequest) -> RawResponse:
        if self._refusals and request.path.endswith("/binding"):
            self._refusals -= 1
            raise Conflict("not now")
        answer: RawResponse = await self._inner.request(self._as_user(request))
        if self._lost and request.method == "PATCH" and "/resourceclaims/" in request.path:
            self._lost -= 1
            raise Unreachable("reset")
        return answer

    @asynccontextmanager
    async def stream(self, request: RawRequest) -> AsyncIterator[StreamResponse]:
        async with self._inner.stream(self._as_user(request)) as response:
            yield response

    def _as_user(self, request: RawRequest) -> RawRequest:
        return replace(request, headers={**request.headers, **self._headers})

    async def close(self) -> None:
        """The other transport is the fixture's."""


def fresh(obj: Any) -> Any:
    """Return an object as it is created."""
    metadata = {
        name: value for name, value in obj["metadata"].items() if name not in ("uid", "resourceVersion")
    }
    return {"metadata": metadata, "spec": obj["spec"]}


async def create(cluster: Any, *objects: Any) -> None:
    for obj in objects:
        resource: Any = RESOURCECLAIMS
        if "driver" in obj["spec"]:
            resource = RESOURCESLICES
        elif "devices" not in obj["spec"]:
            resource = DEVICECLASSES
        await cluster.client.create(resource, fresh(obj))


def using(*claims: str) -> dict[str, Any]:
    return {"resourceClaims": [{"name": name, "resourceClaimName": name} for name in claims]}


async def claim_of(cluster: Any, name: str) -> Any:
    return await cluster.client.get(RESOURCECLAIMS, name, "default")


async def given_to(cluster: Any, name: str) -> list[str]:
    """Return the devices of a claim."""
    status = (await claim_of(cluster, name)).get("status") or {}
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or []
    return [f"{each['pool']}/{each['device']}" for each in results]


async def users_of(cluster: Any, name: str) -> list[str]:
    status = (await claim_of(cluster, name)).get("status") or {}
    return sorted(each["name"] for each in status.get("reservedFor") or ())


async def free(cluster: Any, name: str) -> None:
    """Do what the controller of claims does when nobody uses one any more."""
    status = {"status": {"reservedFor": None, "allocation": None}}
    await cluster.client.patch(RESOURCECLAIMS, name, "default", status, kind="merge", subresource="status")


async def report(cluster: Any, name: str, **conditions: str) -> None:
    """Do what a driver does: tell how the device of a claim is."""
    (result,) = (await claim_of(cluster, name))["status"]["allocation"]["devices"]["results"]
    since = "2026-01-01T00:00:00Z"
    told = [
        {
            "type": kind,
            "status": status,
            "reason": "Told",
            "message": "by the driver",
            "lastTransitionTime": since,
        }
        for kind, status in conditions.items()
    ]
    reported = {**{key: result[key] for key in ("driver", "pool", "device")}, "conditions": told}
    body = {"status": {"devices": [reported]}}
    await cluster.client.patch(RESOURCECLAIMS, name, "default", body, kind="merge", subresource="status")


async def test_two_pods_and_one_device(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(
        cluster, class_(), slice_("s", device("gpu"), node="n1"), claim("a", exactly()), claim("b", exactly())
    )
    cluster.start(Client(_As(cluster.client, "system:kube-scheduler")))
    await cluster.add_pod("one", **using("a"))
    assert await cluster.placed("one") == {"one": "n1"}
    held = await claim_of(cluster, "a")
    assert held["metadata"]["finalizers"] == [FINALIZER]
    assert [each["name"] for each in held["status"]["reservedFor"]] == ["one"]
    allocation = held["status"]["allocation"]
    assert allocation.pop("allocationTimestamp")
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert allocation == {
        "devices": {
            "results": [{"request": "r", "driver": "gpu.example.com", "pool": "n1", "device": "gpu"}]
        },
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }
    await cluster.add_pod("two", **using("b"))
    assert (await cluster.condition("two", "PodScheduled", "False"))["message"] == CANNOT
    await cluster.client.delete(PODS, "one", "default")
    await free(cluster, "a")
    assert await cluster.placed("two") == {"two": "n1"}
    assert await given_to(cluster, "b") == ["n1/gpu"]


async def test_many_pods_share_a_claim(cluster: Any) -> None:
    for name in ("n1", "n2"):
        await cluster.add_node(name)
    await create(cluster, class_(), slice_("s", device("gpu"), node="n2"), claim("a", exactly()))
    cluster.start()
    names = [f"web-{number}" for number in range(12)]
    for name in names:
        await cluster.add_pod(name, cpu="100m", **using("a"))
    assert set((await cluster.placed(*names)).values()) == {"n2"}
    assert await users_of(cluster, "a") == sorted(names)


async def test_a_slice_helps(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(cluster, class_(), claim("a", exactly()))
    cluster.start()
    await cluster.add_pod("one", **using("a"))
    assert (await cluster.condition("one", "PodScheduled", "False"))["message"] == CANNOT
    await create(cluster, slice_("s", device("gpu"), node="n1"))
    assert await cluster.placed("one") == {"one": "n1"}


async def test_a_claim_from_a_template(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(cluster, class_(), slice_("s", device("gpu"), node="n1"))
    cluster.start()
    pod = await cluster.add_pod("one", resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "t"}])
    await cluster.add_pod("other", cpu="100m")
    await cluster.placed("other")
    assert "nodeName" not in (await cluster.pod("one"))["spec"]
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "one",
        "uid": pod["metadata"]["uid"],
        "controller": True,
    }
    await create(cluster, claim("one-gpu-x", exactly(), metadata={"ownerReferences": [owner]}))
    status = {"status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "one-gpu-x"}]}}
    await cluster.client.patch(PODS, "one", "default", status, kind="strategic", subresource="status")
    assert await cluster.placed("one") == {"one": "n1"}
    assert await users_of(cluster, "one-gpu-x") == ["one"]


async def test_a_claim_that_comes_late(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(cluster, class_(), slice_("s", device("gpu"), node="n1"))
    cluster.start()
    await cluster.add_pod("one", **using("a"))
    await cluster.add_pod("other", cpu="100m")
    await cluster.placed("other")
    await create(cluster, claim("a", exactly()))
    assert await cluster.placed("one") == {"one": "n1"}


async def test_the_second_best_while_the_best_is_taken(cluster: Any) -> None:
    await cluster.add_node("n1")
    sizes = [device(name, attributes={"size": name}) for name in ("big", "small")]
    size = 'device.attributes["gpu.example.com"].size'
    wishes = {
        name: wish(selectors=[{"cel": {"expression": f'{size} == "{name}"'}}]) for name in ("big", "small")
    }
    claims = [claim(name, first("r", **wishes)) for name in "ab"]
    await create(cluster, class_(), slice_("s", *sizes, node="n1"), *claims)
    cluster.start()
    for name in "ab":
        await cluster.add_pod(f"pod-{name}", **using(name))
        await cluster.placed(f"pod-{name}")
    assert [await given_to(cluster, name) for name in "ab"] == [["n1/big"], ["n1/small"]]


async def test_a_claim_in_the_way_is_freed(cluster: Any) -> None:
    for name in ("n1", "n2"):
        await cluster.add_node(name)
    slices = [slice_(f"s-{name}", device("gpu"), node=name) for name in ("n1", "n2")]
    await create(cluster, class_(), *slices, claim("a", exactly()))
    cluster.start()
    await cluster.add_pod("one", **using("a"), nodeSelector={"kubernetes.io/hostname": "n1"})
    await cluster.placed("one")
    await cluster.client.delete(PODS, "one", "default")
    patch = {"status": {"reservedFor": None}}
    await cluster.client.patch(RESOURCECLAIMS, "a", "default", patch, kind="merge", subresource="status")
    assert await given_to(cluster, "a") == ["n1/gpu"]
    await cluster.add_pod("two", **using("a"), nodeSelector={"kubernetes.io/hostname": "n2"})
    assert await cluster.placed("two") == {"two": "n2"}
    assert await given_to(cluster, "a") == ["n2/gpu"]


CONDITIONS = {"bindingConditions": ["Attached"], "bindingFailureConditions": ["Broken"]}


async def test_a_pod_waits_for_its_device(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(
        cluster, class_(), slice_("s", device("gpu", **CONDITIONS), node="n1"), claim("a", exactly())
    )
    cluster.start()
    await cluster.add_pod("one", **using("a"))
    event = await cluster.event("one", "BindingConditionsPending")
    assert event["message"] == "waiting for binding conditions for device on node n1"
    assert await users_of(cluster, "a") == ["one"]
    await report(cluster, "a", Attached="False")
    await cluster.add_pod("other", cpu="100m")
    await cluster.placed("other")
    assert "nodeName" not in (await cluster.pod("one"))["spec"]
    await report(cluster, "a", Attached="True")
    assert await cluster.placed("one") == {"one": "n1"}


async def test_a_device_that_breaks_is_given_up(cluster: Any) -> None:
    await cluster.add_node("n1")
    broken = slice_("s", device("gpu", **CONDITIONS), node="n1")
    await create(cluster, class_(), broken, claim("a", exactly()))
    cluster.start()
    await cluster.add_pod("one", **using("a"))
    await cluster.event("one", "BindingConditionsPending")
    await create(cluster, slice_("t", device("spare"), node="n1", pool="spare"))
    await report(cluster, "a", Broken="True")
    assert await cluster.placed("one") == {"one": "n1"}
    assert await given_to(cluster, "a") == ["spare/spare"]
    message = 'claim a binding failed: reason=Told, message="by the driver"'

    async def told() -> bool:
        events = (await cluster.client.list(EVENTS, "default")).items
        return any(message in each["message"] for each in events)

    assert await cluster.until(told)


async def test_what_was_reserved_in_vain_is_given_back(cluster: Any) -> None:
    """The server does not bind the pod, which is deleted then: the device is for the next one."""
    await cluster.add_node("n1")
    await create(cluster, class_(), slice_("s", device("gpu"), node="n1"), claim("a", exactly()))
    cluster.start(Client(_As(cluster.client, refusals=1)))
    await cluster.add_pod("one", **using("a"))
    assert await cluster.placed("one") == {"one": "n1"}
    assert await users_of(cluster, "a") == ["one"]


async def test_answers_that_are_lost(cluster: Any) -> None:
    await cluster.add_node("n1")
    claims = [claim(name, exactly()) for name in "abc"]
    await create(cluster, class_(), slice_("s", *map(device, "xyz"), node="n1"), *claims)
    cluster.start(Client(_As(cluster.client, lost=3)))
    for name in "abc":
        await cluster.add_pod(f"pod-{name}", **using(name))
    await cluster.placed(*(f"pod-{name}" for name in "abc"))
    assert sorted([await given_to(cluster, name) for name in "abc"]) == [["n1/x"], ["n1/y"], ["n1/z"]]


RESOURCE = "example.com/gpu"


async def test_extended_resources(cluster: Any) -> None:
    await cluster.add_node("n1")
    await create(
        cluster, class_(extendedResourceName=RESOURCE), slice_("s", device("a"), device("b"), node="n1")
    )
    cluster.start(Client(_As(cluster.client, "system:kube-scheduler", refusals=1)))
    amounts = {"cpu": "100m", RESOURCE: "2"}
    container = {
        "name": "main",
        "image": "app:1",
        "resources": {"requests": amounts, "limits": {RESOURCE: "2"}},
    }
    pod = await cluster.add_pod("one", containers=[container])
    assert await cluster.placed("one") == {"one": "n1"}
    (made,) = (await cluster.client.list(RESOURCECLAIMS, "default")).items
    assert made["metadata"]["name"].startswith("one-extended-resources-")
    assert made["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
    assert await given_to(cluster, made["metadata"]["name"]) == ["n1/a", "n1/b"]
    mapping = {"containerName": "main", "resourceName": RESOURCE, "requestName": "container-0-request-1"}
    assert (await cluster.pod("one"))["status"]["extendedResourceClaimStatus"] == {
        "requestMappings": [mapping],
        "resourceClaimName": made["metadata"]["name"],
    }
    await cluster.add_pod("two", containers=[container])
    assert (await cluster.condition("two", "PodScheduled", "False"))["message"] == CANNOT


async def test_a_restart_sees_what_is_taken(cluster: Any) -> None:
    await cluster.add_node("n1")
    claims = [claim(name, exactly()) for name in "ab"]
    await create(cluster, class_(), slice_("s", device("x"), device("y"), node="n1"), *claims)
    cluster.start()
    await cluster.add_pod("pod-a", **using("a"))
    await cluster.placed("pod-a")
    await cluster.stop()
    cluster.start()
    await cluster.add_pod("pod-b", **using("b"))
    await cluster.placed("pod-b")
    assert [await given_to(cluster, name) for name in "ab"] == [["n1/x"], ["n1/y"]]


@pytest.mark.parametrize("count", [40])
async def test_no_device_is_given_twice(cluster: Any, count: int) -> None:
    nodes = [f"n{number}" for number in range(4)]
    for name in nodes:
        await cluster.add_node(name, cpu="32")
        await create(cluster, slice_(f"s-{name}", *(device(f"d{n}") for n in range(count // 4)), node=name))
    await create(cluster, class_(), *(claim(f"c{number}", exactly()) for number in range(count)))
    cluster.start()
    for number in range(count):
        await cluster.add_pod(f"pod-{number}", cpu="100m", **using(f"c{number}"))
    where = await cluster.placed(*(f"pod-{number}" for number in range(count)))
    given = [device for number in range(count) for device in await given_to(cluster, f"c{number}")]
    assert len(set(given)) == count
    for number in range(count):
        assert (await given_to(cluster, f"c{number}"))[0].startswith(f"{where[f'pod-{number}']}/")
