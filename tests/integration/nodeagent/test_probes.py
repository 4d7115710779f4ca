"""Probes against real listeners: what counts as healthy, and what users are told otherwise."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from aiohttp import web

from kit import clock, tls
from nodeagent.probes import grpc as grpc_probe
from nodeagent.probes import tcp
from nodeagent.probes.decide import Outcome
from nodeagent.probes.http import HTTPProber
from nodeagent.probes.target import http_headers

HEADERS = http_headers(
    {"httpHeaders": [{"name": "X-Test", "value": "1"}, {"name": "Host", "value": "named"}]}
)


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    match request.path:
        case "/slow":
            await clock.sleep(5)
        case "/moved":
            return web.Response(status=302, headers={"Location": "/bad"})
        case "/away":
            return web.Response(status=302, headers={"Location": "http://elsewhere.invalid/"})
        case "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        case "/bad":
            return web.Response(status=500)
        case "/asked":
            asked = request.headers["X-Test"], request.headers["Host"], request.headers["User-Agent"]
            right = asked == ("1", "named", "kube-probe/1.36") and request.path_qs == "/asked?a=%3Fb&c"
            return web.Response(status=200 if right else 400)
    return web.Response(text="ok")


@pytest.fixture
async def listeners(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    ca = tls.new_ca("ca")
    tls.issue(ca, "x", server_names=["nobody"]).save(tmp_path / "x")
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    context = tls.server_context(tmp_path / "x.crt", tmp_path / "x.key")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    plain, secure = (address[1] for address in runner.addresses)
    yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"
    await runner.cleanup()


@pytest.fixture
async def prober() -> AsyncIterator[HTTPProber]:
    prober = HTTPProber()
    yield prober
    await prober.close()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", Outcome(True), id="ok"),
        pytest.param("/asked?a=%3Fb&c", Outcome(True), id="headers-and-query-as-given"),
        pytest.param("/bad", Outcome(False, "HTTP probe failed with statuscode: 500"), id="error"),
        pytest.param("/moved", Outcome(False, "HTTP probe failed with statuscode: 500"), id="redirect"),
        pytest.param("/away", Outcome(True), id="redirects-elsewhere-are-not-followed"),
    ],
)
async def test_http(listeners: tuple[str, str], prober: HTTPProber, path: str, expected: Outcome) -> None:
    for base in listeners:
        assert await prober.check(base + path, HEADERS, 2) == expected


async def test_http_that_does_not_answer(listeners: tuple[str, str], prober: HTTPProber) -> None:
    late = await prober.check(listeners[0] + "/slow", HEADERS, 0.2)
    assert late.ok is False
    assert late.message.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    round_and_round = await prober.check(listeners[0] + "/round", HEADERS, 2)
    assert round_and_round.message.endswith("stopped after 10 redirects")
    port = closed_port()
    refused = await prober.check(f"http://127.0.0.1:{port}/x", HEADERS, 2)
    text = f'Get "http://127.0.0.1:{port}/x": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert refused == Outcome(False, text)


async def test_tcp(listeners: tuple[str, str]) -> None:
    assert await tcp.check("127.0.0.1", int(listeners[0].rsplit(":", 1)[1]), 2) == Outcome(True)
    port = closed_port()
    expected = Outcome(False, f"dial tcp 127.0.0.1:{port}: connect: connection refused")
    assert await tcp.check("127.0.0.1", port, 2) == expected


async def test_grpc() -> None:
    async def check(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if request == b"\x0a\x02no":
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no health here")
        return b"\x08\x02" if request else b"\x08\x01"

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert await grpc_probe.check("127.0.0.1", port, "", 5) == Outcome(True)
    expected = Outcome(False, 'service unhealthy (responded with "NOT_SERVING")')
    assert await grpc_probe.check("127.0.0.1", port, "other", 5) == expected
    missing = await grpc_probe.check("127.0.0.1", port, "no", 5)
    assert "does not implement the grpc health protocol" in missing.message
    await server.stop(None)
    closed = closed_port()
    gone = await grpc_probe.check("127.0.0.1", closed, "", 0.5)
    assert gone.message.startswith(f'timeout: failed to connect service "127.0.0.1:{closed}" within 0.5s')
