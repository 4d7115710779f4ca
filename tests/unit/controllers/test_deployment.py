"""Tables and convergence of deployment-controller together with replicaset-controller."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from api.types.apps_v1 import DEPLOYMENTS, REPLICASETS
from api.types.core_v1 import PODS
from controllers.deployment.plan import deployment
from controllers.deployment.revisions import REVISION, template_hash
from controllers.deployment.sizes import max_surge, max_unavailable
from controllers.replicaset import replicaset
from tests.sim.world import World

KEY = Key("default", "web")


def new_deployment(replicas: int = 3, image: str = "v1", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            **spec,
        },
    }


def rolling(surge: int | str, unavailable: int | str) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def set_image(world: World, image: str) -> None:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}}
    world.change(DEPLOYMENTS, KEY, {"spec": {"template": template}})


def sets(world: World) -> dict[str, dict[str, Any]]:
    return {
        rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in world.table(REPLICASETS).list()
    }


def status(world: World) -> dict[str, Any]:
    return dict(world.table(DEPLOYMENTS).objects[KEY]["status"])


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge-up-unavailable-down"),
        pytest.param(1, "25%", "25%", (1, 0), id="one-replica-surges"),
        pytest.param(10, 0, 0, (0, 1), id="never-both-zero"),
        pytest.param(2, 0, 5, (0, 2), id="not-more-than-there-are"),
    ],
)
def test_limits(replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]) -> None:
    obj: Any = new_deployment(replicas, strategy=rolling(surge, unavailable))
    assert (max_surge(obj), max_unavailable(obj)) == expected


def test_first_roll_out() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(3))
    world.settle(between=world.run_pods)
    found = status(world)
    assert [
        found[name] for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    ] == [3] * 4
    reasons = {c["type"]: (c["status"], c["reason"]) for c in found["conditions"]}
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    rs = sets(world)["v1"]
    digest = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"web-{digest}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert rs["metadata"]["annotations"][REVISION] == "1"
    assert world.table(DEPLOYMENTS).objects[KEY]["metadata"]["annotations"][REVISION] == "1"
    assert "Scaled up replica set" in world.records[0].message


def test_roll_back_takes_the_old_set_with_a_new_revision() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(2))
    world.settle(between=world.run_pods)
    set_image(world, "v2")
    world.settle(between=world.run_pods)
    set_image(world, "v1")
    world.settle(between=world.run_pods)
    assert len(world.table(REPLICASETS).objects) == 2
    annotations = sets(world)["v1"]["metadata"]["annotations"]
    assert (annotations[REVISION], annotations["deployment.kubernetes.io/revision-history"]) == ("3", "1")
    assert sets(world)["v2"]["spec"]["replicas"] == 0


def test_an_adopted_set_keeps_its_64_bit_revision() -> None:
    world = World(deployment, replicaset)
    old = new_deployment(1, "old")
    world.put(
        REPLICASETS,
        {
            "metadata": {
                "name": "stray",
                "namespace": "default",
                "labels": {"app": "web"},
                "annotations": {REVISION: "3546343826724305832"},
            },
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "web"}},
                "template": old["spec"]["template"],
            },
        },
    )
    world.settle(between=world.run_pods)
    world.put(DEPLOYMENTS, new_deployment(1))
    world.settle(between=world.run_pods)
    assert sets(world)["v1"]["metadata"]["annotations"][REVISION] == "3546343826724305833"
    assert sets(world)["old"]["spec"]["replicas"] == 0


def test_proportional_scaling() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(10, strategy=rolling(3, 2)))
    world.settle(between=world.run_pods)
    set_image(world, "bad")

    def run() -> None:
        world.run_pods(lambda pod: pod["spec"]["containers"][0]["image"] != "bad")

    world.settle(between=run)
    assert (sets(world)["v1"]["spec"]["replicas"], sets(world)["bad"]["spec"]["replicas"]) == (8, 5)
    world.change(DEPLOYMENTS, KEY, {"spec": {"replicas": 30}})
    world.run(deployment)
    assert (sets(world)["v1"]["spec"]["replicas"], sets(world)["bad"]["spec"]["replicas"]) == (20, 13)


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(2, strategy={"type": "Recreate"}))
    world.settle(between=world.run_pods)
    set_image(world, "v2")
    for _ in range(4):
        world.run(deployment)
        world.run(replicaset)
    assert "v2" not in sets(world)
    world.settle(between=world.run_pods)
    assert sets(world)["v2"]["status"]["availableReplicas"] == 2


def test_no_history_deletes_old_sets() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(1, revisionHistoryLimit=0))
    world.settle(between=world.run_pods)
    set_image(world, "v2")
    world.settle(between=world.run_pods)
    assert list(sets(world)) == ["v2"]


def test_a_pause_stops_a_roll_out_but_not_scaling() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(2))
    world.settle(between=world.run_pods)
    world.change(DEPLOYMENTS, KEY, {"spec": {"paused": True, "replicas": 4}})
    set_image(world, "v2")
    world.settle(between=world.run_pods)
    assert {image: rs["spec"]["replicas"] for image, rs in sets(world).items()} == {"v1": 4}
    assert "DeploymentPaused" in [c["reason"] for c in status(world)["conditions"]]
    world.change(DEPLOYMENTS, KEY, {"spec": {"paused": False}})
    world.settle(between=world.run_pods)
    assert sets(world)["v2"]["status"]["readyReplicas"] == 4


def test_the_deadline_passes() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(1, progressDeadlineSeconds=60))
    world.run(deployment)
    world.run(replicaset)
    world.settle(between=lambda: world.run_pods(lambda pod: False))
    plan = world.plan(deployment, KEY)
    assert plan.requeue_after == 61.0
    world.pass_time(61)
    world.settle()
    progressing = next(c for c in status(world)["conditions"] if c["type"] == "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_a_taken_name_counts_as_a_collision() -> None:
    world = World(deployment, replicaset)
    obj = world.put(DEPLOYMENTS, new_deployment(1))
    digest = template_hash(obj["spec"]["template"], 0)
    stranger = {"matchLabels": {"app": "other"}}
    template = {"metadata": {"labels": {"app": "other"}}, "spec": {}}
    world.put(
        REPLICASETS,
        {
            "metadata": {"name": f"web-{digest}", "namespace": "default"},
            "spec": {"replicas": 0, "selector": stranger, "template": template},
        },
    )
    world.settle(between=world.run_pods)
    assert status(world)["collisionCount"] == 1
    assert status(world)["readyReplicas"] == 1


def test_a_selector_of_everything_is_refused() -> None:
    world = World(deployment, replicaset)
    world.put(DEPLOYMENTS, new_deployment(1, selector={}))
    world.run(deployment)
    assert [record.reason for record in world.records] == ["SelectingAll"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scale"), st.integers(0, 8)),
        st.tuples(st.just("image"), st.integers(1, 3)),
        st.tuples(st.just("kill"), st.integers(0, 9)),
        st.tuples(st.just("tick"), st.integers(1, 3)),
    ),
    max_size=10,
)


@given(STEPS, st.integers(0, 3), st.integers(0, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_converges_within_bounds(steps: Any, surge: int, unavailable: int, recreate: bool) -> None:
    world = World(deployment, replicaset)
    strategy = {"type": "Recreate"} if recreate else rolling(surge, unavailable)
    world.put(DEPLOYMENTS, new_deployment(3, strategy=strategy))
    world.settle(between=world.run_pods)
    wanted, image = 3, 1
    for step, number in steps:
        pods = list(world.table(PODS).objects)
        if step == "scale":
            wanted = number
            world.change(DEPLOYMENTS, KEY, {"spec": {"replicas": number}})
        elif step == "image":
            image = number
            set_image(world, f"v{number}")
        elif step == "kill" and pods:
            world.remove(PODS, pods[number % len(pods)], grace=number % 2 == 0)
        elif step == "tick":
            for _ in range(number):
                world.run(deployment)
                world.run(replicaset)
                world.run_pods()
    world.settle(between=world.run_pods)
    found = status(world)
    assert (
        found.get("replicas", 0)
        == found.get("updatedReplicas", 0)
        == found.get("availableReplicas", 0)
        == wanted
    )
    assert all(rs["spec"]["replicas"] == 0 for name, rs in sets(world).items() if name != f"v{image}")


@given(st.integers(1, 8), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_roll_stays_within_surge_and_availability(replicas: int, surge: int, unavailable: int) -> None:
    world = World(deployment, replicaset)
    obj = new_deployment(replicas, strategy=rolling(surge, unavailable))
    world.put(DEPLOYMENTS, obj)
    world.settle(between=world.run_pods)
    most, least = replicas + max_surge(obj), replicas - max_unavailable(obj)  # type: ignore[arg-type]

    def check(change: Any) -> None:
        pods = [p for p in world.table(PODS).list() if "deletionTimestamp" not in p["metadata"]]
        assert len(pods) <= most
        assert sum(bool((p.get("status") or {}).get("conditions")) for p in pods) >= least

    world.after_change = check
    set_image(world, "v2")
    world.settle(between=world.run_pods)
