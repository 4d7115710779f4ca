"""What is advised lets the pod run, and nothing smaller does. Random clusters, against every change tried."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from api.patch.json import apply_patch
from api.podspec import amounts
from scheduler.explain.advice import Advice, advise
from scheduler.explain.asking import Question, only
from tests.unit.scheduler.build import PROFILE, World, apart, near, node, pod, spread, term
from tests.unit.scheduler.clusters import examples
from tests.unit.scheduler.explain import brute


def advised(nodes: list[Any], placed: list[Any], new: Any, on: str = "") -> list[Advice]:
    """Return all advice, the smallest change first; check that the snapshot is left as it was."""
    world = World(nodes, placed, **brute.NAMESPACES)
    before = columns(world)
    pods: dict[str, list[Any]] = {}
    for each in placed:
        pods.setdefault(each["spec"]["nodeName"], []).append(each)
    among = only(world.snapshot, [world.snapshot.index[on]]) if on else None
    question = Question(world.cycle(new), PROFILE)
    found = [each for each in advise(question, lambda name: pods.get(name, []), among) if each is not None]
    assert columns(world) == before
    return sorted(found, key=lambda each: each.rank)


def columns(world: World) -> Any:
    snapshot = world.snapshot
    arrays = [*snapshot.allocatable.values(), *snapshot.requested.values(), snapshot.unschedulable]
    rows = {name: [int(array[slot]) for array in arrays] for name, slot in snapshot.index.items()}
    return rows, set(snapshot.pods), [each for each in snapshot.nodes if each is not None]


LABELS = st.fixed_dictionaries(
    {}, optional={"zone": st.sampled_from("ab"), "disk": st.sampled_from(["ssd", "hdd"])}
)
TAINTS = st.lists(
    st.tuples(st.sampled_from(["gpu", "team"]), st.sampled_from(["NoSchedule", "NoExecute"])),
    max_size=2,
    unique=True,
)


@st.composite
def some_nodes(draw: st.DrawFn) -> list[Any]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        offers = {
            "cpu": draw(st.sampled_from(["1", "2", "3500m"])),
            "pods": draw(st.sampled_from(["3", "9"])),
        }
        taints = draw(TAINTS) if draw(st.integers(0, 2)) == 0 else []
        cordoned = draw(st.integers(0, 3)) == 0
        if cordoned:
            taints = [*taints, (brute.CORDON, "NoSchedule")]
        found.append(node(f"n{number}", draw(LABELS), offers=offers, taints=taints, unschedulable=cordoned))
    return found


REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["300m", "1", "2300m", "4"]),
        "memory": st.sampled_from(["1Gi", "5Gi", "9Gi"]),
    },
)
EXPRESSIONS = st.lists(
    st.sampled_from(
        [
            {"key": "zone", "operator": "In", "values": ["a"]},
            {"key": "disk", "operator": "In", "values": ["ssd"]},
            {"key": "disk", "operator": "Exists"},
            {"key": "zone", "operator": "DoesNotExist"},
        ]
    ),
    min_size=1,
    max_size=3,
)
PORT = {"containerPort": 80, "hostPort": 80}
APPS = st.sampled_from(["web", "db"])
DEMANDS = ["ports", "selector", "affinity", "near", "apart", "spread", "tolerations"]


@st.composite
def placed_pods(draw: st.DrawFn, name: str, names: list[str]) -> Any:
    more: dict[str, Any] = {"requests": draw(REQUESTS), "priority": draw(st.integers(0, 1))}
    if draw(st.integers(0, 2)) == 0:
        more["ports"] = [PORT]
    if draw(st.integers(0, 5)) == 0:
        more["affinity"] = apart(term("kubernetes.io/hostname", draw(APPS)))
    return pod(name, draw(st.sampled_from(names)), {"app": draw(APPS)}, **more)


@st.composite
def new_pods(draw: st.DrawFn) -> Any:
    """Return a pod with a few demands: with many, no single change would help."""
    more: dict[str, Any] = {"affinity": {}, "requests": draw(REQUESTS) if draw(st.booleans()) else {}}
    for demand in draw(st.lists(st.sampled_from(DEMANDS), max_size=2, unique=True)):
        match demand:
            case "ports":
                more["ports"] = [PORT, {"containerPort": 81, "hostPort": 81}][: draw(st.integers(1, 2))]
            case "selector":
                more["nodeSelector"] = draw(LABELS)
            case "affinity":
                terms = [
                    {"matchExpressions": each} for each in draw(st.lists(EXPRESSIONS, min_size=1, max_size=2))
                ]
                more["affinity"]["nodeAffinity"] = {brute.REQUIRED: {"nodeSelectorTerms": terms}}
            case "near":
                more["affinity"] |= near(term("zone", "web"), term("disk", "web"))
            case "apart":
                more["affinity"] |= apart(term("zone", "web"), term("kubernetes.io/hostname", "db"))
            case "spread":
                policy = draw(st.sampled_from(["Honor", "Ignore"]))
                zones = spread("zone", nodeTaintsPolicy=policy, minDomains=draw(st.integers(1, 3)))
                both = [zones, spread("kubernetes.io/hostname")]
                more["topologySpreadConstraints"] = both[: draw(st.integers(1, 2))]
            case "tolerations":
                more["tolerations"] = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    return pod("new", "", {"app": draw(APPS)}, **more)


@st.composite
def stuck(draw: st.DrawFn) -> brute.Case:
    """A cluster and a pod that no node of it takes."""
    nodes = draw(some_nodes())
    names = [each["metadata"]["name"] for each in nodes]
    placed = [draw(placed_pods(f"p{number}", names)) for number in range(draw(st.integers(0, 6)))]
    new = draw(new_pods())
    assume(not brute.fits((nodes, placed, new)))
    return nodes, placed, new


def after(advice: Advice, nodes: list[Any], placed: list[Any], new: Any) -> brute.Case:
    """Return the cluster and the pod with the change made."""
    match advice.kind:
        case "Uncordon":
            changed = [brute.uncordoned(n) if n["metadata"]["name"] == advice.node else n for n in nodes]
            return changed, placed, new
        case "FreeRoom":
            gone = {each["metadata"]["uid"] for each in advice.delete}
            return nodes, [each for each in placed if each["metadata"]["uid"] not in gone], new
        case "AddNode":
            like = next(each for each in nodes if each["metadata"]["name"] == advice.node)
            like = brute.uncordoned(like)
            labels = {**like["metadata"]["labels"], "kubernetes.io/hostname": "one-more"}
            return [*nodes, {**like, "metadata": {"name": "one-more", "labels": labels}}], placed, new
    return nodes, placed, apply_patch(new, list(advice.patch))


def smaller(
    than: tuple[bool, Fraction], nodes: list[Any], placed: list[Any], new: Any
) -> Iterator[tuple[str, brute.Case]]:
    """Yield every smaller change, as the cluster and the pod that come of it."""
    for kind, size, changed in brute.pod_edits(new, nodes):
        if (False, size) < than:
            yield kind, (nodes, placed, changed)
    for each in nodes:
        if each["spec"].get("unschedulable") and (True, Fraction(0)) < than:
            others = [brute.uncordoned(other) if other is each else other for other in nodes]
            yield "Uncordon", (others, placed, new)
        name = each["metadata"]["name"]
        here = [other for other in placed if other["spec"]["nodeName"] == name]
        share = brute.share_to_free(each, here, new)
        # What other pods attract may be lost with them: then it matters which are deleted.
        attracted = "podAffinity" in (new["spec"].get("affinity") or {})
        if share and not attracted and (True, share) < than:
            for left in brute.some_gone(placed, name):
                yield f"FreeRoom {name}", (nodes, left, new)


@examples(250)
@given(stuck())
def test_advice_helps_and_nothing_smaller_does(case: brute.Case) -> None:
    found = advised(*case)
    for each in found:
        event(each.kind)
        where = brute.fits(after(each, *case))
        assert where, each.text
        if each.patch:
            assert len(where) == each.nodes
            assert each.node in where
        else:
            assert each.node in where or "one-more" in where
    event(f"first: {found[0].kind}" if found else "none")
    first = (not found[0].patch, found[0].size) if found else (True, Fraction(2))
    for kind, changed in smaller(first, *case):
        where = brute.fits(changed)
        if kind.startswith("FreeRoom"):
            where &= {kind.split()[1]}
            # Room for something else than resources has been made: that is no change of the family.
            where -= blocked_otherwise(*case)
        assert not where, (kind, changed[2]["spec"], found)


def blocked_otherwise(nodes: list[Any], placed: list[Any], new: Any) -> set[str]:
    """Return the nodes that refuse the pod even if it asks for nothing and there is room for one more."""
    roomy = []
    for each in nodes:
        offers = {**each["status"]["allocatable"], "pods": "99"}
        roomy.append({**each, "status": {"allocatable": offers}})
    free = pod(
        "new", "", new["metadata"]["labels"], **{k: v for k, v in new["spec"].items() if k != "containers"}
    )
    free["spec"]["containers"] = [{**new["spec"]["containers"][0], "resources": {}}]
    offered = {each["metadata"]["name"]: amounts(each["status"]["allocatable"]) for each in nodes}
    asked = amounts((new["spec"]["containers"][0].get("resources") or {}).get("requests"))
    never = {name for name, has in offered.items() if any(has[key] < asked[key] for key in asked)}
    return set(offered) - brute.fits((roomy, placed, free)) | never


def texts(found: list[Advice]) -> list[str]:
    return [each.text for each in found]


BIG = pod("big", requests={"cpu": "4"})


@pytest.mark.parametrize(
    ("nodes", "placed", "new", "expected"),
    [
        pytest.param(
            [node("a"), node("b", offers={"cpu": "6"})],
            [pod("p", "b", requests={"cpu": "2500m"})],
            pod("new", requests={"cpu": "5"}),
            [
                "lower the cpu request of container main from 5 to 4",
                "free 1500m cpu on b by deleting 1 pod",
                "add a node like b",
            ],
            id="a-request",
        ),
        pytest.param(
            [node("a", {"disk": "hdd"})],
            [],
            pod("new", nodeSelector={"disk": "ssd"}),
            ["drop disk=ssd from nodeSelector"],
            id="a-node-selector",
        ),
        pytest.param(
            [node("a", taints=[("gpu", "NoSchedule"), ("gpu", "NoExecute")])],
            [],
            pod("new"),
            ["tolerate the taint gpu"],
            id="one-toleration-of-both-effects",
        ),
        pytest.param(
            [node("a", unschedulable=True, taints=[(brute.CORDON, "NoSchedule")])],
            [],
            pod("new"),
            ["uncordon a", "add a node like a"],
            id="a-cordoned-node",
        ),
        pytest.param(
            [node("a", {"zone": "x"}), node("b", {"zone": "y"}, taints=[("t", "NoSchedule")])],
            [pod(f"p{number}", "a", {"app": "web"}) for number in range(3)],
            pod("new", labels={"app": "web"}, topologySpreadConstraints=[spread("zone")]),
            [
                "raise maxSkew of the spread constraint over zone from 1 to 4",
                "make the spread constraint over zone soft (ScheduleAnyway)",
                "tolerate the taint t:NoSchedule",
            ],
            id="spread",
        ),
        pytest.param(
            [node("a")],
            [pod("p", "a", ports=[PORT])],
            pod("new", ports=[PORT]),
            ["remove host port 80", "add a node like a"],
            id="a-host-port",
        ),
        pytest.param(
            [node("a", offers={"cpu": "1"}, taints=[("t", "NoSchedule")])], [], BIG, [], id="nothing"
        ),
        pytest.param([], [], BIG, [], id="no-nodes"),
    ],
)
def test_in_words(nodes: list[Any], placed: list[Any], new: Any, expected: list[str]) -> None:
    assert sorted(texts(advised(nodes, placed, new))) == sorted(expected)


def test_the_order() -> None:
    nodes = [node("a", {"zone": "x"}, offers={"cpu": "3"}), node("b", {"zone": "y"})]
    new = pod("new", requests={"cpu": "4"}, nodeSelector={"zone": "x"})
    found = advised(nodes, [], new)
    assert texts(found) == [
        "lower the cpu request of container main from 4 to 3",
        "drop zone=x from nodeSelector",
    ]
    assert [each.size for each in found] == [Fraction(1, 4), Fraction(1)]


def test_a_pod_of_several_containers() -> None:
    new = pod("new", requests={"cpu": "3"})
    second = {"name": "side", "image": "app:1", "resources": {"requests": {"cpu": "1500m"}}}
    new["spec"]["containers"].append(second)
    assert texts(advised([node("a")], [], new)) == [
        "lower the cpu request of container main from 3 to 2500m",
        "lower the cpu request of container side from 1500m to 1",
    ]


def test_extended_resources_change_in_both_places() -> None:
    gpu = "example.com/gpu"
    new = pod("new", requests={gpu: "4"})
    new["spec"]["containers"][0]["resources"]["limits"] = {gpu: "4"}
    (first,) = advised([node("a", offers={gpu: "3"})], [], new)
    assert first.text == "lower the example.com/gpu request of container main from 4 to 3"
    assert [each["path"] for each in first.patch] == [
        "/spec/containers/0/resources/requests/example.com~1gpu",
        "/spec/containers/0/resources/limits/example.com~1gpu",
    ]


def test_which_pods_make_room() -> None:
    """The unimportant first; of those as few as will do."""
    placed = [
        pod("vip", "a", requests={"cpu": "2"}, priority=9),
        pod("small", "a", requests={"cpu": "200m"}),
        pod("large", "a", requests={"cpu": "1"}),
        pod("other", "a", requests={"cpu": "500m"}),
    ]
    found = {each.kind: each for each in advised([node("a")], placed, pod("new", requests={"cpu": "1"}))}
    assert [each["metadata"]["name"] for each in found["FreeRoom"].delete] == ["large"]
    assert found["FreeRoom"].size == Fraction(700, 4000)


def test_the_node_that_lacks_least() -> None:
    nodes = [node(f"n{number}") for number in range(6)]
    sizes = ["3500m", "3", "2900m", "1500m", "2500m", "3200m"]
    placed = [pod(f"p{number}", f"n{number}", requests={"cpu": size}) for number, size in enumerate(sizes)]
    found = advised(nodes, placed, pod("new", requests={"cpu": "3"}))
    assert [each.node for each in found if each.kind == "FreeRoom"] == ["n3", "n4", "n2"]
    assert [each.node for each in found if each.kind == "LowerRequest"] == ["n3"]


def test_on_one_node() -> None:
    nodes = [node("a", offers={"cpu": "2"}), node("b", {"zone": "x"}, taints=[("t", "NoSchedule")])]
    new = pod("new", requests={"cpu": "3"})
    assert texts(advised(nodes, [], new, on="a")) == ["lower the cpu request of container main from 3 to 2"]
    assert texts(advised(nodes, [], new, on="b")) == ["tolerate the taint t:NoSchedule"]


def test_many_sorts_of_nodes_are_not_all_tried() -> None:
    nodes = [node(f"n{number}", {"serial": str(number)}, offers={"cpu": "1"}) for number in range(300)]
    found = advised(nodes, [], pod("new", requests={"cpu": "2"}))
    assert texts(found) == ["lower the cpu request of container main from 2 to 1"]
    assert np.all([each.nodes == 300 for each in found])
