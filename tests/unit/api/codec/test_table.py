"""Tables: the columns and cells that `kubectl get` shows, pods' state in one word, human durations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.catalog import ALL, find
from api.codec.table import human_duration, to_table
from api.resource import Obj

NOW = datetime(2026, 1, 2, 0, 0, 0, tzinfo=UTC)
CREATED = "2026-01-01T23:50:00Z"


def shown(word: str, obj: Obj, wide: bool = False) -> dict[str, Any]:
    """Return the row of an object as {column: cell}."""
    resource = find(word)
    assert resource is not None
    metadata = {"name": "x", "creationTimestamp": CREATED, **obj.get("metadata", {})}
    table = to_table(resource, [{**obj, "metadata": metadata}], NOW)
    pairs = zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    return {column["name"]: cell for column, cell in pairs if wide or column["priority"] == 0}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(-2, "<invalid>", id="future"),
        pytest.param(-1, "0s", id="clock-skew"),
        pytest.param(0, "0s", id="now"),
        pytest.param(119, "119s", id="seconds"),
        pytest.param(120, "2m", id="two-minutes"),
        pytest.param(125, "2m5s", id="minutes-and-seconds"),
        pytest.param(600, "10m", id="ten-minutes"),
        pytest.param(3 * 3600 - 1, "179m", id="minutes"),
        pytest.param(3 * 3600, "3h", id="three-hours"),
        pytest.param(3 * 3600 + 60, "3h1m", id="hours-and-minutes"),
        pytest.param(8 * 3600 + 60, "8h", id="hours"),
        pytest.param(48 * 3600, "2d", id="two-days"),
        pytest.param(49 * 3600, "2d1h", id="days-and-hours"),
        pytest.param(8 * 86400 + 3600, "8d", id="days"),
        pytest.param(2 * 365 * 86400, "2y", id="two-years"),
        pytest.param(2 * 365 * 86400 + 86400, "2y1d", id="years-and-days"),
        pytest.param(9 * 365 * 86400 + 86400, "9y", id="years"),
    ],
)
def test_human_duration(seconds, text):
    assert human_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("resource", [pytest.param(r, id=f"{r.group_version}/{r.plural}") for r in ALL])
def test_every_kind_has_a_row(resource):
    obj = {"metadata": {"name": "x", "creationTimestamp": CREATED}}
    table = to_table(resource, [obj], NOW)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
    assert all(
        {"name", "type", "format", "description", "priority"} == set(c) for c in table["columnDefinitions"]
    )


@pytest.mark.parametrize(
    ("include", "carried"),
    [
        pytest.param("None", None, id="none"),
        pytest.param(
            "Metadata",
            {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x"}},
            id="metadata",
        ),
        pytest.param("Object", {"metadata": {"name": "x"}, "data": {}}, id="object"),
    ],
)
def test_what_a_row_carries(include, carried):
    resource = find("configmaps")
    assert resource is not None
    table = to_table(resource, [{"metadata": {"name": "x"}, "data": {}}], NOW, include)
    assert table["rows"][0].get("object") == carried


def state(**kinds: Any) -> Obj:
    return {"name": "c", "restartCount": 0, "state": kinds}


RUNNING: Obj = {**state(running={}), "ready": True}
DONE: Obj = state(terminated={"exitCode": 0, "reason": "Completed"})


@pytest.mark.parametrize(
    ("status", "spec", "expected"),
    [
        pytest.param({"phase": "Pending"}, {}, ("0/1", "Pending", "0"), id="pending"),
        pytest.param(
            {"phase": "Running", "containerStatuses": [RUNNING]}, {}, ("1/1", "Running", "0"), id="running"
        ),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [state(waiting={"reason": "ContainerCreating"})]},
            {},
            ("0/1", "ContainerCreating", "0"),
            id="creating",
        ),
        pytest.param(
            {
                "phase": "Running",
                "containerStatuses": [
                    {
                        **state(waiting={"reason": "CrashLoopBackOff"}),
                        "restartCount": 4,
                        "lastState": {"terminated": {"finishedAt": "2026-01-01T23:59:30Z"}},
                    }
                ],
            },
            {},
            ("0/1", "CrashLoopBackOff", "4 (30s ago)"),
            id="crash-loop",
        ),
        pytest.param(
            {"phase": "Succeeded", "containerStatuses": [DONE]}, {}, ("0/1", "Completed", "0"), id="done"
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 3})]},
            {},
            ("0/1", "ExitCode:3", "0"),
            id="exit-code",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 137, "signal": 9})]},
            {},
            ("0/1", "Signal:9", "0"),
            id="signal",
        ),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, {}, ("0/1", "Evicted", "0"), id="evicted"),
        pytest.param(
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            {},
            ("0/1", "SchedulingGated", "0"),
            id="gated",
        ),
        pytest.param(
            {"phase": "Pending", "initContainerStatuses": [state(running={})]},
            {"initContainers": [{"name": "c"}, {"name": "d"}]},
            ("0/1", "Init:0/2", "0"),
            id="initializing",
        ),
        pytest.param(
            {
                "phase": "Pending",
                "initContainerStatuses": [state(terminated={"exitCode": 1, "reason": "Error"})],
            },
            {"initContainers": [{"name": "c"}]},
            ("0/1", "Init:Error", "0"),
            id="init-failed",
        ),
        pytest.param(
            {
                "phase": "Running",
                "initContainerStatuses": [{**RUNNING, "started": True, "restartCount": 2}],
                "containerStatuses": [RUNNING],
            },
            {"initContainers": [{"name": "c", "restartPolicy": "Always"}]},
            ("2/2", "Running", "2"),
            id="sidecar",
        ),
        pytest.param(
            {
                "phase": "Running",
                "containerStatuses": [RUNNING, DONE],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
            {},
            ("1/1", "Running", "0"),
            id="running-beside-done",
        ),
    ],
)
def test_pod(status, spec, expected):
    row = shown("pods", {"spec": {"containers": [{"name": "c"}], **spec}, "status": status})
    assert (row["Ready"], row["Status"], row["Restarts"]) == expected


def test_a_pod_being_deleted_is_terminating():
    pod = {"metadata": {"deletionTimestamp": CREATED}, "spec": {}, "status": {"phase": "Running"}}
    assert shown("pods", pod)["Status"] == "Terminating"
    lost = {**pod, "status": {"phase": "Running", "reason": "NodeLost"}}
    assert shown("pods", lost)["Status"] == "Unknown"


def test_the_row_of_a_finished_pod_says_so():
    resource = find("pods")
    assert resource is not None
    table = to_table(resource, [{"metadata": {"name": "x"}, "status": {"phase": "Succeeded"}}], NOW)
    assert table["rows"][0]["conditions"][0]["type"] == "Completed"


TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}}
SELECTOR = {"matchLabels": {"app": "web"}}


@pytest.mark.parametrize(
    ("word", "obj", "expected"),
    [
        pytest.param(
            "deployments",
            {
                "spec": {"replicas": 3, "template": TEMPLATE, "selector": SELECTOR},
                "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1},
            },
            {
                "Name": "x",
                "Ready": "2/3",
                "Up-to-date": 3,
                "Available": 1,
                "Age": "10m",
                "Containers": "a,b",
                "Images": "i:1,j:2",
                "Selector": "app=web",
            },
            id="deployment",
        ),
        pytest.param(
            "replicasets",
            {"spec": {"replicas": 3, "template": TEMPLATE, "selector": SELECTOR}, "status": {"replicas": 2}},
            {
                "Name": "x",
                "Desired": 3,
                "Current": 2,
                "Ready": 0,
                "Age": "10m",
                "Containers": "a,b",
                "Images": "i:1,j:2",
                "Selector": "app=web",
            },
            id="replicaset",
        ),
        pytest.param(
            "nodes",
            {
                "metadata": {
                    "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "a"}
                },
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "v1.36.0", "containerRuntimeVersion": "containerd://1.6"},
                },
            },
            {
                "Name": "x",
                "Status": "Ready,SchedulingDisabled",
                "Roles": "a,control-plane",
                "Age": "10m",
                "Version": "v1.36.0",
                "Internal-IP": "10.0.0.1",
                "External-IP": "<none>",
                "OS-Image": "<unknown>",
                "Kernel-Version": "<unknown>",
                "Container-Runtime": "containerd://1.6",
            },
            id="node",
        ),
        pytest.param(
            "services",
            {
                "spec": {
                    "type": "LoadBalancer",
                    "clusterIPs": ["10.96.0.9"],
                    "selector": {"b": "1", "a": "2"},
                    "ports": [
                        {"port": 80, "nodePort": 30080, "protocol": "TCP"},
                        {"port": 53, "protocol": "UDP"},
                    ],
                },
                "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
            },
            {
                "Name": "x",
                "Type": "LoadBalancer",
                "Cluster-IP": "10.96.0.9",
                "External-IP": "192.0.2.1",
                "Port(s)": "80:30080/TCP,53/UDP",
                "Age": "10m",
                "Selector": "a=2,b=1",
            },
            id="service",
        ),
        pytest.param(
            "endpoints",
            {
                "subsets": [
                    {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 5)], "ports": [{"port": 80}]}
                ]
            },
            {"Name": "x", "Endpoints": "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...", "Age": "10m"},
            id="endpoints",
        ),
        pytest.param(
            "endpointslices",
            {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]},
            {"Name": "x", "AddressType": "IPv4", "Ports": "80", "Endpoints": "10.0.0.1", "Age": "10m"},
            id="endpointslice",
        ),
        pytest.param(
            "events",
            {
                "type": "Normal",
                "reason": "Pulled",
                "message": " text ",
                "count": 3,
                "firstTimestamp": CREATED,
                "lastTimestamp": "2026-01-01T23:59:00Z",
                "source": {"component": "kubelet", "host": "n1"},
                "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{a}"},
            },
            {
                "Last Seen": "60s",
                "Type": "Normal",
                "Reason": "Pulled",
                "Object": "pod/web",
                "Subobject": "spec.containers{a}",
                "Source": "kubelet, n1",
                "Message": "text",
                "First Seen": "10m",
                "Count": 3,
                "Name": "x",
            },
            id="event",
        ),
        pytest.param(
            "jobs",
            {
                "spec": {"completions": 3, "template": TEMPLATE},
                "status": {
                    "succeeded": 3,
                    "startTime": CREATED,
                    "completionTime": "2026-01-01T23:50:42Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            {
                "Name": "x",
                "Status": "Complete",
                "Completions": "3/3",
                "Duration": "42s",
                "Age": "10m",
                "Containers": "a,b",
                "Images": "i:1,j:2",
                "Selector": "<none>",
            },
            id="job",
        ),
        pytest.param(
            "horizontalpodautoscalers",
            {
                "spec": {
                    "minReplicas": 1,
                    "maxReplicas": 9,
                    "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {
                                "name": "cpu",
                                "target": {"type": "Utilization", "averageUtilization": 80},
                            },
                        }
                    ],
                },
                "status": {
                    "currentReplicas": 2,
                    "currentMetrics": [
                        {
                            "type": "Resource",
                            "resource": {"name": "cpu", "current": {"averageUtilization": 12}},
                        }
                    ],
                },
            },
            {
                "Name": "x",
                "Reference": "Deployment/web",
                "Targets": "cpu: 12%/80%",
                "MinPods": "1",
                "MaxPods": 9,
                "Replicas": 2,
                "Age": "10m",
            },
            id="autoscaler",
        ),
        pytest.param(
            "persistentvolumeclaims",
            {
                "spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
                "status": {
                    "phase": "Bound",
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                },
            },
            {
                "Name": "x",
                "Status": "Bound",
                "Volume": "v",
                "Capacity": "1Gi",
                "Access Modes": "RWO,RWX",
                "StorageClass": "fast",
                "VolumeAttributesClass": "<unset>",
                "Age": "10m",
                "VolumeMode": "Filesystem",
            },
            id="claim",
        ),
        pytest.param(
            "rolebindings",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [
                    {"kind": "User", "name": "u"},
                    {"kind": "ServiceAccount", "name": "s", "namespace": "d"},
                ],
            },
            {
                "Name": "x",
                "Role": "Role/r",
                "Age": "10m",
                "Users": "u",
                "Groups": "",
                "ServiceAccounts": "d/s",
            },
            id="rolebinding",
        ),
        pytest.param("roles", {}, {"Name": "x", "Created At": CREATED}, id="role"),
    ],
)
def test_rows(word, obj, expected):
    assert shown(word, obj, wide=True) == expected
