"""Who has to go when something more important comes, and who must not: victims, budgets, ReplicaSets."""

import time
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.harness import eventually
from tests.e2e.scheduling import (
    PRIORITYCLASSES,
    asking,
    made,
    on,
    priorities,
    ready_nodes,
    refuse,
    resource,
    selects,
)
from tests.e2e.space import FOREVER, Space, conditions, container, pod

FOO = "scheduling.k8s.io/foo"
FAKECPU = "example.com/fakecpu"
FINALIZER = "example.com/test-finalizer"
DEAF = "trap '' TERM; while :; do sleep 1; done"
# How long nothing more may happen once everything has come as it should (the conformance test: 5 s).
STABLE_S = 5.0


def _asks(amount: int, name: str = FOO, script: str = FOREVER):
    return container(script, **asking(**{name: str(amount)}))


def _names(cluster) -> list[str]:
    return [node["metadata"]["name"] for node in ready_nodes(cluster)]


@contextmanager
def _levels(cluster):
    """PriorityClasses low, medium and high: 1, 100, 1000."""
    with priorities(cluster, e2e_low=1, e2e_medium=100, e2e_high=1000):
        yield


def _fill(space: Space, nodes: list[str]) -> list[str]:
    """Run two pods on each node, 4/5 of what it has: the first of all low, the others of medium priority."""
    pods: list[dict[str, Any]] = []
    for node in nodes:
        for _ in range(2):
            level = "medium" if pods else "low"
            name = f"pod{len(pods)}-{level}"
            pods.append(pod(name, _asks(2), priorityClassName=f"e2e-{level}", affinity=on(node)))
    return [one["metadata"]["name"] for one in space.run(*pods)]


def _goes(space: Space, name: str) -> bool:
    return space.is_gone("pods", name) or "deletionTimestamp" in space.get("pods", name)["metadata"]


def _check_victims(space: Space, first: str, others: list[str]) -> None:
    """Check that the first pod goes or is gone, and that nobody has touched the others."""
    assert _goes(space, first)
    assert not any(_goes(space, name) for name in others)


@pytest.mark.case(
    "[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works [Conformance]"
)
def test_the_pod_of_lowest_priority_makes_room(space, cluster):
    nodes = _names(cluster)
    with _levels(cluster), resource(cluster, nodes, FOO, "5"):
        first, *others = _fill(space, nodes)
        space.create("pods", pod("preemptor-pod", _asks(2), priorityClassName="e2e-high"))
        placed = space.phase("preemptor-pod", "Running")
        assert placed["spec"]["nodeName"] == nodes[0]
        _check_victims(space, first, others)
        told = eventually(
            lambda: [e for e in space.items("events") if e["reason"] == "Preempted"], "Event about the victim"
        )
        assert [event["involvedObject"]["name"] for event in told] == [first]


@pytest.mark.case(
    "[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod "
    "[Conformance]"
)
def test_a_critical_pod_makes_room_for_itself(space, cluster):
    nodes = _names(cluster)
    system = Space(cluster, "kube-system")
    with _levels(cluster), resource(cluster, nodes, FOO, "5"):
        first, *others = _fill(space, nodes)
        critical = pod("critical-pod", _asks(2), priorityClassName="system-cluster-critical")
        system.create("pods", critical)
        try:
            system.phase("critical-pod", "Running")
            _check_victims(space, first, others)
        finally:
            system.delete("pods", "critical-pod", gracePeriodSeconds=0)


@pytest.mark.case(
    "[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the "
    "preempted pod [Conformance]"
)
def test_a_victim_says_why_it_goes(space, cluster):
    node = _names(cluster)[0]
    with _levels(cluster), resource(cluster, [node], FOO, "1"):
        victim = pod("victim-pod", _asks(1), priorityClassName="e2e-low", affinity=on(node))
        victim["metadata"]["finalizers"] = [FINALIZER]
        space.run(victim)
        try:
            preemptor = pod("preemptor-pod", _asks(1), priorityClassName="e2e-high", affinity=on(node))
            space.create("pods", preemptor)
            going = space.wait("victim-pod", lambda p: "deletionTimestamp" in p["metadata"], "is terminating")
            said = next(c for c in going["status"]["conditions"] if c["type"] == "DisruptionTarget")
            assert (said["status"], said["reason"]) == ("True", "PreemptionByScheduler")
            # What terminates takes room until it is gone, and the room is meant for the preemptor.
            waits = space.wait(
                "preemptor-pod", lambda p: p["status"].get("nominatedNodeName"), "is nominated to a node"
            )
            assert waits["status"]["nominatedNodeName"] == node
            assert "nodeName" not in waits["spec"]
        finally:
            space.patch("pods", "victim-pod", {"metadata": {"finalizers": None}})
        assert space.ready("preemptor-pod")["spec"]["nodeName"] == node
        assert space.is_gone("pods", "victim-pod")


