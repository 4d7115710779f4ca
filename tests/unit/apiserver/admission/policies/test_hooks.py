"""Which policies and bindings a request is for."""

from typing import Any

import pytest

from api.types.admissionregistration_v1 import VALIDATINGADMISSIONPOLICIES
from api.types.apps_v1 import DEPLOYMENTS
from api.types.autoscaling_v1 import HORIZONTALPODAUTOSCALERS as HPA_V1
from api.types.autoscaling_v2 import HORIZONTALPODAUTOSCALERS as HPA_V2
from api.types.core_v1 import CONFIGMAPS
from apiserver.admission.policies.hooks import Match, hooks_of, planned


def rule(group: str, resource: str, version: str = "v1", **more: Any) -> dict:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
        "scope": "*",
        **more,
    }


def policy(name: str, *rules: dict, **constraints: Any) -> dict:
    spec = {"matchConstraints": {"resourceRules": [*rules], **constraints}}
    return {"metadata": {"name": name}, "spec": spec}


def binding(name: str, of: str, **spec: Any) -> dict:
    return {"metadata": {"name": name}, "spec": {"policyName": of, **spec}}


def alone(resource: Any) -> tuple:
    return ()


def test_in_the_order_of_names_and_only_those_with_bindings() -> None:
    policies = [policy(name, rule("apps", "deployments")) for name in ("c", "a", "b")]
    bindings = [binding("z", "a"), binding("y", "a"), binding("x", "c"), binding("w", "nobody")]
    found = planned(hooks_of(policies, bindings), "CREATE", DEPLOYMENTS, "", alone)
    assert [(item.hook.name, [bound.name for bound, _ in item.bindings]) for item in found] == [
        ("a", ["y", "z"]),
        ("c", ["x"]),
    ]


@pytest.mark.parametrize(
    ("operation", "resource", "subresource", "expected"),
    [
        pytest.param("CREATE", DEPLOYMENTS, "", True, id="create"),
        pytest.param("DELETE", DEPLOYMENTS, "", False, id="another-operation"),
        pytest.param("UPDATE", DEPLOYMENTS, "scale", False, id="subresource"),
        pytest.param("CREATE", CONFIGMAPS, "", False, id="another-resource"),
    ],
)
def test_rules(operation: str, resource: Any, subresource: str, expected: bool) -> None:
    hooks = hooks_of([policy("p", rule("apps", "deployments"))], [binding("b", "p")])
    assert bool(planned(hooks, operation, resource, subresource, alone)) is expected


def test_policies_are_never_about_policies() -> None:
    everything = rule("*", "*", "*", operations=["*"])
    hooks = hooks_of([policy("p", everything)], [binding("b", "p")])
    assert planned(hooks, "CREATE", VALIDATINGADMISSIONPOLICIES, "", alone) == ()
    assert planned(hooks, "CREATE", CONFIGMAPS, "", alone)


def test_bindings_narrow() -> None:
    narrow = {"matchResources": {"resourceRules": [rule("", "configmaps")]}}
    hooks = hooks_of([policy("p", rule("*", "*"))], [binding("all", "p"), binding("maps", "p", **narrow)])
    of_maps = planned(hooks, "CREATE", CONFIGMAPS, "", alone)
    assert [bound.name for bound, _ in of_maps[0].bindings] == ["all", "maps"]
    of_deployments = planned(hooks, "CREATE", DEPLOYMENTS, "", alone)
    assert [bound.name for bound, _ in of_deployments[0].bindings] == ["all"]


def test_names_and_exclusions() -> None:
    rules = [rule("", "configmaps", resourceNames=["a", "b"])]
    match = Match(
        {"resourceRules": rules, "excludeResourceRules": [rule("", "configmaps", resourceNames=["b"])]}
    )
    plan = match.plan("CREATE", CONFIGMAPS, "", alone)
    assert plan is not None
    assert [plan.seen_as(name) for name in ("a", "b", "c")] == [CONFIGMAPS, None, None]


def test_other_versions_match_unless_asked_for_exactly() -> None:
    rules = {"resourceRules": [rule("autoscaling", "horizontalpodautoscalers", "v1")]}
    plan = Match(rules).plan("CREATE", HPA_V2, "", lambda resource: (HPA_V1,))
    assert plan is not None
    assert plan.seen_as("x") is HPA_V1
    exact = Match({**rules, "matchPolicy": "Exact"})
    assert exact.plan("CREATE", HPA_V2, "", lambda resource: (HPA_V1,)) is None


def test_a_selector_that_is_none_selects_nothing() -> None:
    broken = Match({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}})
    assert not broken.namespaces.matches({"a": "b"})
    assert broken.objects.matches({"a": "b"})


def test_a_policy_whose_bindings_are_about_something_else() -> None:
    narrow = {"matchResources": {"resourceRules": [rule("", "configmaps")]}}
    hooks = hooks_of([policy("p", rule("*", "*"))], [binding("maps", "p", **narrow)])
    assert planned(hooks, "CREATE", DEPLOYMENTS, "", alone) == ()


def test_expressions_are_compiled_once() -> None:
    (hook,) = hooks_of([policy("p", rule("*", "*"))], [binding("b", "p")])
    assert hook.compiled is hook.compiled
