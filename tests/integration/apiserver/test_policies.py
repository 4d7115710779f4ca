"""Validating admission policies on a whole server: what they see, whom they bind, what follows."""

from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.app import build
from apiserver.config import Config
from apiserver.http.message import Request, Response
from store.memory import MemoryBackend
from tests.integration.apiserver.policies import ADMISSION, CONFIGMAPS, MAPS, configmap, installer, validating


def warnings(answer: Any) -> list[str]:
    """Return the texts of the Warning headers."""
    return [orjson.loads(value.partition("299 - ")[2]) for value in answer.headers.getall("Warning", [])]


@pytest.fixture
async def put(api):
    return await installer(api)


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
