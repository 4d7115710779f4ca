"""Hypotheses about small clusters, and what is said to come of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from api.types.apps_v1 import REPLICASETS
from api.types.core_v1 import NODES, PODS
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from api.types.scheduling_v1alpha2 import PODGROUPS
from scheduler.whatif.hypotheses import Change, Drain, Impossible, Lose, Rollout, new_nodes
from scheduler.whatif.report import Report, predict, summary, to_json
from tests.unit.scheduler.build import PROFILES, node, pod

WEB = {"app": "web"}


def replica(name: str, on: str = "", owner: str = "web", kind: str = "ReplicaSet", **more: Any) -> Any:
    """Return a pod of one core that a controller made."""
    made = pod(name, on=on, requests={"cpu": more.pop("cpu", "1")}, labels=WEB, owner=(kind, owner), **more)
    made["metadata"]["generateName"] = f"{owner}-"
    if on:
        made["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return made


def budget(allowed: int, **more: Any) -> Any:
    return {
        "metadata": {"name": "guard", "namespace": "default"},
        "spec": {"selector": {"matchLabels": WEB}, **more.pop("spec", {})},
        "status": {"disruptionsAllowed": allowed, **more},
    }


def ask(hypothesis: Any, nodes: Sequence[Any], pods: Sequence[Any], *budgets: Any) -> Report:
    state: Mapping[Any, Any] = {NODES: nodes, PODS: pods, PODDISRUPTIONBUDGETS: budgets}
    return predict(state, hypothesis, PROFILES)


def moves(report: Report) -> dict[str, str]:
    """Return where pods go, by the name of the pod that they are made instead of."""
    return {
        (each.instead.pod if each.instead else each.pod)["metadata"]["name"]: each.node
        for each in report.placements
    }


def waits(report: Report) -> dict[str, str]:
    return {
        (each.instead.pod if each.instead else each.pod)["metadata"]["name"]: each.why
        for each in report.waiting
    }


def held(report: Report) -> dict[str, str]:
    return {each.pod["metadata"]["name"]: each.why for each in report.held}


# -- drain


def test_a_drained_node_sends_its_pods_elsewhere():
    nodes = [node("n1"), node("n2"), node("n3", offers={"cpu": "1"})]
    report = ask(Drain("n1"), nodes, [replica("a", "n1"), replica("b", "n1", cpu="2"), replica("c", "n2")])
    assert moves(report) == {"a": "n2", "b": "n2"}
    assert waits(report) == {}
    assert [(each.pod["metadata"]["name"], each.why) for each in report.departures] == [
        ("a", "evicted"),
        ("b", "evicted"),
    ]
    assert report.fits


def test_what_does_not_fit_elsewhere_waits():
    report = ask(
        Drain("n1"), [node("n1"), node("n2")], [replica("a", "n1", cpu="3"), replica("b", "n2", cpu="2")]
    )
    (why,) = waits(report).values()
    assert why.startswith("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.")
    assert not report.fits


def test_daemons_and_mirrors_stay_and_others_are_lost():
    mirror = pod("mirror", on="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    pods = [replica("daemon", "n1", kind="DaemonSet"), mirror, pod("alone", on="n1")]
    report = ask(Drain("n1"), [node("n1"), node("n2")], pods)
    assert [each.pod["metadata"]["name"] for each in report.departures] == ["alone"]
    assert [each.pod["metadata"]["name"] for each in report.lost] == ["alone"]
    assert not report.fits


def test_pods_of_a_set_keep_their_names():
    report = ask(
        Drain("n1"), [node("n1"), node("n2")], [replica("db-0", "n1", owner="db", kind="StatefulSet")]
    )
    assert [each.pod["metadata"]["name"] for each in report.placements] == ["db-0"]


def test_budgets_let_go_as_many_at_a_time_as_run_elsewhere():
    nodes, pods = [node("n1"), node("n2")], [replica(name, "n1") for name in "abc"]
    report = ask(Drain("n1"), nodes, pods, budget(1))
    assert moves(report) == {"a": "n2", "b": "n2", "c": "n2"}
    assert held(report) == {}


def test_budgets_hold_pods_back_when_others_do_not_come_up():
    nodes, pods = [node("n1"), node("n2", offers={"cpu": "1"})], [replica(name, "n1") for name in "abc"]
    report = ask(Drain("n1"), nodes, pods, budget(1))
    assert moves(report) == {"a": "n2"}
    assert list(waits(report)) == ["b"]
    assert held(report) == {"c": "PodDisruptionBudget guard allows no more disruptions"}
    assert not report.fits


@pytest.mark.parametrize(
    ("budgets", "change", "why"),
    [
        pytest.param(
            [budget(0)], {}, "PodDisruptionBudget guard allows no more disruptions", id="none-allowed"
        ),
        pytest.param(
            [budget(5), {**budget(5), "metadata": {"name": "other", "namespace": "default"}}],
            {},
            "more than one PodDisruptionBudget is about it: guard, other",
            id="two-budgets",
        ),
        pytest.param([budget(0)], {"phase": "Pending"}, "", id="not-running-yet"),
        pytest.param(
            [budget(0, currentHealthy=2, desiredHealthy=2)], {"conditions": []}, "", id="not-counted-on"
        ),
        pytest.param(
            [budget(0, currentHealthy=1, desiredHealthy=2)],
            {"conditions": []},
            "PodDisruptionBudget guard allows no more disruptions",
            id="not-ready-but-counted-on",
        ),
        pytest.param(
            [
                budget(
                    0, currentHealthy=1, desiredHealthy=2, spec={"unhealthyPodEvictionPolicy": "AlwaysAllow"}
                )
            ],
            {"conditions": []},
            "",
            id="not-ready-may-go",
        ),
    ],
)
def test_what_budgets_say(budgets, change, why):
    there = replica("a", "n1")
    there["status"] = {**there["status"], **change}
    report = ask(Drain("n1"), [node("n1"), node("n2")], [there], *budgets)
    assert held(report) == ({"a": why} if why else {})


def test_a_node_that_is_not_there():
    with pytest.raises(Impossible, match="there is no node n9"):
        ask(Drain("n9"), [node("n1")], [])


# -- lose


def test_a_lost_zone_takes_its_pods_with_it():
    nodes = [node("n1", {"zone": "b"}), node("n2", {"zone": "b"}), node("n3", {"zone": "a"})]
    pods = [
        replica("a", "n1"),
        replica("d", "n2", kind="DaemonSet"),
        pod("alone", on="n2"),
        replica("c", "n3"),
    ]
    report = ask(Lose("zone", "b"), nodes, pods, budget(0))
    assert moves(report) == {"a": "n3"}
    assert [each.pod["metadata"]["name"] for each in report.lost] == ["alone"]
    assert [each.name for each in report.after] == ["n3"]
    with pytest.raises(Impossible, match="no node has the label zone=c"):
        ask(Lose("zone", "c"), nodes, pods)


# -- change


def test_new_nodes_take_what_waits():
    nodes = [
        node(
            "n1",
            {"zone": "a"},
            taints=[("mine", "NoSchedule"), ("node.kubernetes.io/not-ready", "NoExecute")],
        )
    ]
    pods = [replica("a", tolerations=[{"operator": "Exists", "key": "mine"}]), replica("b")]
    made = new_nodes(nodes[0], 2, ["n1-new-1"])
    assert [each["metadata"]["name"] for each in made] == ["n1-new-2", "n1-new-3"]
    assert made[0]["metadata"]["labels"] == {"zone": "a", "kubernetes.io/hostname": "n1-new-2"}
    report = ask(Change(tuple((NODES, each) for each in made)), nodes, pods)
    assert moves(report) == {"a": "n1-new-2"} or moves(report) == {"a": "n1-new-3"}
    assert list(waits(report)) == ["b"]
    assert [each.already for each in report.waiting] == [True]
    assert report.fits


def test_more_important_pods_end_others_which_are_made_again():
    nodes = [node("n1", offers={"cpu": "2"}), node("n2", {"disk": "ssd"}, offers={"cpu": "1"})]
    pods = [replica("low", "n2", priority=1)]
    wanted = pod("vip", requests={"cpu": "1"}, priority=9, nodeSelector={"disk": "ssd"})
    report = ask(Change(pods=(wanted,)), nodes, pods)
    assert moves(report) == {"vip": "n2", "low": "n1"}
    assert [each.why for each in report.departures] == ["preempted by default/vip"]
    assert report.fits


def test_what_settles_by_itself_is_not_the_hypothesis():
    report = ask(
        Drain("n2"), [node("n1"), node("n2")], [replica("a"), pod("going", on="n1", terminating=True)]
    )
    assert report.settled == 1
    assert len(report.placements) <= 1
    assert sum(each.pods for each in report.before) == 1


def _web(name: str, **more: Any) -> Any:
    made = replica(name, owner="new", **more)
    del made["metadata"]["name"]
    return made


def test_a_rollout_in_turns():
    nodes = [node("n1", offers={"cpu": "3"})]
    old = tuple(replica(name, "n1") for name in "ab")
    rollout = Rollout("Deployment web", 2, tuple(_web("") for _ in range(2)), old, surge=1)
    report = ask(Change(rollouts=(rollout,)), nodes, old)
    assert [each.node for each in report.placements] == ["n1", "n1"]
    assert [each.why for each in report.departures] == ["replaced by Deployment web"] * 2
    assert report.fits


def test_a_rollout_that_halts():
    nodes = [node("n1", offers={"cpu": "3"})]
    old = tuple(replica(name, "n1") for name in "ab")
    rollout = Rollout("Deployment web", 2, tuple(_web("", cpu="2") for _ in range(2)), old, surge=1)
    report = ask(Change(rollouts=(rollout,)), nodes, old)
    assert len(report.waiting) == 1
    assert [each.why for each in report.held] == ["the rollout of Deployment web does not get that far"]
    assert report.departures == ()
    recreated = Rollout("Deployment web", 2, tuple(_web("", cpu="2") for _ in range(2)), old, unavailable=2)
    report = ask(Change(rollouts=(recreated,)), nodes, old)
    assert (len(report.placements), len(report.waiting), len(report.departures)) == (1, 1, 2)


def test_fewer_and_more_of_the_same():
    nodes, old = [node("n1")], tuple(replica(name, "n1") for name in "abc")
    report = ask(Change(rollouts=(Rollout("x", 1, leave=old[1:], stay=1),)), nodes, old)
    assert [each.pod["metadata"]["name"] for each in report.departures] == ["b", "c"]
    report = ask(Change(rollouts=(Rollout("x", 5, come=(_web(""), _web("")), stay=3),)), nodes, old)
    assert (len(report.placements), len(report.waiting)) == (1, 1)


def test_pods_in_order_wait_for_each_other():
    come = tuple(replica(f"db-{number}", owner="db", kind="StatefulSet", cpu="3") for number in range(3))
    report = ask(Change(rollouts=(Rollout("db", 3, come, in_order=True),)), [node("n1")], [])
    assert (len(report.placements), len(report.waiting), len(report.held)) == (1, 1, 1)


def test_objects_count_for_what_comes_after():
    wanted = [replica(f"a{number}") for number in range(2)]
    nodes = [node(f"n{number}", {"zone": f"z{number}"}) for number in range(2)]
    for each in wanted:
        each["spec"]["nodeSelector"] = {"zone": "z7"}
    moved: Any = {**nodes[0], "metadata": {**nodes[0]["metadata"], "labels": {"zone": "z7"}}}
    report = ask(
        Change(
            objects=((NODES, moved), (REPLICASETS, {"metadata": {"name": "x", "namespace": "d"}, "spec": {}}))
        ),
        nodes,
        wanted,
    )
    assert moves(report) == {"a0": "n0", "a1": "n0"}


# -- what is told


def test_load_before_and_after():
    report = ask(Drain("n1"), [node("n1"), node("n2"), node("n3")], [replica("a", "n1"), replica("b", "n2")])
    for loads in (report.before, report.after):
        assert summary(loads, "cpu") == pytest.approx((1 / 4, 1 / 6))
    assert [each.pods for each in report.after] == [0, 1, 1]
    assert summary((), "cpu") == (0.0, 0.0)


def test_why_pods_are_not_tried():
    gated = replica("gated", schedulingGates=[{"name": "x"}])
    other = replica("other", schedulerName="somebody")
    report = ask(Drain("n1"), [node("n1")], [gated, other])
    assert waits(report) == {
        "gated": "waiting for scheduling gates: [x]",
        "other": "it is for another scheduler: somebody",
    }


def test_as_json():
    pods = [replica("a", "n1", cpu="3"), replica("b", "n2"), pod("alone", on="n1")]
    found = to_json(ask(Drain("n1"), [node("n1"), node("n2")], pods))
    assert found["fits"] is False
    assert found["placements"] == [
        {"namespace": "default", "pod": "web-1", "node": "n2", "insteadOf": "a", "from": "n1"}
    ]
    assert found["departures"][1] == {
        "namespace": "default", "pod": "alone", "node": "n1", "reason": "evicted", "madeAgain": False,
    }  # fmt: skip
    assert found["load"]["before"]["max"]["cpu"] == 0.75
    assert found["load"]["after"]["nodes"][1] == {
        "name": "n2", "pods": 2, "requested": {"cpu": 4000, "memory": 0},
        "offered": {"cpu": 4000, "memory": 8 * 2**30},
    }  # fmt: skip


def test_nothing_that_was_given_is_changed():
    nodes, pods = [node("n1"), node("n2")], [replica("a", "n1")]
    before = repr((nodes, pods))
    ask(Drain("n1"), nodes, pods, budget(1))
    assert repr((nodes, pods)) == before


@pytest.mark.parametrize(("offered", "placed"), [("4", 2), ("3", 0)])
def test_groups_come_together_or_not_at_all(offered, placed):
    group = {
        "metadata": {"name": "g", "namespace": "default"},
        "spec": {"schedulingPolicy": {"gang": {"minCount": 2}}},
    }
    wanted = tuple(
        pod(f"m{number}", requests={"cpu": "2"}, schedulingGroup={"podGroupName": "g"}) for number in range(2)
    )
    state: Any = {NODES: [node("n1", offers={"cpu": offered})], PODGROUPS: [group]}
    report = predict(state, Change(pods=wanted), PROFILES)
    assert (len(report.placements), len(report.waiting)) == (placed, 2 - placed)
    del state[PODGROUPS]
    assert len(predict(state, Change(pods=wanted), PROFILES).placements) == max(placed, 1)


def test_new_nodes_come_one_after_the_other():
    wanted = tuple(replica(f"a{number}") for number in range(3))
    made = new_nodes(node("n1", offers={"cpu": "2"}), 2, ["n1"])
    report = ask(Change(tuple((NODES, each) for each in made)), [node("n1", offers={"cpu": "0"})], wanted)
    assert moves(report) == {"a0": "n1-new-1", "a1": "n1-new-1", "a2": "n1-new-2"}
