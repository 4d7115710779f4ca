"""Admission webhooks: which requests they see, what they are asked, what becomes of their answers."""

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
CMS = "/api/v1/namespaces/default/configmaps"


def rule(*resources, operations=("CREATE",), groups=("",), versions=("v1",), **extra):
    return {
        "operations": list(operations), "apiGroups": list(groups), "apiVersions": list(versions),
        "resources": list(resources), **extra,
    }  # fmt: skip


def webhook(client, *rules, name="a.example.com", **extra):
    return {
        "name": name, "clientConfig": client, "rules": list(rules or (rule("configmaps"),)),
        "sideEffects": "None", "admissionReviewVersions": ["v1"], **extra,
    }  # fmt: skip


async def register(api, kind, *webhooks, name="w"):
    body = {"metadata": {"name": name}, "webhooks": list(webhooks)}
    return await api.ok("POST", f"{ADMISSION}/{kind.lower()}s", body)


async def configmap(api, name="c", ns="default", labels=None, **data):
    body = {"metadata": {"name": name, "labels": labels or {}}, "data": data}
    return await api.ask("POST", f"/api/v1/namespaces/{ns}/configmaps", body)


async def test_a_mutation_and_a_denial_take_effect_at_once(api, hook):
    await register(api, MUTATING, webhook(hook.url("/mutating-configmaps")))
    made = await configmap(api, **{"mutation-start": "yes"})
    assert made.json["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
    await register(api, VALIDATING, webhook(hook.url("/always-deny")))
    refused = await configmap(api, "d")
    assert refused.status == 400
    assert refused.json["message"] == (
        'admission webhook "a.example.com" denied the request: this webhook denies all requests'
    )
    await api.ok("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/w")
    assert (await configmap(api, "d")).status == 201
