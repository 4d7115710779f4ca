"""What each argument of a plugin changes."""

from typing import Any

import numpy as np
import pytest

from api.labels import from_map
from scheduler.configuration.arguments import with_defaults
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.profiles import REGISTRY
from tests.unit.scheduler.build import World, near, node, pod, spread, term

GPU = "example.com/gpu"


def plugin(name: str, **args: Any) -> Any:
    return REGISTRY[name].make(with_defaults(name, args))


def curve(*points: tuple[int, int], **more: Any) -> Any:
    shape = [{"utilization": use, "score": score} for use, score in points]
    strategy = {"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": shape}, **more}
    return plugin("NodeResourcesFit", scoringStrategy=strategy)


def strategy(kind: str, **weights: int) -> Any:
    names = {"gpu": GPU, "disk": "ephemeral-storage"}
    resources = [{"name": names.get(name, name), "weight": weight} for name, weight in weights.items()]
    return plugin("NodeResourcesFit", scoringStrategy={"type": kind, "resources": resources})


@pytest.mark.parametrize(
    ("args", "reasons"),
    [
        pytest.param({}, {"n1": (f"Insufficient {GPU}", True)}, id="counted"),
        pytest.param({"ignoredResources": [GPU]}, {}, id="ignored"),
        pytest.param({"ignoredResourceGroups": ["example.com"]}, {}, id="group-ignored"),
        pytest.param(
            {"ignoredResourceGroups": ["example"]}, {"n1": (f"Insufficient {GPU}", True)}, id="other"
        ),
    ],
)
def test_ignored_resources(args: Any, reasons: Any) -> None:
    world = World([node("n1")])
    assert world.refused(plugin("NodeResourcesFit", **args), pod("new", requests={GPU: "1"})) == reasons


def test_native_resources_are_never_ignored() -> None:
    fit = plugin("NodeResourcesFit", ignoredResources=["cpu"])
    assert World([node("n1")]).refused(fit, pod("new", requests={"cpu": "5"})) == {
        "n1": ("Insufficient cpu", True)
    }


# A node offers 4 CPUs, 8 GiB and 8 devices.
QUARTER_AND_HALF = {"cpu": "1", "memory": "4Gi"}


@pytest.mark.parametrize(
    ("fit", "requests", "score"),
    [
        pytest.param(strategy("LeastAllocated", cpu=1, memory=1), QUARTER_AND_HALF, 62, id="least"),
        pytest.param(strategy("LeastAllocated", cpu=3, memory=1), QUARTER_AND_HALF, 68, id="weights"),
        pytest.param(strategy("MostAllocated", cpu=1, memory=1), QUARTER_AND_HALF, 37, id="most"),
        pytest.param(strategy("MostAllocated", cpu=1), {"cpu": "5"}, 100, id="overfull-is-full"),
        pytest.param(strategy("MostAllocated", gpu=1), {GPU: "2"}, 25, id="devices"),
        pytest.param(strategy("MostAllocated", gpu=1, cpu=1), {"cpu": "1"}, 25, id="devices-not-asked-for"),
        pytest.param(strategy("MostAllocated", gpu=1), {"cpu": "1"}, 0, id="nothing-that-counts"),
        pytest.param(strategy("MostAllocated", disk=1, cpu=1), {"cpu": "1"}, 25, id="disk-not-offered"),
        pytest.param(curve((0, 0), (100, 10)), QUARTER_AND_HALF, 38, id="a-line-up-rounded"),
        pytest.param(curve((0, 10), (100, 0)), {"cpu": "3", "memory": "6Gi"}, 25, id="a-line-down"),
        # 25 % is a quarter of the way from 100 to 30: 83 after rounding towards zero
        pytest.param(
            curve((0, 10), (100, 3), resources=[{"name": "cpu"}]), {"cpu": "1"}, 83, id="rounded-towards-zero"
        ),
        pytest.param(curve((30, 2), (60, 8)), {"cpu": "1", "memory": "2Gi"}, 20, id="before-the-first-point"),
        pytest.param(curve((30, 2), (60, 8)), {"cpu": "4", "memory": "8Gi"}, 80, id="after-the-last-point"),
        # The memory's score of 0 does not count towards the average.
        pytest.param(
            curve((0, 0), (50, 0), (100, 10)), {"cpu": "3", "memory": "2Gi"}, 50, id="zeros-are-left-out"
        ),
    ],
)  # fmt: skip
def test_strategies(fit: Any, requests: Any, score: int) -> None:
    world = World([node("n1", offers={GPU: "8"})])
    assert world.scores(fit, pod("new", requests=requests)) == {"n1": score}


