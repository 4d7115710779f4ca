"""API aggregation: a whole server, and an extension server beside it."""

import asyncio
import base64
import gzip

import orjson
import pytest
from yarl import URL

from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from api.types.apiregistration_v1 import APISERVICES
from kit import tls
from tests.e2e.harness import newest_kubectl
from tests.integration.apiserver import wardle
from tests.integration.apiserver.cases.crud import watching
from tests.integration.apiserver.wardle import GROUP, NAME, ROOT, VERSION

PATH = APISERVICES.path("", NAME)
FLUNDERS = f"{ROOT}/namespaces/default/flunders"
V2 = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


@pytest.fixture(scope="session")
def proxy_pki(tmp_path_factory):
    """The front proxy's authority and certificate, and an authority of the extension server's own."""
    folder = tmp_path_factory.mktemp("front-proxy")
    front, own = tls.new_ca("front-proxy-ca"), tls.new_ca("wardle-ca")
    front.save(folder / "front")
    own.save(folder / "own")
    tls.issue(front, "front-proxy-client").save(folder / "client")
    tls.issue(own, "wardle", server_names=[wardle.HOST], client=False).save(folder / "wardle")
    return folder


@pytest.fixture
async def extension(proxy_pki):
    context = tls.server_context(proxy_pki / "wardle.crt", proxy_pki / "wardle.key", proxy_pki / "front.crt")
    made = await wardle.start(context)
    yield made
    await made.runner.cleanup()


@pytest.fixture
def settings(proxy_pki):
    return {
        "requestheader_client_ca_file": proxy_pki / "front.crt",
        "requestheader_allowed_names": ("front-proxy-client",),
        "proxy_client_cert_file": proxy_pki / "client.crt",
        "proxy_client_key_file": proxy_pki / "client.key",
    }


def service(proxy_pki, **spec):
    bundle = base64.b64encode((proxy_pki / "own.crt").read_bytes()).decode()
    reference = {"namespace": wardle.NAMESPACE, "name": wardle.SERVICE, "port": wardle.PORT}
    base = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200}
    spec = {**base, "service": reference, "caBundle": bundle, **spec}
    return {"metadata": {"name": NAME}, "spec": {name: value for name, value in spec.items() if value}}


def available(obj):
    """Return what the condition says: (status, reason, message)."""
    found = [item for item in (obj.get("status") or {}).get("conditions", []) if item["type"] == "Available"]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None


async def until(api, reason):
    """Wait until the condition has this reason; return the APIService."""
    selector = {"fieldSelector": f"metadata.name={NAME}"}
    async with watching(api, APISERVICES.path(), **selector) as watch:
        while True:
            _, obj = await watch.event()
            if (said := available(obj)) and said[1] == reason:
                return obj


async def described(api, freshness="Current"):
    """Wait until aggregated discovery tells of the group in this freshness; return its version's entry."""
    while True:
        document = await api.ok("GET", "/apis", headers=V2)
        for item in document["items"]:
            if item["metadata"]["name"] == GROUP and item["versions"][0]["freshness"] == freshness:
                return item["versions"][0]
        await asyncio.sleep(0.02)


@pytest.fixture
async def ready(api, extension, proxy_pki):
    """The extension server, registered and available."""
    await extension.publish(api)
    await api.ok("POST", APISERVICES.path(), service(proxy_pki))
    await until(api, "Passed")
    await described(api)
    return extension


