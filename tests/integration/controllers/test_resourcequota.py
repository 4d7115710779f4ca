"""Quotas through the real API server: what admission takes, and what the controller counts and gives back.

Most tests make the observations of upstream's conformance cases.
"""

import asyncio
from functools import partial
from typing import Any

import pytest

from api.errors import Forbidden, Invalid, StatusError
from api.quantity import parse_quantity
from api.resource import Resource
from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from api.types.apps_v1 import REPLICASETS
from api.types.core_v1 import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
)
from client.informer import Informer
from controllers.resourcequota import process
from kit import clock
from tests.integration.controllers.conftest import Cluster
from tests.integration.controllers.test_custom_resources import DEFINITION, WIDGETS

GOLD = "gold.storageclass.storage.k8s.io"
HARD = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
    "replicationcontrollers": "10", "resourcequotas": "1", "cpu": "1", "memory": "500Mi", "configmaps": "10",
    "secrets": "10", "persistentvolumeclaims": "10", "requests.storage": "10Gi", "ephemeral-storage": "50Gi",
    f"{GOLD}/persistentvolumeclaims": "10", f"{GOLD}/requests.storage": "10Gi",
    "requests.example.com/dongle": "3", "count/replicasets.apps": "5",
}  # fmt: skip
LABELS = {"app": "web"}


