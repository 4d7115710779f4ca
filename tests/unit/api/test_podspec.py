"""What a pod asks for and how it stands."""

from typing import Any

import pytest

from api import podspec
from api.resource import Obj


def container(cpu: str = "", memory: str = "", **more: Any) -> Obj:
    amounts = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"name": "c", "resources": {"requests": amounts}, **more}


ALWAYS = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"containers": [container("100m", "1Ki"), container("1")]},
            {"cpu": 1100, "memory": 1024},
            id="sum",
        ),
        pytest.param(
            {"containers": [container("1")], "initContainers": [container("3"), container("2")]},
            {"cpu": 3000},
            id="the-largest-init-container",
        ),
        pytest.param(
            {"containers": [container("1")], "initContainers": [container("1", **ALWAYS), container("2")]},
            {"cpu": 3000},
            id="init-beside-a-sidecar",
        ),
        pytest.param(
            {"containers": [container("4")], "initContainers": [container("1", **ALWAYS), container("2")]},
            {"cpu": 5000},
            id="sidecars-add-up",
        ),
        pytest.param(
            {"containers": [container("1")], "overhead": {"cpu": "100m", "memory": "1"}},
            {"cpu": 1100, "memory": 1},
            id="overhead",
        ),
        pytest.param(
            {"containers": [container("1", "5")], "resources": {"requests": {"cpu": "2"}}},
            {"cpu": 2000, "memory": 5},
            id="pod-level",
        ),
        pytest.param({"containers": [{"name": "c"}]}, {}, id="nothing"),
    ],
)
def test_requests(spec, expected):
    assert podspec.pod_requests({"spec": spec}) == expected


def status(*, has: str = "", allocated: str = "", name: str = "c") -> Obj:
    found: Obj = {"name": name}
    if has:
        found["resources"] = {"requests": {"cpu": has}}
    if allocated:
        found["allocatedResources"] = {"cpu": allocated}
    return found


def pending(reason: str) -> Obj:
    return {"conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}]}


@pytest.mark.parametrize(
    ("spec", "told", "expected"),
    [
        pytest.param({"containers": [container("2")]}, {}, 2000, id="not-started"),
        pytest.param(
            {"containers": [container("2")]},
            {"containerStatuses": [status(has="1", allocated="1")], **pending("Deferred")},
            2000,
            id="growing-is-deferred",
        ),
        pytest.param(
            {"containers": [container("2")]},
            {"containerStatuses": [status(has="1", allocated="1")], **pending("Infeasible")},
            1000,
            id="growing-is-infeasible",
        ),
        pytest.param(
            {"containers": [container("1")]},
            {"containerStatuses": [status(has="2", allocated="1")]},
            2000,
            id="shrinking-has-not-happened",
        ),
        pytest.param(
            {"containers": [container("1")]},
            {"containerStatuses": [status(has="1", allocated="3")]},
            3000,
            id="more-was-allocated",
        ),
        pytest.param(
            {"containers": [container("1")], "initContainers": [{**container("3"), "name": "i"}]},
            {"initContainerStatuses": [status(has="9", name="i")]},
            3000,
            id="init-containers-are-not-resized",
        ),
        pytest.param(
            {"containers": [container("1")], "initContainers": [{**container("1", **ALWAYS), "name": "s"}]},
            {"initContainerStatuses": [status(has="2", name="s")]},
            3000,
            id="sidecars-are",
        ),
        pytest.param(
            {"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}},
            {"resources": {"requests": {"cpu": "5"}}, "containerStatuses": [status(has="1")]},
            5000,
            id="the-pod-as-a-whole",
        ),
        pytest.param(
            {"containers": [container("1")], "resources": {"requests": {"cpu": "6"}}},
            {"allocatedResources": {"cpu": "5"}, **pending("Infeasible")},
            5000,
            id="infeasible-as-a-whole",
        ),
    ],
)
def test_requests_of_pods_under_resize(spec, told, expected):
    assert podspec.placed_requests({"spec": spec, "status": told})["cpu"] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": [{"name": "c"}, container("1")]}, 1100, id="a-container-without"),
        pytest.param({"containers": [container("0")]}, 0, id="zero-is-asked-for"),
        pytest.param(
            {"containers": [container("1")], "initContainers": [{"name": "s", **ALWAYS}]},
            1100,
            id="a-sidecar",
        ),
    ],
)
def test_what_containers_count_with_that_ask_for_nothing(spec, expected):
    assert podspec.placed_requests({"spec": spec}, {"cpu": 100})["cpu"] == expected


def limited(cpu: str, memory: str, requests: Obj | None = None) -> Obj:
    limits = {name: text for name, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"resources": {"limits": limits, "requests": limits if requests is None else requests}}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{}], "BestEffort", id="nothing"),
        pytest.param([limited("1", "1Gi")], "Guaranteed", id="limits"),
        pytest.param(
            [limited("1", "1Gi", {"cpu": "1000m", "memory": "1024Mi"})], "Guaranteed", id="equal-amounts"
        ),
        pytest.param(
            [limited("1", "1Gi", {"cpu": "500m", "memory": "1Gi"})], "Burstable", id="less-requested"
        ),
        pytest.param([limited("1", "")], "Burstable", id="cpu-alone"),
        pytest.param([limited("1", "1Gi"), {}], "Burstable", id="one-without"),
        pytest.param([{"resources": {"requests": {"cpu": "0"}}}], "BestEffort", id="zero-is-nothing"),
    ],
)
def test_qos(containers, expected):
    assert podspec.qos_class({"spec": {"containers": containers}}) == expected


@pytest.mark.parametrize(
    ("pod", "ready", "active", "terminal"),
    [
        pytest.param({"metadata": {}}, False, True, False, id="new"),
        pytest.param(
            {
                "metadata": {},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            },
            True,
            True,
            False,
            id="ready",
        ),
        pytest.param({"metadata": {}, "status": {"phase": "Failed"}}, False, False, True, id="failed"),
        pytest.param(
            {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            False,
            False,
            False,
            id="being-deleted",
        ),
    ],
)
def test_state(pod, ready, active, terminal):
    assert podspec.is_pod_ready(pod) is ready
    assert podspec.is_pod_active(pod) is active
    assert podspec.is_terminal(pod) is terminal


def test_host_ports_and_containers():
    port = {"containerPort": 80, "hostPort": 8080}
    spec = {
        "containers": [{"name": "a", "ports": [port, {"containerPort": 81}]}],
        "initContainers": [{"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}],
    }
    assert podspec.host_ports(spec) == {("0.0.0.0", "TCP", 8080)}
    assert [each["name"] for each in podspec.all_containers(spec)] == ["i", "a"]


def test_container_status():
    pod = {
        "status": {
            "initContainerStatuses": [{"name": "i"}],
            "containerStatuses": [{"name": "a", "ready": True}],
        }
    }
    assert podspec.container_status(pod, "a") == {"name": "a", "ready": True}
    assert podspec.container_status(pod, "b") is None
