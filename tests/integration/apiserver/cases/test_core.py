"""Conformance cases of small kinds of the core group: namespaces, config maps, secrets, templates, "
"endpoints."""

import pytest

from api.types.core_v1 import PODTEMPLATES
from tests.integration.apiserver.cases.crud import watching

CORE = "/api/v1/namespaces/default"
NAMESPACES = "/api/v1/namespaces"
SPACES = "[sig-api-machinery] Namespaces [Serial] should "
E2E = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}


@pytest.fixture
async def space(api):
    await api.ok("POST", NAMESPACES, {"metadata": {"name": "ns-test", "labels": {"e2e-run": "1"}}})
    return f"{NAMESPACES}/ns-test"


@pytest.mark.case(SPACES + "patch a Namespace [Conformance]")
async def test_patch_of_a_namespace(api, space):
    body = {"metadata": {"labels": {"testLabel": "testValue"}}}
    assert (await api.patch(space, body, "strategic")).status == 200
    found = await api.ok("GET", space)
    assert found["metadata"]["labels"] == {
        "e2e-run": "1", "kubernetes.io/metadata.name": "ns-test", "testLabel": "testValue",
    }  # fmt: skip
    assert (found["status"], found["spec"]) == ({"phase": "Active"}, {"finalizers": ["kubernetes"]})


@pytest.mark.case(SPACES + "apply changes to a namespace status [Conformance]")
async def test_status_of_a_namespace(api, space):
    notes = {"annotations": {"e2e-patched-ns-status": "ns-test"}}
    patched = (await api.patch(f"{space}/status", {"metadata": notes, "status": {"conditions": [E2E]}})).json
    assert patched["metadata"]["annotations"] == notes["annotations"]
    assert patched["status"] == {"phase": "Active", "conditions": [E2E]}
    added = {**E2E, "type": "StatusUpdate", "message": "Updated by an e2e test"}
    body = {**patched, "status": {**patched["status"], "conditions": [E2E, added]}}
    updated = await api.ok("PUT", f"{space}/status", body)
    assert updated["status"]["conditions"][-1] == added
    assert (await api.ok("GET", f"{space}/status"))["metadata"]["uid"] == patched["metadata"]["uid"]


