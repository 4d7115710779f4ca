"""Mutating admission policies on a whole server."""

from typing import Any

import pytest

from tests.integration.apiserver.hooks import MUTATING, patch, register, webhook
from tests.integration.apiserver.policies import (
    ADMISSION,
    CONFIGMAPS,
    configmap,
    installer,
    mutating,
    validating,
)

PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.fixture
async def put(api):
    return await installer(api)


async def test_mutated(api, put) -> None:
    await put(mutating("p", "Object{metadata: Object.metadata{labels: {'added': object.metadata.name}}}"))
    made = await api.ok("POST", CONFIGMAPS, configmap("m", {"own": "x"}))
    assert made["metadata"]["labels"] == {"own": "x", "added": "m"}


async def test_mutated_by_json_patch(api, put) -> None:
    path = "'/metadata/labels/' + jsonpatch.escapeKey('a.b/c')"
    text = f"[JSONPatch{{op: 'add', path: {path}, value: object.data.x + '-'+ 'z'}}]"
    await put(mutating("p", text, patch="JSONPatch"))
    made = await api.ok("POST", CONFIGMAPS, configmap("m", {"own": "o"}, x="1"))
    assert made["metadata"]["labels"] == {"own": "o", "a.b/c": "1-z"}


async def test_mutations_come_before_validation_and_are_made_regular(api, put) -> None:
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["deployments"],
    }
    text = """Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        initContainers: [Object.spec.template.spec.initContainers{name: 'added', image: 'x'}]}}}}"""
    await put(mutating("m", text, rule=rule))
    check = "object.spec.template.spec.initContainers[0].terminationMessagePolicy == 'File'"
    await put(validating("v", {"expression": check}, rule=rule))
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    made = await api.ok("POST", "/apis/apps/v1/namespaces/ns/deployments", body)
    (added,) = made["spec"]["template"]["spec"]["initContainers"]
    assert (added["name"], added["imagePullPolicy"]) == ("added", "Always")


SIZE = "string(size(object.metadata.?annotations.orValue({{}})))"
COUNT = f"Object{{{{metadata: Object.metadata{{{{annotations: {{{{'{{0}}': {SIZE}}}}}}}}}}}}}"


async def test_policies_run_again_when_others_change_the_object_after_them(api, put) -> None:
    await put(mutating("a", COUNT.format("never")))
    await put(mutating("b", COUNT.format("again"), reinvocationPolicy="IfNeeded"))
    await put(mutating("c", COUNT.format("last")))
    made = await api.ok("POST", CONFIGMAPS, configmap("m"))
    assert made["metadata"]["annotations"] == {"never": "0", "again": "3", "last": "2"}


async def test_a_mutation_that_fails(api, put) -> None:
    await put(mutating("p", "Object{metadata: Object.metadata{labels: object.data.nothing}}"))
    refused = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert (refused.status, refused.json["reason"]) == (403, "Invalid")
    assert refused.json["message"].startswith(
        "policy 'p' with binding 'p-b' denied request: expression 'Object{metadata"
    )
    await api.ok("DELETE", f"{ADMISSION}/mutatingadmissionpolicybindings/p-b")
    lax = mutating(
        "q", "Object{metadata: Object.metadata{labels: object.data.nothing}}", failurePolicy="Ignore"
    )
    await put(lax)
    await api.ok("POST", CONFIGMAPS, configmap("m"))


async def test_conditions_of_mutations(api, put) -> None:
    conditions = [{"name": "marked", "expression": "has(object.metadata.labels)"}]
    text = "Object{metadata: Object.metadata{annotations: {'seen': 'yes'}}}"
    await put(mutating("p", text, matchConditions=conditions))
    assert "annotations" not in (await api.ok("POST", CONFIGMAPS, configmap("m")))["metadata"]
    made = await api.ok("POST", CONFIGMAPS, configmap("n", {"a": "b"}))
    assert made["metadata"]["annotations"] == {"seen": "yes"}
    broken = [{"name": "broken", "expression": "object.nothing == 1"}]
    await put(mutating("q", text, matchConditions=broken))
    refused = await api.ask("POST", CONFIGMAPS, configmap("o"))
    assert (refused.status, refused.json["reason"]) == (403, "Invalid")
    assert refused.json["message"].startswith(
        "policy 'q' with binding 'q-b' denied request: expression 'object.n"
    )


