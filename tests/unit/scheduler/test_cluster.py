"""Assumptions: confirmed by the watch, undone, lost; and who is queued at all."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from scheduler.cluster import Cluster
from scheduler.hints import Hints
from scheduler.objects import Objects
from tests.unit.scheduler.build import PROFILE, PROFILES, node, pod


def cluster_with(*pods: Any) -> Cluster:
    cluster = Cluster(PROFILES)
    for name in ("n1", "n2"):
        cluster.node_changed(None, node(name), 0.0)
    for each in pods:
        cluster.pod_changed(None, each, 0.0)
    return cluster


def counted(cluster: Cluster) -> dict[str, str]:
    return {uid: cluster.snapshot.names[record.slot] for uid, record in cluster.snapshot.pods.items()}


def assumed() -> Cluster:
    cluster = cluster_with(pod("a"))
    assert cluster.queue.pop(0.0)
    cluster.assume(pod("a"), "n1")
    return cluster


def test_the_watch_confirms() -> None:
    cluster = assumed()
    cluster.pod_changed(pod("a"), pod("a", "n1"), 1.0)
    assert (counted(cluster), len(cluster.queue), cluster.assumed) == ({"a": "n1"}, 0, {})


def test_the_watch_says_otherwise() -> None:
    cluster = assumed()
    cluster.pod_changed(pod("a"), pod("a", "n2"), 1.0)
    assert (counted(cluster), cluster.assumed) == ({"a": "n2"}, {})


def test_an_old_event_does_not_queue_an_assumed_pod_again() -> None:
    cluster = assumed()
    cluster.pod_changed(pod("a"), pod("a", status={"conditions": []}), 1.0)
    assert cluster.queue.pop(100.0) is None
    assert counted(cluster) == {"a": "n1"}


def test_a_failed_binding_is_undone_and_tried_again() -> None:
    cluster = assumed()
    cluster.undo(pod("a"), 0.5)
    assert (counted(cluster), cluster.assumed) == ({}, {})
    assert cluster.queue.pop(0.5) is None
    assert cluster.queue.pop(1.0)


def test_undoing_after_the_watch_has_told_changes_nothing() -> None:
    cluster = assumed()
    cluster.pod_changed(pod("a"), pod("a", "n2"), 1.0)
    cluster.undo(pod("a"), 1.5)
    assert counted(cluster) == {"a": "n2"}


@pytest.mark.parametrize("how", ["deleted", "ended"])
def test_a_pod_that_vanishes_leaves_no_trace(how: str) -> None:
    cluster = assumed()
    match how:
        case "deleted":
            cluster.pod_changed(pod("a"), None, 1.0)
        case _:
            cluster.pod_changed(pod("a"), pod("a", status={"phase": "Failed"}), 1.0)
    assert (counted(cluster), len(cluster.queue), cluster.assumed) == ({}, 0, {})


def test_a_node_that_goes_and_comes_back_has_its_pods() -> None:
    cluster = cluster_with(pod("a", "n1"))
    cluster.node_changed(node("n1"), None, 1.0)
    assert counted(cluster) == {}
    cluster.node_changed(None, node("n1"), 2.0)
    assert counted(cluster) == {"a": "n1"}


def test_pods_may_come_before_their_node() -> None:
    cluster = cluster_with(pod("a", "late"))
    cluster.node_changed(None, node("late"), 1.0)
    assert counted(cluster) == {"a": "late"}


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(pod("a", schedulerName="mine"), id="another-scheduler's"),
        pytest.param(pod("a", terminating=True), id="being-deleted"),
        pytest.param(pod("a", status={"phase": "Succeeded"}), id="ended"),
        pytest.param(pod("a", "n1"), id="placed"),
    ],
)
def test_not_to_be_scheduled(each: Any) -> None:
    assert len(cluster_with(each).queue) == 0


def test_a_freed_place_wakes_those_it_may_help() -> None:
    cluster = cluster_with(pod("old", "n1"), pod("a"))
    cluster.queue.pop(0.0)
    cluster.queue.park("a", frozenset(("NodeResourcesFit",)))
    cluster.pod_changed(pod("old", "n1"), None, 5.0)
    assert cluster.queue.pop(5.0)


@pytest.mark.parametrize(
    ("after", "plugins"),
    [
        pytest.param(node("n1"), set(), id="nothing"),
        pytest.param(
            node("n1", {"a": "b"}),
            {
                "NodeAffinity",
                "PodTopologySpread",
                "InterPodAffinity",
                "VolumeBinding",
                "VolumeZone",
                "DynamicResources",
            },
            id="labels",
        ),
        pytest.param(
            node("n1", taints=[("a", "NoSchedule")]), {"TaintToleration", "PodTopologySpread"}, id="taints"
        ),
        pytest.param(
            node("n1", offers={"cpu": "9"}), {"NodeResourcesFit", "DynamicResources"}, id="allocatable"
        ),
        pytest.param(node("n1", unschedulable=True), set(), id="cordoned"),
    ],
)
def test_node_hints(after: Any, plugins: set[str]) -> None:
    assert woken_by(node("n1"), after) == plugins


def test_uncordoned() -> None:
    assert "NodeUnschedulable" in woken_by(node("n1", unschedulable=True), node("n1"))


def woken_by(before: Any, after: Any) -> set[str]:
    """Return the plugins whose refusal is looked at again when a node changes."""
    found = set()
    for plugin in PROFILE.filters:
        cluster = cluster_with(pod("a"))
        cluster.node_changed(None, before, 0.0)
        cluster.queue.pop(0.0)
        cluster.queue.park("a", frozenset((plugin.name,)))
        cluster.node_changed(before, after, 5.0)
        if cluster.queue.pop(5.0) is not None:
            found.add(plugin.name)
    return found


def test_gates_end_when_an_object_comes() -> None:
    cluster = Cluster({PROFILE.name: replace(PROFILE, pre_enqueues=(WantsClaim(),))})
    cluster.pod_changed(None, pod("a"), 0.0)
    assert cluster.queue.counts() == {"gated": 1}
    claim = {"metadata": {"namespace": "default", "name": "a", "resourceVersion": "1"}}
    cluster.object_changed(PERSISTENTVOLUMECLAIMS, None, claim, 1.0)
    assert cluster.queue.counts() == {"active": 1}


@dataclass(frozen=True)
class WantsClaim:
    name: str = "WantsClaim"
    hints: ClassVar[Hints] = {PERSISTENTVOLUMECLAIMS.kind: None}

    def pre_enqueue(self, each: Any, objects: Objects) -> str | None:
        found = objects.get(PERSISTENTVOLUMECLAIMS, "default", each["metadata"]["name"])
        return None if found else "not yet"
