"""Victims: as few and as unimportant as possible, and who keeps their place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.labels import from_map
from scheduler.cluster import Cluster
from scheduler.framework import Cycle, Profile, Reject, Unschedulable
from scheduler.hints import Hints
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL, Budget, Hopeless, Preemption, Request, cost, preempt
from scheduler.ranked import Ranked
from tests.unit.scheduler.build import PROFILE, PROFILES, World, apart, node, pod, term


def placed(name: str, on: str, cpu: str, priority: int, **more: Any) -> Any:
    started = more.pop("started", "2026-01-01T00:00:00Z")
    each = pod(name, on, more.pop("labels", None), requests={"cpu": cpu}, priority=priority, **more)
    return {**each, "status": {"startTime": started}}


@dataclass(frozen=True)
class Fickle:
    """A filter that says nothing, and does not say either that it never will."""

    name: str = "Fickle"
    hints: ClassVar[Hints] = {}

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        return ()


# With it, preemption looks at one node after the other.
ONE_BY_ONE = replace(PROFILE, filters=(*PROFILE.filters, Fickle()))


def ask(
    nodes: Any, pods: Any, new: Any, budgets: Any = (), profile: Profile = PROFILE
) -> Preemption | Hopeless:
    world = World(nodes, pods)
    ranked = Ranked()
    ranked.touch_all(world.snapshot.index)
    failure = world.decide(new)
    assert isinstance(failure, Unschedulable)
    before = {uid: record.slot for uid, record in world.snapshot.pods.items()}
    request = Request(
        world.cycle(new),
        profile,
        new["spec"]["priority"],
        failure.curable,
        lambda name: [each for each in pods if each["spec"]["nodeName"] == name],
        world.shapes.of,
        ranked,
        budgets,
    )
    found = preempt(request)
    assert {uid: record.slot for uid, record in world.snapshot.pods.items()} == before
    return found


def names(found: Preemption | Hopeless) -> tuple[str, list[str]]:
    assert isinstance(found, Preemption)
    return found.node, sorted(victim["metadata"]["name"] for victim in found.victims)


NEW = pod("new", requests={"cpu": "2"}, priority=1000)
TWO = [node("a"), node("b")]


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [placed("low", "a", "2", 1), placed("mid", "a", "2", 5)]
            + [placed(f"mid{n}", "b", "2", 5) for n in range(2)],
            ("a", ["low"]),
            id="the-lowest",
        ),
        pytest.param(
            [placed("one", "a", "4", 5)] + [placed(f"mid{n}", "b", "1", 5) for n in range(4)],
            ("a", ["one"]),
            id="fewer-victims",
        ),
        pytest.param(
            [placed("same", "a", "4", 1000), placed("high", "b", "4", 999)], ("b", ["high"]), id="only-lower"
        ),
        pytest.param(
            [placed("old", "a", "4", 5), placed("young", "b", "4", 5, started="2026-02-01T00:00:00Z")],
            ("b", ["young"]),
            id="who-started-last",
        ),
        pytest.param(
            [
                placed("p1", "a", "1500m", 1),
                placed("p2", "a", "1500m", 2),
                placed("p3", "a", "1", 3),
                placed("full", "b", "4", 1000),
            ],
            ("a", ["p1", "p2"]),
            id="the-important-stay",
        ),
    ],
)
def test_victims(pods: Any, expected: Any) -> None:
    assert names(ask(TWO, pods, NEW)) == expected


def test_budgets_are_spared_if_possible() -> None:
    pods = [
        placed("guarded", "a", "4", 1, labels={"app": "db"}),
        placed("free", "b", "4", 5),
    ]
    budget = Budget("default", from_map({"app": "db"}), 0, frozenset())
    assert names(ask(TWO, pods, NEW, (budget,))) == ("b", ["free"])
    allowing = Budget("default", from_map({"app": "db"}), 1, frozenset())
    assert names(ask(TWO, pods, NEW, (allowing,))) == ("a", ["guarded"])


def test_a_port_and_an_unwanted_neighbour() -> None:
    port = [{"containerPort": 1, "hostPort": 80}]
    holder = placed("holder", "a", "1", 1, ports=port)
    bystander = placed("bystander", "a", "1", 1)
    new = pod("new", ports=port, priority=1000)
    assert names(ask([node("a")], [holder, bystander], new)) == ("a", ["holder"])
    web = placed("web", "a", "1", 1, labels={"app": "web"})
    new = pod("new", affinity=apart(term("kubernetes.io/hostname")), priority=1000)
    assert names(ask([node("a")], [web, bystander], new)) == ("a", ["web"])


def test_why_there_is_no_room_to_be_made() -> None:
    nodes = [
        node("tainted", taints=[("x", "NoSchedule")]), node("small", offers={"cpu": "1"}), node("full"),
        node("mixed"),
    ]  # fmt: skip
    pods = [
        placed("equal", "full", "4", 1000),
        placed("most", "mixed", "3", 1000),
        placed("rest", "mixed", "1", 1),
    ]
    found = ask(nodes, pods, NEW)
    assert isinstance(found, Hopeless)
    assert found.reasons == {NO_VICTIMS: 1, NOT_HELPFUL: 2, "Insufficient cpu": 1}


@st.composite
def crowds(draw: st.DrawFn) -> list[Any]:
    """Return pods on two or three nodes, of a few sizes and priorities."""
    count = draw(st.integers(0, 12))
    return [
        placed(
            f"p{number}",
            draw(st.sampled_from(["a", "b", "c"])),
            draw(st.sampled_from(["500m", "1", "2"])),
            draw(st.sampled_from([1, 2, 5, 1000])),
            labels={"app": draw(st.sampled_from(["web", "db"]))},
            started=f"2026-01-0{draw(st.integers(1, 3))}T00:00:00Z",
        )
        for number in range(count)
    ]


@settings(max_examples=300, deadline=None)
@given(crowds(), st.sampled_from(["1", "2", "4"]), st.sampled_from([3, 4, 110]), st.booleans())
def test_all_nodes_at_once_are_as_one_by_one(pods: Any, cpu: str, most: int, guard: bool) -> None:
    nodes = [node("a"), node("b", offers={"pods": str(most)}), node("c", offers={"cpu": "3"})]
    new = pod("new", requests={"cpu": cpu}, priority=1000)
    if not isinstance(World(nodes, pods).decide(new), Unschedulable):
        return
    budgets = (Budget("default", from_map({"app": "db"}), 1, frozenset()),) if guard else ()
    at_once, in_turn = ask(nodes, pods, new, budgets), ask(nodes, pods, new, budgets, ONE_BY_ONE)
    if isinstance(at_once, Preemption) and isinstance(in_turn, Preemption):
        assert cost(at_once) == cost(in_turn)
    else:
        assert at_once == in_turn


def nominated() -> Cluster:
    cluster = Cluster(PROFILES)
    cluster.node_changed(None, node("n1"), 0.0)
    cluster.nominate(pod("vip", requests={"cpu": "4"}, priority=10), "n1")
    return cluster


@pytest.mark.parametrize(
    ("priority", "kept"),
    [pytest.param(9, 1, id="lower"), pytest.param(10, 1, id="equal"), pytest.param(11, 0, id="higher")],
)
def test_room_is_reserved_against_lower_priorities(priority: int, kept: int) -> None:
    cluster = nominated()
    with cluster.reserved(pod("other", priority=priority)):
        assert int(cluster.snapshot.requested["pods"].sum()) == kept
    assert int(cluster.snapshot.requested["pods"].sum()) == 1


def test_a_pod_does_not_reserve_against_itself() -> None:
    cluster = nominated()
    with cluster.reserved(pod("vip", priority=10)):
        assert int(cluster.snapshot.requested["pods"].sum()) == 0


def test_a_nominated_pod_on_its_way_is_counted_once() -> None:
    cluster = nominated()
    vip = pod("vip", requests={"cpu": "4"}, priority=10)
    cluster.assume(vip, "n1")
    assert int(cluster.snapshot.requested["pods"].sum()) == 1
    cluster.undo(vip, 1.0)
    assert int(cluster.snapshot.requested["pods"].sum()) == 1
    cluster.pod_changed(vip, None, 2.0)
    assert int(cluster.snapshot.requested["pods"].sum()) == 0


def test_nominations_end_with_the_pod_or_its_binding() -> None:
    for after in (None, pod("vip", "n1")):
        cluster = nominated()
        cluster.pod_changed(pod("vip"), after, 1.0)
        assert cluster.nominations == {}


def test_a_nomination_survives_a_restart_of_the_scheduler() -> None:
    cluster = Cluster(PROFILES)
    cluster.pod_changed(None, pod("vip", status={"nominatedNodeName": "n1"}), 0.0)
    assert cluster.nominated("vip") == "n1"


def test_room_is_awaited_while_victims_leave() -> None:
    cluster = nominated()
    vip, victim = pod("vip", priority=10), pod("victim", "n1")
    cluster.pod_changed(None, victim, 0.0)
    assert not cluster.is_awaiting_room(vip)
    cluster.victims.add("victim")
    assert cluster.is_awaiting_room(vip)
    cluster.pod_changed(victim, None, 1.0)
    assert not cluster.is_awaiting_room(vip)
