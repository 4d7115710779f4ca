"""What functions of users see of pods and nodes."""

from typing import Any

import numpy as np
import pytest

from pelamis import plugins
from scheduler.kept import Kept
from scheduler.python_plugins.view import NodesView, NodeView, NotKept, PodView
from tests.unit.scheduler.build import World, node, pod

POD = pod(
    "a",
    labels={"app": "web"},
    requests={"cpu": "250m", "memory": "1Gi", "nvidia.com/gpu": "2"},
    owner=("ReplicaSet", "web"),
    priority=7,
    tolerations=[{"key": "x", "operator": "Exists"}],
    volumes=[{"name": "kube-api-access-4x7wp"}],
)


def _world() -> World:
    return World(
        [
            node("n1", {"rack": "r1", "price": "0.5"}, offers={"nvidia.com/gpu": "4"}),
            node("n2", {"rack": "r1", "price": "dear"}, taints=[("x", "NoSchedule")], unschedulable=True),
            node("n3"),
        ],
        [
            pod("p1", on="n1", labels={"app": "web"}, requests={"cpu": "1500m"}, owner=("ReplicaSet", "web")),
            pod("p2", on="n2", labels={"app": "web"}, owner=("ReplicaSet", "web")),
            pod("p3", on="n2", labels={"app": "web"}, owner=("ReplicaSet", "web"), terminating=True),
            pod("p4", on="n3", labels={"app": "db"}),
        ],
    )


def _pod_view(given: Any = POD) -> PodView:
    return PodView(given, World([]).shapes.of(given))


def _node_view(world: World, name: str, node_only: bool = False) -> NodeView:
    slot = world.snapshot.index[name]
    found = world.snapshot.nodes[slot]
    assert found is not None
    return NodeView(world.snapshot, slot, found, node_only)


def test_views_keep_the_public_promises():
    world = _world()
    one: plugins.Pod = _pod_view()
    two: plugins.Node = _node_view(world, "n1")
    all_of_them: plugins.Nodes = NodesView(world.snapshot, world.kept, False)
    assert (one.namespace, two.name, len(all_of_them)) == ("default", "n1", 3)


def test_a_pod():
    view = _pod_view()
    assert (view.namespace, view.owner, view.priority) == ("default", ("ReplicaSet", "web"), 7)
    assert dict(view.labels) == {"app": "web"}
    assert view.request("cpu") == 0.25
    assert view.request("memory") == 2**30
    assert view.request("nvidia.com/gpu") == 2
    assert view.request("nothing") == 0
    assert view.spec["tolerations"][0]["key"] == "x"
    assert view.spec["containers"][0]["image"] == "app:1"
    assert "volumes" not in view.spec


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda view: view.labels.update(a="b"), id="labels"),
        pytest.param(lambda view: view.annotations.update(a="b"), id="annotations"),
        pytest.param(lambda view: view.spec.update(a="b"), id="spec"),
        pytest.param(lambda view: view.spec["tolerations"].append({}), id="list-in-spec"),
        pytest.param(lambda view: view.spec["containers"][0].clear(), id="deep-in-spec"),
    ],
)
def test_a_pod_cannot_be_changed(change):
    with pytest.raises(AttributeError, match="has no attribute"):
        change(_pod_view())


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"name": "b", "uid": "b"}, True, id="name"),
        pytest.param({"annotations": {"example.com/x": "1"}}, False, id="annotation"),
        pytest.param(
            {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            True,
            id="last-applied",
        ),
    ],
)
def test_answers_are_kept_for_what_is_shown(change, same):
    other = {**POD, "metadata": {**POD["metadata"], **change}}
    assert (_pod_view(other).key == _pod_view().key) is same


@pytest.mark.parametrize(("change", "same"), [({"priority": 8}, False), ({"volumes": []}, True)])
def test_answers_are_kept_for_the_spec_that_is_shown(change, same):
    other = {**POD, "spec": {**POD["spec"], **change}}
    assert (_pod_view(other).key == _pod_view().key) is same


