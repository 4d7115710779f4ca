"""Admission webhooks, as upstream's conformance suite observes them (test/e2e/apimachinery/webhook.go).

The hook is reached through a Service and an EndpointSlice. Each configuration has, as upstream's, one more
webhook that denies marked objects in the namespace of markers: it tells that the configuration is in force.
"""

import asyncio

import pytest

from tests.integration.apiserver.hooks import ADMISSION, MUTATING, VALIDATING, rule, webhook
from tests.integration.apiserver.kubectl import Kubectl

NS, MARKERS = "webhook-1234", "webhook-1234-markers"
CMS, PODS = f"/api/v1/namespaces/{NS}/configmaps", f"/api/v1/namespaces/{NS}/pods"
UNIQUE = "webhook-1234"
GROUP = "webhook-crd-test.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRS = f"/apis/{GROUP}/v1/namespaces/{NS}/tests"
CASE = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] {} [Conformance]"


def case(text):
    return pytest.mark.case(CASE.format(text))


@pytest.fixture
async def hooked(api, hook):
    """The hook behind its Service, and the two namespaces."""
    await hook.publish(api)
    for name, label in ((NS, UNIQUE), (MARKERS, f"{UNIQUE}-markers")):
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": {label: "true"}}})
    return hook


def here(hook, path, *rules, name="hook.k8s.io", **extra):
    """A webhook for the namespace of the test."""
    selector = {"matchLabels": {UNIQUE: "true"}}
    return webhook(hook.service(path), *rules, name=f"x.{name}", **{"namespaceSelector": selector, **extra})


def marker(hook):
    return webhook(
        hook.service("/always-deny"),
        rule("configmaps"),
        name="deny-marker.k8s.io",
        namespaceSelector={"matchLabels": {f"{UNIQUE}-markers": "true"}},
        objectSelector={"matchLabels": {UNIQUE: "true"}},
    )


async def register(api, hook, kind, *hooks, name=UNIQUE, labels=None):
    """Create a configuration and see that it is in force."""
    # A marker that mutates would never deny.
    body = {"metadata": {"name": name, "labels": labels or {}}, "webhooks": [*hooks, marker(hook)]}
    made = await api.ok("POST", f"{ADMISSION}/{kind.lower()}s", body)
    marked = {"metadata": {"name": "marker", "labels": {UNIQUE: "true"}}}
    denied = await api.ask("POST", f"/api/v1/namespaces/{MARKERS}/configmaps", marked)
    assert "denied" in denied.json["message"]
    return made


async def configmap(api, name, data):
    return await api.ask("POST", CMS, {"metadata": {"name": name}, "data": data})


def pod(name, container="c", label="allowed"):
    metadata = {"name": name, "labels": {"webhook-e2e-test": label}}
    return {"metadata": metadata, "spec": {"containers": [{"name": container, "image": "pause"}]}}


async def definition(api, versions=("v1",), schema=None):
    """Create a CustomResourceDefinition and wait until its objects are served."""
    schema = schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": "tests", "singular": "test", "kind": "Test", "listKind": "TestList"}
    spec = {
        "group": GROUP,
        "scope": "Namespaced",
        "names": names,
        "versions": [
            {"name": version, "served": True, "storage": number == 0, "schema": {"openAPIV3Schema": schema}}
            for number, version in enumerate(versions)
        ],
    }
    await api.ok("POST", CRDS, {"metadata": {"name": f"tests.{GROUP}"}, "spec": spec})
    await served(api, *versions)


async def served(api, *versions):
    for version in versions:
        for _ in range(500):
            if (await api.ask("GET", f"/apis/{GROUP}/{version}/tests")).status == 200:
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError(f"{version} is not served")


def custom(name, data, version="v1"):
    return {"kind": "Test", "apiVersion": f"{GROUP}/{version}", "metadata": {"name": name}, "data": data}


@case("should include webhook resources in discovery documents")
async def test_discovery(api):
    groups = {item["name"]: item for item in (await api.ok("GET", "/apis"))["groups"]}
    version = {"groupVersion": "admissionregistration.k8s.io/v1", "version": "v1"}
    assert version in groups["admissionregistration.k8s.io"]["versions"]
    assert version in (await api.ok("GET", "/apis/admissionregistration.k8s.io"))["versions"]
    resources = {item["name"] for item in (await api.ok("GET", ADMISSION))["resources"]}
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= resources


