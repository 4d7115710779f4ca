"""Admission webhooks: what becomes of their answers, in which order they come, what happens without one."""

from dataclasses import replace

import orjson
import pytest

from apiserver.app import build
from tests.integration.apiserver.hooks import (
    ADMISSION,
    CMS,
    MUTATING,
    VALIDATING,
    configmap,
    patch,
    register,
    rule,
    webhook,
)

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
PODS = "/api/v1/namespaces/default/pods"


# What becomes of answers.


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        pytest.param({"message": "m"}, 400, None, ": m", id="message"),
        pytest.param(None, 400, None, " without explanation", id="nothing"),
        pytest.param({"reason": "Frog"}, 400, "Frog", ": Frog", id="reason-alone"),
        pytest.param({"code": 403, "reason": "Forbidden", "message": "m"}, 403, "Forbidden", ": m", id="403"),
        pytest.param({"code": 418, "message": "m"}, 418, None, ": m", id="odd-code"),
        pytest.param({"code": 200, "status": "Success", "message": "m"}, 400, None, ": m", id="success"),
    ],
)
async def test_denials(api, hook, status, code, reason, message):
    hook.answers["/deny"] = lambda request: {"allowed": False, **({"status": status} if status else {})}
    await register(api, VALIDATING, webhook(hook.url("/deny")))
    answer = await configmap(api)
    assert (answer.status, answer.json["code"], answer.json.get("reason")) == (code, code, reason)
    assert answer.json["message"] == f'admission webhook "a.example.com" denied the request{message}'
    assert answer.json["status"] == "Failure"


def response(**members):
    return lambda request: {"allowed": True, **members}


INVALID = "received invalid webhook response: "


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        pytest.param(
            VALIDATING, b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}',
            f"{INVALID}webhook response was absent", id="absent",
        ),
        pytest.param(VALIDATING, response(uid="x"), f'{INVALID}expected response.uid="', id="uid"),
        pytest.param(
            VALIDATING, response(patch="W10=", patchType="JSONPatch"),
            f"{INVALID}validating webhook may not return response.patch", id="patch-of-a-validating-one",
        ),
        pytest.param(
            MUTATING, response(patch="W10="),
            f"{INVALID}webhook returned response.patch but not response.patchType", id="no-patch-type",
        ),
        pytest.param(
            MUTATING, response(patchType="JSONPatch"),
            f"{INVALID}webhook returned response.patchType but not response.patch", id="no-patch",
        ),
        pytest.param(
            MUTATING, response(patch="W10=", patchType="Merge"), f'{INVALID}unsupported patch type "Merge"',
            id="merge",
        ),
        pytest.param(
            MUTATING, response(patch="e30=", patchType="JSONPatch"),
            "received undecodable patch in webhook response: json: cannot unmarshal object", id="object",
        ),
        pytest.param(
            MUTATING, response(patch="%%", patchType="JSONPatch"),
            "received undecodable patch in webhook response", id="not-base64",
        ),
        pytest.param(VALIDATING, response(warnings="x"), f"{INVALID}json: cannot unmarshal", id="warnings"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("policy", [pytest.param("Fail", id="fail"), pytest.param("Ignore", id="ignore")])
async def test_answers_that_are_none(api, hook, kind, answer, expected, policy):
    hook.answers["/bad"] = answer
    await register(api, kind, webhook(hook.url("/bad"), failurePolicy=policy))
    made = await configmap(api)
    if policy == "Ignore":
        assert made.status == 201
        return
    assert (made.status, made.json["reason"]) == (500, "InternalError")
    failed = 'Internal error occurred: failed calling webhook "a.example.com": '
    assert made.json["message"].startswith(failed + expected)


async def test_another_kind_of_answer(api, hook):
    hook.answers["/bad"] = b'{"kind": "Frog", "apiVersion": "v1", "response": {"uid": ""}}'
    await register(api, VALIDATING, webhook(hook.url("/bad")))
    assert "expected response.uid=" in (await configmap(api)).json["message"]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        pytest.param(
            {"op": "add", "path": "/no/where", "value": 1}, "add operation does not apply: ", id="nowhere"
        ),
        pytest.param(
            {"op": "replace", "path": "/metadata/labels", "value": "x"}, "cannot unmarshal string", id="type"
        ),
    ],
)
@pytest.mark.parametrize("policy", [pytest.param("Fail", id="fail"), pytest.param("Ignore", id="ignore")])
async def test_patches_that_do_not_fit(api, hook, operation, message, policy):
    """They are the webhook's fault, not a failure to reach it: its policy does not matter."""
    hook.answers["/bad"] = lambda request: patch(operation)
    await register(api, MUTATING, webhook(hook.url("/bad"), failurePolicy=policy))
    answer = await configmap(api, labels={"a": "b"})
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert answer.json["message"].startswith("Internal error occurred: ")
    assert message in answer.json["message"]


