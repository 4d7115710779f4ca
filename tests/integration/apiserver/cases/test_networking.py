"""Conformance cases of Ingresses, IngressClasses, IPAddresses, ServiceCIDRs and EndpointSlices."""

import pytest

from api.types.discovery_v1 import ENDPOINTSLICES
from api.types.networking_v1 import INGRESSCLASSES, INGRESSES, IPADDRESSES, SERVICECIDRS
from tests.integration.apiserver.cases.crud import Script, check_discovery, run, watching


def _backend(name):
    return {"service": {"name": name, "port": {"number": 80}}}


def _ingress(name):
    paths = [{"path": "/", "pathType": "ImplementationSpecific", "backend": _backend("test-backend")}]
    return {
        "spec": {
            "defaultBackend": _backend("default-backend"),
            "rules": [{"host": "foo.bar.com", "http": {"paths": paths}}, {"host": "*.example.com"}],
        }
    }


@pytest.mark.case("[sig-network] Ingress API should support creating Ingress API operations [Conformance]")
async def test_ingresses(api):
    status = [{"loadBalancer": {"ingress": [{"ip": ip}]}} for ip in ("169.1.1.1", "169.1.1.2")]
    await run(api, Script(INGRESSES, _ingress, status=(status[0], status[1])))


@pytest.mark.case(
    "[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]"
)
async def test_ingress_classes(api):
    parameters = {"kind": "Parameters", "apiGroup": "example.com", "name": "p"}
    await run(
        api,
        Script(
            INGRESSCLASSES,
            lambda name: {"spec": {"controller": "example.com/controller", "parameters": parameters}},
        ),
    )


@pytest.mark.case(
    "[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]"
)
async def test_ip_addresses(api):
    parent = {"group": "", "resource": "services", "namespace": "default", "name": "none"}
    names = ("255.255.255.255", "fe80::42:1dff:fe84:f9e2", "192.168.7.9")
    await run(api, Script(IPADDRESSES, lambda name: {"spec": {"parentRef": parent}}, names))


@pytest.mark.case(
    "[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]"
)
async def test_service_cidrs(api):
    await check_discovery(api, SERVICECIDRS)
    path = SERVICECIDRS.path()
    listed = await api.ok("GET", path)
    assert "kubernetes" in [item["metadata"]["name"] for item in listed["items"]]
    async with watching(api, path, resourceVersion=listed["metadata"]["resourceVersion"]) as watch:
        await api.patch(f"{path}/kubernetes", {"metadata": {"annotations": {"patched": "true"}}})
        changed = await watch.until("MODIFIED")
    assert changed["metadata"]["annotations"]["patched"] == "true"
    status = await api.ok("GET", f"{path}/kubernetes/status")
    assert (status["kind"], status["apiVersion"]) == ("ServiceCIDR", "networking.k8s.io/v1")
    assert status["metadata"]["uid"] == changed["metadata"]["uid"]
    condition = {
        "type": "StatusPatched", "status": "True", "reason": "E2E", "message": "set from e2e test",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    conditions = [*(status.get("status") or {}).get("conditions", ()), condition]
    patched = await api.patch(f"{path}/kubernetes/status", {"status": {"conditions": conditions}})
    assert condition in patched.json["status"]["conditions"]


@pytest.mark.case(
    "[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"
)
async def test_endpoint_slices(api):
    def body(name):
        endpoint = {"addresses": ["1.2.3.4", "5.6.7.8"], "conditions": {"ready": True}}
        ports = [{"name": "", "port": 80, "protocol": "TCP"}]
        return {"addressType": "IPv4", "endpoints": [endpoint], "ports": ports}

    await run(api, Script(ENDPOINTSLICES, body))


async def test_labels_of_endpoint_slices_count_as_content(api):
    path = ENDPOINTSLICES.path("default")
    made = await api.ok("POST", path, {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": []})
    assert made["metadata"]["generation"] == 1
    for metadata, generation in (({"labels": {"a": "b"}}, 2), ({"annotations": {"a": "b"}}, 2)):
        patched = await api.patch(f"{path}/s", {"metadata": metadata})
        assert patched.json["metadata"]["generation"] == generation
