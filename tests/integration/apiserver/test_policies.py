"""Admission policies on a whole server: what they see, whom they bind, what follows."""

from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.app import build
from apiserver.config import Config
from apiserver.http.message import Request, Response
from store.memory import MemoryBackend
from tests.integration.apiserver.customresources import CRDS, definition, widget

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MAPS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["configmaps"],
}
CONFIGMAPS = "/api/v1/namespaces/ns/configmaps"


def validating(name: str, *validations: dict, **spec: Any) -> dict:
    rules = {"resourceRules": [spec.pop("rule", MAPS)], **spec.pop("match", {})}
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": rules, "validations": [*validations], **spec},
    }


def mutating(name: str, expression: str, **spec: Any) -> dict:
    rules = {"resourceRules": [spec.pop("rule", MAPS)], **spec.pop("match", {})}
    kind = spec.pop("patch", "ApplyConfiguration")
    member = "jsonPatch" if kind == "JSONPatch" else "applyConfiguration"
    mutations = [{"patchType": kind, member: {"expression": expression}}]
    made = {"matchConstraints": rules, "mutations": mutations, "reinvocationPolicy": "Never", **spec}
    return {"metadata": {"name": name}, "spec": made}


def configmap(name: str, labels: dict | None = None, **data: str) -> dict:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def warnings(answer: Any) -> list[str]:
    """Return the texts of the Warning headers."""
    return [orjson.loads(value.partition("299 - ")[2]) for value in answer.headers.getall("Warning", [])]


@pytest.fixture
async def put(api):
    """Installs a policy of a kind with one binding."""
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "ns", "labels": {"team": "a"}}})

    async def install(policy: dict, actions: tuple[str, ...] = ("Deny",), **binding: Any) -> None:
        name = policy["metadata"]["name"]
        kind = "mutating" if "mutations" in policy["spec"] else "validating"
        spec = {"policyName": name, **binding}
        if kind == "validating":
            spec["validationActions"] = [*actions]
        await api.ok("POST", f"{ADMISSION}/{kind}admissionpolicies", policy)
        body = {"metadata": {"name": f"{name}-b"}, "spec": spec}
        await api.ok("POST", f"{ADMISSION}/{kind}admissionpolicybindings", body)

    return install


async def test_denied_at_once(api, put) -> None:
    await put(validating("p", {"expression": "object.data.x == '1'", "message": "x must be 1"}))
    refused = await api.ask("POST", CONFIGMAPS, configmap("m", x="2"))
    assert refused.status == 422
    said = "ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: x must be 1"
    assert refused.json["message"] == f'configmaps "m" is forbidden: {said}'
    assert refused.json["reason"] == "Invalid"
    assert refused.json["details"] == {"name": "m", "kind": "configmaps", "causes": [{"message": said}]}
    await api.ok("POST", CONFIGMAPS, configmap("m", x="1"))
    assert (await api.patch(f"{CONFIGMAPS}/m", {"data": {"x": "3"}})).status == 422
    assert (await api.ask("POST", CONFIGMAPS, configmap("n", x="2"), dryRun="All")).status == 422


@pytest.mark.parametrize(
    ("reason", "code"),
    [("Forbidden", 403), ("Unauthorized", 401), ("RequestEntityTooLarge", 413), ("Invalid", 422)],
)
async def test_reasons(api, put, reason: str, code: int) -> None:
    await put(validating("p", {"expression": "false", "reason": reason}))
    refused = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert (refused.status, refused.json["reason"], refused.json["code"]) == (code, reason, code)


async def test_no_binding_no_effect_and_gone_is_gone(api, put) -> None:
    await api.ok(
        "POST", f"{ADMISSION}/validatingadmissionpolicies", validating("alone", {"expression": "false"})
    )
    await api.ok("POST", CONFIGMAPS, configmap("a"))
    await put(validating("p", {"expression": "false"}))
    assert (await api.ask("POST", CONFIGMAPS, configmap("b"))).status == 422
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/p-b")
    await api.ok("POST", CONFIGMAPS, configmap("b"))


async def test_warned_of(api, put) -> None:
    await put(validating("p", {"expression": "false", "message": "not nice"}), ("Warn", "Audit"))
    made = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert made.status == 201
    assert warnings(made) == [
        "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b': not nice"
    ]


async def test_selectors_and_conditions(api, put) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    match = {"objectSelector": {"matchLabels": {"watched": "yes"}}}
    conditions = [{"name": "not-exempt", "expression": "object.metadata.name != 'exempt'"}]
    policy = validating("p", {"expression": "false"}, match=match, matchConditions=conditions)
    await put(policy, matchResources={"namespaceSelector": {"matchLabels": {"team": "a"}}})
    watched = {"watched": "yes"}
    assert (await api.ask("POST", CONFIGMAPS, configmap("m", watched))).status == 422
    await api.ok("POST", CONFIGMAPS, configmap("m"))
    await api.ok("POST", CONFIGMAPS, configmap("exempt", watched))
    await api.ok("POST", "/api/v1/namespaces/other/configmaps", configmap("m", watched))
    # The labels that it had count as well.
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/p-b")
    await api.ok("POST", CONFIGMAPS, configmap("n", watched))


