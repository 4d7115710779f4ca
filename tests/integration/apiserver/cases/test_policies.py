"""Conformance cases of validating and mutating admission policies."""

from typing import Any

import pytest

from api.types.admissionregistration_v1 import (
    MUTATINGADMISSIONPOLICIES,
    MUTATINGADMISSIONPOLICYBINDINGS,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
)
from tests.integration.apiserver.cases.crud import Script, run

VALIDATING = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin]"
MUTATING = "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin]"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
RULE = {
    "operations": ["CREATE", "UPDATE"],
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "resources": ["deployments"],
}
UNIQUE = "unique-label"


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


async def namespaces(api) -> None:
    """Make the namespace that policies are bound to, and another one."""
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "mine", "labels": {UNIQUE: "true"}}})
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})


async def install(api, kind: str, spec: dict[str, Any], **binding: Any) -> None:
    base = "/apis/admissionregistration.k8s.io/v1"
    await api.ok("POST", f"{base}/{kind}admissionpolicies", {"metadata": {"name": "policy"}, "spec": spec})
    match = {"namespaceSelector": {"matchLabels": {UNIQUE: "true"}}}
    body = {
        "metadata": {"name": "binding"},
        "spec": {"policyName": "policy", "matchResources": match, **binding},
    }
    await api.ok("POST", f"{base}/{kind}admissionpolicybindings", body)


async def is_invalid(api, name: str, replicas: int, namespace: str = "mine") -> bool:
    """Create a deployment; tell whether it is refused as invalid. Any other error fails the test."""
    answer = await api.ask("POST", DEPLOYMENTS.format(namespace), deployment(name, replicas))
    if answer.status == 201:
        return False
    assert (answer.status, answer.json["reason"]) == (422, "Invalid"), answer.body
    return True


@pytest.mark.case(f"{VALIDATING} should validate against a Deployment [Conformance]")
async def test_validates_a_deployment(api):
    await namespaces(api)
    validations = [
        {
            "expression": "object.spec.replicas > 1",
            "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
        },
        {
            "expression": "namespaceObject.metadata.name == 'mine'",
            "message": "Internal error! Other namespace should not be allowed.",
        },
    ]
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "validations": validations}
    await install(api, "validating", spec, validationActions=["Deny"])
    assert await is_invalid(api, "marker", 1)
    assert not await is_invalid(api, "replicated", 2)
    assert not await is_invalid(api, "elsewhere", 1, "other")


@pytest.mark.case(f"{VALIDATING} should allow expressions to refer variables. [Conformance]")
async def test_expressions_refer_to_variables(api):
    await namespaces(api)
    spec = {
        "matchConstraints": {"resourceRules": [RULE]},
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    }
    await install(api, "validating", spec, validationActions=["Deny"])
    assert await is_invalid(api, "marker", 1)
    assert not await is_invalid(api, "replicated", 3)
    assert await is_invalid(api, "even", 4)


@pytest.mark.case(f"{VALIDATING} should support ValidatingAdmissionPolicy API operations [Conformance]")
async def test_validating_policies(api):
    def body(name: str) -> dict[str, Any]:
        validations = [{"expression": "object.spec.replicas <= 100", "message": "too many"}]
        return {"spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": validations}}

    def status(kind: str) -> dict[str, Any]:
        condition = {
            "type": kind,
            "status": "True",
            "reason": "E2E",
            "message": "Set from e2e test",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        return {"conditions": [condition]}

    statuses = (status("StatusPatched"), status("StatusUpdate"))
    await run(api, Script(VALIDATINGADMISSIONPOLICIES, body, status=statuses))


def _binding(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}
    return {"spec": spec}


@pytest.mark.case(
    f"{VALIDATING} should support ValidatingAdmissionPolicyBinding API operations [Conformance]"
)
async def test_validating_bindings(api):
    await run(api, Script(VALIDATINGADMISSIONPOLICYBINDINGS, _binding))


def mutation(expression: str) -> dict[str, Any]:
    return {
        "matchConstraints": {"resourceRules": [RULE]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        "reinvocationPolicy": "Never",
    }


@pytest.mark.case(f"{MUTATING} should mutate a Deployment [Conformance]")
async def test_mutates_a_deployment(api):
    await namespaces(api)
    await install(api, "mutating", mutation("Object{spec: Object.spec{replicas: 1337}}"))
    path = DEPLOYMENTS.format("mine")
    made = await api.ok("POST", path, deployment("marker", 1))
    assert made["spec"]["replicas"] == 1337
    assert (await api.ok("GET", f"{path}/marker"))["spec"]["replicas"] == 1337
    other = await api.ok("POST", DEPLOYMENTS.format("other"), deployment("elsewhere", 1))
    assert other["spec"]["replicas"] == 1


@pytest.mark.case(f"{MUTATING} should mutate a Deployment with annotations [Conformance]")
async def test_mutates_annotations(api):
    await namespaces(api)
    text = 'Object{metadata: Object.metadata{annotations: {"my-foo-annotation": "myAnnotationValue"}}}'
    await install(api, "mutating", mutation(text))
    made = await api.ok("POST", DEPLOYMENTS.format("mine"), deployment("marker", 1))
    assert made["metadata"]["annotations"]["my-foo-annotation"] == "myAnnotationValue"


@pytest.mark.case(f"{MUTATING} should support MutatingAdmissionPolicy API operations [Conformance]")
async def test_mutating_policies(api):
    def body(name: str) -> dict[str, Any]:
        patch = {"expression": "[JSONPatch{op: 'add', path: '/spec/replicas', value: 2}]"}
        spec = mutation("Object{spec: Object.spec{replicas: 1}}")
        return {"spec": {**spec, "mutations": [{"patchType": "JSONPatch", "jsonPatch": patch}]}}

    await run(api, Script(MUTATINGADMISSIONPOLICIES, body))


@pytest.mark.case(f"{MUTATING} should support MutatingAdmissionPolicyBinding API operations [Conformance]")
async def test_mutating_bindings(api):
    change = {"spec": {"policyName": "another-policy"}}
    body = {"spec": {"policyName": "policy"}}
    await run(api, Script(MUTATINGADMISSIONPOLICYBINDINGS, lambda name: body, change=change))
