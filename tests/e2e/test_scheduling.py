"""Where pods go and where they may not: resources, node selectors, host ports, RuntimeClasses, gates."""

import time
from contextlib import ExitStack

import pytest

from api.quantity import milli
from tests.e2e.scheduling import (
    RUNTIMECLASSES,
    STRATEGIC,
    added_event,
    asking,
    counts,
    label,
    live_pods,
    made,
    ready_nodes,
    refuse,
    resource,
    selects,
    wait_until_stable,
)
from tests.e2e.space import Space, conditions, container, pod

# How long a pod is watched that must stay pending (the conformance test: 5 minutes).
STAYS_S = 20

BEARDSECOND = "example.com/beardsecond"


def _a_node(space: Space) -> str:
    """Return a node that has run a pod, which is gone again."""
    (one,) = space.run(pod("without-label"))
    space.delete("pods", "without-label", gracePeriodSeconds=0)
    name: str = one["spec"]["nodeName"]
    return name


def _free_cpu(cluster) -> tuple[dict[str, int], int]:
    """Return the unasked-for millicores of each node, and the most that a node has in all."""
    whole = {
        node["metadata"]["name"]: milli(node["status"]["allocatable"]["cpu"]) for node in ready_nodes(cluster)
    }
    free = dict(whole)
    for one in live_pods(cluster):
        if one["spec"]["nodeName"] in free:
            requests = [c.get("resources", {}).get("requests", {}) for c in one["spec"]["containers"]]
            free[one["spec"]["nodeName"]] -= sum(milli(asked.get("cpu", "0")) for asked in requests)
    return free, max(whole.values())


