"""Calls of webhooks over real TLS: where they lead, and what is said when they fail."""

import base64

import pytest
from aiohttp import web

from apiserver.services import ServiceResolver
from apiserver.webhooks.client import ANSWER_LIMIT, WebhookClient, WebhookError
from kit import tls
from tests.integration.apiserver.hooks import SERVICE, own_address

BODY = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": "u"}}


@pytest.fixture
async def client(server):
    made = WebhookClient(ServiceResolver(server.registry))
    yield made
    await made.close()


async def test_by_url_with_the_timeout_told(client, hook):
    answer = await client.call(hook.url("/always-allow"), BODY, 2.5)
    assert answer["response"] == {"uid": "u", "allowed": True}
    assert hook.reviews == [("/always-allow?timeout=3s", BODY)]


async def test_by_service(client, hook, api):
    await hook.publish(api)
    for _ in range(2):
        answer = await client.call(hook.service("/always-allow"), BODY, 5)
        assert answer["response"]["allowed"]
    assert [path for path, _ in hook.reviews] == ["/always-allow?timeout=5s"] * 2


async def test_an_endpoint_that_does_not_answer(server, client, hook, api):
    """Another one of the service is tried at once."""
    await hook.publish(api)
    dead = {
        "metadata": {"name": "dead", "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": 1, "protocol": "TCP"}],
        "endpoints": [{"addresses": [own_address() or "10.0.0.1"], "conditions": {"ready": True}}],
    }
    await api.ok("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", dead)
    await server.hub.fresh()
    for _ in range(8):
        assert (await client.call(hook.service("/always-allow"), BODY, 5))["response"]["allowed"]
        # The next call opens a connection of its own.
        await client.close()


@pytest.mark.parametrize(
    ("name", "port", "expected"),
    [
        pytest.param("none", 443, 'services "none" not found', id="no-service"),
        pytest.param(SERVICE, 8443, f'no endpoints available for service "{SERVICE}"', id="no-endpoints"),
        pytest.param(SERVICE, 444, f'no service port 444 found for service "{SERVICE}"', id="no-port"),
    ],
)
async def test_services_that_lead_nowhere(client, api, name, port, expected):
    spec = {"ports": [{"name": "https", "port": 8443}]}
    await api.ok("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": SERVICE}, "spec": spec})
    config = {"service": {"name": name, "namespace": "default", "path": "/x", "port": port}}
    with pytest.raises(WebhookError) as caught:
        await client.call(config, BODY, 10)
    assert str(caught.value) == f'Post "https://{name}.default.svc:{port}/x?timeout=10s": {expected}'


async def test_a_slow_answer(client, hook):
    hook.delays["/always-allow"] = 5.0
    with pytest.raises(WebhookError, match=r"/always-allow\?timeout=1s\": context deadline exceeded"):
        await client.call(hook.url("/always-allow"), BODY, 0.05)


async def test_an_unknown_authority(client, hook):
    config = hook.url("/always-allow")
    config["caBundle"] = base64.b64encode(tls.new_ca("another").cert).decode()
    with pytest.raises(WebhookError, match="x509: certificate signed by unknown authority"):
        await client.call(config, BODY, 5)
    assert not hook.reviews


async def test_a_bundle_that_holds_the_certificate_itself(client, hook, pki):
    config = hook.url("/always-allow")
    config["caBundle"] = base64.b64encode((pki / "hook.crt").read_bytes()).decode()
    assert (await client.call(config, BODY, 5))["response"]["allowed"]


async def test_a_bundle_that_is_none(client, hook):
    with pytest.raises(WebhookError, match="unable to load root certificates"):
        await client.call({**hook.url("/always-allow"), "caBundle": "AAAA"}, BODY, 5)


async def test_nobody_listens(client, hook):
    config = {**hook.url("/"), "url": "https://127.0.0.1:1/"}
    with pytest.raises(WebhookError, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
        await client.call(config, BODY, 5)


def _status(code, body=b"", **headers):
    return lambda request: web.Response(status=code, body=body, headers=headers)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            _status(500, b"oops\n"),
            r'^an error on the server \("oops"\) has prevented the request from succeeding$',
            id="500",
        ),
        pytest.param(_status(404), "^the server could not find the requested resource$", id="404"),
        pytest.param(_status(403, b"go away"), "^go away$", id="403"),
        pytest.param(
            _status(302, Location="https://127.0.0.1:1/"),
            "the status code 302",
            id="redirects-are-not-followed",
        ),
        pytest.param(
            _status(503, b'{"kind": "Status", "status": "Failure", "message": "busy"}'), "^busy$", id="status"
        ),
        pytest.param(b"frog", "json parse error", id="no-json"),
        pytest.param(b"[]", "the answer is not an object", id="no-object"),
        pytest.param(b" " * (ANSWER_LIMIT + 1), "the answer is longer than", id="too-long"),
    ],
)
async def test_answers_that_are_none(client, hook, answer, expected):
    hook.answers["/always-allow"] = answer
    with pytest.raises(WebhookError, match=expected):
        await client.call(hook.url("/always-allow"), BODY, 5)
