"""Deployments, services, namespaces, owners and nodes through the real API server."""

from typing import Any

import pytest

from api.resource import Key
from api.types.apps_v1 import CONTROLLERREVISIONS, DAEMONSETS, DEPLOYMENTS, REPLICASETS, STATEFULSETS
from api.types.batch_v1 import JOBS
from api.types.core_v1 import CONFIGMAPS, ENDPOINTS, NAMESPACES, NODES, PODS, SERVICEACCOUNTS, SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from kit import clock
from tests.integration.controllers.conftest import Cluster

LABELS = {"app": "web"}
OF_WEB = "kubernetes.io/service-name=web"


def deployment(replicas: int = 3, image: str = "v1") -> dict[str, Any]:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


async def ready(cluster: Cluster, replicas: int) -> Any:
    async def check() -> Any:
        found = await cluster.client.get(DEPLOYMENTS, "web", "default")
        status = found.get("status") or {}
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        return found if seen and counts == [replicas] * 3 else None

    return await cluster.until(check)


async def test_roll_out_roll_back_and_service(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment(), "default")
    service = {"metadata": {"name": "web"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}
    await client.create(SERVICES, service, "default")
    await ready(cluster, 3)

    async def addresses() -> bool:
        slices = await client.list(ENDPOINTSLICES, "default", label_selector=OF_WEB)
        found = [e for each in slices.items for e in each.get("endpoints") or () if e["conditions"]["ready"]]
        old = await client.get(ENDPOINTS, "web", "default")
        listed = [a for subset in old.get("subsets") or () for a in subset.get("addresses") or ()]
        return len(slices.items) == 1 and len(found) == 3 and len(listed) == 3

    await cluster.until(addresses)
    for image, revision in (("v2", "2"), ("v1", "3")):
        template = {"spec": {"containers": [{"name": "c", "image": image}]}}
        await client.patch(DEPLOYMENTS, "web", "default", {"spec": {"template": template}})
        found = await ready(cluster, 3)
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
    await cluster.until(addresses)
    assert len((await client.list(REPLICASETS, "default")).items) == 2
    await client.delete(SERVICES, "web", "default")
    await cluster.gone(ENDPOINTS, "web")

    async def no_slices() -> bool:
        return not (await client.list(ENDPOINTSLICES, "default", label_selector=OF_WEB)).items

    await cluster.until(no_slices)


async def test_a_restart_makes_no_second_set_of_pods(cluster: Cluster) -> None:
    cluster.start()
    await cluster.client.create(DEPLOYMENTS, deployment(20), "default")
    await clock.sleep(0.05)
    for _ in range(3):
        await cluster.stop()
        cluster.start()
        await clock.sleep(0.1)
    await ready(cluster, 20)
    assert len((await cluster.client.list(PODS, "default")).items) == 20


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_dependents_follow_their_owner(cluster: Cluster, propagation: str) -> None:
    cluster.start()
    await cluster.client.create(DEPLOYMENTS, deployment(2), "default")
    await ready(cluster, 2)
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation=propagation)
    await cluster.gone(DEPLOYMENTS, "web")

    async def empty() -> bool:
        pods = (await cluster.client.list(PODS, "default")).items
        return not pods and not (await cluster.client.list(REPLICASETS, "default")).items

    await cluster.until(empty)


async def test_orphans_stay(cluster: Cluster) -> None:
    cluster.start()
    await cluster.client.create(DEPLOYMENTS, deployment(2), "default")
    await ready(cluster, 2)
    await cluster.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
    await cluster.gone(DEPLOYMENTS, "web")
    await clock.sleep(0.5)
    sets = (await cluster.client.list(REPLICASETS, "default")).items
    assert [rs["metadata"].get("ownerReferences") or [] for rs in sets] == [[]]
    assert len((await cluster.client.list(PODS, "default")).items) == 2


async def test_a_circle_of_owners_is_collected(cluster: Cluster) -> None:
    cluster.start()
    made = {}
    for name in ("a", "b", "c"):
        pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        made[name] = await cluster.client.create(PODS, pod, "default")
    for name, owner in (("a", "c"), ("b", "a"), ("c", "b")):
        uid = made[owner]["metadata"]["uid"]
        ref: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": uid}
        ref |= {"controller": True, "blockOwnerDeletion": True}
        await cluster.client.patch(PODS, name, "default", {"metadata": {"ownerReferences": [ref]}})
    await clock.sleep(0.2)
    await cluster.client.delete(PODS, "a", "default", propagation="Foreground")
    for name in made:
        await cluster.gone(PODS, name)


