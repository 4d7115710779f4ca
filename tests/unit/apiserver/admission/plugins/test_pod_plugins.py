"""The pod plugins as functions of a pod."""

import pytest

from api.errors import Forbidden
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.plugins import (
    default_toleration_seconds,
    limit_ranger,
    priority,
    runtime_class,
    service_account,
    taint_nodes_by_condition,
)
from apiserver.http.message import User

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def pod(**spec) -> dict:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}], **spec}}


def request(obj: dict) -> AdmissionRequest:
    return AdmissionRequest("CREATE", PODS, "ns", "p", User("u"), obj)


@pytest.mark.parametrize("of_pod", [None, True, False])
@pytest.mark.parametrize("of_account", [None, True, False])
def test_automount(of_pod: bool | None, of_account: bool | None) -> None:
    given = pod() if of_pod is None else pod(automountServiceAccountToken=of_pod)
    account: dict = {"metadata": {"name": "sa"}}
    if of_account is not None:
        account["automountServiceAccountToken"] = of_account
    spec = service_account.with_account(given, account, "kube-api-access-abcde")["spec"]
    expected = of_pod if of_pod is not None else of_account if of_account is not None else True
    assert ("volumes" in spec) is expected
    assert ("volumeMounts" in spec["containers"][0]) is expected
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "sa"


def test_token_volume_is_mounted_where_nothing_else_is() -> None:
    taken = {"name": "b", "volumeMounts": [{"name": "own", "mountPath": MOUNT}]}
    given = pod(containers=[{"name": "a"}, taken], initContainers=[{"name": "i"}])
    spec = service_account.with_account(given, {"metadata": {"name": "default"}}, "kube-api-access-x")["spec"]
    mount = {"name": "kube-api-access-x", "readOnly": True, "mountPath": MOUNT}
    assert spec["containers"] == [{"name": "a", "volumeMounts": [mount]}, taken]
    assert spec["initContainers"] == [{"name": "i", "volumeMounts": [mount]}]
    assert [list(item) for item in spec["volumes"][0]["projected"]["sources"]] == [
        ["serviceAccountToken"],
        ["configMap"],
        ["downwardAPI"],
    ]
    assert "volumeMounts" not in given["spec"]["containers"][0]


def test_pull_secrets_come_from_the_account_unless_given() -> None:
    account = {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "s"}]}
    assert service_account.with_account(pod(), account, "v")["spec"]["imagePullSecrets"] == [{"name": "s"}]
    own = pod(imagePullSecrets=[{"name": "mine"}])
    assert service_account.with_account(own, account, "v")["spec"]["imagePullSecrets"] == [{"name": "mine"}]


def test_default_tolerations() -> None:
    added = default_toleration_seconds.with_tolerations(pod())["spec"]["tolerations"]
    assert [(item["key"].rpartition("/")[2], item["tolerationSeconds"]) for item in added] == [
        ("not-ready", 300),
        ("unreachable", 300),
    ]
    everything = pod(tolerations=[{"operator": "Exists"}])
    assert default_toleration_seconds.with_tolerations(everything) is everything
    other_effect = pod(tolerations=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    assert len(default_toleration_seconds.with_tolerations(other_effect)["spec"]["tolerations"]) == 3


def test_new_node_is_not_ready() -> None:
    node = taint_nodes_by_condition.with_taint({"metadata": {"name": "n"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    assert taint_nodes_by_condition.with_taint(node) is node


CLASS = {"metadata": {"name": "high"}, "value": 7}


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({}, None, (0, "PreemptLowerPriority", None), id="no-class"),
        pytest.param({"priorityClassName": "high"}, CLASS, (7, "PreemptLowerPriority", "high"), id="class"),
        pytest.param(
            {},
            {**CLASS, "preemptionPolicy": "Never"},
            (7, "Never", "high"),
            id="default-class-without-preemption",
        ),
    ],
)
def test_priority(spec: dict, found: dict | None, expected: tuple) -> None:
    given = pod(**spec)
    made = priority.with_priority(request(given), given, found)["spec"]
    assert (made["priority"], made["preemptionPolicy"], made.get("priorityClassName")) == expected


def test_priority_cannot_be_chosen() -> None:
    given = pod(priority=9)
    with pytest.raises(Forbidden, match=r"the integer value of priority \(9\) must not be provided"):
        priority.with_priority(request(given), given, CLASS)


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({}, {"overhead": {"podFixed": {"cpu": "1"}}}, {"overhead": {"cpu": "1"}}, id="overhead"),
        pytest.param(
            {"overhead": {"cpu": "1000m"}},
            {"overhead": {"podFixed": {"cpu": "1"}}},
            {"overhead": {"cpu": "1"}},
            id="the-same-overhead",
        ),
        pytest.param(
            {"overhead": {"cpu": "2"}},
            {"overhead": {"podFixed": {"cpu": "1"}}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            id="other-overhead",
        ),
        pytest.param(
            {"overhead": {"cpu": "2"}}, {}, "pod rejected: Pod Overhead set without", id="class-has-none"
        ),
        pytest.param(
            {"nodeSelector": {"a": "b"}},
            {"scheduling": {"nodeSelector": {"c": "d"}, "tolerations": [{"key": "k"}]}},
            {"nodeSelector": {"a": "b", "c": "d"}, "tolerations": [{"key": "k"}]},
            id="scheduling",
        ),
        pytest.param(
            {"nodeSelector": {"a": "b"}},
            {"scheduling": {"nodeSelector": {"a": "c"}}},
            "pod rejected: conflict: runtimeClass.scheduling.nodeSelector",
            id="conflict",
        ),
    ],
)
def test_runtime_class(spec: dict, found: dict, expected: dict | str) -> None:
    given = pod(**spec)
    if isinstance(expected, str):
        with pytest.raises(Forbidden) as caught:
            runtime_class.with_class(request(given), given, found)
        assert expected in caught.value.message
        return
    made = runtime_class.with_class(request(given), given, found)["spec"]
    assert {key: made[key] for key in expected} == expected


LIMITS = {
    "spec": {
        "limits": [
            {
                "type": "Container",
                "min": {"cpu": "50m"},
                "max": {"cpu": "500m", "memory": "500Mi"},
                "default": {"cpu": "300m"},
                "defaultRequest": {"cpu": "100m"},
            }
        ]
    }
}


def test_limit_defaults() -> None:
    made = limit_ranger.with_defaults(pod(), LIMITS)
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "500Mi"},
        "limits": {"cpu": "300m", "memory": "500Mi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a"
    )


@pytest.mark.parametrize(
    ("resources", "faults"),
    [
        pytest.param(
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "1Mi"}}, [], id="good"
        ),
        pytest.param(
            {"requests": {"cpu": "10m"}, "limits": {"cpu": "600m", "memory": "1Mi"}},
            [
                "minimum cpu usage per Container is 50m, but request is 10m",
                "maximum cpu usage per Container is 500m, but limit is 600m",
            ],
            id="too-little-and-too-much",
        ),
        pytest.param(
            {},
            [
                "minimum cpu usage per Container is 50m.  No request is specified",
                "maximum cpu usage per Container is 500m.  No limit is specified",
                "maximum memory usage per Container is 500Mi.  No limit is specified",
            ],
            id="nothing-said",
        ),
    ],
)
def test_limit_faults(resources: dict, faults: list[str]) -> None:
    given = pod(containers=[{"name": "a", "resources": resources}])
    assert limit_ranger.pod_faults(given, LIMITS["spec"]["limits"]) == faults
