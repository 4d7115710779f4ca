"""Whatever is sent, the server lives, tells faults as Status objects, and none of them is its own."""

import asyncio
import re
from dataclasses import replace

import pytest

from apiserver.http import server as http_server
from kit import tls
from tests.integration.apiserver import fuzz

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
GET = fuzz.Sent(b"GET / HTTP/1.1\r\n\r\n", "")


@pytest.fixture
async def port(server):
    return await server.listen()


@pytest.fixture
def context(pki):
    return tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")


async def test_random_requests(port, context):
    assert await fuzz.run(port, context, seed=7, count=600) == []
    assert (await fuzz.ask(port, context, post(b"{}", "ConfigMap"))).startswith(b"HTTP/1.1 422 ")


def post(body, kind, *headers):
    lines = [
        f"POST /api/v1/namespaces/default/{kind.lower()}s HTTP/1.1", "Host: x", "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", "",
    ]  # fmt: skip
    return fuzz.Sent("\r\n".join(lines).encode() + body, kind)


async def test_a_body_in_an_encoding_that_it_is_not_in(port, context):
    sent = post(b"1\r\n{\r\nzz\r\n", "ConfigMap", "Transfer-Encoding: chunked")
    sent = replace(sent, raw=re.sub(rb"Content-Length: \d+\r\n", b"", sent.raw))
    answer = await fuzz.ask(port, context, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"reason":"BadRequest"' in answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "configmaps?limit=99999999999999999999", b"", id="limit"),
        pytest.param("GET", "configmaps?watch=1&timeoutSeconds=99999999999999999999", b"", id="time"),
        pytest.param("POST", "configmaps", b'{"kind":{},"apiVersion":1.5}', id="kind"),
        pytest.param("DELETE", "configmaps/a", b'{"gracePeriodSeconds":"x"}', id="grace"),
    ],
)
async def test_numbers_and_kinds_that_are_none(api, method, path, body):
    answer = await api.ask(method, f"/api/v1/namespaces/default/{path}", body or None)
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


async def test_an_applied_object_with_metadata_that_are_none(api):
    answer = await api.patch(
        "/api/v1/namespaces/default/configmaps/a?fieldManager=m", {"metadata": "x"}, "apply"
    )
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


async def test_a_body_that_does_not_arrive(port, context, monkeypatch):
    monkeypatch.setattr(http_server, "BODY_S", 0.05)
    sent = post(b"{}", "ConfigMap")
    async with asyncio.timeout(5):
        answer = await fuzz.ask(port, context, fuzz.Sent(sent.raw[:-1], "slow"))
    assert b'"reason":"Timeout"' in answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(OK, "", id="fine"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\nno", "400 without a Status: b'no'", id="no-status"),
        pytest.param(
            b'HTTP/1.1 404 Not Found\r\n\r\n{"kind":"Status","code":403,"message":"x"}',
            """404 with a bad Status: b'{"kind":"Status","code":403,"message":"x"}'""",
            id="another-code",
        ),
        pytest.param(b"HTTP/1.1 500 \r\n\r\n{}", "500: b'{}'", id="its-own-fault"),
        pytest.param(b"", "no answer", id="nothing"),
    ],
)
def test_faults_are_seen(answer, expected):
    assert fuzz.fault(GET, answer) == expected