def _replicaset(name: str, hostname: str, amount: int, level: str, script: str):
    labels = {"name": name}
    spec = {
        "terminationGracePeriodSeconds": 3,
        "containers": [_asks(amount, FAKECPU, script)],
        "nodeSelector": {"kubernetes.io/hostname": hostname},
        "priorityClassName": level,
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    selector = {"matchLabels": labels}
    return {
        "metadata": {"name": f"rs-{name}"},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    }


def _wait_until_available(space: Space, name: str) -> None:
    def is_so() -> bool:
        return bool(space.get("replicasets", name)["status"].get("availableReplicas") == 1)

    eventually(is_so, f"the pod of {name} is available")


@pytest.mark.case(
    "[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify "
    "preemption running path [Conformance]"
)
def test_two_small_pods_go_and_what_replaces_them_waits(space, cluster):
    node = ready_nodes(cluster)[0]
    hostname = node["metadata"]["labels"]["kubernetes.io/hostname"]
    revision = cluster.revision(space.path("pods"))
    with (
        priorities(cluster, p1=1, p2=2, p3=3, p4=4),
        resource(cluster, [node["metadata"]["name"]], FAKECPU, "1000"),
    ):
        # The second takes its time to go: until then there is room for what replaces the first, but it is
        # meant for the preemptor.
        for number, amount in enumerate((200, 300, 450), 1):
            script = DEAF if number == 2 else FOREVER
            one = _replicaset(f"pod{number}", hostname, amount, f"p{number}", script)
            space.create("replicasets", one)
            _wait_until_available(space, f"rs-pod{number}")
        selector = {"kubernetes.io/hostname": hostname}
        space.create("pods", pod("pod4", _asks(500, FAKECPU), priorityClassName="p4", nodeSelector=selector))
        space.wait("pod4", lambda p: p["spec"].get("nodeName"), "has a node")

        def seen() -> list[int]:
            names = [
                event["object"]["metadata"]["name"]
                for event in cluster.watch(space.path("pods"), revision, 1)
                if event["type"] == "ADDED"
            ]
            return [sum(name.startswith(f"rs-pod{number}-") for name in names) for number in (1, 2, 3)]

        eventually(lambda: seen() >= [2, 2, 1], "both small pods have gone once and come again")
        time.sleep(STABLE_S)
        assert seen() == [2, 2, 1]
        again = [one for one in space.items("pods") if "nodeName" not in one["spec"]]
        assert sorted(one["metadata"]["labels"]["name"] for one in again) == ["pod1", "pod2"]
        assert all(conditions(one)["PodScheduled"] == "False" for one in again)


def test_who_never_preempts_waits_its_turn(space, cluster):
    node = _names(cluster)[0]
    never = {"metadata": {"name": "e2e-never"}, "value": 10, "preemptionPolicy": "Never"}
    with (
        _levels(cluster),
        made(cluster, PRIORITYCLASSES, never),
        resource(cluster, [node], FOO, "1"),
    ):
        space.run(pod("first", _asks(1), priorityClassName="e2e-low"))
        event = refuse(space, pod("polite", _asks(1), priorityClassName="e2e-never"))
        assert "not eligible due to preemptionPolicy=Never" in event["message"]
        space.run(pod("elsewhere"))
        assert not _goes(space, "first")
        # It does not push, but it takes the room when that is free.
        space.delete("pods", "first")
        assert space.ready("polite")["spec"]["nodeName"] == node


def test_a_budget_protects_pods_as_long_as_others_can_go(space, cluster):
    node = _names(cluster)[0]
    with (
        _levels(cluster),
        resource(cluster, [node], FOO, "10"),
        cluster.namespace(f"{space.name}-b"[:60]) as name,
    ):
        other = Space(cluster, name)
        kept = {"kept": "yes"}
        low = [pod(f"low-{n}", _asks(2), labels=kept, priorityClassName="e2e-low") for n in (1, 2)]
        space.run(*low, pod("filler", _asks(2), labels=kept, priorityClassName="e2e-high"))
        other.run(*(pod(f"medium-{n}", _asks(2), priorityClassName="e2e-medium") for n in (1, 2)))
        budgets = f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets"
        budget = {"metadata": {"name": "all"}, "spec": {"minAvailable": 3, "selector": {"matchLabels": kept}}}
        cluster.call("POST", budgets, budget)
        _allows(cluster, f"{budgets}/all", 0)
        space.run(pod("preemptor-1", _asks(2), priorityClassName="e2e-high"))
        assert not any(_goes(space, name) for name in ("low-1", "low-2", "filler"))
        assert [_goes(other, f"medium-{n}") for n in (1, 2)].count(True) == 1
        cluster.call("PATCH", f"{budgets}/all", {"spec": {"minAvailable": 2}}, "application/merge-patch+json")
        _allows(cluster, f"{budgets}/all", 1)
        space.run(pod("preemptor-2", _asks(2), priorityClassName="e2e-high"))
        assert [_goes(space, f"low-{n}") for n in (1, 2)].count(True) == 1


def _allows(cluster, path: str, least: int) -> None:
    def is_so() -> bool:
        status = cluster.call("GET", path)["status"]
        if least == 0:
            return (status["currentHealthy"], status["disruptionsAllowed"]) == (3, 0)
        return bool(status["disruptionsAllowed"] >= least)

    eventually(is_so, f"the budget allows {least} disruptions", 30)


def test_as_many_go_as_the_spread_asks_for(space, cluster):
    nodes = _names(cluster)[:2]
    key = "kubernetes.io/hostname"
    either = selects(key, nodes)
    labels = {"e2e-pts-preemption": ""}
    with _levels(cluster), resource(cluster, nodes, FOO, "10"):
        space.run(pod("high", _asks(9), labels=labels, priorityClassName="e2e-high", affinity=either))
        for number in (1, 2, 3):
            name = f"low-{number}"
            space.run(pod(name, _asks(3), labels=labels, priorityClassName="e2e-low", affinity=either))
        spread = {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": labels},
        }
        medium = pod("medium", _asks(3), labels=labels, priorityClassName="e2e-medium", affinity=either)
        medium["spec"]["topologySpreadConstraints"] = [spread]
        space.run(medium)
        eventually(lambda: len(space.items("pods")) == 3, "two of the low pods are gone")
        left = sorted(one["metadata"]["name"].split("-")[0] for one in space.items("pods"))
        assert left == ["high", "low", "medium"]
