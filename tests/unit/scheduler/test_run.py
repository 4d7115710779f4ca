"""Runs of pods that are alike: each pod goes where a decision of its own would have put it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.attempt import Attempts, Placed
from scheduler.cluster import Cluster
from tests.unit.scheduler.build import PROFILE, PROFILES, node, pod, spread
from tests.unit.scheduler.test_preempt import Fickle

# With a filter that may say anything at any time there are no runs.
SINGLY = {PROFILE.name: replace(PROFILE, filters=(*PROFILE.filters, Fickle()))}
SIZES: Any = [{}, {"cpu": "2"}, {"memory": "2Gi"}, {"pods": "3"}, {"cpu": "16", "memory": "64Gi"}]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    taint = st.sampled_from([[], [], [("a", "PreferNoSchedule")], [("a", "NoSchedule")]])
    count = draw(st.integers(2, 6))
    nodes = [node(f"n{n}", offers=draw(st.sampled_from(SIZES)), taints=draw(taint)) for n in range(count)]
    cpu = st.sampled_from(["100m", "1"])
    pods = [
        pod(f"p{n}", draw(st.sampled_from([f"n{n}" for n in range(count)])), requests={"cpu": draw(cpu)})
        for n in range(draw(st.integers(0, 4)))
    ]
    return nodes, pods


def place(profiles: Any, nodes: Any, placed: Any, new: Any) -> tuple[list[str], int]:
    """Return where pods go, in order ("" for nowhere), and how many of them as one more of a run."""
    cluster = Cluster(profiles)
    for each in nodes:
        cluster.node_changed(None, each, 0.0)
    for each in (*placed, *new):
        cluster.pod_changed(None, each, 0.0)
    attempts, found, followed = Attempts(cluster), [], 0
    while (entry := cluster.queue.pop(0.0)) is not None:
        outcome = attempts.attempt(entry, 0.0)
        found.append(outcome.node if isinstance(outcome, Placed) else "")
        followed += isinstance(outcome, Placed) and outcome.after is not None
    return found, followed


@settings(max_examples=300, deadline=None)
@given(clusters(), st.sampled_from([{}, {"cpu": "300m"}, {"cpu": "1", "memory": "100Mi"}]))
def test_the_same_places(cluster: Any, requests: Any) -> None:
    new = [pod(f"new{number}", requests=requests) for number in range(12)]
    nodes, pods = cluster
    in_runs, _ = place(PROFILES, nodes, pods, new)
    singly, followed = place(SINGLY, nodes, pods, new)
    assert (in_runs, followed) == (singly, 0)


def test_equal_nodes_make_long_runs() -> None:
    nodes = [node(f"n{number}") for number in range(20)]
    found, followed = place(PROFILES, nodes, [], [pod(f"p{n}", requests={"cpu": "1"}) for n in range(40)])
    assert {found.count(f"n{number}") for number in range(20)} == {2}
    assert followed == 38


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"topologySpreadConstraints": [spread("zone", 1, hard=False)]}, id="spread"),
        pytest.param({"ports": [{"containerPort": 1, "hostPort": 80}]}, id="ports"),
    ],
)
def test_no_run_where_pods_matter_to_each_other(spec: Any) -> None:
    nodes = [node(f"n{number}", {"zone": "a"}) for number in range(4)]
    new = [pod(f"p{number}", labels={"app": "web"}, **spec) for number in range(4)]
    assert place(PROFILES, nodes, [], new)[1] == 0


def test_a_run_ends_when_anything_happens() -> None:
    cluster = Cluster(PROFILES)
    for number in range(4):
        cluster.node_changed(None, node(f"n{number}"), 0.0)
    for number in range(3):
        cluster.pod_changed(None, pod(f"p{number}", requests={"cpu": "1"}), 0.0)
    attempts, outcomes = Attempts(cluster), []
    for number in range(3):
        entry = cluster.queue.pop(0.0)
        assert entry is not None
        outcomes.append(attempts.attempt(entry, 0.0))
        if number == 0:
            cluster.pod_changed(None, pod("stranger", "n0", requests={"cpu": "1"}), 0.0)
    afters = [outcome.after for outcome in outcomes if isinstance(outcome, Placed)]
    assert [after is None for after in afters] == [True, True, False]


def test_what_became_of_the_node_before_is_told() -> None:
    cluster = Cluster(PROFILES)
    for number in range(2):
        cluster.node_changed(None, node(f"n{number}", offers={"pods": "1"}), 0.0)
    for number in range(2):
        cluster.pod_changed(None, pod(f"p{number}", requests={"cpu": "1"}), 0.0)
    attempts, outcomes = Attempts(cluster), []
    while (entry := cluster.queue.pop(0.0)) is not None:
        outcomes.append(attempts.attempt(entry, 0.0))
    first, second = outcomes
    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    assert second.after is not None
    assert cluster.snapshot.names[second.after.slot] == first.node
    assert [(plugin, reject.reason) for plugin, reject in second.after.rejected] == [
        ("NodeResourcesFit", "Too many pods")
    ]
