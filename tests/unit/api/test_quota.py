"""What objects use of quotas, and which quotas take them in."""

import pytest

from api.quantity import NANO
from api.quota import counted_by, freed_at, matches, missing_amounts, usage_of
from api.times import parse_time
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PODS, SERVICES
from api.types.resource_v1 import RESOURCECLAIMS


def pod(resources: dict | None = None, **spec) -> dict:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "resources": resources or {}}], **spec},
    }


NAMED: dict = {"metadata": {"name": "c"}}


def near(term: dict) -> dict:
    preferred = [{"weight": 1, "podAffinityTerm": term}]
    anti = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    return pod(affinity=anti)


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
            {**NAMED, "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1"}}}},
            {
                "count/persistentvolumeclaims": NANO,
                "persistentvolumeclaims": NANO,
                "requests.storage": NANO,
                "gold.storageclass.storage.k8s.io/requests.storage": NANO,
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims": NANO,
            },
            id="claim",
        ),
        pytest.param(
            PERSISTENTVOLUMECLAIMS,
            {
                "metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}},
                "spec": {"resources": {"requests": {"storage": "1500m"}}},
                "status": {"allocatedResources": {"storage": "3"}},
            },
            {
                "count/persistentvolumeclaims": NANO,
                "persistentvolumeclaims": NANO,
                "requests.storage": 3 * NANO,
                "old.storageclass.storage.k8s.io/requests.storage": 3 * NANO,
                "old.storageclass.storage.k8s.io/persistentvolumeclaims": NANO,
            },
            id="claim-whose-volume-was-to-grow-more",
        ),
        pytest.param(
            RESOURCECLAIMS,
            {
                "spec": {
                    "devices": {
                        "requests": [
                            {"exactly": {"deviceClassName": "gpu", "count": 2}},
                            {"exactly": {"deviceClassName": "nic", "allocationMode": "All"}},
                            {
                                "firstAvailable": [
                                    {"deviceClassName": "gpu", "count": 4},
                                    {"deviceClassName": "gpu"},
                                    {"deviceClassName": "tpu"},
                                ]
                            },
                        ]
                    }
                }
            },
            {
                "count/resourceclaims.resource.k8s.io": NANO,
                "gpu.deviceclass.resource.k8s.io/devices": 6 * NANO,
                "nic.deviceclass.resource.k8s.io/devices": 32 * NANO,
                "tpu.deviceclass.resource.k8s.io/devices": NANO,
            },
            id="devices-at-most",
        ),
    ],
)
def test_usage(resource, obj: dict, expected: dict) -> None:
    assert usage_of(resource, obj) == expected


RESIZING = {
    "containerStatuses": [
        {
            "name": "a",
            "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}},
            "allocatedResources": {"cpu": "1"},
        }
    ]
}
INFEASIBLE = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        pytest.param("500m", RESIZING, (2, 3), id="shrinks-but-has-not-yet"),
        pytest.param("4", RESIZING, (4, 4), id="grows"),
        pytest.param("4", RESIZING | INFEASIBLE, (2, 3), id="cannot-grow"),
        pytest.param("4", {"containerStatuses": [{"name": "a"}]}, (4, 4), id="nothing-is-known"),
    ],
)
def test_pods_under_resize(wanted: str, status: dict, expected: tuple[int, int]) -> None:
    resources = {"requests": {"cpu": wanted}, "limits": {"cpu": wanted}}
    used = usage_of(PODS, {**pod(resources), "status": status})
    assert (used["cpu"], used["limits.cpu"]) == tuple(number * NANO for number in expected)