async def test_namespaces_are_furnished_and_emptied(cluster: Cluster, tmp_path: Any) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("CERTIFICATE")
    cluster.start(root_ca_file=str(ca))
    client = cluster.client
    await client.create(NAMESPACES, {"metadata": {"name": "shop"}})

    async def furnished() -> bool:
        found = await client.get(CONFIGMAPS, "kube-root-ca.crt", "shop")
        await client.get(SERVICEACCOUNTS, "default", "shop")
        return found["data"] == {"ca.crt": "CERTIFICATE"}

    await cluster.until(furnished)
    await client.patch(CONFIGMAPS, "kube-root-ca.crt", "shop", {"data": {"ca.crt": "", "more": "x"}})
    await cluster.until(furnished)
    spec = {"containers": [{"name": "c", "image": "i"}]}
    metadata = {"name": "p", "finalizers": ["example.com/hold"]}
    await client.create(PODS, {"metadata": metadata, "spec": spec}, "shop")
    await client.delete(NAMESPACES, "shop")

    async def held_up() -> bool:
        status = (await client.get(NAMESPACES, "shop"))["status"]
        return ("NamespaceDeletionContentFailure", "True") in [
            (c["type"], c["status"]) for c in status.get("conditions") or ()
        ]

    await cluster.until(held_up)
    assert (await client.list(CONFIGMAPS, "shop")).items
    await client.patch(PODS, "p", "shop", {"metadata": {"finalizers": None}})
    await cluster.gone(NAMESPACES, "shop", "")