@case("should be able to deny pod and configmap creation")
async def test_deny_pods_and_configmaps(api, hooked):
    exempt = {"matchExpressions": [{"key": "skip-webhook-admission", "operator": "NotIn", "values": ["yes"]}]}
    own = {"matchLabels": {UNIQUE: "true"}}
    await register(
        api, hooked, VALIDATING,
        here(hooked, "/pods", rule("pods"), name="pods.k8s.io", timeoutSeconds=1),
        here(
            hooked, "/configmaps", rule("configmaps", operations=("CREATE", "UPDATE", "DELETE")),
            name="cms.k8s.io", namespaceSelector={**own, **exempt},
        ),
        # A webhook whose server cannot be reached, and that does not matter.
        {
            **here(hooked, "", rule("configmaps"), name="fail-open.k8s.io", failurePolicy="Ignore"),
            "clientConfig": {"url": "https://127.0.0.1:1/"},
        },
    )  # fmt: skip
    refused = await api.ask("POST", PODS, pod("disallowed", "webhook-disallow", "webhook-disallow"))
    assert "denied" in refused.json["message"]
    assert "the pod contains unwanted container name" in refused.json["message"]
    assert "the pod contains unwanted label" in refused.json["message"]

    hanging = await api.ask("POST", PODS, pod("hanging", label="wait-forever"))
    assert "webhook" in hanging.json["message"]
    assert "deadline" in hanging.json["message"]
    assert (await api.ask("GET", f"{PODS}/hanging")).status == 404

    bad = {"webhook-e2e-test": "webhook-disallow"}
    assert "denied" in (await configmap(api, "disallowed", bad)).json["message"]
    why = "the configmap contains unwanted key and value"
    assert why in (await configmap(api, "disallowed", bad)).json["message"]

    made = (await configmap(api, "allowed", {"admit": "this"})).json
    put = await api.ask("PUT", f"{CMS}/allowed", {**made, "data": bad})
    assert why in put.json["message"]
    assert why in (await api.patch(f"{CMS}/allowed", {"data": bad})).json["message"]

    skipped = {"name": "exempted", "labels": {UNIQUE: "true", "skip-webhook-admission": "yes"}}
    await api.ok("POST", "/api/v1/namespaces", {"metadata": skipped})
    await api.ok(
        "POST", "/api/v1/namespaces/exempted/configmaps", {"metadata": {"name": "disallowed"}, "data": bad}
    )


@case("should be able to deny attaching pod")
async def test_deny_attach(api, hooked, kubeconfig):
    connects = rule("pods/attach", operations=("CONNECT",))
    await register(api, hooked, VALIDATING, here(hooked, "/pods/attach", connects))
    await api.ok("POST", PODS, pod("to-be-attached-pod", "container1"))
    attach = ("attach", f"--namespace={NS}", "to-be-attached-pod", "-i", "-c=container1")
    done = await Kubectl(kubeconfig)(*attach)
    assert done.code != 0
    assert "attaching to pod 'to-be-attached-pod' is not allowed" in done.err


@case("should be able to deny custom resource creation, update and deletion")
async def test_deny_custom_resources(api, hooked):
    await definition(api)
    operations = rule("tests", groups=(GROUP,), operations=("CREATE", "UPDATE", "DELETE"))
    await register(api, hooked, VALIDATING, here(hooked, "/custom-resource", operations))
    bad = {"webhook-e2e-test": "webhook-disallow"}
    why = "the custom resource contains unwanted data"
    assert why in (await api.ask("POST", CRS, custom("bad", bad))).json["message"]

    await api.ok("POST", CRS, custom("cr", {"webhook-e2e-test": "webhook-allow"}))
    found = await api.ok("GET", f"{CRS}/cr")
    assert why in (await api.ask("PUT", f"{CRS}/cr", {**found, "data": bad})).json["message"]
    assert why in (await api.patch(f"{CRS}/cr", {"data": bad})).json["message"]
    assert (await api.ok("GET", f"{CRS}/cr"))["data"] == {"webhook-e2e-test": "webhook-allow"}

    await api.ok("POST", CRS, custom("kept", {"webhook-e2e-test": "webhook-nodelete"}))
    kept = await api.ask("DELETE", f"{CRS}/kept")
    text = "the custom resource cannot be deleted because it contains unwanted key and value"
    assert text in kept.json["message"]
    await api.patch(f"{CRS}/kept", {"data": {"webhook-e2e-test": "webhook-allow"}})
    await api.ok("DELETE", f"{CRS}/kept")


