"""Conformance cases of services, as far as the API server decides them."""

import pytest

from tests.integration.apiserver.cases.crud import watching

SERVICES = "/api/v1/namespaces/default/services"
TCP = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}


@pytest.mark.case("[sig-network] Services should find a service from listing all namespaces [Conformance]")
async def test_listing(api):
    listed = await api.ok("GET", "/api/v1/services")
    assert ("default", "kubernetes") in [
        (item["metadata"]["namespace"], item["metadata"]["name"]) for item in listed["items"]
    ]


@pytest.mark.case("[sig-network] Services should complete a service status lifecycle [Conformance]")
async def test_status(api):
    selector, path = "test-service-static=true", f"{SERVICES}/s/status"
    body = {
        "metadata": {"name": "s", "labels": {"test-service-static": "true"}},
        "spec": {"type": "LoadBalancer", "ports": [TCP], "loadBalancerClass": "example.com/internal-vip"},
    }
    made = await api.ok("POST", SERVICES, body)
    assert made["status"] == {"loadBalancer": {}}
    listed = await api.ok("GET", "/api/v1/services", labelSelector=selector)
    revision = {"resourceVersion": listed["metadata"]["resourceVersion"], "labelSelector": selector}
    async with watching(api, SERVICES, **revision) as watch:
        found = await api.ok("GET", path)
        assert (found["kind"], found["metadata"]["uid"]) == ("Service", made["metadata"]["uid"])
        ingress = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": ingress}
        assert (await api.patch(path, patch)).status == 200
        kind, obj = await watch.event()
        assert (kind, obj["metadata"]["annotations"]) == ("MODIFIED", {"patchedstatus": "true"})
        assert obj["status"]["loadBalancer"]["ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
        added = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test",
                 "lastTransitionTime": None}  # fmt: skip
        updated = await api.ok("PUT", path, {**obj, "status": {**obj["status"], "conditions": [added]}})
        assert updated["status"]["conditions"][0]["type"] == "StatusUpdate"
        assert (await watch.event())[1]["status"] == updated["status"]
        patch = {"metadata": {"labels": {"test-service": "patched"}}}
        assert (await api.patch(f"{SERVICES}/s", patch, "strategic")).status == 200
        assert (await watch.event())[1]["metadata"]["labels"]["test-service"] == "patched"
        await api.ok("DELETE", f"{SERVICES}/s")
        assert (await watch.event())[0] == "DELETED"


@pytest.mark.case("[sig-network] Services should delete a collection of services [Conformance]")
async def test_a_collection(api):
    kinds = {"s0": {}, "s1": {"type": "NodePort"}, "s2": {"type": "LoadBalancer"}}
    for name, spec in kinds.items():
        body = {"metadata": {"name": name, "labels": {"e2e": "services"}}, "spec": {"ports": [TCP], **spec}}
        await api.ok("POST", SERVICES, body)
    assert len((await api.ok("GET", SERVICES, labelSelector="e2e=services"))["items"]) == 3
    await api.ok("DELETE", SERVICES, labelSelector="e2e=services")
    left = (await api.ok("GET", SERVICES))["items"]
    assert [item["metadata"]["name"] for item in left] == ["kubernetes"]


async def test_what_one_family_cannot_give(api):
    async def causes(**spec):
        answer = await api.ask(
            "POST", SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [TCP], **spec}}
        )
        assert answer.status == 422
        return [(cause["field"], cause["message"]) for cause in answer.json["details"]["causes"]]

    assert await causes(ipFamilyPolicy="RequireDualStack") == [
        (
            "spec.ipFamilyPolicy",
            'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
        )
    ]
    assert await causes(ipFamilies=["IPv6"]) == [
        ("spec.ipFamilies[0]", 'Invalid value: "IPv6": not configured on this cluster')
    ]
    free = {"metadata": {"name": "free"}, "spec": {"clusterIP": "None"}}
    spec = (await api.ok("POST", SERVICES, free))["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
