"""Tables and convergence of replicaset-controller and of replicationcontroller-controller."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.podspec import is_pod_active
from api.resource import Key
from api.types.apps_v1 import REPLICASETS
from api.types.core_v1 import PODS, REPLICATIONCONTROLLERS
from controllers.framework.plan import Create, Delete, Failure
from controllers.pods import to_delete
from controllers.replicaset import replicaset
from controllers.replicationcontroller import replicationcontroller
from tests.sim.world import START, Refused, World

KEY = Key("default", "web")


def new_set(replicas: int = 3, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}},
            **spec,
        },
    }


def pod(name: str, **parts: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, **parts.get("metadata", {})},
        "spec": parts.get("spec", {"nodeName": "n1"}),
        "status": parts.get("status", {"phase": "Running"}),
    }


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param(pod("a"), pod("b", spec={}), id="unscheduled-pods-go-first"),
        pytest.param(pod("a"), pod("b", status={"phase": "Pending"}), id="pending-before-running"),
        pytest.param(pod("a", status=READY), pod("b"), id="unready-before-ready"),
        pytest.param(
            pod("a", metadata={"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}}),
            pod("b"),
            id="cheap-before-dear",
        ),
        pytest.param(pod("a", spec={"nodeName": "n2"}), pod("b"), id="crowded-node-first"),
        pytest.param(
            pod("a", metadata={"creationTimestamp": "2025-12-31T00:00:00Z"}),
            pod("b", metadata={"creationTimestamp": "2025-12-31T23:59:00Z"}),
            id="young-before-old",
        ),
    ],
)
def test_who_is_deleted_first(better: Any, worse: Any) -> None:
    crowd: list[Any] = [pod("x"), pod("y")] if "n2" in str(better) else []
    chosen = to_delete([better, worse], [*crowd, better, worse], 1, START)
    assert [each["metadata"]["name"] for each in chosen] == ["b"]


def test_creates_what_is_missing_and_says_so() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(3))
    plan = world.plan(replicaset, KEY)
    creates = [change for change in plan.changes if isinstance(change, Create)]
    assert len(creates) == 3
    metadata = creates[0].obj["metadata"]
    assert metadata["generateName"] == "web-"
    assert metadata["ownerReferences"][0]["blockOwnerDeletion"] is True


def test_never_more_than_a_burst() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(2000))
    creates = [c for c in world.plan(replicaset, KEY).changes if isinstance(c, Create)]
    assert len(creates) == 500


def test_a_template_that_is_not_selected_makes_no_pods() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(3, selector={"matchLabels": {"app": "other"}}))
    assert not [c for c in world.plan(replicaset, KEY).changes if isinstance(c, Create)]


def test_a_dying_owner_makes_no_pods() -> None:
    world = World(replicaset)
    obj = new_set(3)
    obj["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["foregroundDeletion"])
    world.put(REPLICASETS, obj)
    assert not [c for c in world.plan(replicaset, KEY).changes if isinstance(c, Create | Delete)]


def test_refused_pods_show_in_a_condition_that_goes_again() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(3))

    def quota(resource: Any, obj: Any) -> None:
        if len(world.table(PODS).objects) >= 2:
            raise Refused("exceeded quota")

    world.admit = quota
    for _ in range(3):
        world.run(replicaset)
    status = world.table(REPLICASETS).objects[KEY]["status"]
    assert status["replicas"] == 2
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [("ReplicaFailure", "FailedCreate")]
    world.change(REPLICASETS, KEY, {"spec": {"replicas": 2}})
    world.settle()
    assert "conditions" not in world.table(REPLICASETS).objects[KEY]["status"]


def test_adopts_and_releases() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(1))
    world.put(
        PODS, {"metadata": {"name": "lonely", "namespace": "default", "labels": {"app": "web"}}, "spec": {}}
    )
    world.settle(between=world.run_pods)
    assert [key.name for key in world.table(PODS).objects] == ["lonely"]
    world.change(PODS, Key("default", "lonely"), {"metadata": {"labels": {"app": "other"}}})
    world.settle(between=world.run_pods)
    pods = world.table(PODS)
    assert pods.objects[Key("default", "lonely")]["metadata"]["ownerReferences"] == []
    assert len(pods.objects) == 2


def test_minimum_ready_time_asks_for_another_look() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(1, minReadySeconds=10))
    world.run(replicaset)
    world.run_pods()
    world.pass_time(4)
    plan = world.reconcile(replicaset, KEY)
    assert plan.requeue_after == 6.0
    assert world.table(REPLICASETS).objects[KEY]["status"].get("availableReplicas", 0) == 0
    world.pass_time(6)
    world.settle()
    assert world.table(REPLICASETS).objects[KEY]["status"]["availableReplicas"] == 1


def test_failure_is_reported_only_for_pods() -> None:
    world = World(replicaset)
    world.put(REPLICASETS, new_set(0))
    world.settle()
    world.failures["replicaset-controller", KEY] = Failure("SetStatus", "no")
    assert world.plan(replicaset, KEY).changes == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(["scale", "kill", "finish", "relabel"]), st.integers(0, 6)), max_size=8
    ),
    st.sampled_from([(replicaset, REPLICASETS), (replicationcontroller, REPLICATIONCONTROLLERS)]),
)
@settings(max_examples=60, deadline=None)
def test_converges(steps: list[tuple[str, int]], kind: Any) -> None:
    controller, resource = kind
    world = World(controller)
    obj = new_set(3)
    if resource is REPLICATIONCONTROLLERS:
        obj["spec"]["selector"] = {"app": "web"}
    world.put(resource, obj)
    wanted = 3
    world.settle(between=world.run_pods)
    for step, number in steps:
        keys = list(world.table(PODS).objects)
        if step == "scale":
            wanted = number
            world.change(resource, KEY, {"spec": {"replicas": number}})
        elif keys:
            key = keys[number % len(keys)]
            if step == "kill":
                world.remove(PODS, key, grace=number % 2 == 0)
            elif step == "finish":
                world.change(PODS, key, {"status": {"phase": "Failed"}})
            else:
                world.change(PODS, key, {"metadata": {"labels": {"app": "other"}}})
        world.run(controller)
    world.settle(between=world.run_pods)
    uid = world.table(resource).objects[KEY]["metadata"]["uid"]
    mine = [pod for pod in world.table(PODS).by("controller-uid", uid) if is_pod_active(pod)]
    assert len(mine) == wanted
    status = world.table(resource).objects[KEY]["status"]
    assert (status["replicas"], status.get("readyReplicas", 0)) == (wanted, wanted)
