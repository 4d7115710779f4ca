"""What users are told: of placed pods, of pending ones, of one node, of pods that are gone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.attempt import Attempts, Outcome
from scheduler.cluster import Cluster
from scheduler.configuration.model import ExtenderConfig, ManagedResource
from scheduler.explain.decisions import Decisions
from scheduler.explain.explainer import Explainer, Inquiry
from scheduler.explain.story import Doc
from scheduler.framework import Cycle
from scheduler.gang import GroupAttempts
from scheduler.queue import Entry
from tests.unit.scheduler.build import PROFILE, World, node, pod, spread
from tests.unit.scheduler.clusters import FEATURES, clusters, examples

START = datetime(2026, 1, 1, tzinfo=UTC)
GPU = ManagedResource("example.com/gpu")
CORDON = ("node.kubernetes.io/unschedulable", "NoSchedule")


class Desk:
    """A scheduler without edges that places what waits, and answers."""

    def __init__(self, *nodes: Any, budget_bytes: int = 1 << 20) -> None:
        self.cluster = Cluster({PROFILE.name: PROFILE})
        self.attempts = Attempts(self.cluster)
        self.decisions = Decisions(budget_bytes)
        self.explainer = Explainer(self.cluster, self.attempts, self.decisions)
        self.steps = 0
        self.groups = GroupAttempts(self.attempts, self._note)
        for each in nodes:
            self.cluster.node_changed(None, each, 0.0)

    def _note(self, entry: Entry, outcome: Outcome) -> Callable[[str], None]:
        return partial(self.decisions.retract, self.decisions.keep(outcome, entry, START))

    def gang(self, condition: Any, *pods: Any) -> None:
        """Try to place pods of a gang of as many."""
        self.cluster.groups.followed = True
        spec = {"schedulingPolicy": {"gang": {"minCount": len(pods)}}}
        metadata = {"name": "g", "namespace": "default", "uid": "g"}
        group: Any = {"metadata": metadata, "spec": spec}
        group["status"] = {"conditions": [condition]} if condition else {}
        self.cluster.group_changed(None, group, 0.0)
        for each in pods:
            self.cluster.pod_changed(None, each, 0.0)
        while (entry := self.cluster.queue.pop(0.0)) is not None:
            self.groups.attempt(entry, 0.0)

    def schedule(self, *pods: Any, minute: int = 0) -> None:
        for each in pods:
            self.cluster.pod_changed(None, each, 60.0 * minute)
        while (entry := self.cluster.queue.pop(60.0 * minute)) is not None:
            outcome = self.attempts.attempt(entry, 60.0 * minute)
            self.decisions.keep(outcome, entry, START + timedelta(minutes=minute))

    def bind(self, each: Any) -> Any:
        """Let the watch show what was decided."""
        on = self.decisions.of("default", each["metadata"]["name"])[-1].node
        bound: Any = {**each, "spec": {**each["spec"], "nodeName": on}}
        self.cluster.pod_changed(each, bound, 0.0)
        return bound

    def ask(self, name: str, **more: Any) -> Doc:
        found = self.maybe(name, **more)
        assert found is not None
        return found

    def maybe(self, name: str, **more: Any) -> Doc | None:
        steps = self.explainer.answer(Inquiry("default", name, **more))
        while True:
            before = self.picture()
            try:
                next(steps)
            except StopIteration as end:
                assert self.picture() == before
                found: Doc | None = end.value
                return found
            self.steps += 1
            assert self.picture() == before

    def picture(self) -> Any:
        """Return what others may see between two steps."""
        snapshot = self.cluster.snapshot
        columns = [*snapshot.requested.values(), *snapshot.allocatable.values(), snapshot.unschedulable]
        rows = {name: [int(column[slot]) for column in columns] for name, slot in snapshot.index.items()}
        return rows, set(snapshot.pods), self.cluster.queue.counts()


def big(name: str = "big", **more: Any) -> Any:
    return pod(name, requests={"cpu": "3"}, **more)


def test_a_placed_pod() -> None:
    desk = Desk(*(node(f"n{number}") for number in range(4)), node("full", offers={"cpu": "1"}))
    desk.cluster.pod_changed(None, pod("old", "n0", requests={"cpu": "2"}), 0.0)
    new = big()
    desk.schedule(new)
    desk.bind(new)
    doc = desk.ask("big")
    assert (doc["kind"], doc["apiVersion"]) == ("Decision", "scheduling.pelamis.dev/v1alpha1")
    assert doc["metadata"] == {"name": "big", "namespace": "default", "uid": "big"}
    assert (doc["outcome"], doc["detail"], doc["attempts"]) == ("Scheduled", "Full", 1)
    assert (doc["nodeCount"], doc["feasibleCount"], doc["time"]) == (5, 3, "2026-01-01T00:00:00Z")
    assert doc["node"] == doc["best"][0]["node"] in ("n1", "n2", "n3")
    assert doc["score"] == doc["best"][0]["total"]
    assert (doc["margin"], doc["runnerUp"]) == (0, doc["best"][1]["node"])
    weights = {each["name"]: each["weight"] for each in doc["plugins"]}
    for each in doc["best"]:
        assert each["total"] == sum(weights[name] * score for name, score in each["scores"].items())
    few = {"plugin": "NodeResourcesFit", "reason": "Insufficient cpu", "nodes": 1}
    assert doc["refused"] == [
        {**few, "final": False, "examples": ["n0"]},
        {**few, "final": True, "examples": ["full"]},
    ]
    assert "now" not in doc
    assert "advice" not in doc


def test_a_pending_pod() -> None:
    desk = Desk(node("a", offers={"cpu": "2"}), node("b", taints=[("team", "NoSchedule")]))
    desk.schedule(big())
    desk.cluster.queue.stir_all(30.0)
    desk.schedule(minute=1)
    doc = desk.ask("big")
    assert (doc["outcome"], doc["attempts"], doc["times"], doc["since"]) == (
        "Unschedulable", 2, 2, "2026-01-01T00:00:00Z",
    )  # fmt: skip
    assert doc["message"].startswith("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated")
    assert {(each["reason"], each["nodes"]) for each in doc["refused"]} == {
        ("Insufficient cpu", 1), ("node(s) had untolerated taint(s)", 1),
    }  # fmt: skip
    assert (doc["queue"], doc["now"]["feasibleCount"]) == ("unschedulable", 0)
    assert [each["text"] for each in doc["advice"]] == [
        "lower the cpu request of container main from 3 to 2",
        "tolerate the taint team:NoSchedule",
    ]
    assert doc["advice"][0] == {
        "kind": "LowerRequest", "text": "lower the cpu request of container main from 3 to 2", "size": 0.3333,
        "node": "a", "nodes": 1,
        "patch": [{"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": "2"}],
    }  # fmt: skip
    assert desk.steps > 3


def test_it_would_fit_now() -> None:
    desk = Desk(node("a", offers={"cpu": "2"}))
    desk.schedule(big())
    desk.cluster.snapshot.set_node(node("b"))
    doc = desk.ask("big")
    assert (doc["outcome"], doc["now"]["feasibleCount"]) == ("Unschedulable", 1)
    assert "advice" not in doc


def test_nothing_helps() -> None:
    desk = Desk(
        node("a", offers={"cpu": "2"}, taints=[("team", "NoSchedule")]),
        node("b", {"disk": "hdd"}, offers={"cpu": "2"}, taints=[("team", "NoSchedule")]),
    )
    desk.schedule(big(nodeSelector={"disk": "hdd"}))
    doc = desk.ask("big")
    assert doc["advice"] == []
    assert doc["nearest"]["node"] == "b"
    assert [each["plugin"] for each in doc["nearest"]["refused"]] == ["TaintToleration", "NodeResourcesFit"]


def test_without_nodes() -> None:
    desk = Desk()
    desk.schedule(big())
    doc = desk.ask("big", node="a")
    assert (doc["message"], doc["nodeCount"]) == ("no nodes available to schedule pods", 0)
    assert doc["onNode"] == {"node": "a", "now": {"present": False}, "then": {"present": False}}
    assert "nearest" not in desk.ask("big")


def test_a_gated_pod_and_one_that_waits() -> None:
    desk = Desk(node("a"))
    desk.schedule(big(schedulingGates=[{"name": "example.com/wait"}]))
    doc = desk.ask("big", uid="big")
    assert (doc["outcome"], doc["queue"]) == ("Gated", "gated")
    assert doc["message"] == "waiting for scheduling gates: [example.com/wait]"
    assert doc["now"]["feasibleCount"] == 1
    desk.cluster.pod_changed(None, pod("web"), 0.0)
    doc = desk.ask("web", uid="web")
    assert (doc["outcome"], doc["message"]) == ("Waiting", "The scheduler has not looked at the pod yet.")


def test_one_that_another_has_placed() -> None:
    desk = Desk(node("a"))
    desk.cluster.pod_changed(None, pod("web", "a"), 0.0)
    doc = desk.ask("web", uid="web", bound="a", node="a")
    assert (doc["outcome"], doc["node"]) == ("Unknown", "a")
    assert (doc["onNode"]["then"], doc["onNode"]["now"]["feasible"]) == (None, True)
    assert desk.maybe("web") is None
    assert desk.maybe("other", uid="other") is None


def test_pods_that_are_gone_still_answer() -> None:
    desk = Desk(node("a"), node("b"))
    new = pod("web")
    desk.schedule(new)
    desk.cluster.pod_changed(desk.bind(new), None, 1.0)
    doc = desk.ask("web", node="b")
    assert (doc["outcome"], doc["gone"]) == ("Scheduled", True)
    assert doc["onNode"]["then"]["feasible"] is True
    assert "now" not in doc["onNode"]


def test_earlier_decisions_and_namesakes() -> None:
    desk = Desk(node("a", offers={"cpu": "2"}))
    desk.schedule(big())
    desk.cluster.node_changed(None, node("b"), 30.0)
    desk.schedule(minute=1)
    doc = desk.ask("big", earlier=True)
    assert (doc["outcome"], [each["outcome"] for each in doc["earlier"]]) == ("Scheduled", ["Unschedulable"])
    desk.cluster.pod_changed(big(), None, 61.0)
    again = big()
    again["metadata"]["uid"] = "second"
    desk.schedule(again, minute=2)
    assert desk.ask("big")["metadata"]["uid"] == "second"
    doc = desk.ask("big", uid="big", earlier=True)
    assert (doc["metadata"]["uid"], doc["gone"], len(doc["earlier"])) == ("big", True, 1)


def test_only_a_summary_is_left() -> None:
    desk = Desk(node("a"), node("b"), node("c", offers={"cpu": "1"}), budget_bytes=0)
    desk.schedule(big())
    doc = desk.ask("big", node="c", columns=True)
    assert (doc["detail"], doc["feasibleCount"], len(doc["best"])) == ("Summary", 2, 2)
    assert doc["refused"][0]["reason"] == "Insufficient cpu"
    assert (doc["onNode"]["then"], doc["onNode"]["now"]["feasible"]) == (None, False)
    assert "columns" not in doc


def test_one_node_of_a_placed_pod() -> None:
    desk = Desk(node("a"), node("b"))
    desk.cluster.pod_changed(None, pod("old", "b", requests={"cpu": "500m", "memory": "4Gi"}), 0.0)
    new = big()
    desk.schedule(new)
    desk.bind(new)
    told = desk.ask("big", node="b")["onNode"]
    for when in ("then", "now"):
        at = told[when]
        assert (at["feasible"], at["refused"], at["better"]) == (True, [], 1)
        assert (at["scored"]["node"], at["winner"]["node"]) == ("b", "a")
        assert at["winner"]["total"] > at["scored"]["total"]
    assert (told["needs"], told["enough"]) == ([], True)


def test_one_node_that_refuses_for_several_reasons() -> None:
    taints = [("team", "NoSchedule"), CORDON]
    worst = node("b", {"disk": "hdd"}, offers={"cpu": "2"}, taints=taints, unschedulable=True)
    desk = Desk(node("a"), worst)
    new = big(nodeSelector={"disk": "ssd"})
    desk.schedule(new)
    told = desk.ask("big", node="b")["onNode"]
    assert [each["plugin"] for each in told["then"]["refused"]] == ["NodeUnschedulable"]
    assert {each["plugin"]: each.get("fact", "") for each in told["now"]["refused"]} == {
        "NodeUnschedulable": "",
        "TaintToleration": f"team:NoSchedule, {CORDON[0]}:NoSchedule",
        "NodeAffinity": "disk=ssd wanted, it has disk=hdd",
        "NodeResourcesFit": "cpu: 3 wanted, 2 of 2 free",
    }
    needs = {each["plugin"]: each["advice"] and each["advice"]["text"] for each in told["needs"]}
    assert needs == {
        "NodeUnschedulable": "uncordon b",
        "TaintToleration": None,
        "NodeAffinity": "drop disk=ssd from nodeSelector",
        "NodeResourcesFit": "lower the cpu request of container main from 3 to 2",
    }
    assert told["enough"] is False


def test_all_changes_together_are_enough() -> None:
    crowded = node("b", {"disk": "hdd"}, taints=[CORDON], unschedulable=True)
    desk = Desk(node("a"), crowded)
    desk.cluster.pod_changed(None, pod("old", "b", requests={"cpu": "3"}, priority=5), 0.0)
    desk.schedule(
        big(nodeSelector={"disk": "ssd", "zone": "x"}, tolerations=[{"key": "a", "operator": "Exists"}])
    )
    told = desk.ask("big", node="b")["onNode"]
    needs = {each["plugin"]: each["advice"] and each["advice"]["text"] for each in told["needs"]}
    assert needs == {
        "NodeUnschedulable": "uncordon b",
        "TaintToleration": "uncordon b",
        "NodeAffinity": None,
        "NodeResourcesFit": "lower the cpu request of container main from 3 to 1",
    }
    desk = Desk(node("a"), crowded)
    desk.cluster.pod_changed(None, pod("old", "b", requests={"cpu": "3"}, priority=5), 0.0)
    desk.schedule(big(nodeSelector={"disk": "ssd"}))
    told = desk.ask("big", node="b")["onNode"]
    assert [each["advice"]["kind"] for each in told["needs"]] == [
        "Uncordon", "Uncordon", "DropNodeSelector", "LowerRequest",
    ]  # fmt: skip
    assert told["enough"] is True


@pytest.mark.parametrize(("sees_all", "pods", "others"), [(True, ["other/old"], 0), (False, [], 1)])
def test_other_peoples_pods_are_not_named(sees_all: bool, pods: list[str], others: int) -> None:
    desk = Desk(node("a"))
    desk.cluster.pod_changed(None, pod("old", "a", namespace="other", requests={"cpu": "3"}), 0.0)
    desk.schedule(big())
    advice = {each["kind"]: each for each in desk.ask("big", sees_all=sees_all)["advice"]}
    assert advice["FreeRoom"]["delete"] == {"pods": pods, **({"others": others} if others else {})}


def test_room_that_is_being_made() -> None:
    desk = Desk(node("a"))
    desk.cluster.pod_changed(None, pod("low", "a", requests={"cpu": "3"}), 0.0)
    desk.schedule(big(priority=5))
    doc = desk.ask("big")
    assert (doc["outcome"], doc["node"], doc["victims"]) == ("Preempting", "a", {"pods": ["default/low"]})


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: "+".join(sorted(features)))
@examples(40)
@given(data=st.data())
def test_every_score_that_is_told_can_be_recomputed(features: frozenset[str], data: st.DataObject) -> None:
    """The stored decision, read through the answer, against the same plugins in a world made anew."""
    nodes, placed, new = data.draw(clusters(features))
    new["metadata"]["namespace"] = "default"
    world, desk = World(nodes, placed), Desk(*nodes)
    for each in placed:
        desk.cluster.pod_changed(None, each, 0.0)
    desk.schedule(new)
    columns = desk.ask("new", columns=True)["columns"]
    weights = {plugin.name: weight for plugin, weight in PROFILE.scores}
    totals, feasible = world.totals(new), world.feasible(new)
    for slot, name in enumerate(columns["nodes"]):
        assert columns["feasible"][slot] == (name in feasible)
        refusing = [each["plugin"] for each in columns["refused"] if slot in each["nodes"]]
        assert bool(refusing) == (name not in feasible)
        if name in feasible and columns["scores"]:
            told = sum(weights[plugin] * row[slot] for plugin, row in columns["scores"].items())
            assert told == totals[name]


def test_a_pod_that_is_held_with_its_group() -> None:
    desk = Desk(node("n1", offers={"cpu": "1"}))
    pods = [pod(name, requests={"cpu": "1"}, schedulingGroup={"podGroupName": "g"}) for name in "ab"]
    desk.gang(None, *pods)
    found = desk.ask("a")
    assert (found["outcome"], found["queue"]) == ("Held", "unschedulable")
    assert found["message"].startswith("pod group is unschedulable, waiting for minCount pods")
    assert found["now"]["feasibleCount"] == 1
    assert "advice" not in found
    assert found["podGroup"] == {"name": "g", "message": "nothing has been decided about it yet"}
    assert desk.ask("b")["outcome"] == "Unschedulable"


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        pytest.param(None, {"message": "nothing has been decided about it yet"}, id="new"),
        pytest.param(
            {"type": "PodGroupScheduled", "status": "False", "reason": "Unschedulable", "message": "too few"},
            {"scheduled": "False", "message": "too few"},
            id="refused",
        ),
    ],
)
def test_what_is_told_of_a_group(condition: Any, told: Any) -> None:
    desk = Desk(node("n1"))
    waiting = pod("a", schedulingGroup={"podGroupName": "g"}, schedulingGates=[{"name": "x"}])
    desk.gang(condition, waiting)
    assert desk.ask("a", uid="a")["podGroup"] == {"name": "g", **told}


def test_a_group_that_is_not_there() -> None:
    desk = Desk(node("n1"))
    desk.cluster.groups.followed = True
    desk.schedule(pod("a", schedulingGroup={"podGroupName": "g"}))
    found = desk.ask("a", uid="a")
    assert found["podGroup"] == {"name": "g", "message": "it is not there"}
    assert found["outcome"] == "Gated"


@dataclass(frozen=True)
class Counted:
    """A filter, and how often it has been asked."""

    inner: Any
    asked: Counter[str]

    @property
    def name(self) -> str:
        return str(self.inner.name)

    @property
    def hints(self) -> Any:
        return self.inner.hints

    def filter(self, cycle: Cycle) -> Any:
        self.asked[self.name] += 1
        return self.inner.filter(cycle)


def questions(nodes: int, *pods: Any, **more: Any) -> int:
    """Return how many times filters are asked for an answer about the last of these pods."""
    asked = Counter[str]()
    desk = Desk(*(node(f"n{number}", {"zone": f"z{number % 3}"}) for number in range(nodes)))
    profile = replace(PROFILE, filters=tuple(Counted(plugin, asked) for plugin in PROFILE.filters))
    desk.cluster.profiles = {PROFILE.name: profile}
    desk.schedule(*pods)
    asked.clear()
    desk.ask(pods[-1]["metadata"]["name"], **more)
    return asked.total()


def test_answers_do_not_go_through_nodes_one_by_one() -> None:
    """As many questions for a thousand nodes as for ten; none for a pod whose decision is kept."""
    placed = [pod(f"p{number}") for number in range(3)]
    assert questions(1000, *placed) <= len(PROFILE.filters)
    stuck = big(nodeSelector={"disk": "ssd"}, topologySpreadConstraints=[spread("zone")])
    for more in ({}, {"node": "n7"}):
        assert 0 < questions(1000, stuck, **more) <= questions(10, stuck, **more)


def test_a_choice_that_is_narrowed_to_one_node() -> None:
    """The pods of a DaemonSet name their node: others are left out, and refuse for no second reason."""
    desk = Desk(node("a"), node("b", taints=[("team", "NoSchedule")]), node("c", offers={"cpu": "1"}))
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["c"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    desk.schedule(big(affinity={"nodeAffinity": required}))
    told = desk.ask("big", node="b")
    reasons = [(each["plugin"], each["reason"]) for each in told["onNode"]["now"]["refused"]]
    assert reasons == [
        ("NodeAffinity", "node(s) didn't satisfy plugin(s) [NodeAffinity]"),
        ("TaintToleration", "node(s) had untolerated taint(s)"),
    ]
    assert told["now"]["feasibleCount"] == 0
    advice = [each["text"] for each in desk.ask("big")["advice"]]
    assert advice[:2] == [
        "lower the cpu request of container main from 3 to 1",
        "drop the required node affinity",
    ]


def test_extenders_are_told_of() -> None:
    desk = Desk(node("a"))
    extenders = (ExtenderConfig(url_prefix="http://far"), ExtenderConfig(managed_resources=(GPU,)))
    desk.explainer = Explainer(desk.cluster, desk.attempts, desk.decisions, extenders)
    desk.schedule(pod("web", requests={"cpu": "9"}))
    assert desk.ask("web")["notAsked"] == ["http://far"]