@case("should unconditionally reject operations on fail closed webhook")
async def test_fail_closed(api, hooked):
    service = {"name": "e2e-test-webhook", "namespace": "default", "path": "/configmaps", "port": 8443}
    closed = here(hooked, "/configmaps", rule("configmaps"), name="fail-closed.k8s.io")
    closed["clientConfig"] = {"service": service}
    await register(api, hooked, VALIDATING, closed)
    answer = await configmap(api, "foo", {})
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")


@case("should mutate configmap")
async def test_mutate_configmap(api, hooked):
    await register(api, hooked, VALIDATING, name="ready")
    stages = [here(hooked, "/mutating-configmaps", name=f"stage-{number}.k8s.io") for number in (1, 2)]
    await register(api, hooked, MUTATING, *stages)
    made = await configmap(api, "to-be-mutated", {"mutation-start": "yes"})
    assert made.json["data"] == {
        "mutation-start": "yes",
        "mutation-stage-1": "yes",
        "mutation-stage-2": "yes",
    }


@case("should mutate pod and apply defaults after mutation")
async def test_mutate_pod(api, hooked):
    await register(api, hooked, MUTATING, here(hooked, "/mutating-pods", rule("pods")))
    made = await api.ok("POST", PODS, pod("webhook-to-be-mutated"))
    (container,) = made["spec"]["initContainers"]
    assert container["name"] == "webhook-added-init-container"
    assert container["terminationMessagePolicy"] == "File"


@case("should not be able to mutate or prevent deletion of webhook configuration objects")
async def test_configurations_are_exempt(api, hooked):
    configurations = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    every = {"groups": ("admissionregistration.k8s.io",), "versions": ("*",)}
    deletions = rule(*configurations, operations=("DELETE",), **every)
    anywhere: dict[str, object] = {"namespaceSelector": {}}
    await register(api, hooked, VALIDATING, here(hooked, "/always-deny", deletions, **anywhere), name="deny")
    await register(
        api,
        hooked,
        MUTATING,
        here(hooked, "/add-label", rule(*configurations, **every), **anywhere),
        name="add",
    )
    for kind in (VALIDATING, MUTATING):
        dummy = here(hooked, "/always-deny", rule("invalid"), name="dummy.k8s.io", failurePolicy="Ignore")
        dummy["clientConfig"] = {"service": {"namespace": NS, "name": "dummy", "path": ""}}
        made = await register(api, hooked, kind, dummy, name="dummy")
        assert not made["metadata"].get("labels")
        await api.ok("DELETE", f"{ADMISSION}/{kind.lower()}s/dummy")