async def test_a_lost_node_loses_its_pods(cluster: Cluster) -> None:
    settings = {"node_monitor_period_s": 0.1, "node_monitor_grace_period_s": 1.0, "node_eviction_rate": 10.0}
    client = cluster.client
    for name in ("n1", "n2", "n3"):
        await cluster.add_node(name)
    await client.create(DEPLOYMENTS, deployment(2), "default")
    service = {"metadata": {"name": "web"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}
    await client.create(SERVICES, service, "default")
    cluster.start(cluster_cidr="10.244.0.0/16", **settings)
    alive = {"n1", "n2", "n3"}

    async def beat() -> None:
        count = 0
        while True:
            count += 1
            for name in sorted(alive):
                await cluster.beat(name, count)
            await clock.sleep(0.3)

    cluster.tasks.spawn(beat(), "heartbeats")
    await ready(cluster, 2)
    ranges = {node["spec"]["podCIDR"] for node in (await client.list(NODES)).items}
    assert ranges == {"10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"}
    alive.discard("n1")
    cluster.dead_nodes.add("n1")

    async def noticed() -> bool:
        node = await client.get(NODES, "n1")
        taints = {(t["key"], t["effect"]) for t in node["spec"].get("taints") or ()}
        ready_now = next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")
        slices = (await client.list(ENDPOINTSLICES, "default", label_selector=OF_WEB)).items
        served = [e for each in slices for e in each.get("endpoints") or () if e["conditions"]["ready"]]
        key = "node.kubernetes.io/unreachable"
        return ready_now == "Unknown" and not served and {(key, "NoSchedule"), (key, "NoExecute")} <= taints

    await cluster.until(noticed)
    alive.add("n1")
    cluster.dead_nodes.clear()
    node: Any = await client.get(NODES, "n1")
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:01:00Z"}
    node["status"]["conditions"] = [condition]
    await client.update(NODES, node, subresource="status")

    async def back() -> bool:
        return not (await client.get(NODES, "n1"))["spec"].get("taints")

    await cluster.until(back)


async def test_evicted_by_a_taint_after_the_tolerated_time(cluster: Cluster) -> None:
    cluster.start()
    await cluster.add_node("n1")
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
    toleration = {"key": "k", "operator": "Exists", "effect": "NoExecute"}
    for name, more in (("stays", {}), ("later", {"tolerationSeconds": 1})):
        tolerations = [{**toleration, **more}]
        pod = {"metadata": {"name": name}, "spec": {**spec, "tolerations": tolerations}}
        await cluster.client.create(PODS, pod, "default")
    await cluster.client.create(PODS, {"metadata": {"name": "now"}, "spec": spec}, "default")
    await clock.sleep(0.2)
    taint = {"key": "k", "value": "v", "effect": "NoExecute"}
    await cluster.client.patch(NODES, "n1", "", {"spec": {"taints": [taint]}})
    await cluster.gone(PODS, "now")
    assert {p["metadata"]["name"] for p in (await cluster.client.list(PODS, "default")).items} == {
        "stays",
        "later",
    }
    await cluster.gone(PODS, "later")
    assert Key("default", "stays").name in str((await cluster.client.list(PODS, "default")).items)


async def test_a_daemon_set_rolls(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    await cluster.add_node("n1")
    spec = {"selector": {"matchLabels": LABELS}, "template": deployment()["spec"]["template"]}
    await client.create(DAEMONSETS, {"metadata": {"name": "web"}, "spec": spec}, "default")

    async def rolled(image: str) -> bool:
        found: Any = await client.get(DAEMONSETS, "web", "default")
        status, pods = found.get("status") or {}, (await client.list(PODS, "default")).items
        images = [pod["spec"]["containers"][0]["image"] for pod in pods]
        return status.get("numberAvailable") == 1 == status.get("updatedNumberScheduled") and images == [
            image
        ]

    await cluster.until(lambda: rolled("v1"))
    template = {"spec": {"containers": [{"name": "c", "image": "v2"}]}}
    await client.patch(DAEMONSETS, "web", "default", {"spec": {"template": template}})
    await cluster.until(lambda: rolled("v2"))
    assert len((await client.list(CONTROLLERREVISIONS, "default")).items) == 2
    await clock.sleep(0.3)
    before: Any = await client.get(DAEMONSETS, "web", "default")
    await clock.sleep(0.3)
    after: Any = await client.get(DAEMONSETS, "web", "default")
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_a_budget_counts_healthy_pods(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment(3), "default")
    spec = {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1}
    await client.create(PODDISRUPTIONBUDGETS, {"metadata": {"name": "web"}, "spec": spec}, "default")

    async def counted() -> bool:
        status: Any = (await client.get(PODDISRUPTIONBUDGETS, "web", "default")).get("status") or {}
        return (status.get("desiredHealthy"), status.get("disruptionsAllowed")) == (2, 1)

    await cluster.until(counted)


async def test_what_is_settled_is_written_no_more(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment(2), "default")
    service = {"metadata": {"name": "web"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}
    await client.create(SERVICES, service, "default")
    await ready(cluster, 2)
    await clock.sleep(0.5)

    async def versions() -> dict[str, str]:
        found: dict[str, str] = {}
        everything: Any = (DEPLOYMENTS, REPLICASETS, PODS, ENDPOINTS, ENDPOINTSLICES, NAMESPACES)
        for resource in everything:
            items: Any = (await client.list(resource)).items
            found |= {
                obj["kind"] + obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in items
            }
        return found

    before = await versions()
    await clock.sleep(1.5)
    assert await versions() == before


async def test_a_job_completes_and_goes(cluster: Cluster) -> None:
    cluster.phase = lambda pod: "Succeeded"
    cluster.start()
    client = cluster.client
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    job = {"completions": 3, "parallelism": 2, "completionMode": "Indexed", "template": template}
    job |= {"manualSelector": True, "selector": {"matchLabels": LABELS}}
    await client.create(JOBS, {"metadata": {"name": "sum"}, "spec": job}, "default")

    async def complete() -> Any:
        status: Any = (await client.get(JOBS, "sum", "default")).get("status") or {}
        done = [c["type"] for c in status.get("conditions") or () if c["status"] == "True"]
        return status if "Complete" in done else None

    status = await cluster.until(complete)
    assert (status["succeeded"], status["completedIndexes"]) == (3, "0-2")
    await client.delete(JOBS, "sum", "default", propagation="Background")

    async def empty() -> bool:
        return not (await client.list(PODS, "default")).items

    await cluster.until(empty)


async def test_a_stateful_set_keeps_its_names(cluster: Cluster) -> None:
    cluster.start()
    client = cluster.client
    spec = {**deployment(3)["spec"], "serviceName": "web"}
    await client.create(STATEFULSETS, {"metadata": {"name": "db"}, "spec": spec}, "default")

    async def settled(image: str) -> Any:
        found: Any = await client.get(STATEFULSETS, "db", "default")
        status = found.get("status") or {}
        pods: Any = (await client.list(PODS, "default")).items
        images = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}
        same = status.get("currentRevision") == status.get("updateRevision")
        return same and status.get("readyReplicas") == 3 and images == {f"db-{n}": image for n in range(3)}

    await cluster.until(lambda: settled("v1"))
    template = {"spec": {"containers": [{"name": "c", "image": "v2"}]}}
    await client.patch(STATEFULSETS, "db", "default", {"spec": {"template": template}})
    await cluster.until(lambda: settled("v2"))
    await client.patch(STATEFULSETS, "db", "default", {"spec": {"replicas": 0}})

    async def empty() -> bool:
        return not (await client.list(PODS, "default")).items

    await cluster.until(empty)
