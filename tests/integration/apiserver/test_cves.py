"""Faults that others had: each has a test here, or where its part of the server is tested.

2018-1002105, 2020-8559, 2020-8562 (pods)   test_streams.py
2019-11253, 2019-11254 (bombs)              test_limits.py
2020-8561 (webhook redirects)               test_webhook_client.py
2020-8554 (external addresses)              the unit tests of deny_service_external_ips
2021-25740 (endpoints of others)            the unit tests of RBAC
2022-3172 (redirects of extension servers)  test_aggregation.py
2023-2727, 2023-2728, 2024-3177 (secrets),
2025-4563, 2025-5187 (node identity)        the unit tests of service_account and node_restriction
"""

import asyncio
import ssl

import pytest

from api.types.core_v1 import NODES
from kit import tls
from tests.integration.in_process import client_of

NODE = "/api/v1/nodes"
DEFINITION = {
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }],
    },
}  # fmt: skip


def node(address, port, kind="InternalIP"):
    return {
        "metadata": {"name": "n"},
        "status": {
            "addresses": [{"type": kind, "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        pytest.param("127.0.0.1", "InternalIP", id="this-server"),
        pytest.param("127.8.9.10", "InternalIP", id="this-server-by-another-loopback-address"),
        pytest.param("::1", "InternalIP", id="this-server-by-ipv6"),
        pytest.param("localhost", "Hostname", id="this-server-by-name"),
        pytest.param("169.254.169.254", "InternalIP", id="metadata-of-a-cloud"),
        pytest.param("fe80::1", "InternalIP", id="link-local"),
        pytest.param("0.0.0.0", "InternalIP", id="any-address"),
        pytest.param("224.0.0.1", "InternalIP", id="multicast"),
    ],
)
async def test_2022_3294_a_node_is_no_way_to_this_server(api, server, address, kind):
    await client_of(server).create(NODES, node(address, server.port, kind))
    for path in ("/proxy/", "/proxy/api/v1/secrets"):
        answer = await api.ask("GET", f"{NODE}/n{path}")
        assert answer.status == 403, answer.body
        assert "address not allowed" in answer.json["message"]


async def test_ports_of_nodes_are_numbers(api, server):
    await client_of(server).create(NODES, node("127.0.0.1", 1))
    answer = await api.ask("GET", f"{NODE}/n:http/proxy/")
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


async def test_2021_25737_endpoints_lead_nowhere_near_the_node(api):
    for address in ("127.0.0.1", "169.254.1.1", "224.0.0.1"):
        slice_ = {
            "metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": [{"addresses": [address]}],
            "ports": [],
        }  # fmt: skip
        answer = await api.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice_)
        assert answer.status == 422, answer.body
        assert address in answer.json["message"]
        old = {
            "metadata": {"name": "x"},
            "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 1}]}],
        }
        answer = await api.ask("POST", "/api/v1/namespaces/default/endpoints", old)
        assert answer.status == 422, answer.body


async def test_2019_1002100_patches_have_a_most_number_of_operations(api):
    path = "/api/v1/namespaces/default/configmaps"
    await api.ok("POST", path, {"metadata": {"name": "a"}})
    patch = [{"op": "add", "path": "/data", "value": {}}] * 10_001
    answer = await api.patch(f"{path}/a", patch, "json")
    assert answer.status == 413
    assert "The allowed maximum operations in a JSON patch is 10000, got 10001" in answer.json["message"]


async def test_json_patch_cannot_grow_an_object_by_copying(api):
    path = "/api/v1/namespaces/default/configmaps"
    await api.ok("POST", path, {"metadata": {"name": "a", "annotations": {"k0": "x" * 100_000}}})
    patch = [
        {"op": "copy", "from": f"/metadata/annotations/k{n}", "path": f"/metadata/annotations/k{n + 1}"}
        for n in range(1000)
    ]
    answer = await api.patch(f"{path}/a", patch, "json")
    assert answer.status in (413, 422), answer.body[:200]


@pytest.fixture
async def things(api):
    await api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
    await api.ok("POST", "/apis/example.com/v1/things", {"metadata": {"name": "one"}})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/apis/example.com/v1/things/one", 200, id="itself"),
        pytest.param("/apis/example.com/v1/namespaces/default/things/one", 404, id="through-a-namespace"),
        pytest.param("/apis/example.com/v1/namespaces/default/things", 404, id="list-through-a-namespace"),
        pytest.param("/apis/example.com/v1/things/../../../api/v1/secrets", 404, id="up"),
        pytest.param("/apis/example.com/v1/%2e%2e/v1/things/one", 404, id="up-encoded"),
        pytest.param("/apis/example.com/v1/things/..%2f..%2fsecrets", 404, id="up-in-a-name"),
        pytest.param("/apis/example.com/v1/THINGS/one", 404, id="case"),
        pytest.param("/apis/example.com/v1/things;a/one", 404, id="parameter"),
        pytest.param("/apis//example.com/v1/things/two", 404, id="doubled-slash"),
    ],
)
async def test_2019_11247_2022_3162_paths_say_one_thing(api, things, pki, path, status):
    """What is authorized is what is served; sent as it stands, past the client's own tidying up."""
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    port = api.session._base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    assert int(answer.split(b" ")[1]) == status, answer
    assert b"SecretList" not in answer
    writer.close()


async def test_2020_8552_clients_do_not_make_metrics(api):
    for number in range(50):
        await api.ask("GET", f"/apis/g{number}.example.com/v1/r{number}", None, {"User-Agent": f"a{number}"})
        await api.ask(f"VERB{number}", f"/x{number}")
    first = (await api.ask("GET", "/metrics")).body.count(b"\n")
    for number in range(50, 250):
        await api.ask("GET", f"/apis/g{number}.example.com/v1/r{number}", None, {"User-Agent": f"a{number}"})
        await api.ask(f"VERB{number}", f"/x{number}")
    again = (await api.ask("GET", "/metrics")).body
    assert again.count(b"\n") <= first + 5
    assert b"g100.example.com" not in again


async def test_2023_44487_no_second_version_of_http(api, pki):
    """No stream can be reset rapidly where there are none."""
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    port = api.session._base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() in (None, "http/1.1")
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"HTTP/2" not in await asyncio.wait_for(reader.read(), 10)
    writer.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_tls_is_refused(api, pki, version):
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    context.minimum_version, context.maximum_version = version, version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", api.session._base_url.port, ssl=context)


async def test_2021_25735_admission_sees_what_is_stored_and_what_will_be(api, server, monkeypatch):
    await api.ok("POST", NODE, {"metadata": {"name": "w", "labels": {"a": "1"}}})
    seen, validate = [], server.guard.chain.validate

    async def spy(request):
        if request.resource is NODES:
            seen.append((request.old["metadata"]["labels"]["a"], request.object["metadata"]["labels"]["a"]))
        await validate(request)

    monkeypatch.setattr(server.guard.chain, "validate", spy)
    await api.ok("PATCH", f"{NODE}/w", {"metadata": {"labels": {"a": "2"}}},
                 {"Content-Type": "application/merge-patch+json"})  # fmt: skip
    status = await api.ok("GET", f"{NODE}/w")
    status["metadata"]["labels"]["a"] = "3"
    await api.ok("PUT", f"{NODE}/w/status", status)
    assert seen == [("1", "2"), ("2", "3")]