def test_amounts_are_exact() -> None:
    asked = {"requests": {"cpu": "100u", "memory": "1500m", "hugepages-2Mi": "2Mi"}}
    used = usage_of(PODS, pod(asked))
    assert (used["cpu"], used["memory"]) == (NANO // 10_000, 3 * NANO // 2)
    assert used["hugepages-2Mi"] == used["requests.hugepages-2Mi"] == (NANO << 21)


def test_a_pod_that_should_be_gone_is_an_object_only() -> None:
    stuck = pod(ASKED)
    stuck["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:30Z", "deletionGracePeriodSeconds": 30}
    freed = freed_at(stuck)
    assert freed == parse_time("2026-01-01T00:01:00Z")
    assert usage_of(PODS, stuck, freed)["pods"] == NANO
    assert usage_of(PODS, stuck, parse_time("2026-01-01T00:01:01Z")) == {"count/pods": NANO}
    assert freed_at(pod()) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("count/widgets.example.com", "widgets.example.com", id="any-object"),
        pytest.param("limits.ephemeral-storage", "pods", id="compute"),
        pytest.param("requests.hugepages-2Mi", "pods", id="huge-pages"),
        pytest.param("requests.example.com/dongle", "pods", id="device"),
        pytest.param("example.com/dongle", "", id="device-without-requests"),
        pytest.param("requests.kubernetes.io/x", "", id="native"),
        pytest.param("services.nodeports", "services", id="node-ports"),
        pytest.param("requests.storage", "persistentvolumeclaims", id="storage"),
        pytest.param("a.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims", id="class"),
        pytest.param("a.deviceclass.resource.k8s.io/devices", "resourceclaims.resource.k8s.io", id="devices"),
    ],
)
def test_what_a_name_counts(name: str, expected: str) -> None:
    assert counted_by(name) == expected


def attributes(*terms: dict) -> dict:
    scope = {"scopeName": "VolumeAttributesClass"}
    return {"spec": {"scopeSelector": {"matchExpressions": [{**scope, **term} for term in terms]}}}


CHANGING = {
    "spec": {"volumeAttributesClassName": "fast"},
    "status": {"currentVolumeAttributesClassName": "slow"},
}


@pytest.mark.parametrize(
    ("quota", "claim", "expected"),
    [
        pytest.param(attributes({"operator": "In", "values": ["slow"]}), CHANGING, True, id="still-has-it"),
        pytest.param(attributes({"operator": "In", "values": ["gold"]}), CHANGING, False, id="another"),
        pytest.param(attributes({"operator": "NotIn", "values": ["slow"]}), {}, True, id="none-is-another"),
        pytest.param(attributes({"operator": "Exists"}), {}, False, id="has-none"),
        pytest.param(attributes({"operator": "Odd"}), CHANGING, False, id="no-such-operator"),
        pytest.param(attributes({"operator": "DoesNotExist"}), {}, True, id="must-have-none"),
        pytest.param({"spec": {"scopes": ["BestEffort"]}}, CHANGING, False, id="a-scope-of-pods"),
    ],
)
def test_scopes_of_claims(quota: dict, claim: dict, expected: bool) -> None:
    assert matches(quota, PERSISTENTVOLUMECLAIMS, claim) is expected
    assert matches(quota, SERVICES, {}) is False


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
        pytest.param({"scopes": ["NotTerminating"]}, pod(), True, id="goes-on"),
        pytest.param({"scopes": ["CrossNamespacePodAffinity"]}, pod(), False, id="near-nobody"),
        pytest.param({"scopes": ["CrossNamespacePodAffinity"]}, near({}), False, id="near-its-own"),
        pytest.param(
            {"scopes": ["CrossNamespacePodAffinity"]}, near({"namespaces": ["other"]}), True, id="near-others"
        ),
        pytest.param(
            {"scopes": ["CrossNamespacePodAffinity"]}, near({"namespaceSelector": {}}), True, id="near-all"
        ),
        pytest.param({"scopes": ["VolumeAttributesClass"]}, pod(), False, id="a-scope-of-claims"),
    ],
)
def test_scopes(spec: dict, obj: dict, expected: bool) -> None:
    assert matches({"spec": spec}, PODS, obj) is expected


def test_what_must_be_stated() -> None:
    hard = ("cpu", "limits.memory", "pods")
    assert missing_amounts(hard, pod({"requests": {"cpu": "1"}})) == ["limits.memory for: a"]
    assert missing_amounts(("pods",), pod()) == []
    whole = pod()
    whole["spec"]["resources"] = {"requests": {"cpu": "1"}, "limits": {"memory": "1"}}
    assert missing_amounts(hard, whole) == []