@pytest.mark.parametrize(
    ("requests", "score"),
    [
        # 25 %, 25 %, 25 %
        pytest.param({"cpu": "1", "memory": "2Gi", GPU: "2"}, 100, id="three-alike"),
        # 50 %, 25 %, 0 %: a deviation of 0.204
        pytest.param({"cpu": "2", "memory": "2Gi", GPU: "0"}, 87, id="devices-not-asked-for"),
        pytest.param({"cpu": "2", "memory": "2Gi", GPU: "1"}, 84, id="three-different"),
        pytest.param({"cpu": "1"}, 87, id="two-count"),
        pytest.param({}, None, id="none-asked-for"),
    ],
)
def test_balanced_over_three(requests: Any, score: int | None) -> None:
    world = World([node("n1", offers={GPU: "8"})])
    resources = [{"name": name} for name in ("cpu", "memory", GPU)]
    balanced = plugin("NodeResourcesBalancedAllocation", resources=resources)
    found = world.scores(balanced, pod("new", requests=requests))
    assert found == (None if score is None else {"n1": score})


ADDED = "node(s) didn't match scheduler-enforced node affinity"
OWN = "node(s) didn't match Pod's node affinity/selector"


def test_added_affinity_counts_for_every_pod() -> None:
    world = World([node("a", {"disk": "ssd"}), node("b", {"disk": "hdd"}), node("c", {"zone": "x"})])
    terms = [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]
    added = plugin(
        "NodeAffinity",
        addedAffinity={"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}},
    )
    assert world.refused(added, pod("plain")) == {"c": (ADDED, True)}
    picky = pod("picky", nodeSelector={"disk": "ssd"})
    assert world.refused(added, picky) == {"b": (OWN, True), "c": (ADDED, True)}
    world.snapshot.set_node(node("c", {"disk": "new"}))
    assert world.refused(added, pod("plain")) == {}


def test_added_preferences_add_up_with_the_pods_own() -> None:
    def wish(weight: int, key: str) -> Any:
        return {
            "weight": weight,
            "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]},
        }

    world = World([node("a", {"x": ""}), node("b", {"y": ""}), node("c")])
    kind = "preferredDuringSchedulingIgnoredDuringExecution"
    added = plugin("NodeAffinity", addedAffinity={kind: [wish(10, "x")]})
    assert world.scores(added, pod("plain")) == {"a": 100, "b": 0, "c": 0}
    own = pod("own", affinity={"nodeAffinity": {kind: [wish(40, "y")]}})
    assert world.scores(added, own) == {"a": 25, "b": 100, "c": 0}


@pytest.mark.parametrize(
    ("args", "scores"),
    [
        pytest.param({}, {"a": 100, "b": 50, "c": 0}, id="by-default"),
        pytest.param({"hardPodAffinityWeight": 3}, {"a": 66, "b": 100, "c": 0}, id="hard-weighs-more"),
        pytest.param({"hardPodAffinityWeight": 0}, {"a": 100, "b": 0, "c": 0}, id="hard-weighs-nothing"),
        pytest.param({"ignorePreferredTermsOfExistingPods": True}, None, id="others-are-ignored"),
    ],
)  # fmt: skip
def test_inter_pod_affinity(args: Any, scores: Any) -> None:
    wish = {"weight": 2, "podAffinityTerm": term("zone", "web")}
    wishes = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    placed = [
        pod("wishes", "a", affinity=wishes),
        pod("wants", "b", {"app": "db"}, affinity=near(term("zone", "web"))),
    ]
    world = World([node("a", {"zone": "1"}), node("b", {"zone": "2"}), node("c")], placed)
    affinity = plugin("InterPodAffinity", **args)
    assert world.scores(affinity, pod("new", labels={"app": "web"})) == scores


def test_ignoring_others_wishes_does_not_ignore_ones_own() -> None:
    wish = {"weight": 1, "podAffinityTerm": term("zone", "db")}
    own = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    placed = [pod("db", "a", {"app": "db"})]
    world = World([node("a", {"zone": "1"}), node("b", {"zone": "2"})], placed)
    affinity = plugin("InterPodAffinity", ignorePreferredTermsOfExistingPods=True)
    assert world.scores(affinity, pod("new", affinity=own)) == {"a": 100, "b": 0}


def spread_by(*constraints: Any) -> Any:
    for each in constraints:
        each.pop("labelSelector", None)
    return plugin("PodTopologySpread", defaultingType="List", defaultConstraints=list(constraints))


WEB = from_map({"app": "web"})


def test_listed_defaults_refuse_and_score() -> None:
    placed = [pod(f"p{number}", "a", {"app": "web"}) for number in range(2)]
    world = World([node("a", {"zone": "1"}), node("b", {"zone": "2"}), node("c")], placed)
    by_zone = spread_by(spread("zone", 1))
    new = pod("new", labels={"app": "web"})
    found = world.refused(by_zone, new, default_selector=WEB)
    text = "node(s) didn't match pod topology spread constraints"
    assert found == {"a": (text, False), "c": (f"{text} (missing required label)", True)}
    assert world.refused(by_zone, new) == {}
    soft = spread_by(spread("zone", 1, hard=False))
    # Nodes without the label are ignored, other than with the system's constraints.
    assert world.scores(soft, new, default_selector=WEB) == {"a": 0, "b": 100, "c": 0}
    own = pod("own", topologySpreadConstraints=[spread("rack", hard=False)])
    assert world.refused(by_zone, own, default_selector=WEB) == {}


def test_no_defaults() -> None:
    world = World([node("a"), node("b")], [pod("old", "a", {"app": "web"})])
    assert world.scores(spread_by(), pod("new", labels={"app": "web"}), default_selector=WEB) is None


def test_the_systems_constraints_count_nodes_without_a_zone_as_one() -> None:
    placed = [pod(f"p{number}", "a", {"app": "web"}) for number in range(5)]
    nodes = [node("a", {"topology.kubernetes.io/zone": "1"}), node("b"), node("c")]
    found = World(nodes, placed).scores(
        plugin("PodTopologySpread"), pod("new", labels={"app": "web"}), default_selector=WEB
    )
    # a: 5 ln 5 + 2 by host, 5 ln 4 + 4 by zone: 21; the others 2: no zone costs nothing
    assert found == {"a": 9, "b": 100, "c": 100}


@pytest.mark.parametrize(
    ("args", "nodes", "enough"),
    [
        pytest.param({}, 5000, 500, id="a-tenth"),
        pytest.param({}, 200, 100, id="a-hundred-at-least"),
        pytest.param({}, 7, 7, id="all-there-are"),
        pytest.param(
            {"minCandidateNodesPercentage": 50, "minCandidateNodesAbsolute": 1}, 9, 4, id="half-rounded-down"
        ),
    ],
)
def test_candidates_of_preemption(args: Any, nodes: int, enough: int) -> None:
    found = plugin("DefaultPreemption", **args)
    assert isinstance(found, DefaultPreemption)
    assert found.candidates(nodes) == enough


def test_curves_have_a_value_for_each_per_cent() -> None:
    found = curve((0, 0), (50, 10), (100, 5)).strategy.curve
    assert (len(found), found[25], found[50], found[75]) == (101, 50, 100, 75)
    assert isinstance(found, np.ndarray)
