"""The decision: the best node, ties, and why there is none."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decide import schedule, with_preemption
from scheduler.framework import Placement, Unschedulable
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL
from tests.unit.scheduler.build import PROFILE, World, apart, node, pod, spread, term

ALONE = {"cpu": "3"}


def told(failure: Unschedulable, nodes: int) -> str:
    """Return the whole message where no pod has a lower priority."""
    if not nodes:
        return failure.message
    curable = int(failure.curable.sum())
    counts = {NO_VICTIMS: curable, NOT_HELPFUL: nodes - curable}
    return with_preemption(failure, nodes, {why: count for why, count in counts.items() if count})


@pytest.mark.parametrize(
    ("nodes", "placed", "new", "message"),
    [
        pytest.param([], [], {}, "no nodes available to schedule pods", id="no-nodes"),
        pytest.param(
            [node("a"), node("b")],
            [],
            {"requests": {"cpu": "5"}},
            "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: "
            "2 Preemption is not helpful for scheduling.",
            id="never",
        ),
        pytest.param(
            [node("a")],
            [pod("old", "a", requests=ALONE)],
            {"requests": ALONE},
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 No preemption victims found for incoming pod.",
            id="not-now",
        ),
        pytest.param(
            [node("a", taints=[("x", "NoSchedule")]), node("b", unschedulable=True), node("c")],
            [pod("old", "c", requests=ALONE)],
            {"requests": {"cpu": "3", "memory": "100Gi"}},
            "0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
            "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. "
            "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            id="many-reasons",
        ),
        pytest.param(
            [node("a", {"zone": "a"}), node("b")],
            [pod("old", "a", {"app": "web"})],
            {"topologySpreadConstraints": [spread("zone", minDomains=2), spread("kubernetes.io/hostname")],
             "labels": {"app": "web"}},
            "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, "
            "1 node(s) didn't match pod topology spread constraints (missing required label). "
            "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
            "1 Preemption is not helpful for scheduling.",
            id="one-reason-per-node-from-spreading",
        ),
        pytest.param(
            [node("a")],
            [pod("old", "a", {"app": "web"})],
            {"affinity": apart(term("kubernetes.io/hostname"))},
            "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            id="anti-affinity",
        ),
        pytest.param(
            [node("a")],
            [pod("old", "a", affinity=apart(term("kubernetes.io/hostname")))],
            {"labels": {"app": "web"}},
            "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            id="unwilling-neighbour",
        ),
    ],
)  # fmt: skip
def test_messages(nodes: Any, placed: Any, new: Any, message: str) -> None:
    found = World(nodes, placed).decide(pod("new", **new))
    assert isinstance(found, Unschedulable)
    assert told(found, len(nodes)) == message


def test_the_plugins_that_refused_are_named() -> None:
    world = World([node("a", taints=[("x", "NoSchedule")]), node("b")])
    found = world.decide(pod("new", requests={"cpu": "5"}))
    assert isinstance(found, Unschedulable)
    assert found.plugins == {"TaintToleration", "NodeResourcesFit"}


def test_the_emptier_node_wins() -> None:
    world = World([node("a"), node("b")], [pod("old", "a", requests=ALONE)])
    found = world.decide(pod("new", requests={"cpu": "1"}))
    assert isinstance(found, Placement)
    assert (found.node, found.feasible) == ("b", 2)


def test_the_same_question_has_the_same_answer() -> None:
    world = World([node(f"n{number}") for number in range(20)])
    assert len({world.decide(pod("new")) for _ in range(3)}) == 1


def test_ties_depend_on_name_and_seed() -> None:
    world = World([node(f"n{number}") for number in range(20)])
    by_name = [world.decide(pod(f"p{number}")) for number in range(20)]
    by_seed = [world.decide(pod("p"), seed) for seed in range(20)]
    assert len({p.node for p in by_name if isinstance(p, Placement)}) > 5
    assert len({p.node for p in by_seed if isinstance(p, Placement)}) > 5


def test_identical_pods_go_to_different_nodes() -> None:
    world = World([node(f"n{number}") for number in range(50)])
    for number in range(100):
        new = pod(f"p{number}", requests={"cpu": "100m"})
        found = world.decide(new)
        assert isinstance(found, Placement)
        world.place({**new, "spec": {**new["spec"], "nodeName": found.node}})
    assert set(world.snapshot.requested["pods"][: world.snapshot.size]) == {2}


def test_decisions_change_nothing() -> None:
    world = World([node("a", {"zone": "a"})], [pod("old", "a", {"app": "web"})])
    revision = world.snapshot.revision
    new = pod("new", labels={"app": "web"}, topologySpreadConstraints=[spread("zone", 5)])
    before = repr(new)
    world.decide(new)
    assert (world.snapshot.revision, repr(new)) == (revision, before)


def named(*terms: list[str], **more: Any) -> dict[str, Any]:
    """Return an affinity to nodes by name: alternatives, in each of which all names must be the node's."""
    found = [
        {
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]} for name in names],
            **more,
        }
        for names in terms
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": found}}
    return {"affinity": {"nodeAffinity": required}}