async def test_patches_are_made_regular(api, hook):
    """Unknown fields go, defaults come, and what only the server sets stays as it was."""
    hook.answers["/patch"] = lambda request: patch(
        {"op": "add", "path": "/frog", "value": 1},
        {"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "i"}},
        {"op": "replace", "path": "/metadata/uid", "value": "mine"},
    )
    await register(api, MUTATING, webhook(hook.url("/patch"), rule("pods")))
    made = await api.ok("POST", PODS, POD)
    assert "frog" not in made
    assert made["metadata"]["uid"] not in ("mine", "")
    side = made["spec"]["containers"][1]
    assert side["terminationMessagePolicy"] == "File"
    assert side["imagePullPolicy"] == "Always"


async def test_what_a_webhook_makes_is_validated(api, hook):
    hook.answers["/patch"] = lambda request: patch(
        {"op": "add", "path": "/metadata/labels", "value": {"a b": "c"}}
    )
    await register(api, MUTATING, webhook(hook.url("/patch")))
    assert (await configmap(api)).status == 422


async def test_warnings_and_annotations(api, hook):
    hook.answers["/warn"] = lambda request: {
        "allowed": True,
        "warnings": ["old\r\nX-Evil: yes", "old\r\nX-Evil: yes", "two"],
        "auditAnnotations": {"note": "seen", "not a key": "x"},
    }
    await register(api, VALIDATING, webhook(hook.url("/warn")))
    answer = await configmap(api)
    assert answer.status == 201
    assert answer.headers.getall("Warning") == ['299 - "old  X-Evil: yes"', '299 - "two"']
    assert "X-Evil" not in answer.headers


async def test_many_warnings_are_cut(api, hook):
    hook.answers["/warn"] = response(warnings=[f"{number}" * 300 for number in range(40)])
    await register(api, VALIDATING, webhook(hook.url("/warn")))
    shown = (await configmap(api)).headers.getall("Warning")
    assert len(shown) < 20
    assert all(len(text) < 300 for text in shown)


# Order.


def append(text):
    """A webhook that notes who came by: in `data.order`."""

    def answer(request):
        order = (request["object"].get("data") or {}).get("order", "")
        return patch({"op": "add", "path": "/data", "value": {"order": order + text}})

    return answer


async def test_mutating_webhooks_come_by_name_of_the_configuration(api, hook):
    for text in "abc":
        hook.answers[f"/{text}"] = append(text)
    first, second, third = (webhook(hook.url(f"/{text}"), name=f"{text}.example.com") for text in "abc")
    await register(api, MUTATING, third, name="z")
    await register(api, MUTATING, second, first, name="y")
    assert (await configmap(api)).json["data"] == {"order": "bac"}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param(("Never", "Never"), "ab", id="never"),
        pytest.param(("IfNeeded", "Never"), "aba", id="the-first-after-the-second"),
        pytest.param(("Never", "IfNeeded"), "ab", id="the-last-saw-it-all"),
        pytest.param(("IfNeeded", "IfNeeded"), "abab", id="once-more-each"),
    ],
)
async def test_reinvocation(api, hook, policies, expected):
    hooks = []
    for text, policy in zip("ab", policies, strict=True):
        hook.answers[f"/{text}"] = append(text)
        hooks.append(webhook(hook.url(f"/{text}"), name=f"{text}.example.com", reinvocationPolicy=policy))
    await register(api, MUTATING, *hooks)
    assert (await configmap(api)).json["data"] == {"order": expected}


async def test_the_built_in_mutators_see_what_webhooks_made(api, hook):
    """A webhook that takes a toleration away makes the mutators run again: it comes back."""
    hook.answers["/strip"] = lambda request: patch({"op": "remove", "path": "/spec/tolerations"})
    await register(api, MUTATING, webhook(hook.url("/strip"), rule("pods")))
    made = await api.ok("POST", PODS, POD)
    assert len(made["spec"]["tolerations"]) == 2
    assert len(hook.reviews) == 1


async def test_validating_webhooks_are_all_heard(api, hook):
    hooks = [
        webhook(hook.url(path), name=f"{name}.example.com")
        for name, path in (("a", "/always-allow"), ("b", "/always-deny"), ("c", "/last"))
    ]
    hook.answers["/last"] = response(warnings=["heard"])
    hook.delays["/last"] = 0.2
    await register(api, VALIDATING, *hooks)
    answer = await configmap(api)
    assert 'webhook "b.example.com" denied' in answer.json["message"]
    assert sorted(path.partition("?")[0] for path, _ in hook.reviews) == [
        "/always-allow",
        "/always-deny",
        "/last",
    ]