@case("should mutate custom resource")
async def test_mutate_custom_resource(api, hooked):
    await definition(api)
    created = rule("tests", groups=(GROUP,))
    stages = [
        here(hooked, "/mutating-custom-resource", created, name=f"stage-{number}.k8s.io") for number in (1, 2)
    ]
    await register(api, hooked, MUTATING, *stages)
    made = await api.ok("POST", CRS, custom("cr", {"mutation-start": "yes"}))
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@case("should deny crd creation")
async def test_deny_definitions(api, hooked):
    created = rule("customresourcedefinitions", groups=("apiextensions.k8s.io",), versions=("*",))
    await register(api, hooked, VALIDATING, here(hooked, "/crd", created, namespaceSelector={}))
    names = {"plural": "tests", "singular": "test", "kind": "Test", "listKind": "TestList"}
    version = {
        "name": "v1", "served": True, "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }  # fmt: skip
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    metadata = {"name": f"tests.{GROUP}", "labels": {"webhook-e2e-test": "webhook-disallow"}}
    answer = await api.ask("POST", CRDS, {"metadata": metadata, "spec": spec})
    assert "the crd contains unwanted label" in answer.json["message"]


@case("should mutate custom resource with different stored version")
async def test_mutate_with_another_stored_version(api, hooked):
    await definition(api, versions=("v1", "v2"))
    both = rule("tests", groups=(GROUP,), operations=("CREATE", "UPDATE"))
    await register(api, hooked, MUTATING, here(hooked, "/mutating-custom-resource", both))
    await api.ok("POST", CRS, custom("cr", {"mutation-start": "yes"}))
    stored = [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    ]
    assert (await api.patch(f"{CRDS}/tests.{GROUP}", stored, "json")).status == 200
    await served(api, "v1", "v2")
    way = f"/apis/{GROUP}/v2/namespaces/{NS}/tests/cr"
    dummy = [{"op": "add", "path": "/dummy", "value": "test"}]
    patched = await api.patch(way, dummy, "json")
    assert patched.status == 200
    # Registered for v1 alone, the hook has seen what came by v2, and its second stage is in.
    assert patched.json["apiVersion"] == f"{GROUP}/v2"
    assert patched.json["data"] == {
        "mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes",
    }  # fmt: skip
    assert hooked.asked("/mutating-custom-resource")[-1]["object"]["apiVersion"] == f"{GROUP}/v1"


@case("should mutate custom resource with pruning")
async def test_mutate_with_pruning(api, hooked):
    text = {"type": "string"}
    data = {"type": "object", "properties": {"mutation-start": text, "mutation-stage-1": text}}
    schema = {"type": "object", "properties": {"data": data}}
    await definition(api, schema=schema)
    created = rule("tests", groups=(GROUP,))
    stages = [
        here(hooked, "/mutating-custom-resource", created, name=f"stage-{number}.k8s.io") for number in (1, 2)
    ]
    await register(api, hooked, MUTATING, *stages)
    made = await api.ok("POST", CRS, custom("cr", {"mutation-start": "yes"}))
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}


@case("should honor timeout")
async def test_honor_timeout(api, hooked):
    hooked.delays["/always-allow-delay-5s"] = 1.5
    slow = {"path": "/always-allow-delay-5s"}

    async def attempt(name, **extra):
        await register(api, hooked, VALIDATING, here(hooked, slow["path"], **extra))
        answer = await configmap(api, name, {})
        await api.ok("DELETE", f"{ADMISSION}/validatingwebhookconfigurations/{UNIQUE}")
        return answer

    late = await attempt("a", timeoutSeconds=1, failurePolicy="Fail")
    text = late.json["message"]
    assert "context deadline exceeded" in text or "timeout" in text
    assert "/always-allow-delay-5s?timeout=1s" in text
    assert (await attempt("b", timeoutSeconds=1, failurePolicy="Ignore")).status == 201
    assert (await attempt("c", timeoutSeconds=10, failurePolicy="Fail")).status == 201
    # Ten seconds if nothing is said.
    assert (await attempt("d", failurePolicy="Fail")).status == 201
    assert hooked.reviews[-1][0] == "/always-allow-delay-5s?timeout=10s"


async def switch_operations(api, kind, operations, patch=False):
    path = f"{ADMISSION}/{kind.lower()}s/{UNIQUE}"
    if patch:
        change = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": operations}]
        assert (await api.patch(path, change, "json")).status == 200
        return
    found = await api.ok("GET", path)
    found["webhooks"][0]["rules"][0]["operations"] = operations
    await api.ok("PUT", path, found)


@case("patching/updating a validating webhook should work")
async def test_change_a_validating_webhook(api, hooked):
    bad = {"webhook-e2e-test": "webhook-disallow"}
    await register(api, hooked, VALIDATING, here(hooked, "/configmaps"))
    assert "denied" in (await configmap(api, "a", bad)).json["message"]
    await switch_operations(api, VALIDATING, ["UPDATE"])
    assert (await configmap(api, "a", bad)).status == 201
    await switch_operations(api, VALIDATING, ["CREATE"], patch=True)
    assert "denied" in (await configmap(api, "b", bad)).json["message"]


@case("patching/updating a mutating webhook should work")
async def test_change_a_mutating_webhook(api, hooked):
    start = {"mutation-start": "yes"}
    await register(api, hooked, MUTATING, here(hooked, "/mutating-configmaps"))
    await switch_operations(api, MUTATING, ["UPDATE"])
    assert (await configmap(api, "a", start)).json["data"] == start
    await switch_operations(api, MUTATING, ["CREATE"], patch=True)
    assert (await configmap(api, "b", start)).json["data"] == {**start, "mutation-stage-1": "yes"}


