"""Conformance cases of resource quotas and limit ranges, as far as the API server decides them."""

import pytest

from tests.integration.apiserver.cases.crud import watching

QUOTAS = "/api/v1/namespaces/default/resourcequotas"
RANGES = "/api/v1/namespaces/default/limitranges"
PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.case(
    "[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota. [Conformance]"
)
async def test_update_of_a_quota(api):
    body = {"metadata": {"name": "q"}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}}
    await api.ok("POST", QUOTAS, body)
    assert (await api.ok("GET", f"{QUOTAS}/q"))["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    hard = {"cpu": "2", "memory": "1Gi"}
    assert (await api.ok("PUT", f"{QUOTAS}/q", {**body, "spec": {"hard": hard}}))["spec"]["hard"] == hard
    assert (await api.ok("GET", f"{QUOTAS}/q"))["spec"]["hard"] == hard
    await api.ok("DELETE", f"{QUOTAS}/q")
    assert (await api.ask("GET", f"{QUOTAS}/q")).status == 404


@pytest.mark.case(
    "[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota [Conformance]"
)
async def test_life_of_a_quota(api):
    body = {
        "metadata": {"name": "q", "labels": {"e2e-rq-label": "q"}},
        "spec": {"hard": {"cpu": "1", "memory": "500Mi"}},
    }
    selector = {"labelSelector": "e2e-rq-label=q"}
    await api.ok("POST", QUOTAS, body)
    assert len((await api.ok("GET", "/api/v1/resourcequotas", **selector))["items"]) == 1
    hard = {"cpu": "1", "memory": "750Mi"}
    patch = {"metadata": {"labels": {"q": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = (await api.patch(f"{QUOTAS}/q", patch, "strategic")).json
    assert (patched["metadata"]["labels"]["q"], patched["spec"]["hard"]) == ("patched", hard)
    await api.ok("DELETE", QUOTAS, **selector)
    assert (await api.ok("GET", "/api/v1/resourcequotas", **selector))["items"] == []


def lists(**amounts):
    return {"cpu": amounts["cpu"], "memory": amounts["memory"], "ephemeral-storage": amounts["storage"]}


ITEM = {
    "type": "Container",
    "min": lists(cpu="50m", memory="100Mi", storage="100Gi"),
    "max": lists(cpu="500m", memory="500Mi", storage="500Gi"),
    "default": lists(cpu="500m", memory="500Mi", storage="500Gi"),
    "defaultRequest": lists(cpu="100m", memory="200Mi", storage="200Gi"),
}


def pod(name, requests=None, limits=None):
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "b", "resources": resources}]},
    }


async def resources_of(api, body):
    (container,) = (await api.ok("POST", PODS, body))["spec"]["containers"]
    return container["resources"]


@pytest.mark.case(
    "[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults "
    "applied. [Conformance]"
)
async def test_defaults_of_a_range(api):
    selector = {"labelSelector": "time=now"}
    async with watching(api, RANGES, **selector) as watch:
        metadata = {"name": "limit-range", "labels": {"time": "now"}}
        await api.ok("POST", RANGES, {"metadata": metadata, "spec": {"limits": [ITEM]}})
        assert (await watch.event())[0] == "ADDED"
    found = await api.ok("GET", f"{RANGES}/limit-range")
    assert found["spec"]["limits"] == [ITEM]
    assert await resources_of(api, pod("no-resources")) == {
        "requests": ITEM["defaultRequest"], "limits": ITEM["default"],
    }  # fmt: skip
    wanted = {"memory": "150Mi", "ephemeral-storage": "150Gi"}
    assert await resources_of(api, pod("partial-resources", wanted, {"cpu": "300m"})) == {
        "requests": lists(cpu="300m", memory="150Mi", storage="150Gi"),
        "limits": lists(cpu="300m", memory="500Mi", storage="500Gi"),
    }
    too_little = lists(cpu="10m", memory="50Mi", storage="50Gi")
    assert (await api.ask("POST", PODS, pod("low", too_little))).status == 403
    too_much = lists(cpu="600m", memory="600Mi", storage="600Gi")
    assert (await api.ask("POST", PODS, pod("high", None, too_much))).status == 403
    lower = {**ITEM, "min": lists(cpu="9m", memory="49Mi", storage="49Gi")}
    await api.ok("PUT", f"{RANGES}/limit-range", {**found, "spec": {"limits": [lower]}})
    await api.ok("POST", PODS, pod("low", too_little))
    assert (await api.ask("POST", PODS, pod("high", None, too_much))).status == 403
    await api.ok("DELETE", f"{RANGES}/limit-range", {"gracePeriodSeconds": 30})
    assert (await api.ask("GET", f"{RANGES}/limit-range")).status == 404
    await api.ok("POST", PODS, pod("high", None, too_much))


@pytest.mark.case(
    "[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]"
)
async def test_a_collection_of_ranges(api):
    labels = {"e2e-test": "range"}
    for space in ("default", "kube-system"):
        body = {"metadata": {"name": "range", "labels": labels}, "spec": {"limits": [ITEM]}}
        await api.ok("POST", f"/api/v1/namespaces/{space}/limitranges", body)
    selector = {"labelSelector": "e2e-test=range"}
    assert len((await api.ok("GET", "/api/v1/limitranges", **selector))["items"]) == 2
    lower = lists(cpu="40m", memory="100Mi", storage="100Gi")
    patch = {"metadata": {"labels": {"range": "patched"}}, "spec": {"limits": [{**ITEM, "min": lower}]}}
    patched = (await api.patch(f"{RANGES}/range", patch, "strategic")).json
    assert (patched["metadata"]["labels"]["range"], patched["spec"]["limits"][0]["min"]) == ("patched", lower)
    await api.ok("DELETE", RANGES, labelSelector="range=patched")
    assert (await api.ok("GET", RANGES, **selector))["items"] == []
    left = (await api.ok("GET", "/api/v1/limitranges", **selector))["items"]
    assert [item["metadata"]["namespace"] for item in left] == ["kube-system"]
