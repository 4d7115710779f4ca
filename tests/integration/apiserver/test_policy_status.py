"""Type checking of policies, policies for custom resources, what is told of policies."""

import pytest

from tests.integration.apiserver.customresources import CRDS, definition, widget
from tests.integration.apiserver.kubectl import Kubectl
from tests.integration.apiserver.policies import (
    ADMISSION,
    CONFIGMAPS,
    configmap,
    installer,
    mutating,
    validating,
)


@pytest.fixture
async def put(api):
    return await installer(api)


DEPLOYMENTS = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["deployments"],
}


async def checked(api, policy: dict) -> dict:
    """Create a policy; return its status once it has been looked at."""
    path, name = f"{ADMISSION}/validatingadmissionpolicies", policy["metadata"]["name"]
    made = await api.ok("POST", path, policy)
    query = {"resourceVersion": made["metadata"]["resourceVersion"], "fieldSelector": f"metadata.name={name}"}
    (event,) = await api.watch(path, 1, **query)
    status: dict = event["object"]["status"]
    assert status["observedGeneration"] == event["object"]["metadata"]["generation"]
    return status


async def test_type_checking_tells_of_what_would_fail(api) -> None:
    validations = (
        {"expression": "object.spec.repicas > 1"},
        {"expression": "variables.count > 1", "messageExpression": "'got ' + variables.count"},
    )
    variables = [{"name": "count", "expression": "object.spec.replicas"}]
    status = await checked(api, validating("typo", *validations, rule=DEPLOYMENTS, variables=variables))
    first, second = status["typeChecking"]["expressionWarnings"]
    assert first["fieldRef"] == "spec.validations[0].expression"
    assert first["warning"].splitlines()[0] == (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'repicas'"
    )
    assert second["fieldRef"] == "spec.validations[1].messageExpression"
    assert "found no matching overload for '_+_' applied to '(string, int)'" in second["warning"]


async def test_type_checking_finds_nothing(api) -> None:
    policy = validating("fine", {"expression": "object.spec.replicas > 1"}, rule=DEPLOYMENTS)
    assert (await checked(api, policy))["typeChecking"] == {}


async def test_a_changed_policy_is_checked_again(api) -> None:
    policy = validating("p", {"expression": "object.spec.replicas > 1"}, rule=DEPLOYMENTS)
    await checked(api, policy)
    path = f"{ADMISSION}/validatingadmissionpolicies"
    change = {"spec": {"validations": [{"expression": "object.spec.replicas == 'one'"}]}}
    changed = (await api.patch(f"{path}/p", change)).json
    assert changed["metadata"]["generation"] == 2
    (event,) = await api.watch(path, 1, resourceVersion=changed["metadata"]["resourceVersion"])
    status = event["object"]["status"]
    assert status["observedGeneration"] == 2
    (warning,) = status["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[0].expression"


WIDGETS = "/apis/example.com/v1/namespaces/ns/widgets"


async def test_type_checking_knows_custom_resources(api) -> None:
    await api.ok("POST", CRDS, definition())
    rule = {
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["widgets"],
    }
    status = await checked(api, validating("p", {"expression": "object.spec.weight > 1"}, rule=rule))
    (warning,) = status["typeChecking"]["expressionWarnings"]
    assert warning["warning"].startswith(
        "example.com/v1, Kind=Widget: ERROR: <input>:1:12: undefined field 'weight'"
    )


async def test_custom_resources_as_objects_and_as_parameters(api, put) -> None:
    await api.ok("POST", CRDS, definition())
    rule = {
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["widgets"],
    }
    await put(mutating("m", "Object{spec: Object.spec{color: 'blue'}}", rule=rule))
    made = await api.ok("POST", WIDGETS, widget("limits", size=5))
    assert made["spec"] == {"size": 5, "color": "blue"}
    policy = validating(
        "p",
        {"expression": "object.spec.size <= params.spec.size", "message": "too large"},
        rule=rule,
        paramKind={"apiVersion": "example.com/v1", "kind": "Widget"},
    )
    await put(policy, paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    await api.ok("POST", WIDGETS, widget("small", size=5))
    refused = await api.ask("POST", WIDGETS, widget("large", size=6))
    assert refused.json["message"].endswith("denied request: too large")


async def test_metrics(api, put) -> None:
    await put(mutating("counted-m", "Object{metadata: Object.metadata{annotations: {'a': 'b'}}}"))
    await put(validating("counted-v", {"expression": "false"}, {"expression": "object.nothing == 1"}))
    await api.ask("POST", CONFIGMAPS, configmap("m"))
    told = (await api.ask("GET", "/metrics")).body.decode()
    for policy, error in (
        ("validating", "no_error"),
        ("validating", "invalid_error"),
        ("mutating", "no_error"),
    ):
        name = f"counted-{policy[0]}"
        labels = f'policy="{name}",policy_binding="{name}-b",error_type="{error}"'
        action = ',enforcement_action="deny"' if policy == "validating" else ""
        assert f"apiserver_{policy}_admission_policy_check_total{{{labels}{action}}} 1" in told


async def test_kubectl_shows_policies_and_denials(api, kubeconfig) -> None:
    kubectl = Kubectl(kubeconfig)
    manifest = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations: [{expression: "object.spec.replicas <= 2", message: at most two}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec: {policyName: small, validationActions: [Deny]}
"""
    await kubectl.ok("apply", "-f", "-", text=manifest)
    assert "unchanged" in await kubectl.ok("apply", "-f", "-", text=manifest)
    header, row = (await kubectl.ok("get", "validatingadmissionpolicies")).splitlines()
    assert header.split() == ["NAME", "VALIDATIONS", "PARAMKIND", "AGE"]
    assert row.split()[:3] == ["small", "1", "<unset>"]
    refused = await kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3")
    assert refused.code == 1
    assert (
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'small' "
        "denied "
        "request: at most two"
    ) in refused.err
    await kubectl.ok("create", "deployment", "web", "--image=nginx", "--replicas=2")
    assert (await kubectl("scale", "deployment", "web", "--replicas=5")).code == 0