def pod(name: str, requests: Any = None, limits: Any = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": requests or {}, "limits": limits or {}}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


class Quotas:
    """Quotas of the namespace `default`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = cluster.client

    async def make(self, hard: Any, name: str = "test-quota", **spec: Any) -> None:
        body = {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}
        await self.client.create(RESOURCEQUOTAS, body, "default")
        await self.uses({}, name)

    async def uses(self, wanted: dict[str, str], name: str = "test-quota") -> Any:
        """Wait until the status has the limits of the spec, and says that so much is used."""

        async def check() -> Any:
            found: Any = await self.client.get(RESOURCEQUOTAS, name, "default")
            status = found.get("status") or {}
            used = status.get("used") or {}
            same = all(_nano(used.get(key, "-1")) == _nano(value) for key, value in wanted.items())
            return (found if same and status.get("hard") == found["spec"]["hard"] else None), used

        return (await self.cluster.until(check, lambda answer: answer[0]))[0]

    async def refused(self, resource: Resource[Any], body: Any) -> str:
        with pytest.raises(Forbidden) as refusal:
            await self.client.create(resource, body, "default")
        return str(refusal.value)


async def _value(value: bool) -> bool:
    return value


def _nano(text: str) -> int:
    return parse_quantity(text).nano


@pytest.fixture
async def quotas(cluster: Cluster) -> Quotas:
    cluster.start()
    return Quotas(cluster)


def case(what: str) -> Any:
    return pytest.mark.case(f"[sig-api-machinery] ResourceQuota should {what} [Conformance]")


@case("create a ResourceQuota and ensure its status is promptly calculated.")
async def test_a_quota_counts_itself(quotas: Quotas) -> None:
    await quotas.make(HARD)
    found = await quotas.uses({"resourcequotas": "1"})
    assert found["status"]["used"].keys() == HARD.keys()


@case("create a ResourceQuota and capture the life of a service.")
async def test_services(quotas: Quotas) -> None:
    await quotas.make(HARD)
    client = quotas.client

    def service(name: str, kind: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}}

    await client.create(SERVICES, service("plain", "ClusterIP"), "default")
    await client.create(SERVICES, service("ports", "NodePort"), "default")
    await quotas.refused(SERVICES, service("balanced", "LoadBalancer"))
    # One of them is `kubernetes`.
    await quotas.uses({"services": "3", "services.nodeports": "1", "services.loadbalancers": "0"})
    await client.delete(SERVICES, "plain", "default")
    await client.delete(SERVICES, "ports", "default")
    await quotas.uses({"services": "1", "services.nodeports": "0"})


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        pytest.param(
            SECRETS,
            {"stringData": {"a": "b"}},
            marks=case("create a ResourceQuota and capture the life of a secret."),
            id="secret",
        ),
        pytest.param(
            CONFIGMAPS,
            {"data": {"a": "b"}},
            marks=case("create a ResourceQuota and capture the life of a configMap."),
            id="configmap",
        ),
        pytest.param(
            REPLICATIONCONTROLLERS,
            {
                "spec": {
                    "replicas": 0,
                    "selector": LABELS,
                    "template": {"metadata": {"labels": LABELS}, "spec": pod("")["spec"]},
                }
            },
            marks=case("create a ResourceQuota and capture the life of a replication controller."),
            id="replicationcontroller",
        ),
    ],
)
async def test_what_is_only_counted(quotas: Quotas, resource: Resource[Any], body: Any) -> None:
    await quotas.client.create(resource, {**body, "metadata": {"name": "before"}}, "default")
    await quotas.make({**HARD, resource.plural: "2"})
    await quotas.uses({resource.plural: "1"})
    await quotas.client.create(resource, {**body, "metadata": {"name": "fits"}}, "default")
    await quotas.uses({resource.plural: "2"})
    await quotas.refused(resource, {**body, "metadata": {"name": "too-many"}})
    await quotas.client.delete(resource, "fits", "default")
    await quotas.uses({resource.plural: "1"})
    await quotas.client.create(resource, {**body, "metadata": {"name": "fits-again"}}, "default")


@case("create a ResourceQuota and capture the life of a replica set.")
async def test_replica_sets(quotas: Quotas) -> None:
    await quotas.make(HARD)
    await quotas.uses({"count/replicasets.apps": "0"})
    template = {"metadata": {"labels": LABELS}, "spec": pod("")["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    await quotas.client.create(REPLICASETS, {"metadata": {"name": "web"}, "spec": spec}, "default")
    await quotas.uses({"count/replicasets.apps": "1"})
    await quotas.client.delete(REPLICASETS, "web", "default")
    await quotas.uses({"count/replicasets.apps": "0"})


@case("create a ResourceQuota and capture the life of a pod.")
async def test_pods(quotas: Quotas) -> None:
    await quotas.make(HARD)
    dongles = {"example.com/dongle": "2"}
    sizes = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi"}
    await quotas.client.create(PODS, pod("fits", {**sizes, **dongles}, dongles), "default")
    used = {"resourcequotas": "1", "pods": "1", **sizes, "requests.example.com/dongle": "2"}
    await quotas.uses(used)
    too_much = await quotas.refused(PODS, pod("cpu", {"cpu": "600m", "memory": "100Mi"}))
    assert "requested: cpu=600m, used: cpu=500m, limited: cpu=1" in too_much
    more = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "20Gi", **dongles}
    too_much = await quotas.refused(PODS, pod("dongles", more, dongles))
    assert "requested: requests.example.com/dongle=2" in too_much
    present: Any = await quotas.client.get(PODS, "fits", "default")
    (container,) = present["spec"]["containers"]
    changed = {**container, "resources": {**container["resources"], "requests": {"cpu": "100m", **dongles}}}
    with pytest.raises(Invalid):
        await quotas.client.update(PODS, {**present, "spec": {**present["spec"], "containers": [changed]}})
    await quotas.uses(used)
    await quotas.client.delete(PODS, "fits", "default", grace_period_s=0)
    await quotas.uses(dict.fromkeys(used, "0") | {"resourcequotas": "1"})


async def test_pods_that_end_make_room(quotas: Quotas) -> None:
    await quotas.make({"pods": "1", "count/pods": "2"})
    await quotas.client.create(PODS, pod("first"), "default")
    await quotas.uses({"pods": "1", "count/pods": "1"})
    await quotas.refused(PODS, pod("second"))
    quotas.cluster.phase = lambda pod: "Succeeded"
    await quotas.uses({"pods": "0", "count/pods": "1"})
    await quotas.client.create(PODS, pod("second"), "default")
    await quotas.uses({"count/pods": "2"})


SIZES = {"requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}


async def scoped(quotas: Quotas, scopes: tuple[str, str], hard: Any, bodies: Any, used: Any) -> None:
    """Check that each of two scopes sees its own pod alone, until it is gone."""
    for name in scopes:
        await quotas.make(hard, name.lower(), scopes=[name])
    nothing = dict.fromkeys(hard, "0")
    for mine, other, body in ((*scopes, bodies[0]), (*reversed(scopes), bodies[1])):
        await quotas.client.create(PODS, body, "default")
        await quotas.uses(used, mine.lower())
        await clock.sleep(1.2)
        await quotas.uses(nothing, other.lower())
        await quotas.client.delete(PODS, body["metadata"]["name"], "default", grace_period_s=0)
        await quotas.uses(nothing, mine.lower())


@case("verify ResourceQuota with terminating scopes.")
async def test_terminating_scopes(quotas: Quotas) -> None:
    amounts = ({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
    bodies = (pod("ends", *amounts, activeDeadlineSeconds=3600), pod("goes-on", *amounts))
    used = {
        "pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1",
        "limits.memory": "400Mi",
    }  # fmt: skip
    await scoped(quotas, ("Terminating", "NotTerminating"), {"pods": "5", **SIZES}, bodies, used)


@case("verify ResourceQuota with best effort scope.")
async def test_best_effort_scope(quotas: Quotas) -> None:
    amounts = ({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
    bodies = (pod("best-effort"), pod("burstable", *amounts))
    await scoped(quotas, ("BestEffort", "NotBestEffort"), {"pods": "5"}, bodies, {"pods": "1"})


@case("apply changes to a resourcequota status")
async def test_a_foreign_status_is_seen_and_set_right(quotas: Quotas) -> None:
    hard = {"cpu": "500m", "memory": "500Mi"}
    await quotas.make(hard)
    client = quotas.client
    seen: list[Any] = []
    informer: Informer[Any] = Informer(client, RESOURCEQUOTAS)
    informer.subscribe(lambda old, new: seen.append((new or {})["status"]["hard"]))
    quotas.cluster.tasks.spawn(informer.run(), "quotas of the test")
    await informer.synced()
    foreign = {"cpu": "2", "memory": "2Gi"}
    body = {"status": {"hard": foreign}}
    patched: Any = await client.patch(
        RESOURCEQUOTAS, "test-quota", "default", body, kind="strategic", subresource="status"
    )
    assert patched["status"]["hard"] == foreign
    await quotas.uses({"cpu": "0"})
    await quotas.cluster.until(lambda: _value(len(seen) == 3))
    assert seen == [hard, foreign, hard]
    changed = {"spec": {"hard": {"cpu": "1", "memory": "1Gi"}}}
    await client.patch(RESOURCEQUOTAS, "test-quota", "default", changed)
    assert (await quotas.uses({"cpu": "0"}))["status"]["hard"] == changed["spec"]["hard"]


async def test_custom_resources_are_counted(quotas: Quotas) -> None:
    await quotas.client.create(CUSTOMRESOURCEDEFINITIONS, DEFINITION)
    await quotas.client.create(WIDGETS, {"metadata": {"name": "before"}}, "default")
    await quotas.make({"count/widgets.example.com": "2", "count/gadgets.example.com": "2"})
    await quotas.uses({"count/widgets.example.com": "1"})
    await quotas.client.create(WIDGETS, {"metadata": {"name": "fits"}}, "default")
    await quotas.refused(WIDGETS, {"metadata": {"name": "too-many"}})
    await quotas.client.delete(WIDGETS, "fits", "default")
    found = await quotas.uses({"count/widgets.example.com": "1"})
    assert "count/gadgets.example.com" not in found["status"]["used"]


async def test_claims_by_class(quotas: Quotas) -> None:
    await quotas.make(HARD)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name, more in (("gold", {"storageClassName": "gold"}), ("none", {"storageClassName": ""})):
        body = {"metadata": {"name": name}, "spec": {**spec, **more}}
        await quotas.client.create(PERSISTENTVOLUMECLAIMS, body, "default")
    used = {"persistentvolumeclaims": "2", "requests.storage": "2Gi", f"{GOLD}/requests.storage": "1Gi"}
    await quotas.uses({**used, f"{GOLD}/persistentvolumeclaims": "1"})


async def test_what_failed_after_admission_is_given_back(quotas: Quotas) -> None:
    await quotas.make({"configmaps": "3"})
    await quotas.client.create(CONFIGMAPS, {"metadata": {"name": "once"}}, "default")
    with pytest.raises(StatusError):
        await quotas.client.create(CONFIGMAPS, {"metadata": {"name": "once"}}, "default")
    await quotas.uses({"configmaps": "1"})


async def test_places_that_are_given_back_are_never_given_twice(quotas: Quotas) -> None:
    await quotas.make({"configmaps": "4"})
    present: set[str] = set()
    most = 0

    async def come_and_go(number: int) -> None:
        nonlocal most
        for turn in range(6):
            name = f"c{number}-{turn}"
            body = {"metadata": {"name": name}}
            await quotas.cluster.until(partial(quotas.client.create, CONFIGMAPS, body, "default"))
            present.add(name)
            most = max(most, len(present))
            await clock.sleep(0.01)
            present.discard(name)
            await quotas.client.delete(CONFIGMAPS, name, "default")

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(come_and_go(number))
    assert most <= 4
    await quotas.uses({"configmaps": "0"})


async def test_objects_made_while_no_controller_ran_are_counted(cluster: Cluster) -> None:
    quotas = Quotas(cluster)
    body = {"metadata": {"name": "test-quota"}, "spec": {"hard": {"configmaps": "3"}}}
    await cluster.client.create(RESOURCEQUOTAS, body, "default")
    for number in range(2):
        await cluster.client.create(CONFIGMAPS, {"metadata": {"name": f"c{number}"}}, "default")
    cluster.start()
    await quotas.uses({"configmaps": "2"})


async def test_what_is_settled_is_not_written(quotas: Quotas) -> None:
    await quotas.make(HARD)
    await quotas.client.create(CONFIGMAPS, {"metadata": {"name": "one"}}, "default")
    before = await quotas.uses({"configmaps": "1"})
    await clock.sleep(4.5)
    after = await quotas.uses({"configmaps": "1"})
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_a_pod_that_its_node_does_not_end_is_counted_no_more(quotas: Quotas) -> None:
    await quotas.make({"pods": "1", "count/pods": "2"})
    client = quotas.client
    await client.create(PODS, pod("stuck"), "default")

    async def runs() -> bool:
        return bool((await client.get(PODS, "stuck", "default"))["spec"].get("nodeName"))

    await quotas.cluster.until(runs)
    quotas.cluster.dead_nodes.add("n1")
    await client.delete(PODS, "stuck", "default", grace_period_s=1)
    await quotas.uses({"pods": "0", "count/pods": "1"})
    await client.create(PODS, pod("instead"), "default")


async def test_every_quota_is_counted_again_in_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RESYNC_S", 0.5)
    monkeypatch.setattr(process, "_FOREIGN_S", 1000.0)
    cluster.start()
    quotas = Quotas(cluster)
    await quotas.make({"configmaps": "1"})
    body = {"status": {"used": {"configmaps": "1"}}}
    await quotas.client.patch(RESOURCEQUOTAS, "test-quota", "default", body, subresource="status")
    await quotas.uses({"configmaps": "0"})


@pytest.mark.case(
    "[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded "
    "quota [Conformance]"
)
async def test_a_replication_controller_tells_of_a_quota(quotas: Quotas) -> None:
    await quotas.make({"pods": "2"})
    client = quotas.client
    template = {"metadata": {"labels": LABELS}, "spec": pod("")["spec"]}
    spec = {"replicas": 3, "selector": LABELS, "template": template}
    await client.create(REPLICATIONCONTROLLERS, {"metadata": {"name": "web"}, "spec": spec}, "default")

    async def failures() -> list[Any]:
        found: Any = await client.get(REPLICATIONCONTROLLERS, "web", "default")
        conditions = (found.get("status") or {}).get("conditions") or ()
        return [each for each in conditions if each["type"] == "ReplicaFailure"]

    (failure,) = await quotas.cluster.until(failures)
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: test-quota, requested: pods=1, used: pods=2" in failure["message"]
    assert len((await client.list(PODS, "default")).items) == 2
    await client.patch(REPLICATIONCONTROLLERS, "web", "default", {"spec": {"replicas": 2}})
    await quotas.cluster.until(failures, lambda found: not found)
