"""Groups of pods stay while pods of them are under way."""

from typing import Any

import pytest

from api.resource import Key
from api.types.core_v1 import PODS
from api.types.scheduling_v1alpha2 import PODGROUPS
from controllers.podgroup_protection import podgroup_protection
from tests.sim.world import World

FINALIZER = "scheduling.k8s.io/podgroup-protection"
GROUP = Key("default", "g")


def group(*finalizers: str) -> dict[str, Any]:
    metadata = {"name": "g", "namespace": "default", "finalizers": list(finalizers)}
    return {"metadata": metadata, "spec": {"schedulingPolicy": {"basic": {}}}}


def pod(of: str = "g", phase: str = "Pending", **metadata: Any) -> dict[str, Any]:
    spec = {"schedulingGroup": {"podGroupName": of}} if of else {}
    metadata = {"name": "p", "namespace": "default", "uid": "p", **metadata}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def finalizers(world: World) -> Any:
    return world.table(PODGROUPS).objects[GROUP]["metadata"].get("finalizers") or []


CASES = [
    pytest.param(pod(), True, id="pending"),
    pytest.param(pod(phase="Running"), True, id="running"),
    pytest.param(pod(deletionTimestamp="2026-01-01T00:00:00Z"), True, id="on-its-way-out"),
    pytest.param(pod(phase="Succeeded"), False, id="succeeded"),
    pytest.param(pod(phase="Failed"), False, id="failed"),
    pytest.param(pod("other"), False, id="of-another-group"),
    pytest.param(pod(namespace="other"), False, id="in-another-namespace"),
    pytest.param(pod(""), False, id="of-none"),
]


@pytest.mark.parametrize(("using", "held"), CASES)
@pytest.mark.parametrize("group_first", [True, False])
def test_a_group_with_pods_gets_the_finalizer(using: Any, held: bool, group_first: bool) -> None:
    world = World(podgroup_protection)
    if not group_first:
        world.put(PODS, using)
    world.put(PODGROUPS, group("example.com/mine"))
    world.settle()
    if group_first:
        world.put(PODS, using)
        world.settle()
    assert finalizers(world) == ["example.com/mine", *([FINALIZER] if held else [])]


@pytest.mark.parametrize(("using", "stays"), CASES)
def test_a_group_that_is_deleted_waits_for_its_pods(using: Any, stays: bool) -> None:
    world = World(podgroup_protection)
    world.put(PODGROUPS, group(FINALIZER))
    world.put(PODS, using)
    world.remove(PODGROUPS, GROUP)
    world.settle()
    assert (GROUP in world.table(PODGROUPS).objects) is stays
    world.table(PODS).objects.clear()
    world.settle()
    assert GROUP not in world.table(PODGROUPS).objects


def test_only_whom_an_event_may_matter_to_is_looked_at_again() -> None:
    world = World(podgroup_protection)
    (of_pods,) = podgroup_protection.watches.values()
    world.put(PODGROUPS, group(FINALIZER))
    assert not list(of_pods.keys(pod(), world.view()))
    world.remove(PODGROUPS, GROUP)
    assert list(of_pods.keys(pod(), world.view())) == [GROUP]
    assert of_pods.relevant is not None
    assert of_pods.relevant(pod()) == of_pods.relevant(pod(phase="Running"))
    assert of_pods.relevant(pod()) != of_pods.relevant(pod(phase="Failed"))
