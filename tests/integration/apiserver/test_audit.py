"""What the audit log says of requests, stage by stage, at each level."""

import asyncio

import orjson
import pytest

from api.types.core_v1 import CONFIGMAPS as TOKEN
from tests.integration.in_process import client_of, until

POLICY = """
kind: Policy
apiVersion: audit.k8s.io/v1
omitManagedFields: true
rules:
  - {level: None, resources: [{group: coordination.k8s.io}]}
  - {level: Metadata, resources: [{group: "", resources: [secrets]}]}
  - {level: Request, resources: [{group: "", resources: [namespaces]}]}
  - {level: RequestResponse, resources: [{group: "", resources: [configmaps]}], userGroups: [system:masters]}
"""


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    return {
        "audit_log_path": tmp_path / "audit.log",
        "audit_policy_file": tmp_path / "policy.yaml",
        "disable_admission_plugins": (),
    }


def events(tmp_path, uri):
    found = [orjson.loads(line) for line in (tmp_path / "audit.log").read_bytes().splitlines()]
    return [event for event in found if event["requestURI"].startswith(uri)]


CONFIGMAPS, SECRETS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/secrets"


async def test_request_and_response(api, tmp_path):
    await api.ok("POST", CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}}, fieldManager="me")
    received, complete = events(tmp_path, f"{CONFIGMAPS}?fieldManager=me")
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["auditID"] == complete["auditID"]
    assert "requestObject" not in received
    assert complete["requestObject"] == {"metadata": {"name": "a"}, "data": {"k": "v"}}
    assert complete["responseObject"]["data"] == {"k": "v"}
    assert "managedFields" not in complete["responseObject"]["metadata"]
    assert complete["responseStatus"]["code"] == 201


async def test_secrets_are_told_without_what_they_say(api, tmp_path):
    await api.ok("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "hush"}})
    assert [event["level"] for event in events(tmp_path, SECRETS)] == ["Metadata", "Metadata"]
    assert "hush" not in (tmp_path / "audit.log").read_text()


async def test_request_level_has_no_response(api, tmp_path):
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    last = events(tmp_path, "/api/v1/namespaces")[-1]
    assert last["requestObject"] == {"metadata": {"name": "n"}}
    assert "responseObject" not in last


async def test_what_no_rule_names_is_not_told(api, tmp_path):
    await api.ok("GET", "/api/v1/namespaces/default/pods")
    await api.ok("GET", "/apis/coordination.k8s.io/v1/leases")
    assert events(tmp_path, "/api/v1/namespaces/default/pods") == []
    assert events(tmp_path, "/apis/coordination.k8s.io/v1/leases") == []


async def test_refusals_say_why(api, tmp_path):
    await api.ask("POST", CONFIGMAPS, {"metadata": {"name": "Not A Name"}})
    outcome = events(tmp_path, CONFIGMAPS)[-1]["responseStatus"]
    assert (outcome["code"], outcome["status"], outcome["reason"]) == (422, "Failure", "Invalid")
    assert "Not A Name" in outcome["message"]


async def test_a_watch_starts_and_ends(api, tmp_path):
    await api.ok("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
    await api.watch(CONFIGMAPS, 1)
    stages = ["RequestReceived", "ResponseStarted", "ResponseComplete"]

    async def told():
        return [event["stage"] for event in events(tmp_path, f"{CONFIGMAPS}?watch")]

    await until(told, lambda found: found == stages)


async def test_the_server_itself_is_told_too(server, tmp_path):
    await client_of(server).list(TOKEN, "default")
    (received, complete) = events(tmp_path, CONFIGMAPS)
    assert complete["user"]["username"] == "admin"
    assert complete["responseObject"]["kind"] == "ConfigMapList"
    assert received["verb"] == "list"


async def test_what_webhooks_did(api, tmp_path, hook):
    hook.answers["/note"] = lambda request: {"allowed": True, "auditAnnotations": {"note": "seen"}}
    created = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"]}
    rules = [{**created, "resources": ["configmaps", "secrets"]}]
    common = {"rules": rules, "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5}
    gone = {"url": "https://127.0.0.1:1/", "caBundle": hook.ca}
    webhooks = [
        {**common, "name": "label.example.com", "clientConfig": hook.url("/add-label")},
        {**common, "name": "note.example.com", "clientConfig": hook.url("/note")},
        {**common, "name": "gone.example.com", "clientConfig": gone, "failurePolicy": "Ignore"},
    ]
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    await api.ok("POST", path, {"metadata": {"name": "w"}, "webhooks": webhooks})
    for uri in (CONFIGMAPS, SECRETS):
        await api.ok("POST", uri, {"metadata": {"name": "noted"}})
    found = [events(tmp_path, uri)[-1]["annotations"] for uri in (CONFIGMAPS, SECRETS)]
    which = '"configuration":"w","webhook":"label.example.com"'
    for annotations in found:
        assert annotations["note.example.com/note"] == "seen"
        assert (
            annotations["mutation.webhook.admission.k8s.io/round_0_index_0"] == f'{{{which},"mutated":true}}'
        )
        opened = annotations["failed-open.mutation.webhook.admission.k8s.io/round_0_index_2"]
        assert opened == "gone.example.com"
    # What a webhook put into a secret is as secret as the rest.
    patches = [{key for key in annotations if key.startswith("patch.")} for annotations in found]
    assert patches == [{"patch.webhook.admission.k8s.io/round_0_index_0"}, set()]


async def test_a_request_that_takes_too_long_is_told_as_it_was_answered(api, server, tmp_path, monkeypatch):
    async def slow():
        await asyncio.sleep(10)

    monkeypatch.setattr(server.hub, "fresh", slow)
    answer = await api.ask("GET", CONFIGMAPS, timeout="50ms")
    assert answer.status == 504
    last = events(tmp_path, CONFIGMAPS)[-1]
    assert (last["stage"], last["responseStatus"]["code"]) == ("ResponseComplete", 504)