async def test_mutations_with_parameters(api, put) -> None:
    await api.ok("POST", CONFIGMAPS, configmap("colours", colour="green"))
    text = "Object{metadata: Object.metadata{labels: {'colour': params.data.colour}}}"
    policy = mutating("p", text, paramKind=PARAMS)
    await put(policy, paramRef={"name": "colours", "parameterNotFoundAction": "Deny"})
    made = await api.ok("POST", CONFIGMAPS, configmap("m"))
    assert made["metadata"]["labels"] == {"colour": "green"}
    await api.ok("DELETE", f"{CONFIGMAPS}/colours")
    refused = await api.ask("POST", CONFIGMAPS, configmap("n"))
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
    assert refused.json["message"] == (
        "policy 'p' with binding 'p-b' denied request: failed to configure binding: no params found for "
        "policy "
        "binding with `Deny` parameterNotFoundAction"
    )


async def test_another_version_of_the_same_resource(api, put) -> None:
    rule = {
        "apiGroups": ["autoscaling"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["horizontalpodautoscalers"],
    }
    seen = "has(object.spec.targetCPUUtilizationPercentage) && object.apiVersion == 'autoscaling/v1'"
    check = f"{seen} && request.kind.version == 'v1' && request.requestKind.version == 'v2'"
    await put(validating("p", {"expression": check}, rule=rule))
    await put(mutating("m", "Object{spec: Object.spec{maxReplicas: 7}}", rule=rule))
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    path = "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers"
    made = await api.ok("POST", path, {"metadata": {"name": "h"}, "spec": spec})
    assert made["spec"]["maxReplicas"] == 7


async def test_policies_run_before_webhooks_and_again_after_them(api, put, hook) -> None:
    text = "Object{{metadata: Object.metadata{{annotations: {{'{0}': string(size(object.data))}}}}}}"
    await put(mutating("never", text.format("never")))
    await put(mutating("again", text.format("again"), reinvocationPolicy="IfNeeded"))
    seen = []

    def add(request: Any) -> Any:
        seen.append(dict(request["object"]["metadata"]["annotations"]))
        return patch({"op": "add", "path": "/data/added", "value": "x"})

    hook.answers["/mutating-configmaps"] = add
    await register(api, MUTATING, webhook(hook.url("/mutating-configmaps")))
    made = await api.ok("POST", CONFIGMAPS, configmap("m", own="x"))
    assert seen == [{"never": "1", "again": "1"}]
    assert made["metadata"]["annotations"] == {"never": "1", "again": "2"}


async def test_policies_whose_conditions_were_not_met_do_not_run_again(api, put, hook) -> None:
    marked = "has(object.data.added) && !has(object.metadata.annotations)"
    text = "Object{metadata: Object.metadata{annotations: {'late': 'yes'}}}"
    late = mutating(
        "late",
        text,
        matchConditions=[{"name": "marked", "expression": marked}],
        reinvocationPolicy="IfNeeded",
    )
    early = mutating("early", "Object{data: {'early': 'x'}}", reinvocationPolicy="Never")
    await put(early)
    await put(late)
    hook.answers["/mutating-configmaps"] = lambda request: patch(
        {"op": "add", "path": "/data/added", "value": "x"}
    )
    wanted = webhook(hook.url("/mutating-configmaps"), reinvocationPolicy="IfNeeded")
    await register(api, MUTATING, wanted)
    made = await api.ok("POST", CONFIGMAPS, configmap("m", own="x"))
    assert made["data"] == {"own": "x", "early": "x", "added": "x"}
    assert "annotations" not in made["metadata"]
    assert len(hook.asked("/mutating-configmaps")) == 1