async def test_deletions_and_the_old_object(api, put) -> None:
    rule = {**MAPS, "operations": ["DELETE"]}
    text = "object == null && !has(oldObject.metadata.labels)"
    await put(
        validating(
            "p", {"expression": text, "messageExpression": "'keep ' + oldObject.metadata.name"}, rule=rule
        )
    )
    await api.ok("POST", CONFIGMAPS, configmap("m", {"keep": "x"}))
    await api.ok("POST", CONFIGMAPS, configmap("n"))
    refused = await api.ask("DELETE", f"{CONFIGMAPS}/m")
    assert refused.status == 422
    assert refused.json["message"].endswith("denied request: keep m")
    await api.ok("DELETE", f"{CONFIGMAPS}/n")


async def test_request_and_namespace(api, put) -> None:
    texts = (
        "request.operation == 'CREATE' && request.resource.resource == 'configmaps'",
        "request.kind.kind == 'ConfigMap' && request.kind.group == ''",
        "request.name == 'm' && request.namespace == 'ns' && !request.dryRun",
        "request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups",
        "namespaceObject.metadata.labels.team == 'a' && namespaceObject.status.phase == 'Active'",
        "namespaceObject.metadata.creationTimestamp <= timestamp(object.metadata.creationTimestamp)",
        "oldObject == null && object.metadata.namespace == 'ns'",
    )
    await put(
        validating("p", *({"expression": text} for text in texts), {"expression": "false", "message": "end"})
    )
    refused = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert refused.json["message"].endswith("denied request: end")


async def test_failure_policy(api, put) -> None:
    await put(validating("lax", {"expression": "object.data.nothing == 'x'"}, failurePolicy="Ignore"))
    await api.ok("POST", CONFIGMAPS, configmap("m", y="1"))
    await put(validating("strict", {"expression": "object.data.nothing == 'x'"}))
    refused = await api.ask("POST", CONFIGMAPS, configmap("n", y="1"))
    assert refused.json["message"].endswith(
        "denied request: expression 'object.data.nothing == 'x'' resulted in error: no such key: nothing"
    )


PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}
LIMIT = {
    "expression": "int(object.data.x) <= int(params.data.most)",
    "messageExpression": "'most ' + params.data.most",
}


async def test_parameters_by_name(api, put) -> None:
    await api.ok("POST", CONFIGMAPS, configmap("limits", most="5", x="0"))
    policy = validating("p", LIMIT, paramKind=PARAMS)
    await put(policy, paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    await api.ok("POST", CONFIGMAPS, configmap("m", x="5"))
    refused = await api.ask("POST", CONFIGMAPS, configmap("n", x="6"))
    assert refused.json["message"].endswith("denied request: most 5")
    await api.ok(
        "PATCH",
        f"{CONFIGMAPS}/limits",
        {"data": {"most": "9"}},
        {"Content-Type": "application/merge-patch+json"},
    )
    await api.ok("POST", CONFIGMAPS, configmap("n", x="6"))
    await api.ok("DELETE", f"{CONFIGMAPS}/limits")
    refused = await api.ask("POST", CONFIGMAPS, configmap("o", x="1"))
    assert refused.json["message"].endswith(
        "denied request: failed to configure binding: no params found for policy binding with `Deny` "
        "parameterNotFoundAction"
    )


async def test_parameters_by_selector(api, put) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "params"}})
    for name, most in (("a", "5"), ("b", "3")):
        body = configmap(name, {"limit": "yes"}, most=most)
        await api.ok("POST", "/api/v1/namespaces/params/configmaps", body)
    ref = {
        "namespace": "params",
        "selector": {"matchLabels": {"limit": "yes"}},
        "parameterNotFoundAction": "Allow",
    }
    await put(validating("p", LIMIT, paramKind=PARAMS), paramRef=ref)
    refused = await api.ask("POST", CONFIGMAPS, configmap("m", x="4"))
    assert refused.json["message"].endswith("denied request: most 3")
    await api.ok("POST", CONFIGMAPS, configmap("m", x="2"))
    await api.ok("DELETE", "/api/v1/namespaces/params/configmaps", labelSelector="limit=yes")
    await api.ok("POST", CONFIGMAPS, configmap("n", x="7"))


async def test_parameters_of_an_unknown_kind(api, put) -> None:
    policy = validating("p", {"expression": "true"}, paramKind={"apiVersion": "x.y/v1", "kind": "Nothing"})
    await put(policy, paramRef={"name": "a", "parameterNotFoundAction": "Allow"})
    refused = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert refused.json["message"].endswith(
        "denied request: failed to configure binding: paramKind kind `x.y/v1, Kind=Nothing` not known"
    )


async def test_policies_are_not_subject_to_policies(api, put) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    await put(validating("p", {"expression": "false"}, rule=everything))
    assert (await api.ask("POST", CONFIGMAPS, configmap("m"))).status == 422
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/p-b")
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicies/p")
    await api.ok("POST", CONFIGMAPS, configmap("m"))


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


