"""How plugins rank nodes."""

from typing import Any

import pytest

from api.labels import from_map
from scheduler.plugins.image_locality import ImageLocality, full_name
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from scheduler.plugins.taint_toleration import TaintToleration
from tests.unit.scheduler.build import World, node, pod, spread

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("requests", "placed", "expected"),
    [
        # (4000-1000)/4000 = 75, (8192-2048)/8192 = 75
        pytest.param({"cpu": "1", "memory": "2Gi"}, None, 75, id="empty-node"),
        pytest.param({"cpu": "1", "memory": "2Gi"}, {"cpu": "1", "memory": "2Gi"}, 50, id="half-full"),
        # 100m and 200 MiB are assumed: 97 and 97
        pytest.param({}, None, 97, id="no-requests"),
        # cpu is overfull: 0; memory 75
        pytest.param({"cpu": "1", "memory": "2Gi"}, {"cpu": "4", "memory": "0"}, 37, id="overfull"),
    ],
)
def test_least_allocated(requests: Any, placed: Any, expected: int) -> None:
    others = [] if placed is None else [pod("old", "n1", requests=placed)]
    world = World([node("n1")], others)
    assert world.scores(NodeResourcesFit(), pod("new", requests=requests)) == {"n1": expected}


def test_a_resource_that_is_not_offered_does_not_count() -> None:
    world = World([node("n1", offers={"memory": "0"})])
    assert world.scores(NodeResourcesFit(), pod("new", requests={"cpu": "1"})) == {"n1": 75}


@pytest.mark.parametrize(
    ("requests", "placed", "expected"),
    [
        pytest.param({}, None, None, id="no-requests-no-score"),
        pytest.param({"cpu": "1", "memory": "2Gi"}, None, 100, id="balanced"),
        pytest.param({"cpu": "2"}, None, 75, id="lopsided"),
        pytest.param({"cpu": "2"}, {"memory": "4Gi"}, 100, id="becomes-balanced"),
        pytest.param({"cpu": "2"}, {"cpu": "9"}, 50, id="overfull-is-full"),
    ],
)
def test_balanced_allocation(requests: Any, placed: Any, expected: int | None) -> None:
    world = World([node("n1")], [pod("old", "n1", requests=placed)] if placed else [])
    found = world.scores(NodeResourcesBalancedAllocation(), pod("new", requests=requests))
    assert found == (None if expected is None else {"n1": expected})


def test_soft_taints_cost() -> None:
    nodes = [
        node("two", taints=[("a", "PreferNoSchedule"), ("b", "PreferNoSchedule")]),
        node("one", taints=[("a", "PreferNoSchedule")]),
        node("none"),
    ]
    world = World(nodes)
    assert world.scores(TaintToleration(), pod("new")) == {"two": 0, "one": 50, "none": 100}
    tolerant = pod("new", tolerations=[{"key": "b", "operator": "Exists"}])
    assert world.scores(TaintToleration(), tolerant) == {"two": 0, "one": 0, "none": 100}


def test_preferred_node_affinity() -> None:
    def prefer(weight: int, value: str) -> Any:
        wanted = [{"key": "disk", "operator": "In", "values": [value]}]
        return {"weight": weight, "preference": {"matchExpressions": wanted}}

    affinity = {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [prefer(8, "ssd"), prefer(2, "hdd")]
        }
    }
    world = World([node("a", {"disk": "ssd"}), node("b", {"disk": "hdd"}), node("c")])
    assert world.scores(NodeAffinity(), pod("new", affinity=affinity)) == {"a": 100, "b": 25, "c": 0}
    assert world.scores(NodeAffinity(), pod("new")) is None


def test_images_that_are_there() -> None:
    # 523 MB on one of two nodes counts half: 261.5 MB of 23..1000.
    world = World([node("a", images={"app:1": 523 * MB}), node("b")])
    assert world.scores(ImageLocality(), pod("new")) == {"a": 24, "b": 0}
    assert world.scores(ImageLocality(), pod("new", image="other")) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("app", "app:latest", id="plain"),
        pytest.param("host:5000/app", "host:5000/app:latest", id="port-is-no-tag"),
        pytest.param("app:1", "app:1", id="tag"),
        pytest.param("app@sha256:0", "app@sha256:0", id="digest"),
    ],
)
def test_image_names(name: str, expected: str) -> None:
    assert full_name(name) == expected


ZONES = [node("a1", {"zone": "a"}), node("a2", {"zone": "a"}), node("b1", {"zone": "b"})]


def test_soft_spread_prefers_the_emptier_zone() -> None:
    world = World(ZONES, [pod("p1", "a1", {"app": "web"}), pod("p2", "a2", {"app": "web"})])
    new = pod("new", labels={"app": "web"}, topologySpreadConstraints=[spread("zone", hard=False)])
    # Two pods weigh round(2 * ln 4) = 3 in zone a, none in b.
    assert world.scores(PodTopologySpread(), new) == {"a1": 0, "a2": 0, "b1": 100}


def test_soft_spread_ignores_nodes_without_the_label() -> None:
    world = World([*ZONES, node("bare")], [pod("p1", "bare", {"app": "web"})])
    new = pod("new", labels={"app": "web"}, topologySpreadConstraints=[spread("zone", hard=False)])
    assert world.scores(PodTopologySpread(), new) == {"a1": 100, "a2": 100, "b1": 100, "bare": 0}


def test_default_spread_of_a_service() -> None:
    selector = from_map({"app": "web"})
    world = World(ZONES, [pod("p1", "a1", {"app": "web"})])
    new = pod("new", labels={"app": "web"})
    assert world.scores(PodTopologySpread(), new) is None
    found = world.scores(PodTopologySpread(), new, default_selector=selector)
    assert found is not None
    assert found["a1"] < found["a2"] == found["b1"] == 100


def test_terminating_pods_do_not_count_for_spreading() -> None:
    world = World(ZONES, [pod("p1", "a1", {"app": "web"}, terminating=True)])
    new = pod("new", labels={"app": "web"}, topologySpreadConstraints=[spread("zone", hard=False)])
    assert world.scores(PodTopologySpread(), new) == {"a1": 100, "a2": 100, "b1": 100}


def test_images_of_volumes_count_like_those_of_containers() -> None:
    world = World([node("a", images={"data:1": 2000 * MB}), node("b")])
    new = pod("new", volumes=[{"name": "v", "image": {"reference": "data:1"}}])
    # Half of the nodes have it, so half of its size counts, of 2000 MB that two images may weigh.
    assert world.scores(ImageLocality(), new) == {"a": 49, "b": 0}
    other = pod("new", volumes=[{"name": "v", "image": {"reference": "other:1"}}])
    assert world.scores(ImageLocality(), other) is None