@pytest.mark.case(
    "[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current "
    "Aggregator [LinuxOnly] [Conformance]"
)
async def test_sample_api_server(api, ready, proxy_pki):
    """The steps of upstream's case; a server of our tests plays the sample one."""
    flunder = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Flunder",
        "metadata": {"generateName": "rest-flunder-"},
    }
    created = await api.ask("POST", FLUNDERS, flunder)
    assert created.status == 201
    name = created.json["metadata"]["name"]
    assert [item["metadata"]["name"] for item in (await api.ok("GET", FLUNDERS))["items"]] == [name]
    await api.ok("DELETE", f"{FLUNDERS}/{name}")
    assert (await api.ok("GET", FLUNDERS))["items"] == []
    # A dynamic client finds the resource by discovery.
    groups = {group["name"]: group for group in (await api.ok("GET", "/apis"))["groups"]}
    assert groups[GROUP]["preferredVersion"]["groupVersion"] == f"{GROUP}/{VERSION}"
    served = (await api.ok("GET", ROOT))["resources"]
    assert "flunders" in [item["name"] for item in served]
    await _check_status(api)
    await api.patch(PATH, {"metadata": {"labels": {"e2e": "wardle"}}}, "strategic")
    listed = await api.ok("GET", APISERVICES.path(), labelSelector="e2e=wardle")
    assert [item["metadata"]["name"] for item in listed["items"]] == [NAME]
    await api.ok("DELETE", APISERVICES.path(), labelSelector="e2e=wardle")
    assert (await api.ok("GET", APISERVICES.path(), labelSelector="e2e=wardle"))["items"] == []
    assert (await api.ask("GET", FLUNDERS)).status == 404
    assert GROUP not in [group["name"] for group in (await api.ok("GET", "/apis"))["groups"]]


async def _check_status(api):
    status = await api.ok("GET", PATH + "/status")
    assert status["status"]["conditions"][0]["message"] == "all checks passed"
    patched = await api.patch(PATH, {"spec": {"versionPriority": 400}})
    assert patched.json["spec"]["versionPriority"] == 400
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set by e2e test"}
    conditions = [*status["status"]["conditions"], condition]
    current = await api.ok("GET", PATH)
    updated = await api.ok("PUT", PATH + "/status", {**current, "status": {"conditions": conditions}})
    assert updated["status"]["conditions"][1]["type"] == "StatusUpdate"
    another = {**condition, "type": "StatusPatched"}
    body = {"metadata": {"labels": {"patched": "yes"}}, "status": {"conditions": [*conditions, another]}}
    answer = await api.patch(PATH + "/status", body)
    assert [item["type"] for item in answer.json["status"]["conditions"]] == [
        "Available",
        "StatusUpdate",
        "StatusPatched",
    ]


async def test_local_groups_are_registered(api):
    found = {item["metadata"]["name"]: item for item in (await api.ok("GET", APISERVICES.path()))["items"]}
    apps = found["v1.apps"]
    assert apps["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert apps["spec"] == {
        "group": "apps",
        "version": "v1",
        "groupPriorityMinimum": 17800,
        "versionPriority": 15,
    }
    assert available(apps) == ("True", "Local", "Local APIServices are always available")
    assert found["v1."]["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert "v1.apiregistration.k8s.io" not in found


async def test_the_user_is_named_and_credentials_stay(api, ready):
    await api.ok(
        "GET",
        FLUNDERS,
        headers={
            "Impersonate-User": "jane",
            "Impersonate-Uid": "u-1",
            "Impersonate-Group": "system:masters",
            "Impersonate-Extra-Example.com%2Fscope": "some",
            "X-Remote-User": "mallory",
            "Cookie": "secret",
        },
    )
    headers = ready.last(FLUNDERS)
    assert headers.getall("X-Remote-User") == ["jane"]
    assert headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]
    assert headers["X-Remote-Uid"] == "u-1"
    assert headers["X-Remote-Extra-example.com%2Fscope"] == "some"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert not {"Authorization", "Cookie", "Impersonate-User"} & set(headers)


async def test_who_may_not_is_refused_here(api, ready):
    answer = await api.ask("GET", FLUNDERS, headers={"Impersonate-User": "nobody"})
    assert answer.status == 403
    assert "nobody" not in ready.users