async def test_subresources(api, put) -> None:
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments/scale"],
    }
    await put(
        validating(
            "p", {"expression": "object.spec.replicas < 5 && request.subResource == 'scale'"}, rule=rule
        )
    )
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    path = "/apis/apps/v1/namespaces/ns/deployments"
    await api.ok("POST", path, body)
    assert (await api.patch(f"{path}/d/scale", {"spec": {"replicas": 4}})).status == 200
    assert (await api.patch(f"{path}/d/scale", {"spec": {"replicas": 5}})).status == 422
    assert (await api.patch(f"{path}/d", {"spec": {"replicas": 5}})).status == 200


async def test_the_authorizer(api, put) -> None:
    texts = (
        "authorizer.requestResource.check('create').allowed()",
        "authorizer.group('apps').resource('deployments').namespace('ns').check('delete').allowed()",
        "authorizer.path('/healthz').check('get').allowed()",
        "!authorizer.serviceAccount('ns', 'default').group('').resource('secrets').check('list').allowed()",
    )
    end = {"expression": "false", "message": "end"}
    await put(validating("p", *({"expression": text} for text in texts), end))
    refused = await api.ask("POST", CONFIGMAPS, configmap("m"))
    assert refused.json["message"].endswith("denied request: end")


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


async def test_connections(api, put) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["pods/exec"]}
    await put(
        validating("p", {"expression": "object.container != 'secret'", "message": "not there"}, rule=rule)
    )
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "secret", "image": "x"}]}}
    await api.ok("POST", "/api/v1/namespaces/ns/pods", body)
    path = "/api/v1/namespaces/ns/pods/p/exec"
    refused = await api.ask("POST", path, container="secret", command="ls")
    assert refused.status == 422
    assert refused.json["message"].endswith("denied request: not there")


async def test_collections_are_judged_object_by_object(api, put) -> None:
    rule = {**MAPS, "operations": ["DELETE"]}
    await put(validating("p", {"expression": "oldObject.metadata.name != 'kept'"}, rule=rule))
    for name in ("a", "kept"):
        await api.ok("POST", CONFIGMAPS, configmap(name, {"x": "y"}))
    assert (await api.ask("DELETE", CONFIGMAPS, labelSelector="x=y")).status == 422
    assert (await api.ask("GET", f"{CONFIGMAPS}/kept")).status == 200


async def test_what_the_audit_log_is_told(pki, tmp_path) -> None:
    certificate = x509.load_pem_x509_certificate((pki / "admin.crt").read_bytes())
    admin, log = certificate.public_bytes(Encoding.DER), tmp_path / "audit.log"
    config = Config(client_ca_file=pki / "ca.crt", audit_log_path=log)
    backend = MemoryBackend()
    server = await build(config, backend)

    async def post(path: str, body: dict) -> dict:
        headers = {"content-type": "application/json"}
        answer = await server.handle(Request("POST", path, {}, headers, orjson.dumps(body), admin))
        assert isinstance(answer, Response)
        assert answer.status == 201, answer.body
        found: dict = orjson.loads(log.read_text().splitlines()[-1]).get("annotations", {})
        return found

    try:
        policy = validating("p", {"expression": "object.metadata.name != 'm'", "message": "no m"}, rule=MAPS)
        policy["spec"]["auditAnnotations"] = [
            {"key": "who", "valueExpression": "request.userInfo.username + ' made ' + object.metadata.name"}
        ]
        await post(f"{ADMISSION}/validatingadmissionpolicies", policy)
        binding = {"policyName": "p", "validationActions": ["Audit"]}
        await post(
            f"{ADMISSION}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": binding}
        )
        notes = await post("/api/v1/namespaces/default/configmaps", configmap("m"))
        assert notes["p/who"] == "admin made m"
        (failure,) = orjson.loads(notes["validation.policy.admission.k8s.io/validation_failure"])
        assert failure == {
            "message": "no m",
            "policy": "p",
            "binding": "b",
            "expressionIndex": 0,
            "validationActions": ["Audit"],
        }
    finally:
        await server.close()
        await backend.close()


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


async def test_parameters_of_cluster_scope_and_of_none(api, put) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nodes"]}
    namespaced = validating("a", {"expression": "true"}, rule=rule, paramKind=PARAMS)
    await put(namespaced, paramRef={"name": "x", "parameterNotFoundAction": "Allow"})
    refused = await api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    assert (
        "cannot use namespaced paramRef in policy binding that matches cluster-scoped"
        in refused.json["message"]
    )
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/a-b")
    kind = {"apiVersion": "v1", "kind": "Namespace"}
    wide = validating("b", {"expression": "params.metadata.labels.team == 'b'"}, rule=rule, paramKind=kind)
    await put(wide, paramRef={"name": "ns", "parameterNotFoundAction": "Allow"})
    assert (await api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})).status == 422
    await api.ok("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/b-b")
    wrong = validating("c", {"expression": "true"}, rule=rule, paramKind=kind)
    await put(wrong, paramRef={"name": "ns", "namespace": "ns", "parameterNotFoundAction": "Allow"})
    refused = await api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    assert (
        "paramRef.namespace must not be provided for a cluster-scoped `paramKind`" in refused.json["message"]
    )