async def test_validating_webhooks_see_the_final_object_before_quotas_do(api, hook):
    await api.ok(
        "POST", "/api/v1/namespaces/default/resourcequotas",
        {"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "0"}}},
    )  # fmt: skip
    await api.patch(
        "/api/v1/namespaces/default/resourcequotas/q/status", {"status": {"hard": {"count/configmaps": "0"}}}
    )
    await register(api, MUTATING, webhook(hook.url("/add-label")))
    await register(api, VALIDATING, webhook(hook.url("/always-allow")))
    assert (await configmap(api)).status == 403
    assert hook.asked("/always-allow")[0]["object"]["metadata"]["labels"] == {"added-label": "yes"}


# Failures.


@pytest.mark.parametrize(
    "kind", [pytest.param(MUTATING, id="mutating"), pytest.param(VALIDATING, id="valid")]
)
async def test_a_webhook_that_cannot_be_reached(api, hook, kind):
    gone = {"url": "https://127.0.0.1:1/x", "caBundle": hook.ca}
    await register(api, kind, webhook(gone))
    answer = await configmap(api)
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert answer.json["message"] == (
        'Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: '
        'Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused'
    )
    await register(api, kind, webhook(gone, failurePolicy="Ignore"), name="v")
    await api.ok("DELETE", f"{ADMISSION}/{kind.lower()}s/w")
    assert (await configmap(api)).status == 201


async def test_the_request_may_have_less_time_than_the_webhook(api, hook):
    hook.delays["/always-allow"] = 5.0
    await register(api, VALIDATING, webhook(hook.url("/always-allow")))
    answer = await api.ask("POST", CMS, {"metadata": {"name": "c"}}, timeout="900ms")
    # Told by whichever limit is noticed first.
    assert answer.status in (500, 504)
    assert hook.reviews[0][0] == "/always-allow?timeout=1s"
    assert (await api.ask("GET", f"{CMS}/c")).status == 404
    assert (await api.ask("POST", CMS, {"metadata": {"name": "c"}}, timeout="x")).status == 400


@pytest.mark.parametrize("effects", ["None", "NoneOnDryRun"])
async def test_dry_runs(api, hook, effects):
    await register(api, VALIDATING, webhook(hook.url("/always-allow"), sideEffects=effects))
    answer = await api.ask("POST", CMS, {"metadata": {"name": "c"}}, dryRun="All")
    assert (answer.status, hook.reviews[0][1]["request"]["dryRun"]) == (201, True)


async def test_side_effects_forbid_dry_runs(api, hook, backend):
    """Only an older server can have stored such a webhook."""
    made = webhook(hook.url("/always-allow"), sideEffects="Some", failurePolicy="Ignore")
    body = {"kind": VALIDATING, "apiVersion": "admissionregistration.k8s.io/v1", "webhooks": [made]}
    metadata = {"name": "w", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    key = "/registry/admissionregistration.k8s.io/validatingwebhookconfigurations/w"
    await backend.create(key, orjson.dumps({**body, "metadata": metadata}))
    assert (await configmap(api, "first")).status == 201
    answer = await api.ask("POST", CMS, {"metadata": {"name": "c"}}, dryRun="All")
    assert (answer.status, answer.json["message"]) == (
        400, 'admission webhook "a.example.com" does not support dry run',
    )  # fmt: skip


async def test_metrics(api, hook):
    await register(api, VALIDATING, webhook(hook.url("/always-deny"), name="counted.example.com"))
    await configmap(api)
    text = (await api.ask("GET", "/metrics")).body.decode()
    labels = 'name="counted.example.com",type="validating",operation="CREATE"'
    refused = f'{labels},error_type="no_error",rejection_code="400"'
    assert f"apiserver_admission_webhook_rejection_count{{{refused}}} 1" in text
    assert f'webhook_admission_duration_seconds_count{{{labels},rejected="true"}} 1' in text


async def test_a_webhook_that_is_gone_does_not_keep_the_server_from_starting(api, server, backend, hook):
    gone = {"url": "https://127.0.0.1:1/x", "caBundle": hook.ca}
    everything = rule("*/*", groups=("*",), versions=("*",), operations=("*",))
    for kind in (MUTATING, VALIDATING):
        await register(api, kind, webhook(gone, everything))
    other = await build(replace(server.config, advertise_address="192.0.2.99"), backend)
    await other.close()
    assert (await configmap(api)).status == 500