@pytest.mark.case(SPACES + "apply an update to a Namespace [Conformance]")
async def test_update_of_a_namespace(api, space):
    found = await api.ok("GET", space)
    labels = {**found["metadata"]["labels"], "updated": "ns-test"}
    body = {**found, "metadata": {**found["metadata"], "labels": labels}, "spec": {"finalizers": []}}
    updated = await api.ok("PUT", space, body)
    assert updated["metadata"]["labels"]["updated"] == "ns-test"
    assert updated["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.case(SPACES + "apply a finalizer to a Namespace [Conformance]")
async def test_finalizers_of_a_namespace(api, space):
    found, fake = await api.ok("GET", space), "e2e.example.com/fakeFinalizer"
    body = {**found, "spec": {"finalizers": [*found["spec"]["finalizers"], fake]}}
    updated = await api.ok("PUT", f"{space}/finalize", body)
    assert updated["spec"]["finalizers"] == ["kubernetes", fake]
    assert (await api.ask("GET", f"{space}/finalize")).status == 405
    updated = await api.ok("PUT", f"{space}/finalize", {**updated, "spec": found["spec"]})
    assert updated["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.case("[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]")
async def test_empty_key_of_a_configmap(api):
    answer = await api.ask("POST", f"{CORE}/configmaps", {"metadata": {"name": "c"}, "data": {"": "value-1"}})
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["details"]["causes"][0]["field"] == "data[]"


@pytest.mark.case("[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance] [Conformance]")
async def test_update_of_a_configmap(api):
    made = await api.ok("POST", f"{CORE}/configmaps", {"metadata": {"name": "c"}})
    made["data"] = {"data": "value"}
    updated = await api.ok("PUT", f"{CORE}/configmaps/c", made)
    assert await api.ok("GET", f"{CORE}/configmaps/c") == updated
    assert updated["data"] == {"data": "value"}


@pytest.mark.case("[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]")
async def test_life_of_a_configmap(api):
    path, label = f"{CORE}/configmaps", {"test-configmap-static": "true"}
    body = {"metadata": {"name": "c", "labels": label}, "data": {"valueName": "value"}}
    selector = "test-configmap-static=true"
    async with watching(api, path, labelSelector=selector) as watch:
        await api.ok("POST", path, body)
        assert (await watch.event())[0] == "ADDED"
        patch = {"metadata": {"labels": {"test-configmap": "patched"}}, "data": {"valueName": "value1"}}
        await api.patch(f"{path}/c", patch, "strategic")
        kind, obj = await watch.event()
        assert (kind, obj["data"]) == ("MODIFIED", {"valueName": "value1"})
        assert obj["metadata"]["labels"] == {**label, "test-configmap": "patched"}
        listed = await api.ok("GET", "/api/v1/configmaps", labelSelector=selector)
        assert [item["data"] for item in listed["items"]] == [{"valueName": "value1"}]
        await api.ok("DELETE", path, labelSelector=selector)
        assert (await watch.event())[0] == "DELETED"
    assert (await api.ok("GET", path, labelSelector=selector))["items"] == []


async def check_immutability(api, plural, value, other):
    path = f"{CORE}/{plural}"
    made = await api.ok("POST", path, {"metadata": {"name": "i"}, "data": value})
    made = await api.ok("PUT", f"{path}/i", {**made, "data": other})
    frozen = await api.ok("PUT", f"{path}/i", {**made, "immutable": True})
    for body in (
        {**frozen, "immutable": False},
        {key: value for key, value in frozen.items() if key != "immutable"},
        {**frozen, "data": {**frozen["data"], "more": "Cg=="}},
    ):
        answer = await api.ask("PUT", f"{path}/i", body)
        assert (answer.status, answer.json["reason"]) == (422, "Invalid")
        assert "field is immutable when `immutable` is set" in answer.json["message"]
    noted = {**frozen, "metadata": {**frozen["metadata"], "labels": {"label1": "value1"}}}
    assert (await api.ok("PUT", f"{path}/i", noted))["metadata"]["labels"] == {"label1": "value1"}
    await api.ok("DELETE", f"{path}/i")
    assert (await api.ask("GET", f"{path}/i")).status == 404


@pytest.mark.case("[sig-storage] ConfigMap should be immutable if `immutable` field is set [Conformance]")
async def test_an_immutable_configmap(api):
    await check_immutability(api, "configmaps", {"data-1": "value-1"}, {"data-1": "value-2"})


@pytest.mark.case("[sig-storage] Secrets should be immutable if `immutable` field is set [Conformance]")
async def test_an_immutable_secret(api):
    await check_immutability(api, "secrets", {"data-1": "dmFsdWUtMQo="}, {"data-1": "dmFsdWUtMg=="})


@pytest.mark.case("[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]")
async def test_empty_key_of_a_secret(api):
    answer = await api.ask(
        "POST", f"{CORE}/secrets", {"metadata": {"name": "s"}, "data": {"": "dmFsdWUtMQ=="}}
    )
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "data[]")


@pytest.mark.case("[sig-node] Secrets should patch a secret [Conformance]")
async def test_patch_of_a_secret(api):
    path, labels = f"{CORE}/secrets", {"testsecret-constant": "true"}
    body = {"metadata": {"name": "s", "labels": labels}, "data": {"key": "dmFsdWU="}, "type": "Opaque"}
    await api.ok("POST", path, body)
    listed = await api.ok("GET", "/api/v1/secrets", labelSelector="testsecret-constant=true")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["s"]
    patch = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": "dmFsdWUx"}}
    assert (await api.patch(f"{path}/s", patch, "strategic")).status == 200
    found = await api.ok("GET", f"{path}/s")
    assert (found["data"], found["metadata"]["labels"]["testsecret"]) == ({"key": "dmFsdWUx"}, "true")
    await api.ok("DELETE", path, labelSelector="testsecret=true")
    assert (await api.ok("GET", "/api/v1/secrets", labelSelector="testsecret=true"))["items"] == []


POD = {"spec": {"containers": [{"name": "nginx", "image": "nginx"}]}}
TEMPLATES = PODTEMPLATES.path("default")


@pytest.mark.case("[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]")
async def test_life_of_a_template(api):
    labels = {"podtemplate-static": "true"}
    made = await api.ok("POST", TEMPLATES, {"metadata": {"name": "t", "labels": labels}, "template": POD})
    assert made["template"]["spec"]["restartPolicy"] == "Always"
    assert (await api.ok("GET", f"{TEMPLATES}/t"))["metadata"]["uid"] == made["metadata"]["uid"]
    patch = {"metadata": {"labels": {"podtemplate": "patched"}}}
    assert (await api.patch(f"{TEMPLATES}/t", patch, "strategic")).status == 200
    assert (await api.ok("GET", f"{TEMPLATES}/t"))["metadata"]["labels"]["podtemplate"] == "patched"
    await api.ok("DELETE", f"{TEMPLATES}/t")
    listed = await api.ok("GET", "/api/v1/podtemplates", labelSelector="podtemplate-static=true")
    assert listed["items"] == []


@pytest.mark.case("[sig-node] PodTemplates should delete a collection of pod templates [Conformance]")
async def test_a_collection_of_templates(api):
    for number in range(3):
        metadata = {"name": f"t{number}", "labels": {"podtemplate-set": "true"}}
        await api.ok("POST", TEMPLATES, {"metadata": metadata, "template": POD})
    selector = {"labelSelector": "podtemplate-set=true"}
    assert len((await api.ok("GET", TEMPLATES, **selector))["items"]) == 3
    await api.ok("DELETE", TEMPLATES, **selector)
    assert (await api.ok("GET", TEMPLATES, **selector))["items"] == []


@pytest.mark.case("[sig-node] PodTemplates should replace a pod template [Conformance]")
async def test_replacement_of_a_template(api):
    made = await api.ok("POST", TEMPLATES, {"metadata": {"name": "t"}, "template": POD})
    assert made["metadata"]["generation"] == 1
    made["metadata"]["annotations"] = {"updated": "true"}
    updated = await api.ok("PUT", f"{TEMPLATES}/t", made)
    assert updated["metadata"]["annotations"] == {"updated": "true"}


@pytest.mark.case("[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]")
async def test_life_of_endpoints(api):
    path, labels = f"{CORE}/endpoints", {"test-endpoint-static": "true"}
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80}]}
    selector = "test-endpoint-static=true"
    async with watching(api, path, labelSelector=selector) as watch:
        made = await api.ok("POST", path, {"metadata": {"name": "e", "labels": labels}, "subsets": [subset]})
        assert made["subsets"][0]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
        assert (await watch.event())[0] == "ADDED"
        made["metadata"]["labels"]["test-service"] = "updated"
        del made["metadata"]["resourceVersion"]
        await api.ok("PUT", f"{path}/e", made)
        assert (await watch.event())[1]["metadata"]["labels"]["test-service"] == "updated"
        other = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}
        patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [other]}
        assert (await api.patch(f"{path}/e", patch, "strategic")).status == 200
        kind, obj = await watch.event()
        assert kind == "MODIFIED"
        assert obj["subsets"] == [
            {
                "addresses": [{"ip": "10.0.0.25"}],
                "ports": [{"name": "http-test", "port": 8080, "protocol": "TCP"}],
            }
        ]
        await api.ok("DELETE", path, labelSelector=selector)
        assert (await watch.event())[0] == "DELETED"
    assert (await api.ask("GET", f"{path}/e")).status == 404