async def _as(api, pki, certificate, **headers):
    """Ask who one is, with a certificate of the front proxy's authority."""
    cert, key = certificate.with_suffix(".crt"), certificate.with_suffix(".key")
    context = tls.client_context(pki / "ca.crt", cert, key)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    url = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with api.session.post(url, json=review, ssl=context, headers=headers) as response:
        return response.status, await response.json()


async def test_this_server_believes_a_front_proxy_too(api, pki, proxy_pki):
    proxy, other = proxy_pki / "client", proxy_pki / "other"
    tls.issue(tls.KeyPair.load(proxy_pki / "front"), "admin", ["system:masters"]).save(other)
    headers = {"X-Remote-User": "jane", "X-Remote-Group": "system:masters"}
    status, review = await _as(api, pki, proxy, **headers)
    assert status == 201
    assert review["status"]["userInfo"]["username"] == "jane"
    # Its authority vouches for proxies, not for users; and not everybody it knows is the proxy.
    assert (await _as(api, pki, proxy))[0] == 401
    assert (await _as(api, pki, other))[0] == 401
    assert (await _as(api, pki, other, **headers))[0] == 401


async def test_redirects_are_not_passed_on(api, ready):
    answer = await api.ask("GET", f"{ROOT}/redirect")
    assert answer.status == 502
    assert answer.body == b"the backend attempted to redirect this request, which is not permitted"
    assert "Location" not in answer.headers


async def test_bodies_go_through_as_they_are(api, ready):
    assert (await api.ask("GET", f"{ROOT}/stream")).body == b"012"
    assert (await api.ask("GET", f"{ROOT}/large")).body == b"x" * 300_000
    # More than this server would take itself.
    sent = b"y" * 6_000_000
    answer = await api.ask("POST", f"{ROOT}/echo", sent)
    assert answer.body == sent
    assert answer.headers["X-Size"] == str(len(sent))
    path = "/api/v1/namespaces/default/configmaps"
    assert (await api.ask("POST", path, sent)).status == 413


async def test_a_packed_body_arrives_as_it_was_sent(api, ready):
    answer = await api.ask("POST", f"{ROOT}/echo", gzip.compress(b"text"), {"Content-Encoding": "gzip"})
    assert ready.last(f"{ROOT}/echo")["Content-Encoding"] == "gzip"
    assert answer.body == b"text"


async def test_a_body_is_passed_on_as_it_comes(api, ready):
    """The other server has the first piece before the second one is sent."""

    async def pieces():
        yield b"one"
        await ready.received.wait()
        yield b"two"

    async with api.session.post(f"{ROOT}/pieces", data=pieces()) as response:
        assert await response.read() == b"onetwo"


async def test_dots_lead_nowhere(api, ready):
    before = len(ready.requests)
    url = str(api.session._base_url).rstrip("/") + f"{ROOT}/%2e%2e/other"
    async with api.session.get(URL(url, encoded=True)) as answer:
        assert answer.status >= 400
    assert len(ready.requests) == before


async def test_a_watch_comes_piece_by_piece(api, ready):
    async with api.session.get(FLUNDERS, params={"watch": "true"}) as response:
        for number in range(2):
            ready.changed.set()
            line = await response.content.readline()
            assert line == b'{"type":"MODIFIED","object":{"n":%d}}\n' % number
        assert await response.content.read() == b""


async def test_upgrades_go_through_with_the_user(api, ready):
    async with api.session.ws_connect(f"{ROOT}/socket") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "admin hello"


async def test_a_refused_upgrade_ends_the_connection(api, ready):
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x",
    }
    answer = await api.ask("GET", f"{ROOT}/socket?refuse=1", headers=headers)
    assert answer.status == 403
    assert answer.headers["Connection"] == "close"