class Bound:
    """A filter that knows the only nodes, as one about volumes does."""

    name = "Bound"

    def __init__(self, *names: str) -> None:
        self.names = names

    def narrow(self, cycle: Any) -> Any:
        return self.names

    def filter(self, cycle: Any) -> Any:
        return ()


LEFT = "node(s) didn't satisfy plugin(s)"


@pytest.mark.parametrize(
    ("new", "bound", "message"),
    [
        pytest.param(named(["a"]), None, f"1 Insufficient cpu, 2 {LEFT} [NodeAffinity]", id="one-node"),
        pytest.param(
            named(["a"], ["b"]), None, f"1 {LEFT} [NodeAffinity], 2 Insufficient cpu", id="one-of-two"
        ),
        pytest.param(named(["z"]), None, f"3 {LEFT} [NodeAffinity]", id="no-such-node"),
        pytest.param(named(["a", "b"]), None, "pod affinity terms conflict", id="two-names-at-once"),
        pytest.param(
            named(["a"], matchExpressions=[{"key": "x", "operator": "Exists"}]),
            None,
            f"1 node(s) didn't match Pod's node affinity/selector, 2 {LEFT} [NodeAffinity]",
            id="named-but-without-the-label",
        ),
        pytest.param({}, ["b"], f"1 Insufficient cpu, 2 {LEFT} [Bound]", id="another-plugin"),
        pytest.param(
            named(["a"], ["b"]),
            ["b", "c"],
            f"1 Insufficient cpu, 2 {LEFT} [Bound NodeAffinity]",
            id="two-plugins",
        ),
        pytest.param(
            named(["a"]), ["b"], f"{LEFT} [Bound NodeAffinity] simultaneously", id="two-plugins-disagree"
        ),
        pytest.param({}, [], "node(s) didn't satisfy plugin Bound", id="nothing-left"),
    ],
)
def test_choices_that_are_narrow_from_the_start(new: Any, bound: Any, message: str) -> None:
    world = World([node("a", taints=[("x", "NoSchedule")]), node("b"), node("c")])
    more: list[Any] = [Bound(*bound)] if bound is not None else []
    filters = (*PROFILE.filters, *more)
    asks = pod("new", requests={"cpu": "9"}, tolerations=[{"operator": "Exists"}], **new)
    cycle, profile = world.cycle(asks), replace(PROFILE, filters=filters)
    found = schedule(cycle, profile, "new")
    assert isinstance(found, Unschedulable)
    assert found.message == f"0/3 nodes are available: {message}."
    assert not found.curable.any()


def test_a_pod_goes_to_the_node_that_it_names() -> None:
    world = World([node("a"), node("b"), node("c")])
    found = world.decide(pod("new", **named(["b"])))
    assert isinstance(found, Placement)
    assert (found.node, found.feasible) == ("b", 1)