@pytest.mark.case("[sig-api-machinery] server version should find the server version [Conformance]")
async def test_version(api):
    found = await api.ok("GET", "/version")
    assert found["major"] == "1"
    assert found["minor"].rstrip("+").isdigit()
    assert found["gitVersion"].startswith("v1.")


@pytest.mark.case("[sig-network] API Server should provide secure master service [Conformance]")
async def test_the_service_of_the_server(api):
    spec = (await api.ok("GET", f"{CORE}/services/kubernetes"))["spec"]
    assert [(port["name"], port["port"]) for port in spec["ports"]] == [("https", 443)]


@pytest.mark.case(
    "[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server [Conformance]"
)
async def test_the_endpoints_of_the_server(api):
    (subset,) = (await api.ok("GET", f"{CORE}/endpoints/kubernetes"))["subsets"]
    assert [port["name"] for port in subset["ports"]] == ["https"]
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    found = (await api.ok("GET", path, labelSelector="kubernetes.io/service-name=kubernetes"))["items"]
    listed = {
        address for item in found for endpoint in item["endpoints"] for address in endpoint["addresses"]
    }
    assert listed == {address["ip"] for address in subset["addresses"]}
    assert {port["port"] for item in found for port in item["ports"]} == {subset["ports"][0]["port"]}
    assert (await api.ok("GET", f"{CORE}/services/kubernetes"))["spec"]["ports"][0]["port"] == 443