async def test_reasons(api, extension, proxy_pki):
    await api.ok("POST", APISERVICES.path(), service(proxy_pki))
    assert (await api.ask("GET", FLUNDERS)).status == 503
    found = await until(api, "ServiceNotFound")
    assert available(found)[2] == 'service/sample-api in "default" is not present'
    ports = [{"name": "https", "port": 1, "protocol": "TCP"}]
    path = "/api/v1/namespaces/default/services"
    await api.ok("POST", path, {"metadata": {"name": "sample-api"}, "spec": {"ports": ports}})
    found = await until(api, "ServicePortError")
    assert available(found)[2] == 'service/sample-api in "default" is not listening on port 7443'
    await api.patch(f"{path}/sample-api", {"spec": {"ports": [{**ports[0], "port": 7443}]}})
    found = await until(api, "EndpointsNotFound")
    assert available(found)[2] == 'cannot find endpointslices for service/sample-api in "default"'
    assert (await api.ask("GET", FLUNDERS)).body == b"service unavailable\n"
    await api.ok("DELETE", f"{path}/sample-api")
    await extension.publish(api)
    extension.down = True
    found = await until(api, "FailedDiscoveryCheck")
    assert available(found)[2].endswith(f"{ROOT}: 500")
    entry = await described(api, "Stale")
    assert entry == {"version": VERSION, "resources": [], "freshness": "Stale"}
    extension.down = False
    await until(api, "Passed")
    assert (await described(api))["resources"][0]["resource"] == "flunders"


async def test_nobody_listens(api, extension, proxy_pki):
    """The endpoint is there, and nothing behind it."""
    await extension.publish(api)
    await extension.runner.cleanup()
    await api.ok("POST", APISERVICES.path(), service(proxy_pki))
    message = available(await until(api, "FailedDiscoveryCheck"))[2]
    assert message.startswith("failing or missing response from https://")
    assert message.endswith("connect: connection refused")


async def test_a_server_that_goes_between_two_checks(api, ready):
    await ready.runner.cleanup()
    answer = await api.ask("GET", FLUNDERS)
    assert answer.status == 503
    assert answer.json["message"].startswith("error trying to reach service: dial tcp ")
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/sample-api"
    await api.ok("DELETE", slices)
    assert (await api.ask("GET", FLUNDERS)).body == b"service unavailable\n"


async def test_a_bundle_that_is_none(api, ready):
    await api.patch(PATH, {"spec": {"caBundle": base64.b64encode(b"nothing").decode()}})
    answer = await api.ask("GET", FLUNDERS)
    assert answer.status == 500
    assert answer.json["message"].startswith("unable to load root certificates: ")


async def test_what_was_known_stays_while_the_server_is_away(api, ready):
    ready.down = True
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/sample-api"
    await api.patch(slices, {"metadata": {"labels": {"touched": "yes"}}})
    await until(api, "FailedDiscoveryCheck")
    entry = await described(api, "Stale")
    assert entry["resources"][0]["resource"] == "flunders"
    assert (await api.ask("GET", FLUNDERS)).status == 503


async def test_a_server_with_the_old_form_of_discovery(api, extension, proxy_pki):
    extension.aggregated = False
    await extension.publish(api)
    await api.ok("POST", APISERVICES.path(), service(proxy_pki))
    await until(api, "Passed")
    entry = (await described(api))["resources"][0]
    assert entry["responseKind"] == {"group": GROUP, "version": VERSION, "kind": "Flunder"}
    assert (entry["scope"], entry["subresources"][0]["subresource"]) == ("Namespaced", "status")


async def test_certificates_are_verified(api, extension, pki, proxy_pki):
    """A wrong bundle keeps requests from a server that the check of availability has found alive."""
    await extension.publish(api)
    wrong = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    await api.ok("POST", APISERVICES.path(), service(proxy_pki, caBundle=wrong))
    await until(api, "Passed")
    answer = await api.ask("GET", FLUNDERS)
    assert answer.status == 503
    assert "certificate signed by unknown authority" in answer.json["message"]
    await api.patch(PATH, {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}})
    assert (await api.ask("GET", FLUNDERS)).status == 200