async def ten(api, hooked, kind, path):
    """Make ten configurations with a label; return the path of the collection and the selector."""
    labels = {"e2e-list-test-uuid": "1"}
    for number in range(10):
        name = f"hook-{number}"
        await register(api, hooked, kind, here(hooked, path, name=f"{name}.io"), name=name, labels=labels)
    collection = f"{ADMISSION}/{kind.lower()}s"
    listed = await api.ok("GET", collection, labelSelector="e2e-list-test-uuid=1")
    assert len(listed["items"]) == 10
    return collection


@case("listing validating webhooks should work")
async def test_list_validating_webhooks(api, hooked):
    bad = {"webhook-e2e-test": "webhook-disallow"}
    collection = await ten(api, hooked, VALIDATING, "/configmaps")
    assert "denied" in (await configmap(api, "a", bad)).json["message"]
    await api.ok("DELETE", collection, labelSelector="e2e-list-test-uuid=1")
    assert (await configmap(api, "a", bad)).status == 201


@case("listing mutating webhooks should work")
async def test_list_mutating_webhooks(api, hooked):
    start = {"mutation-start": "yes"}
    collection = await ten(api, hooked, MUTATING, "/mutating-configmaps")
    assert (await configmap(api, "a", start)).json["data"]["mutation-stage-1"] == "yes"
    await api.ok("DELETE", collection, labelSelector="e2e-list-test-uuid=1")
    assert (await configmap(api, "b", start)).json["data"] == start


def conditions(expression, name="expression-1"):
    return [{"name": name, "expression": expression}]


async def _store_conditions(api, hooked, kind):
    first = conditions("object.metadata.name != 'skip-me'")
    made = await register(api, hooked, kind, here(hooked, "/always-allow", matchConditions=first))
    assert made["webhooks"][0]["matchConditions"] == first
    path = f"{ADMISSION}/{kind.lower()}s/{UNIQUE}"
    second = conditions("object.metadata.name == 'x'", "expression-2")
    made["webhooks"][0]["matchConditions"] = [*first, *second]
    updated = await api.ok("PUT", path, made)
    assert updated["webhooks"][0]["matchConditions"] == [*first, *second]
    updated["webhooks"][0]["matchConditions"] = first
    await api.ok("PUT", path, updated)
    assert (await api.ok("GET", path))["webhooks"][0]["matchConditions"] == first


@case("should be able to create and update validating webhook configurations with match conditions")
async def test_validating_conditions(api, hooked):
    await _store_conditions(api, hooked, VALIDATING)


@case("should be able to create and update mutating webhook configurations with match conditions")
async def test_mutating_conditions(api, hooked):
    await _store_conditions(api, hooked, MUTATING)


async def _refuse_conditions(api, hooked, kind):
    bad = here(hooked, "/always-allow", matchConditions=conditions("... [}"))
    body = {"metadata": {"name": UNIQUE}, "webhooks": [bad]}
    answer = await api.ask("POST", f"{ADMISSION}/{kind.lower()}s", body)
    assert answer.status == 422
    assert "compilation failed" in answer.json["message"]


@case("should reject validating webhook configurations with invalid match conditions")
async def test_invalid_validating_conditions(api, hooked):
    await _refuse_conditions(api, hooked, VALIDATING)


@case("should reject mutating webhook configurations with invalid match conditions")
async def test_invalid_mutating_conditions(api, hooked):
    await _refuse_conditions(api, hooked, MUTATING)


@case("should mutate everything except 'skip-me' configmaps")
async def test_mutate_all_but_one(api, hooked):
    given = conditions("object.metadata.name != 'skip-me'", "skip-me")
    await register(api, hooked, MUTATING, here(hooked, "/mutating-configmaps", matchConditions=given))
    start = {"mutation-start": "yes"}
    assert (await configmap(api, "skip-me", start)).json["data"] == start
    assert (await configmap(api, "not-skip-me", start)).json["data"] == {**start, "mutation-stage-1": "yes"}
