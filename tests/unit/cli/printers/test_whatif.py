"""Reports for people."""

from api.types.core_v1 import NODES, PODS
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from cli.printers.whatif import render
from scheduler.whatif.hypotheses import Change, Drain, Rollout
from scheduler.whatif.report import predict
from tests.unit.scheduler.build import PROFILES, node, pod
from tests.unit.scheduler.whatif.test_predict import budget, replica


def _text(hypothesis, nodes, pods, *budgets):
    return render(predict({NODES: nodes, PODS: pods, PODDISRUPTIONBUDGETS: budgets}, hypothesis, PROFILES))


def test_a_drain():
    nodes = [node("n1"), node("n2", offers={"cpu": "1"})]
    pods = [replica(name, "n1") for name in "abc"] + [pod("alone", on="n1")]
    why = (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. preemption: 0/2 nodes "
        "are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for "
        "scheduling."
    )
    assert (
        _text(Drain("n1"), nodes, pods, budget(1))
        == f"""\
1 pod would get a node, 1 pod would wait, 1 pod would be held back, 1 pod would be lost.

POD        FROM  TO
default/a  n1    n2
default/b  n1    <none>

Why pods would wait:
  default/b:
    {why}

Held back:
POD        NODE  WHY
default/c  n1    PodDisruptionBudget guard allows no more disruptions

Nobody makes again:
POD            NODE  WHY
default/alone  n1    evicted

REQUESTED  MAX NOW  MEAN NOW  MAX THEN  MEAN THEN
cpu        75%      38%       100%      62%
memory     0%       0%        0%        0%
nodes      2                  2
"""
    )


def test_new_pods_that_share_their_fate_share_a_row():
    come = tuple(replica("x", owner="web-1") for _ in range(6))
    for each in come:
        del each["metadata"]["name"]
    text = _text(
        Change(rollouts=(Rollout("web", 6, come),)), [node("n1"), node("n2", offers={"cpu": "1"})], []
    )
    lines = text.splitlines()
    assert lines[0] == "5 pods would get a node, 1 pod would wait."
    assert lines[3].split() == ["default/web-1", "x", "4", "<new>", "n1"]
    assert lines[5].split() == ["default/web-1", "<new>", "<none>"]
    assert lines[7:9] == ["Why pods would wait:", "  default/web-1:"]


def test_reasons_that_pods_share_are_told_once():
    pods = [replica(name, "n1", cpu="3") for name in "abcde"]
    nodes = [node("n1", offers={"cpu": "20"}), node("n2", offers={"cpu": "1"})]
    text = _text(Drain("n1"), nodes, pods)
    assert "\n  default/a, default/b, default/c, and 2 more:\n    0/2 nodes are available" in text
    assert text.count("0/2 nodes are available: 1 Insufficient") == 1


def test_victims_and_what_waits_already():
    nodes = [node("n1", offers={"cpu": "1"})]
    vip = pod("vip", requests={"cpu": "1"}, priority=9)
    big = pod("big", requests={"cpu": "3"})
    text = _text(Change(pods=(vip,)), nodes, [replica("low", "n1", priority=1), big, pod("soon")])
    assert "Ended for others:\nPOD          NODE  WHY\ndefault/low  n1    preempted by default/vip\n" in text
    assert "default/vip  <new>   n1" in text
    assert "default/big  <none>  <none>" in text
    assert "that waits now gets a node in any case" in text


def test_long_tables_end():
    pods = [replica(f"p{number}", "n1", cpu="10m") for number in range(60)]
    text = _text(Drain("n1"), [node("n1"), node("n2")], pods)
    assert "... and 20 more (-o json tells all):\n    20 x  n1  n2\n" in text


def test_nothing_moves():
    assert _text(Drain("n1"), [node("n1")], []).startswith("0 pods would get a node.\n\nREQUESTED")
