"""Groups of pods: as many as they need at once, or none; and nothing left of what was tried in vain."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from scheduler.attempt import Attempts, MakeRoom, Outcome, Placed, Refused
from scheduler.cluster import Cluster
from scheduler.decide import find_feasible, total_of, weigh
from scheduler.explain.decisions import Decisions
from scheduler.framework import Cycle, Profile
from scheduler.gang import GroupAttempts, GroupOutcome, Verdict, new_condition
from scheduler.hints import Hints
from scheduler.queue import Entry
from tests.unit.scheduler.build import PROFILE, apart, near, node, pod, spread, term

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOO_FEW = "pod group is unschedulable, waiting for minCount pods from a gang to be scheduled"
NO_ROOM_YET = "pod group is unschedulable, pod group is waiting for preemption to complete"
HOST = "kubernetes.io/hostname"


def group(name: str, least: int = 0) -> Any:
    policy = {"gang": {"minCount": least}} if least else {"basic": {}}
    metadata = {"name": name, "namespace": "default", "uid": f"group-{name}"}
    return {"metadata": metadata, "spec": {"schedulingPolicy": policy}}


def member(name: str, of: str = "g", cpu: str = "1", **more: Any) -> Any:
    return pod(name, requests={"cpu": cpu}, schedulingGroup={"podGroupName": of}, **more)


@dataclass
class World:
    """A cluster, and who decides; `tried` is what was decided of groups, `records` the decisions."""

    nodes: Iterable[Any]
    profile: Profile = PROFILE
    others: Iterable[Profile] = ()
    tried: list[GroupOutcome] = field(default_factory=list)
    records: list[tuple[str, Outcome]] = field(default_factory=list)
    taken_back: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster = Cluster({each.name: each for each in (self.profile, *self.others)})
        self.cluster.groups.followed = True
        self.attempts = Attempts(self.cluster)
        self.groups = GroupAttempts(self.attempts, self._note)
        for each in self.nodes:
            self.cluster.node_changed(None, each, 0.0)

    def _note(self, entry: Entry, outcome: Outcome) -> Callable[[str], None]:
        self.records.append((entry.uid, outcome))
        return lambda why: self.taken_back.append((entry.uid, why))

    def keep(self) -> Decisions:
        """Keep the decisions about groups from now on, as `app` does."""
        decisions = Decisions()

        def note(entry: Entry, outcome: Outcome) -> Callable[[str], None]:
            return partial(decisions.retract, decisions.keep(outcome, entry, NOW))

        self.groups = GroupAttempts(self.attempts, note)
        return decisions

    def add(self, *objects: Any, now: float = 0.0) -> "World":
        for each in objects:
            if "schedulingPolicy" in each["spec"]:
                self.cluster.group_changed(None, each, now)
            else:
                self.cluster.pod_changed(None, each, now)
        return self

    def run(self, now: float = 0.0) -> dict[str, Outcome]:
        """Decide about all pods that are due; return what came of each, as `app` performs it."""
        found: dict[str, Outcome] = {}
        while (entry := self.cluster.queue.pop(now)) is not None:
            if "schedulingGroup" in entry.pod["spec"]:
                whole = self.groups.attempt(entry, now)
                self.tried.append(whole)
                found |= {each.uid: outcome for each, outcome in whole.pods}
            else:
                found[entry.uid] = self.attempts.attempt(entry, now)
        for uid, outcome in found.items():
            match outcome:
                case MakeRoom(cycle=cycle, plan=plan):
                    self.cluster.nominate(cycle.pod, plan.node)
                    self.cluster.victims.update(map(uid_of, plan.victims))
                case Refused(cycle=cycle) if not self.cluster.is_awaiting_room(cycle.pod):
                    self.cluster.denominate(uid)
        return found

    def confirm(self, *names: str, now: float = 1.0) -> None:
        """The watch shows the binding of pods that are assumed."""
        for name in names:
            old = next(each for each in self.members() if each["metadata"]["name"] == name)
            new: Any = {**old, "spec": {**old["spec"], "nodeName": self.cluster.assumed[name]}}
            self.cluster.pod_changed(old, new, now)

    def gone(self, *pods: Any, now: float = 1.0) -> None:
        for each in pods:
            self.cluster.pod_changed(each, None, now)

    def members(self, name: str = "g") -> list[Any]:
        return list(self.cluster.groups.members(Key("default", name)))

    def verdict(self) -> Verdict:
        return self.tried[-1].verdict


def kinds(found: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: type(outcome).__name__ for name, outcome in sorted(found.items())}


def uid_of(each: Any) -> str:
    return str(each["metadata"]["uid"])


PROBES = [
    pod("probe", labels={"app": "web"}, affinity=near(term(HOST))),
    pod("probe", labels={"app": "web"}, affinity=apart(term(HOST))),
    pod("probe", labels={"app": "web"}, topologySpreadConstraints=[spread(HOST)]),
    pod("probe", requests={"cpu": "1"}, ports=[{"hostPort": 80, "containerPort": 80, "protocol": "TCP"}]),
]


def picture(world: World) -> dict[str, Any]:
    """Return all that decisions can see, in a form that can be compared."""
    cluster, snapshot = world.cluster, world.cluster.snapshot
    seen = []
    for probe in PROBES:
        cycle = world.attempts.cycle_of(probe, world.profile)
        feasible, _ = find_feasible(cycle, world.profile)
        totals = total_of(weigh(cycle, world.profile, feasible), feasible) if feasible.any() else feasible
        seen.append((feasible.tolist(), (totals * feasible).tolist()))
    return {
        "seen": seen,
        "requested": {name: column.tolist() for name, column in snapshot.requested.items() if column.any()},
        "scored": (snapshot.scored_cpu.tolist(), snapshot.scored_memory.tolist()),
        "pods": {uid: (each.slot, each.shape.key, each.terminating) for uid, each in snapshot.pods.items()},
        "at": [sorted(pods) for pods in snapshot.pods_at],
        "ports": {slot: dict(ports) for slot, ports in snapshot.ports.items()},
        "on": {name: sorted(map(uid_of, cluster.pods_on(name))) for name in snapshot.index},
        "below": [cluster.any_below(priority) for priority in range(-1, 12)],
        "assumed": dict(cluster.assumed),
        "nominations": dict(cluster.nominations),
        "waiting": len(cluster.queue),
    }


# -- who is let in


def test_pods_wait_for_their_group_and_for_enough_of_them() -> None:
    world = World([node("n")]).add(member("a"), member("b"), member("c"))
    assert (world.run(), world.cluster.queue.counts()) == ({}, {"gated": 3})
    world.add(group("g", 4))
    assert (world.run(), world.cluster.queue.counts()) == ({}, {"gated": 3})
    world.add(member("d"))
    assert kinds(world.run()) == dict.fromkeys("abcd", "Placed")
    assert world.verdict() == Verdict("Scheduled", "")
    assert world.verdict().result == "scheduled"


def test_a_group_that_comes_late_lets_its_pods_in() -> None:
    world = World([node("n")]).add(member("a"), member("b"), member("other", of="h"))
    world.add(group("g", 2))
    assert kinds(world.run()) == {"a": "Placed", "b": "Placed"}
    assert world.cluster.queue.counts() == {"popped": 2, "gated": 1}


def test_pods_behind_gates_are_counted_but_not_tried() -> None:
    gates = [{"name": "wait"}]
    world = World([node("n")]).add(group("g", 2), member("a"), member("b", schedulingGates=gates))
    found = world.run()
    assert kinds(found) == {"a": "Refused"}
    assert world.verdict().message == (
        "pod group is unschedulable, minCount (2) cannot be satisfied: 0 scheduled, 1 remaining"
    )


def test_pods_on_their_way_out_are_not_counted() -> None:
    world = World([node("n")]).add(group("g", 2), member("a", terminating=True), member("b"))
    assert world.run() == {}
    world.add(member("c"))
    assert kinds(world.run()) == {"b": "Placed", "c": "Placed"}


def test_without_pod_groups_in_the_api_pods_are_placed_one_by_one() -> None:
    world = World([node("n")])
    world.cluster.groups.followed = False
    world.add(member("a"))
    entry = world.cluster.queue.pop(0.0)
    assert entry is not None
    assert isinstance(world.attempts.attempt(entry, 0.0), Placed)


# -- all or nothing


def test_too_few_places_are_none() -> None:
    world = World([node("n", offers={"cpu": "2"})]).add(group("g", 3))
    world.add(*(member(name) for name in "abc"))
    before = picture(world)
    found = world.run()
    assert picture(world) == before
    assert kinds(found) == dict.fromkeys("abc", "Refused")
    assert [found[name].message for name in "ab"] == [TOO_FEW, TOO_FEW]  # type: ignore[union-attr]
    fit = "0/1 nodes are available: 1 Insufficient cpu."
    assert found["c"].message.startswith(fit)  # type: ignore[union-attr]
    verdict = world.verdict()
    assert (verdict.reason, verdict.is_scheduled, verdict.result) == ("Unschedulable", False, "unschedulable")
    assert verdict.message.startswith(
        f"pod group is unschedulable, minCount (3) cannot be satisfied: 2 scheduled, 0 remaining. {fit}"
    )
    assert world.taken_back == [("a", TOO_FEW), ("b", TOO_FEW)]


def test_pods_are_not_looked_at_once_too_few_are_left() -> None:
    world = World([node("n", offers={"cpu": "2"})]).add(group("g", 3))
    world.add(member("a", cpu="4"), member("b"), member("c"))
    found = world.run()
    assert kinds(found) == dict.fromkeys("abc", "Refused")
    text = "pod group is unschedulable, minCount (3) cannot be satisfied: 0 scheduled, 2 remaining"
    assert [found[name].message for name in "bc"] == [text, text]  # type: ignore[union-attr]
    assert [uid for uid, _ in world.records] == ["a", "b", "c"]


def test_members_that_are_alike_are_placed_in_a_run() -> None:
    world = World([node(f"n{number}") for number in range(6)])
    world.add(group("g", 5), *(member(name) for name in "abcde"))
    placed = [outcome for outcome in world.run().values() if isinstance(outcome, Placed)]
    assert [outcome.after is not None for outcome in placed] == [False, True, True, True, True]
    assert len({outcome.node for outcome in placed}) == 5


@pytest.mark.parametrize("runs", [True, False])
def test_decisions_that_are_taken_back_keep_what_plugins_said(runs: bool) -> None:
    cpu = ["1"] * 4 if runs else ["1", "0.9", "0.8", "0.7"]
    world = World([node(f"n{number}", offers={"cpu": "1"}) for number in range(3)])
    world.add(group("g", 4), *(member(name, cpu=each) for name, each in zip("abcd", cpu, strict=True)))
    decisions = world.keep()
    world.run()
    last = [decisions.of("default", name)[-1] for name in "abcd"]
    outcomes = [*["Held"] * 3, "Unschedulable"]
    assert [(record.outcome, record.node, record.slot) for record in last] == [(x, "", -1) for x in outcomes]
    assert [record.message == TOO_FEW for record in last] == [True, True, True, False]
    assert [int(record.detail().feasible.sum()) for record in last] == [3, 2, 1, 0]  # type: ignore[union-attr]
    world.cluster.queue.stir_all(30.0)
    world.run(30.0)
    again = [decisions.of("default", name) for name in "abcd"]
    assert [(len(records), records[-1].times) for records in again] == [(1, 2)] * 4


def test_a_group_refused_unseen_ends_the_run_of_others() -> None:
    """What is kept of a run follows on the decision kept last."""
    world = World([node(f"n{number}") for number in range(4)])
    world.add(group("g", 2), member("m"), member("gated", schedulingGates=[{"name": "wait"}]))
    world.add(pod("a"), pod("b"))
    queue = world.cluster.queue
    tried, first, second = queue.take("m", 0.0), queue.take("a", 0.0), queue.take("b", 0.0)
    assert tried is not None
    assert first is not None
    assert second is not None
    world.attempts.judge(first, next_is_like=True)
    assert kinds({"m": world.groups.attempt(tried, 0.0).pods[0][1]}) == {"m": "Refused"}
    outcome = world.attempts.judge(second, next_is_like=False)
    assert isinstance(outcome, Placed)
    assert outcome.after is None


def test_enough_places_are_taken_and_the_others_wait() -> None:
    world = World([node("n", offers={"cpu": "3"})]).add(group("g", 2))
    world.add(*(member(name) for name in "abcd"))
    found = world.run()
    assert kinds(found) == {"a": "Placed", "b": "Placed", "c": "Placed", "d": "Refused"}
    assert world.verdict().is_scheduled
    assert world.cluster.queue.counts() == {"popped": 3, "unschedulable": 1}


def test_room_wakes_the_whole_group() -> None:
    big = pod("big", on="n", requests={"cpu": "2"}, priority=10)
    world = World([node("n", offers={"cpu": "3"})]).add(big, group("g", 3))
    world.add(*(member(name) for name in "abc"))
    assert kinds(world.run()) == dict.fromkeys("abc", "Refused")
    assert world.run(100.0) == {}
    world.gone(big, now=101.0)
    assert kinds(world.run(101.0)) == dict.fromkeys("abc", "Placed")


def test_late_pods_join_those_that_run() -> None:
    world = World([node("n")]).add(group("g", 2), member("a"), member("b"))
    world.run()
    world.confirm("a", "b")
    world.add(member("c"))
    assert kinds(world.run(2.0)) == {"c": "Placed"}
    world.confirm("c")
    world.gone(*world.members()[:2])
    world.add(member("d"))
    assert kinds(world.run(3.0)) == {"d": "Placed"}, "with c there are two"
    world.confirm("d")
    world.gone(*world.members())
    world.add(member("e"))
    assert (world.run(4.0), world.cluster.queue.counts()) == ({}, {"gated": 1})


def test_a_binding_that_fails_leaves_the_others() -> None:
    world = World([node("n")]).add(group("g", 2), member("a"), member("b"))
    world.run()
    world.cluster.undo(member("b"), 0.5)
    assert world.cluster.assumed == {"a": "n"}
    assert kinds(world.run(10.0)) == {"b": "Placed"}


def test_two_gangs_that_fit_alone_do_not_block_each_other() -> None:
    world = World([node("m", offers={"cpu": "2"}), node("n", offers={"cpu": "2"})])
    world.add(group("g", 3), group("h", 3))
    for number in range(4):
        world.add(member(f"g{number}", now=0), member(f"h{number}", of="h"))
    found = world.run()
    assert sorted(kinds(found).values()) == ["Placed"] * 4 + ["Refused"] * 4
    first = "g" if isinstance(found["g0"], Placed) else "h"
    world.gone(*world.members(first), now=20.0)
    assert sorted(kinds(world.run(20.0)).values()) == ["Placed"] * 4


def test_the_small_gang_does_not_wait_behind_the_large_one() -> None:
    """Their pods are alike: an event must wake each of both."""
    full = pod("full", on="n", requests={"cpu": "4"}, priority=10)
    world = World([node("n")]).add(full, group("g", 5), group("h", 2))
    world.add(*(member(f"g{number}") for number in range(5)), *(member(f"h{n}", of="h") for n in range(2)))
    assert set(kinds(world.run()).values()) == {"Refused"}
    world.gone(full, now=50.0)
    found = kinds(world.run(50.0))
    assert {name: kind for name, kind in found.items() if kind == "Placed"} == {
        "h0": "Placed",
        "h1": "Placed",
    }


def test_pods_of_a_basic_group_are_placed_one_by_one() -> None:
    world = World([node("n", offers={"cpu": "1"})]).add(group("g"), member("a"), member("b"))
    assert kinds(world.run()) == {"a": "Placed", "b": "Refused"}
    assert [whole.verdict.is_scheduled for whole in world.tried] == [True, False]


def test_a_profile_without_the_plugin_places_gangs_one_by_one() -> None:
    plain = replace(PROFILE, pre_enqueues=PROFILE.pre_enqueues[:1])
    world = World([node("n")], plain).add(group("g", 5), member("a"))
    assert kinds(world.run()) == {"a": "Placed"}


# -- making room


def crowd(*names: str, cpu: str = "2", on: str = "n") -> list[Any]:
    return [pod(name, on=on, requests={"cpu": cpu}, priority=1) for name in names]


def test_room_is_made_for_the_whole_group_or_for_nobody() -> None:
    low, high = pod("low", on="n", requests={"cpu": "2"}, priority=1), pod("high", on="m", priority=20)
    nodes = [node("n", offers={"cpu": "2"}), node("m", offers={"cpu": "0"})]
    world = World(nodes).add(low, high, group("g", 3))
    world.add(*(member(name, priority=10) for name in "abc"))
    before = picture(world)
    found = world.run()
    assert kinds(found) == dict.fromkeys("abc", "Refused")
    assert picture(world) == before
    assert world.cluster.victims == set()


def test_those_that_fit_keep_their_places_while_room_is_made() -> None:
    one, other = crowd("one", "other", cpu="1")
    world = World([node("n", offers={"cpu": "4"})]).add(one, other, group("g", 4))
    world.add(*(member(name, priority=10) for name in "abcd"))
    found = world.run()
    assert kinds(found) == dict.fromkeys("abcd", "MakeRoom")
    rooms = {name: room.plan.victims for name, room in found.items() if isinstance(room, MakeRoom)}
    assert [len(rooms[name]) for name in "abcd"] == [0, 0, 1, 1]
    assert world.cluster.victims == {"one", "other"}
    assert (world.verdict().message, world.cluster.assumed) == (NO_ROOM_YET, {})
    assert world.verdict().result == "waiting_on_preemption"
    assert [found[name].message for name in "ab"] == [NO_ROOM_YET, NO_ROOM_YET]  # type: ignore[union-attr]
    world.gone(one, other, now=20.0)
    assert kinds(world.run(20.0)) == dict.fromkeys("abcd", "Placed")


def test_the_group_waits_for_the_last_victim() -> None:
    nodes = [node("m", offers={"cpu": "2"}), node("n", offers={"cpu": "2"})]
    one, other = (*crowd("one", on="m"), *crowd("other", on="n"))
    world = World(nodes).add(one, other, group("g", 2), *(member(x, cpu="2", priority=10) for x in "ab"))
    assert kinds(world.run()) == {"a": "MakeRoom", "b": "MakeRoom"}
    places = dict(world.cluster.nominations)
    world.gone(one if places["a"].node == "m" else other, now=5.0)
    assert kinds(world.run(5.0)) == {"a": "MakeRoom", "b": "Refused"}
    assert (world.verdict().message, world.cluster.nominations) == (NO_ROOM_YET, places)
    world.gone(other if places["a"].node == "m" else one, now=20.0)
    assert kinds(world.run(20.0)) == {"a": "Placed", "b": "Placed"}


def test_a_victim_is_chosen_once() -> None:
    low = crowd("one", "two", cpu="2")
    world = World([node("n")]).add(*low, group("g", 2), *(member(x, cpu="2", priority=10) for x in "ab"))
    before = picture(world)
    found = world.run()
    victims = [each["metadata"]["name"] for room in found.values() for each in room.plan.victims]  # type: ignore[union-attr]
    assert sorted(victims) == ["one", "two"]
    world.cluster.denominate("a")
    world.cluster.denominate("b")
    assert picture(world) == before


def test_others_do_not_take_the_room_that_is_made() -> None:
    low = crowd("one", "two", cpu="2")
    world = World([node("n")]).add(*low, group("g", 2), *(member(x, cpu="2", priority=10) for x in "ab"))
    world.run()
    world.gone(*low, now=5.0)
    world.add(pod("thief", requests={"cpu": "2"}, priority=5), now=5.0)
    assert kinds(world.run(5.0)) == {"a": "Placed", "b": "Placed", "thief": "Refused"}


# -- faults of the group itself


def test_a_group_that_is_gone() -> None:
    g = group("g", 1)
    world = World([node("n")]).add(g, member("a"))
    world.cluster.group_changed(g, None, 0.0)
    found = world.run()["a"]
    assert isinstance(found, Refused)
    assert (found.message, found.reason) == ("failed to get podGroup default/g", "SchedulerError")
    assert world.run(0.5) == {}, "it is tried again after its back-off"
    world.add(g, now=0.6)
    assert kinds(world.run(10.0)) == {"a": "Placed"}


def test_pods_for_two_schedulers() -> None:
    world = World([node("n")], others=[replace(PROFILE, name="other")])
    world.add(group("g", 2), member("a"), member("b", schedulerName="other"))
    text = 'all pods in a single pod group should have the same .spec.schedulerName set, got: "" and "other"'
    for outcome in world.run().values():
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.message) == ("SchedulerError", text)
    assert world.verdict() == Verdict("SchedulerError", text)
    assert world.verdict().result == "error"


# -- what plugins reserve


@dataclass(frozen=True)
class Licences:
    """Gives out a few; a pod without one has no place."""

    left: list[int]
    name: str = "Licences"
    hints: ClassVar[Hints] = {}

    def reserve(self, cycle: Cycle, node: str) -> str | None:
        if not self.left[0]:
            return "no licence is left"
        self.left[0] -= 1
        cycle.state["licence"] = True
        return None

    def unreserve(self, cycle: Cycle, node: str) -> None:
        self.left[0] += cycle.state.pop("licence", False)


@pytest.mark.parametrize(("licences", "placed", "left"), [(3, 3, 0), (2, 0, 2)])
def test_reservations_are_given_back(licences: int, placed: int, left: int) -> None:
    plugin = Licences([licences])
    world = World([node("n")], replace(PROFILE, reserves=(plugin,))).add(group("g", 3))
    found = world.add(*(member(name) for name in "abc")).run()
    assert list(kinds(found).values()).count("Placed") == placed
    assert plugin.left == [left]


# -- what is told


@pytest.mark.parametrize(
    ("before", "verdict", "told"),
    [
        pytest.param(None, Verdict("Scheduled", ""), "True", id="first"),
        pytest.param(None, Verdict("Unschedulable", "why"), "False", id="first-no"),
        pytest.param(("True", "Scheduled", ""), Verdict("Scheduled", ""), None, id="again"),
        pytest.param(("True", "Scheduled", ""), Verdict("Unschedulable", "why"), None, id="late-pods"),
        pytest.param(("False", "Unschedulable", "why"), Verdict("Unschedulable", "why"), None, id="no-news"),
        pytest.param(("False", "Unschedulable", "so"), Verdict("Unschedulable", "why"), "False", id="news"),
        pytest.param(("False", "Unschedulable", "so"), Verdict("Scheduled", ""), "True", id="at-last"),
    ],
)
def test_conditions(before: tuple[str, str, str] | None, verdict: Verdict, told: str | None) -> None:
    obj, since = group("g", 1), "2025-01-01T00:00:00Z"
    if before is not None:
        fields = dict(zip(("status", "reason", "message"), before, strict=True))
        old = {"type": "PodGroupScheduled", "lastTransitionTime": since, **fields}
        obj["status"] = {"conditions": [old]}
    found = new_condition(obj, verdict, NOW)
    assert (found["status"] if found else None) == told
    if found is not None:
        kept = before is not None and before[0] == told
        assert found["lastTransitionTime"] == (since if kept else "2026-01-01T00:00:00Z")
        assert (found["reason"], found["message"]) == (verdict.reason, verdict.message)


# -- whatever the cluster and the groups

CPUS = st.sampled_from(["500m", "1", "2"])


@st.composite
def members(draw: st.DrawFn, of: str) -> list[Any]:
    count = draw(st.integers(1, 5))
    affinity = draw(st.sampled_from([{}, apart(term(HOST, app=of)), near(term(HOST, app=of))]))
    more = {"affinity": affinity} if affinity else {}
    labels = {"app": of}
    return [
        member(f"{of}{number}", of, draw(CPUS), labels=labels, priority=draw(st.sampled_from([0, 5])), **more)
        for number in range(count)
    ]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    nodes = [node(f"n{number}", offers={"cpu": draw(CPUS)}) for number in range(draw(st.integers(1, 4)))]
    objects: list[Any] = [
        pod(f"old{number}", on=f"n{number}", requests={"cpu": "500m"}, priority=draw(st.sampled_from([0, 9])))
        for number in range(draw(st.integers(0, len(nodes))))
    ]
    for name in ("g", "h", "i")[: draw(st.integers(1, 3))]:
        objects += [group(name, draw(st.integers(0, 4))), *draw(members(name))]
    singles = range(draw(st.integers(0, 2)))
    objects += [pod(f"single{number}", requests={"cpu": draw(CPUS)}) for number in singles]
    return nodes, draw(st.permutations(objects))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_never_some_but_fewer_than_needed(drawn: tuple[list[Any], list[Any]]) -> None:
    nodes, objects = drawn
    world = World(nodes).add(*objects)
    needed = {each["metadata"]["name"]: each["spec"]["schedulingPolicy"].get("gang", {}).get("minCount", 0)
              for each in objects if "schedulingPolicy" in each["spec"]}  # fmt: skip
    for now in (0.0, 20.0, 40.0):
        queue = world.cluster.queue
        while (entry := queue.pop(now)) is not None:
            before = picture(world)
            if "schedulingGroup" not in entry.pod["spec"]:
                world.attempts.attempt(entry, now)
                continue
            whole = world.groups.attempt(entry, now)
            if not any(isinstance(outcome, Placed) for _, outcome in whole.pods):
                assert picture(world) == before
        for name, least in needed.items():
            have = sum(each["metadata"]["uid"] in world.cluster.assumed for each in world.members(name))
            assert have == 0 or have >= least, name
        snapshot = world.cluster.snapshot
        for resource, column in snapshot.requested.items():
            assert (column <= snapshot.allocatable[resource])[snapshot.alive].all()
        queue.stir_all(now)
