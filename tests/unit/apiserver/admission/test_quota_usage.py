"""What objects use of quotas, and which quotas take them in."""

import pytest

from api.quantity import NANO
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PODS, SERVICES
from apiserver.admission.quota_usage import matches, missing_amounts, usage_of


def pod(resources: dict | None = None, **spec) -> dict:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "resources": resources or {}}], **spec},
    }


ASKED = {"requests": {"cpu": "500m", "example.com/dongle": "2"}, "limits": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        pytest.param(
            PODS,
            pod(ASKED),
            {
                "count/pods": NANO,
                "pods": NANO,
                "cpu": NANO // 2,
                "requests.cpu": NANO // 2,
                "limits.cpu": NANO,
                "requests.example.com/dongle": 2 * NANO,
            },
            id="pod",
        ),
        pytest.param(
            PODS, {**pod(ASKED), "status": {"phase": "Failed"}}, {"count/pods": NANO}, id="ended-pod"
        ),
        pytest.param(
            SERVICES,
            {"spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2}]}},
            {
                "count/services": NANO,
                "services": NANO,
                "services.loadbalancers": NANO,
                "services.nodeports": 2 * NANO,
            },
            id="load-balancer",
        ),
        pytest.param(
            PERSISTENTVOLUMECLAIMS,
            {"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1"}}}},
            {
                "count/persistentvolumeclaims": NANO,
                "persistentvolumeclaims": NANO,
                "requests.storage": NANO,
                "gold.storageclass.storage.k8s.io/requests.storage": NANO,
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims": NANO,
            },
            id="claim",
        ),
    ],
)
def test_usage(resource, obj: dict, expected: dict) -> None:
    assert usage_of(resource, obj) == expected


@pytest.mark.parametrize(
    ("spec", "obj", "expected"),
    [
        pytest.param({}, pod(), True, id="no-scope"),
        pytest.param({"scopes": ["BestEffort"]}, pod(), True, id="best-effort"),
        pytest.param({"scopes": ["BestEffort"]}, pod(ASKED), False, id="not-best-effort"),
        pytest.param({"scopes": ["Terminating"]}, pod(activeDeadlineSeconds=1), True, id="terminating"),
        pytest.param({"scopes": ["NotTerminating", "NotBestEffort"]}, pod(ASKED), True, id="both"),
        pytest.param(
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
                }
            },
            pod(priorityClassName="low"),
            False,
            id="priority-class",
        ),
    ],
)
def test_scopes(spec: dict, obj: dict, expected: bool) -> None:
    assert matches({"spec": spec}, PODS, obj) is expected


def test_what_must_be_stated() -> None:
    hard = ("cpu", "limits.memory", "pods")
    assert missing_amounts(hard, pod({"requests": {"cpu": "1"}})) == ["limits.memory for: a"]
    assert missing_amounts(("pods",), pod()) == []