@pytest.mark.case(
    "[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are allowed to run "
    "[Conformance]"
)
def test_cpu_that_is_asked_for_is_not_given_twice(space, cluster):
    wait_until_stable(cluster)
    free, most = _free_cpu(cluster)
    fillers = [_filler(node, millicores * 7 // 10) for node, millicores in free.items()]
    with ExitStack() as labels:
        for node in free:
            labels.enter_context(label(cluster, node, "node", node))
        placed = space.run(*fillers)
        assert [one["spec"]["nodeName"] for one in placed] == list(free)
        event = refuse(space, pod("additional-pod", container(**asking(cpu=f"{most // 2}m"))))
        assert "Insufficient cpu" in event["message"]
        assert counts(space) == (len(fillers), 1)


def _filler(node: str, millicores: int):
    main = container(**asking(cpu=f"{millicores}m"))
    return pod(f"filler-pod-{node}", main, affinity=selects("node", [node]))


@pytest.mark.case(
    "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching "
    "[Conformance]"
)
def test_a_node_selector_that_matches_nothing_holds_the_pod(space, cluster):
    wait_until_stable(cluster)
    event = refuse(space, pod("restricted-pod", nodeSelector={"label": "nonempty"}))
    assert "didn't match Pod's node affinity/selector" in event["message"]
    assert counts(space) == (0, 1)


@pytest.mark.case(
    "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching "
    "[Conformance]"
)
def test_a_node_selector_leads_to_the_node_that_bears_the_label(space, cluster):
    node = _a_node(space)
    revision = cluster.revision(space.path("events"))
    with label(cluster, node, "kubernetes.io/e2e-selected", "42") as selector:
        space.create("pods", pod("with-labels", nodeSelector=selector))
        placed = space.phase("with-labels", "Running")
    assert placed["spec"]["nodeName"] == node
    assert conditions(placed)["PodScheduled"] == "True"
    event = added_event(space, revision, "with-labels", "Scheduled")
    text = f"Successfully assigned {space.name}/with-labels to {node}"
    assert (event["type"], event["message"]) == ("Normal", text)


def _with_host_port(name: str, selector: dict[str, str], host_ip: str, protocol: str = "TCP"):
    port = {"hostPort": 54322, "containerPort": 8080, "protocol": protocol}
    if host_ip:
        port["hostIP"] = host_ip
    return pod(name, container(ports=[port]), nodeSelector=selector)


@pytest.mark.case(
    "[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with "
    "same hostPort and protocol but one using 0.0.0.0 hostIP [Conformance]"
)
def test_a_host_port_on_every_address_is_in_the_way_of_one_address(space, cluster):
    node = _a_node(space)
    addresses = cluster.call("GET", f"/api/v1/nodes/{node}")["status"]["addresses"]
    host_ip = next(one["address"] for one in addresses if one["type"] == "InternalIP")
    with label(cluster, node, "kubernetes.io/e2e-ports", "95") as selector:
        space.create("pods", _with_host_port("pod4", selector, ""))
        space.phase("pod4", "Running")
        event = refuse(space, _with_host_port("pod5", selector, host_ip))
        refused_at = time.monotonic()
        assert "didn't have free ports for the requested pod ports" in event["message"]
        # Another protocol is another port.
        space.create("pods", _with_host_port("pod6", selector, host_ip, "UDP"))
        assert space.phase("pod6", "Running")["spec"]["nodeName"] == node
        time.sleep(max(0.0, refused_at + STAYS_S - time.monotonic()))
        held = space.get("pods", "pod5")
        assert (held["status"]["phase"], "nodeName" in held["spec"]) == ("Pending", False)
        # When the port is free, the pod that waits for it gets it.
        space.delete("pods", "pod4", gracePeriodSeconds=0)
        assert space.phase("pod5", "Running")["spec"]["nodeName"] == node


def test_one_host_port_on_two_addresses_and_in_two_protocols(space, cluster):
    node = _a_node(space)
    addresses = cluster.call("GET", f"/api/v1/nodes/{node}")["status"]["addresses"]
    host_ip = next(one["address"] for one in addresses if one["type"] == "InternalIP")
    with label(cluster, node, "kubernetes.io/e2e-ports", "90") as selector:
        ports = [("127.0.0.1", "TCP"), (host_ip, "TCP"), (host_ip, "UDP")]
        pods = [_with_host_port(f"pod{n}", selector, *port) for n, port in enumerate(ports)]
        assert {one["spec"]["nodeName"] for one in space.run(*pods)} == {node}


@pytest.mark.parametrize(
    "overhead",
    [
        pytest.param(
            {"cpu": "10m", "memory": "1Mi"},
            marks=pytest.mark.case(
                "[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its "
                "Overhead [NodeConformance] [Conformance]"
            ),
            id="with-overhead",
        ),
        pytest.param(
            None,
            marks=pytest.mark.case(
                "[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead "
                "[NodeConformance] [Conformance]"
            ),
            id="without",
        ),
    ],
)
def test_a_pod_of_a_runtime_class_is_placed(space, cluster, overhead):
    name = f"{space.name}-preconfigured"
    # No node knows the handler: that the pod is placed does not depend on it.
    runtime = {"metadata": {"name": name}, "handler": "test-handler"}
    if overhead:
        runtime["overhead"] = {"podFixed": overhead}
    with made(cluster, RUNTIMECLASSES, runtime):
        space.create("pods", pod("of-a-class", runtimeClassName=name))
        placed = space.wait("of-a-class", lambda p: conditions(p).get("PodScheduled") == "True", "is placed")
    assert counts(space) == (1, 0)
    assert placed["spec"].get("overhead") == overhead


def test_overhead_takes_room_too(space, cluster):
    node = _a_node(space)
    name = f"{space.name}-heavy"
    heavy = {"metadata": {"name": name}, "handler": "test-handler"}
    heavy["overhead"] = {"podFixed": {BEARDSECOND: "250"}}
    with resource(cluster, [node], BEARDSECOND, "1000"), made(cluster, RUNTIMECLASSES, heavy):
        (filler,) = space.run(pod("filler-pod", container(**asking(**{BEARDSECOND: "700"}))))
        assert filler["spec"]["nodeName"] == node
        main = container(resources={"limits": {BEARDSECOND: "200"}})
        event = refuse(space, pod("additional-pod", main, runtimeClassName=name))
        assert f"Insufficient {BEARDSECOND}" in event["message"]
        assert counts(space) == (1, 1)
        # Without the overhead there is room for as much.
        space.run(pod("light-pod", main))


def test_an_extended_resource_counts_from_the_moment_it_is_there(space, cluster):
    node = _a_node(space)
    one = pod("early", container(**asking(**{"example.com/fakecpu": "600"})))
    event = refuse(space, one)
    assert "Insufficient example.com/fakecpu" in event["message"]
    with resource(cluster, [node], "example.com/fakecpu", "1000"):
        assert space.ready("early")["spec"]["nodeName"] == node
        refuse(space, pod("late", container(**asking(**{"example.com/fakecpu": "401"}))))
        space.delete("pods", "early", gracePeriodSeconds=0)
        assert space.ready("late")["spec"]["nodeName"] == node


def test_gates_hold_a_pod_until_the_last_is_gone(space):
    gates = [{"name": "example.com/quota"}, {"name": "example.com/images"}]
    space.create("pods", pod("gated", schedulingGates=gates))
    one = space.wait("gated", lambda p: "PodScheduled" in conditions(p), "says that it is held")
    said = next(c for c in one["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (said["status"], said["reason"]) == ("False", "SchedulingGated")
    space.patch("pods", "gated", {"spec": {"schedulingGates": gates[1:]}})
    # A pod that comes later is placed, so the scheduler has had its time.
    space.run(pod("free"))
    assert "nodeName" not in space.get("pods", "gated")["spec"]
    space.patch("pods", "gated", {"spec": {"schedulingGates": []}})
    assert conditions(space.ready("gated"))["PodScheduled"] == "True"


def test_a_pod_that_names_its_node_says_that_it_is_placed(space, cluster):
    node = ready_nodes(cluster)[0]["metadata"]["name"]
    (one,) = space.run(pod("named", nodeName=node))
    assert conditions(one)["PodScheduled"] == "True"


def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(space, cluster):
    node = _a_node(space)
    taint = {"key": "kubernetes.io/e2e-taint", "value": "testing-taint-value", "effect": "NoSchedule"}
    path = f"/api/v1/nodes/{node}"
    with label(cluster, node, "kubernetes.io/e2e-tainted", "testing") as selector:
        cluster.call("PATCH", path, {"spec": {"taints": [taint]}}, STRATEGIC)
        try:
            tolerant = pod("with-tolerations", nodeSelector=selector, tolerations=[taint])
            assert space.run(tolerant)[0]["spec"]["nodeName"] == node
            event = refuse(space, pod("without-tolerations", nodeSelector=selector))
            assert "had untolerated taint" in event["message"]
            assert counts(space) == (1, 1)
        finally:
            cluster.call("PATCH", path, {"spec": {"taints": None}}, STRATEGIC)
        assert space.ready("without-tolerations")["spec"]["nodeName"] == node
