"""Which requests a rule is about."""

import pytest

from api.types.admissionregistration_v1 import MUTATINGWEBHOOKCONFIGURATIONS
from api.types.apps_v1 import DEPLOYMENTS
from api.types.autoscaling_v1 import HORIZONTALPODAUTOSCALERS as HPA_V1
from api.types.autoscaling_v2 import HORIZONTALPODAUTOSCALERS as HPA_V2
from api.types.core_v1 import NAMESPACES, NODES, PODS
from apiserver.admission.rules import is_exempt, matches, seen_as


def rule(resources, operations=("CREATE",), groups=("",), versions=("v1",), **extra):
    return {
        "operations": list(operations), "apiGroups": list(groups), "apiVersions": list(versions),
        "resources": list(resources), **extra,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "resource", "subresource", "expected"),
    [
        pytest.param(rule(["pods"]), PODS, "", True, id="named"),
        pytest.param(rule(["pods"]), PODS, "status", False, id="subresources-are-not-meant"),
        pytest.param(rule(["pods/status"]), PODS, "status", True, id="subresource"),
        pytest.param(rule(["pods/status"]), PODS, "", False, id="subresource-alone"),
        pytest.param(rule(["pods/*"]), PODS, "", True, id="all-of-pods"),
        pytest.param(rule(["pods/*"]), PODS, "exec", True, id="all-subresources-of-pods"),
        pytest.param(rule(["*"]), PODS, "", True, id="star"),
        pytest.param(rule(["*"]), PODS, "exec", False, id="star-has-no-subresources"),
        pytest.param(rule(["*/*"]), PODS, "exec", True, id="star-star"),
        pytest.param(rule(["*/scale"]), PODS, "exec", False, id="another-subresource"),
        pytest.param(rule(["nodes", "pods"]), PODS, "", True, id="second"),
        pytest.param(rule(["*"], groups=["apps"]), PODS, "", False, id="another-group"),
        pytest.param(rule(["*"], groups=["*"], versions=["*"]), DEPLOYMENTS, "", True, id="any-group"),
        pytest.param(rule(["pods"], versions=["v2"]), PODS, "", False, id="another-version"),
        pytest.param(rule(["pods"], operations=["*"]), PODS, "", True, id="any-operation"),
        pytest.param(rule(["pods"], operations=["DELETE"]), PODS, "", False, id="another-operation"),
        pytest.param(rule(["*"], scope="Namespaced"), PODS, "", True, id="namespaced"),
        pytest.param(rule(["*"], scope="Cluster"), PODS, "", False, id="not-cluster"),
        pytest.param(rule(["*"], scope="Cluster"), NODES, "", True, id="cluster"),
        pytest.param(rule(["*"], scope="Namespaced"), NAMESPACES, "", False, id="namespaces-are-in-none"),
        pytest.param(rule(["*"], scope="*"), NODES, "", True, id="any-scope"),
    ],
)
def test_matches(given, resource, subresource, expected):
    assert matches(given, "CREATE", resource, subresource) is expected


HPA = rule(["horizontalpodautoscalers"], groups=["autoscaling"], versions=["v1"])


@pytest.mark.parametrize(
    ("rules", "equivalents", "expected"),
    [
        pytest.param([HPA], [HPA_V1], HPA_V1, id="by-an-equivalent"),
        pytest.param([HPA], [], None, id="exactly"),
        pytest.param([HPA, {**HPA, "apiVersions": ["v2"]}], [HPA_V1], HPA_V2, id="its-own-first"),
    ],
)
def test_seen_as(rules, equivalents, expected):
    assert seen_as(rules, "CREATE", HPA_V2, "", equivalents) is expected


def test_what_configures_admission_is_exempt():
    assert is_exempt(MUTATINGWEBHOOKCONFIGURATIONS)
    assert not is_exempt(PODS)
