from datetime import UTC, datetime

import pytest

from nodeagent.machine import Load, Machine
from nodeagent.node_status import (
    NodeSpec,
    Runtime,
    allocatable,
    compute_node_status,
    differs,
    label_patch,
    new_node,
)

NOW, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
MACHINE = Machine("host", 4, 8 << 30, 100 << 30, kernel="6.1", os_image="Debian", machine_id="m")
SPEC = NodeSpec("n1", ("10.0.0.2",), labels={"zone": "a"})
GOOD = Runtime(
    "containerd://1.6", {"RuntimeReady": (True, "", ""), "NetworkReady": (True, "", "")}, [(["a"], 1)]
)


def compute(runtime=GOOD, load=None, old=None, now=NOW):
    return compute_node_status(SPEC, MACHINE, load or Load(), runtime, old or {}, now)


def condition(status, kind):
    return next(one for one in status["conditions"] if one["type"] == kind)


def test_registration():
    node = new_node(
        NodeSpec("n1", (), taints=[{"key": "k", "effect": "NoSchedule"}], provider_id="x"), MACHINE
    )
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
    assert node["spec"] == {"taints": [{"key": "k", "effect": "NoSchedule"}], "providerID": "x"}


def test_allocatable_is_capacity_less_what_is_kept():
    spec = NodeSpec("n1", (), reserved={"cpu": 500, "memory": 1 << 30})
    found = allocatable(spec, MACHINE)
    assert found["cpu"] == "3500m"
    assert found["memory"] == f"{(7 << 20) - (100 << 10)}Ki"
    assert found["pods"] == "110"


@pytest.mark.parametrize(
    ("runtime", "status", "message"),
    [
        pytest.param(GOOD, "True", "kubelet is posting ready status", id="ready"),
        pytest.param(Runtime(), "False", "container runtime is down", id="down"),
        pytest.param(
            Runtime("x", {"RuntimeReady": (True, "", ""), "NetworkReady": (False, "R", "m")}),
            "False",
            "container runtime network not ready: NetworkReady=false reason:R message:m",
            id="no-network",
        ),
        pytest.param(
            Runtime("x", {"RuntimeReady": (False, "A", "b"), "NetworkReady": (False, "R", "m")}),
            "False",
            "[container runtime not ready: RuntimeReady=false reason:A message:b, "
            "container runtime network not ready: NetworkReady=false reason:R message:m]",
            id="neither",
        ),
    ],
)
def test_ready(runtime, status, message):
    ready = condition(compute(runtime), "Ready")
    assert (ready["status"], ready["message"]) == (status, message)


@pytest.mark.parametrize(
    ("load", "kind", "status"),
    [
        (Load(), "MemoryPressure", "False"),
        (Load(1 << 20), "MemoryPressure", "True"),
        (Load(disk_available_percent=50.0), "DiskPressure", "False"),
        (Load(disk_available_percent=1.0), "DiskPressure", "True"),
    ],
)
def test_pressure(load, kind, status):
    assert condition(compute(load=load), kind)["status"] == status


def test_a_heartbeat_alone_is_no_difference():
    first = compute()
    second = compute(old=first, now=LATER)
    assert not differs(first, second)
    assert condition(second, "Ready")["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert condition(second, "Ready")["lastHeartbeatTime"] == "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    "other", [compute(Runtime()), compute(Runtime("v", GOOD.conditions)), {**compute(), "addresses": []}]
)
def test_differences(other):
    assert differs(other, compute())


def test_amounts_are_compared_not_their_texts():
    stored = compute()
    stored["capacity"] = {**stored["capacity"], "memory": "8Gi", "ephemeral-storage": "100Gi"}
    assert stored["capacity"] != compute()["capacity"]
    assert not differs(stored, compute())
    stored["capacity"]["memory"] = "9Gi"
    assert differs(stored, compute())


def test_extended_resources_of_others_stay():
    old = {"capacity": {"x.com/gpu": "2", "cpu": "1"}, "allocatable": {"x.com/gpu": "1"}}
    status = compute(old=old)
    assert status["capacity"]["x.com/gpu"] == "2"
    assert status["allocatable"]["x.com/gpu"] == "1"
    assert status["capacity"]["cpu"] == "4"


def test_only_missing_labels_are_patched():
    node = new_node(SPEC, MACHINE)
    assert label_patch(node, SPEC, MACHINE) == {}
    del node["metadata"]["labels"]["zone"]
    assert label_patch(node, SPEC, MACHINE) == {"metadata": {"labels": {"zone": "a"}}}