async def test_openapi_tells_of_it(api, ready):
    index = (await api.ok("GET", "/openapi/v3"))["paths"]
    assert index[ROOT[1:]]["serverRelativeURL"] == f"/openapi/v3{ROOT}?hash=ABC"
    assert "api/v1" in index
    document = await api.ok("GET", index[ROOT[1:]]["serverRelativeURL"])
    assert "com.example.wardle.v1alpha1.Flunder" in document["components"]["schemas"]
    whole = await api.ok("GET", "/openapi/v2")
    definitions = whole["definitions"]
    assert definitions["com.example.wardle.v1alpha1.Flunder"] == {"type": "object"}
    assert "io.k8s.api.core.v1.Pod" in definitions
    options = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    assert definitions[f"{options}_v2"]["description"] == "another one"
    assert definitions[options]["description"] != "another one"
    operation = whole["paths"][f"{ROOT}/namespaces/{{namespace}}/flunders"]["delete"]
    assert operation["parameters"][0]["schema"] == {"$ref": f"#/definitions/{options}_v2"}
    assert "unused" not in definitions
    etag = (await api.ask("GET", "/openapi/v2")).headers["ETag"]
    assert (await api.ask("GET", "/openapi/v2", headers={"If-None-Match": etag})).status == 304


async def test_the_configmap_tells_extension_servers_whom_to_believe(api, proxy_pki):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    data = (await api.ok("GET", path))["data"]
    assert data["requestheader-client-ca-file"] == (proxy_pki / "front.crt").read_text()
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'


async def test_a_group_given_away_comes_back(api, ready):
    """The Service is taken out of the APIService: it is local then, and nobody serves it."""
    await api.patch(PATH, {"spec": {"service": None, "caBundle": None}})
    found = await until(api, "Local")
    assert available(found)[0] == "True"
    assert (await api.ask("GET", FLUNDERS)).status == 404


async def test_definitions_have_api_services(api):
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    names = {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    path = APISERVICES.path("", "v1.example.com")
    base = CUSTOMRESOURCEDEFINITIONS.path()
    async with watching(api, APISERVICES.path(), fieldSelector="metadata.name=v1.example.com") as watch:
        await api.ok("POST", base, {"metadata": {"name": "foos.example.com"}, "spec": spec})
        await watch.until("ADDED")
        found = await api.ok("GET", path)
        assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
        assert (found["spec"]["groupPriorityMinimum"], found["spec"]["versionPriority"]) == (1000, 100)
        assert available(found)[1] == "Local"
        await api.ok("DELETE", f"{base}/foos.example.com")
        await watch.until("DELETED")


async def kubectl(server, pki, folder, *arguments):
    """Run the newest kubectl as the administrator; return what it prints."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://127.0.0.1:{server}",
                    "certificate-authority": str(pki / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")},
            }
        ],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "config").write_bytes(orjson.dumps(config))
    process = await asyncio.create_subprocess_exec(
        newest_kubectl(),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"KUBECONFIG": str(folder / "config"), "HOME": str(folder)},
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed
    return printed.decode()


async def test_kubectl_finds_its_way(api, ready, pki, tmp_path):
    port = api.session._base_url.port
    flunder = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": "one"}}
    await api.ok("POST", FLUNDERS, flunder)
    assert (await kubectl(port, pki, tmp_path, "get", "fl", "-o", "name")).strip() == f"flunder.{GROUP}/one"
    resources = await kubectl(port, pki, tmp_path, "api-resources", "--api-group", GROUP, "--no-headers")
    assert resources.split() == ["flunders", "fl", f"{GROUP}/{VERSION}", "true", "Flunder"]
    services = await kubectl(port, pki, tmp_path, "get", "apiservices", NAME, "v1.apps", "--no-headers")
    rows = [line.split()[:3] for line in services.splitlines()]
    assert rows == [[NAME, "default/sample-api", "True"], ["v1.apps", "Local", "True"]]