def test_a_node():
    world = _world()
    one, two = _node_view(world, "n1"), _node_view(world, "n2")
    assert one.labels["rack"] == "r1"
    assert (one.allocatable("cpu"), one.used("cpu"), one.free("cpu")) == (4, 1.5, 2.5)
    assert one.free("nvidia.com/gpu") == 4
    assert one.free("nothing") == 0
    assert [(p.namespace, p.owner, p.terminating, p.request("cpu")) for p in one.pods] == [
        ("default", ("ReplicaSet", "web"), False, 1.5)
    ]
    assert [p.terminating for p in two.pods] == [False, True]
    assert two.taints[0]["key"] == "x"
    assert (one.unschedulable, two.unschedulable) == (False, True)
    assert dict(one.annotations) == {}


@pytest.mark.parametrize(
    "look", [lambda n: n.pods, lambda n: n.used("cpu"), lambda n: n.free("cpu")], ids=["pods", "used", "free"]
)
def test_what_pods_change_is_not_for_node_only(look):
    with pytest.raises(NotKept, match="is not there for a function that is marked node_only"):
        look(_node_view(_world(), "n1", node_only=True))


def test_all_nodes():
    world = _world()
    world.snapshot.set_node(node("gone"))
    world.snapshot.remove_node("gone")
    nodes = NodesView(world.snapshot, world.kept, False)
    assert list(nodes.names) == ["n1", "n2", "n3"]
    assert list(nodes.unschedulable) == [False, True, False]
    assert list(nodes.label("rack")) == ["r1", "r1", ""]
    assert list(nodes.label("rack", "none")) == ["r1", "r1", "none"]
    assert list(nodes.label("unheard-of")) == ["", "", ""]
    assert list(nodes.number("price", 9)) == [0.5, 9, 9]
    assert list(nodes.allocatable("cpu")) == [4, 4, 4]
    assert list(nodes.used("cpu")) == [1.5, 0, 0]
    assert list(nodes.free("cpu")) == [2.5, 4, 4]
    assert list(nodes.free("nothing")) == [0, 0, 0]
    assert list(nodes.count(lambda other: other.labels["app"] == "web")) == [1, 1, 0]
    assert list(nodes.sum_by("rack", [1, 2, 3])) == [3, 3, 3]
    assert list(nodes.feasible) == [True, True, True]
    assert [each.name for each in nodes] == ["n1", "n2", "n3"]
    assert nodes[1].name == "n2"


def test_counts_follow_pods():
    world = _world()

    def counts() -> list[int]:
        nodes = NodesView(world.snapshot, world.kept, False)
        return [int(count) for count in nodes.count(lambda other: other.owner == ("ReplicaSet", "web"))]

    assert counts() == [1, 1, 0]
    world.place(pod("p5", on="n3", labels={"app": "web"}, owner=("ReplicaSet", "web")))
    assert counts() == [1, 1, 1]
    world.snapshot.remove_pod("p1")
    assert counts() == [0, 1, 1]


def test_all_nodes_feasible():
    world = _world()
    mask = world.snapshot.alive & (np.arange(len(world.snapshot.alive)) != 1)
    assert list(NodesView(world.snapshot, world.kept, False, mask).feasible) == [True, False, True]


@pytest.mark.parametrize(
    "look",
    [
        lambda n: n.feasible, lambda n: n.used("cpu"), lambda n: n.free("cpu"), lambda n: n.count(bool),
        lambda n: n[0].pods,
    ],
    ids=["feasible", "used", "free", "count", "pods"],
)  # fmt: skip
def test_what_pods_change_is_not_for_vectorised_node_only(look):
    with pytest.raises(NotKept):
        look(NodesView(_world().snapshot, Kept(), True))


def test_arrays_are_the_functions_own():
    world = _world()
    NodesView(world.snapshot, world.kept, False).allocatable("memory")[:] = 0
    NodesView(world.snapshot, world.kept, False).unschedulable[:] = True
    assert world.snapshot.allocatable["memory"][0] == 8 * 2**30
    assert not world.snapshot.unschedulable[0]
