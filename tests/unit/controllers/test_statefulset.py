"""StatefulSets: order, identity, rolling updates."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from api.types.apps_v1 import CONTROLLERREVISIONS, STATEFULSETS
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PODS
from controllers.framework.plan import Create, Delete
from controllers.statefulset.plan import statefulset
from tests.sim.world import World

KEY = Key("default", "db")


def new_set(replicas: int = 3, image: str = "v1", **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    base = {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}}
    return {
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {**base, "template": template, **spec},
    }


def images(world: World) -> dict[str, str]:
    return {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in world.table(PODS).list()}


def status(world: World) -> dict[str, Any]:
    return dict(world.table(STATEFULSETS).objects[KEY]["status"])


def test_in_order_and_only_when_the_one_before_is_ready() -> None:
    world = World(statefulset)
    world.put(STATEFULSETS, new_set())
    seen: list[int] = []
    for _ in range(4):
        world.run(statefulset)
        world.run(statefulset)
        seen.append(len(images(world)))
        world.run_pods()
    assert seen == [1, 2, 3, 3]
    world.settle()
    found = status(world)
    assert (found["readyReplicas"], found["currentRevision"]) == (3, found["updateRevision"])
    pod = world.table(PODS).objects[Key("default", "db-1")]
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    world.change(STATEFULSETS, KEY, {"spec": {"replicas": 1}})
    world.run(statefulset)
    assert [n for n, p in world.table(PODS).objects.items() if "deletionTimestamp" in p["metadata"]] == [
        Key("default", "db-2")
    ]


def test_parallel_starts_and_stops_all_at_once() -> None:
    world = World(statefulset)
    world.put(STATEFULSETS, new_set(podManagementPolicy="Parallel"))
    creates = [
        c for c in world.reconcile(statefulset, KEY).changes if isinstance(c, Create) and c.resource is PODS
    ]
    assert len(creates) == 3
    world.change(STATEFULSETS, KEY, {"spec": {"replicas": 0}})
    assert len([c for c in world.plan(statefulset, KEY).changes if isinstance(c, Delete)]) == 3


def test_updates_go_down_to_the_partition_and_back_reuses_the_revision() -> None:
    world = World(statefulset)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    world.put(STATEFULSETS, new_set(updateStrategy=strategy))
    world.settle(between=world.run_pods)
    first = status(world)["currentRevision"]
    world.put(STATEFULSETS, {**new_set(image="v2", updateStrategy=strategy), "status": status(world)})
    world.settle(between=world.run_pods)
    assert images(world) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    assert status(world)["currentRevision"] == first != status(world)["updateRevision"]
    world.remove(PODS, Key("default", "db-0"))
    world.settle(between=world.run_pods)
    assert images(world)["db-0"] == "v1"
    world.change(STATEFULSETS, KEY, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    world.settle(between=world.run_pods)
    assert set(images(world).values()) == {"v2"}
    assert status(world)["currentRevision"] == status(world)["updateRevision"]
    world.put(STATEFULSETS, {**new_set(updateStrategy={}), "status": status(world)})
    world.settle(between=world.run_pods)
    assert status(world)["updateRevision"] == first
    assert sorted(r["revision"] for r in world.table(CONTROLLERREVISIONS).list()) == [2, 3]


def test_a_failed_pod_is_replaced_under_its_name() -> None:
    world = World(statefulset)
    world.put(STATEFULSETS, new_set(1))
    world.settle(between=world.run_pods)
    key = Key("default", "db-0")
    uid = world.table(PODS).objects[key]["metadata"]["uid"]
    world.change(PODS, key, {"status": {"phase": "Failed"}})
    world.settle(between=world.run_pods)
    assert world.table(PODS).objects[key]["metadata"]["uid"] != uid


def test_each_pod_has_its_own_claim() -> None:
    world = World(statefulset)
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {}}}
    world.put(STATEFULSETS, new_set(2, volumeClaimTemplates=[claim]))
    world.settle(between=world.run_pods)
    assert {key.name for key in world.table(PERSISTENTVOLUMECLAIMS).objects} == {"data-db-0", "data-db-1"}
    volumes = world.table(PODS).objects[Key("default", "db-1")]["spec"]["volumes"]
    assert volumes == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}]


STEP = st.tuples(st.sampled_from(["scale", "image", "kill", "fail"]), st.integers(0, 4))


@given(st.lists(STEP, max_size=8), st.sampled_from(["OrderedReady", "Parallel"]))
@settings(max_examples=50, deadline=None)
def test_converges(steps: list[tuple[str, int]], policy: str) -> None:
    world = World(statefulset)
    world.put(STATEFULSETS, new_set(podManagementPolicy=policy))
    wanted, image = 3, "v1"
    for step, number in steps:
        pods = list(world.table(PODS).objects)
        if step == "scale":
            wanted = number
            world.change(STATEFULSETS, KEY, {"spec": {"replicas": number}})
        elif step == "image":
            image = f"v{number}"
            containers = [{"name": "c", "image": image}]
            world.change(STATEFULSETS, KEY, {"spec": {"template": {"spec": {"containers": containers}}}})
        elif pods and step == "kill":
            world.remove(PODS, pods[number % len(pods)], grace=True)
        elif pods:
            world.change(PODS, pods[number % len(pods)], {"status": {"phase": "Failed"}})
        world.run(statefulset)
        if number % 2:
            world.run_pods()
    world.settle(rounds=120, between=world.run_pods)
    assert images(world) == {f"db-{number}": image for number in range(wanted)}
