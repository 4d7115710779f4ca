"""Where daemons belong, and how they are rolled."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from api.types.apps_v1 import CONTROLLERREVISIONS, DAEMONSETS
from api.types.core_v1 import NODES, PODS
from controllers.daemonset.nodes import should_run
from controllers.daemonset.plan import daemonset
from tests.sim.world import World, merge

KEY = Key("default", "agent")


def new_daemonset(image: str = "v1", **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    selector = {"matchLabels": {"app": "agent"}}
    return {
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": selector, "template": template, **spec},
    }


def node(name: str, **more: Any) -> dict[str, Any]:
    labels = more.get("labels", {})
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": more.get("taints", [])}}


def run(world: World) -> None:
    """Be scheduler and agent: pods go where their affinity says."""
    for key, pod in list(world.table(PODS).objects.items()):
        if "deletionTimestamp" in pod["metadata"]:
            world.remove(PODS, key)
            world.table(PODS).objects.pop(key, None)
            world.revision += 1
        elif not pod["spec"].get("nodeName"):
            term = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            name = term["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            world.put(PODS, merge(pod, {"spec": {"nodeName": name}, "status": status}))


def on(world: World) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in world.table(PODS).list())


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


@pytest.mark.parametrize(
    ("spec", "obj", "expected"),
    [
        pytest.param({}, node("n"), (True, True), id="any"),
        pytest.param({"nodeSelector": {"c": "blue"}}, node("n"), (False, False), id="selector"),
        pytest.param(
            {"nodeSelector": {"c": "blue"}}, node("n", labels={"c": "blue"}), (True, True), id="selected"
        ),
        pytest.param(
            {},
            node("n", taints=[{"key": "k", "effect": "NoSchedule"}]),
            (False, True),
            id="no-new-pods-but-old-stay",
        ),
        pytest.param(
            {}, node("n", taints=[{"key": "k", "effect": "NoExecute"}]), (False, False), id="none-may-stay"
        ),
        pytest.param(
            {},
            node("n", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]),
            (True, True),
            id="lost-nodes-keep-theirs",
        ),
        pytest.param(
            affinity({"matchExpressions": [{"key": "c", "operator": "In", "values": ["a", "b"]}]}),
            node("n", labels={"c": "b"}),
            (True, True),
            id="affinity",
        ),
        pytest.param(
            affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]}),
            node("n"),
            (False, False),
            id="another-node",
        ),
        pytest.param(affinity({}), node("n"), (False, False), id="empty-term"),
    ],
)
def test_where(spec: Any, obj: Any, expected: tuple[bool, bool]) -> None:
    assert should_run(spec, obj) == expected


def test_one_pod_per_node_and_counts() -> None:
    world = World(daemonset)
    for name in ("a", "b"):
        world.put(NODES, node(name))
    world.put(DAEMONSETS, new_daemonset())
    world.settle(between=lambda: run(world))
    assert on(world) == ["a", "b"]
    status = world.table(DAEMONSETS).objects[KEY]["status"]
    assert {status[name] for name in ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")} == {
        2
    }
    world.put(NODES, node("c"))
    world.remove(NODES, Key("", "a"))
    world.settle(between=lambda: run(world))
    assert on(world) == ["b", "c"]


def test_a_failed_pod_is_replaced() -> None:
    world = World(daemonset)
    world.put(NODES, node("a"))
    world.put(DAEMONSETS, new_daemonset())
    world.settle(between=lambda: run(world))
    (key,) = world.table(PODS).objects
    world.change(PODS, key, {"status": {"phase": "Failed"}})
    world.settle(between=lambda: run(world))
    (after,) = world.table(PODS).objects
    assert after != key
    assert "FailedDaemonPod" in [record.reason for record in world.records]


def test_rolling_back_reuses_the_revision_and_spares_old_pods() -> None:
    world = World(daemonset)
    for name in ("a", "b", "c"):
        world.put(NODES, node(name))
    world.put(DAEMONSETS, new_daemonset())
    world.settle(between=lambda: run(world))
    before = set(world.table(PODS).objects)
    world.put(DAEMONSETS, new_daemonset("v2"))
    world.run(daemonset)
    world.run(daemonset)
    going = [p for p in world.table(PODS).list() if "deletionTimestamp" in p["metadata"]]
    assert len(going) == 1
    world.put(DAEMONSETS, new_daemonset("v1"))
    world.settle(between=lambda: run(world))
    assert len(before & set(world.table(PODS).objects)) == 2
    numbers = {r["metadata"]["name"]: r["revision"] for r in world.table(CONTROLLERREVISIONS).list()}
    assert sorted(numbers.values()) == [2, 3]


@given(st.lists(st.tuples(st.sampled_from(["add", "drop", "image", "kill"]), st.integers(0, 5)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_converges(steps: list[tuple[str, int]]) -> None:
    world = World(daemonset)
    world.put(DAEMONSETS, new_daemonset())
    names: set[str] = set()
    for step, number in steps:
        name = f"n{number}"
        if step == "add":
            names.add(name)
            world.put(NODES, node(name))
        elif step == "drop" and name in names:
            names.discard(name)
            world.remove(NODES, Key("", name))
        elif step == "image":
            world.put(DAEMONSETS, new_daemonset(f"v{number}"))
        elif step == "kill" and world.table(PODS).objects:
            world.remove(PODS, sorted(world.table(PODS).objects)[0])
        world.run(daemonset)
    world.settle(between=lambda: run(world))
    assert on(world) == sorted(names)
