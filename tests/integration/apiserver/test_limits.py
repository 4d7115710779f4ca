"""Clients that take too long, send too much, or do not read: they are cut off, and others do not notice."""

import asyncio
import gzip

import pytest

from apiserver.http import connection
from apiserver.http import server as listener
from kit import tls

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(connection, "HEADER_S", 0.3)
    monkeypatch.setattr(listener, "BODY_S", 0.3)
    monkeypatch.setattr(connection, "STALL_S", 0.3)


async def connect(api, pki):
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    return await asyncio.open_connection("127.0.0.1", api.session._base_url.port, ssl=context)


async def closed(reader):
    """Return what came before the end."""
    async with asyncio.timeout(20):
        return await reader.read()


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "byte-by-byte"])
async def test_headers_that_do_not_come(quick, api, pki, drip):
    reader, writer = await connect(api, pki)

    async def send():
        writer.write(b"GET / HTTP/1.1\r\nX: " if drip else b"")
        while True:
            writer.write(drip)
            await asyncio.sleep(0.05)

    sending = asyncio.ensure_future(send())
    assert await closed(reader) == b""
    sending.cancel()
    writer.close()
    assert (await api.ask("GET", CONFIGMAPS)).status == 200


async def test_headers_of_the_second_request(quick, api, pki):
    reader, writer = await connect(api, pki)
    writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /version HTTP/1.1\r\nHo")
    rest = await closed(reader)
    assert b"HTTP/1.1" not in rest
    writer.close()


async def test_an_idle_connection_stays_for_longer_than_headers_may_take(quick, api, pki):
    reader, writer = await connect(api, pki)
    for _ in range(3):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        while (await reader.readline()).strip():
            pass
        assert await reader.readexactly(2) == b"ok"
        await asyncio.sleep(0.4)
    writer.close()


async def test_a_body_that_does_not_come(quick, api, pki):
    reader, writer = await connect(api, pki)
    writer.write(f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert b"504" in await reader.readline()
    writer.close()


async def test_a_client_that_does_not_read(quick, api, pki, server):
    for number in range(30):
        body = {"metadata": {"name": f"big-{number}"}, "data": {"x": "y" * 1_000_000}}
        await api.ok("POST", CONFIGMAPS, body)
    reader, writer = await connect(api, pki)
    writer.write(f"GET {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.sleep(1.0)
    assert (await api.ask("GET", f"{CONFIGMAPS}?limit=1")).status == 200
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(20):
            await reader.readexactly(30_000_000)
    writer.close()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b" " * (3 * 1024 * 1024 + 1), {}, 413, id="a-byte-too-many"),
        pytest.param(b'{"a":' * 100_000, {}, 400, id="deep-json"),
        pytest.param(b"[" * 100_000, {"Content-Type": "application/yaml"}, 400, id="deep-yaml"),
        pytest.param(
            b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9))
                                       for n in range(1, 10)),
            {"Content-Type": "application/yaml"},
            400,
            id="alias-bomb",
        ),
        pytest.param(
            gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}, 400, id="gzip"
        ),
        pytest.param(b'{"metadata":{"name":"x"},"data":{"a":1' + b"0" * 5000 + b"}}", {}, 400, id="number"),
    ],
)  # fmt: skip
async def test_bodies_that_are_refused(api, body, headers, status):
    answer = await api.ask("POST", CONFIGMAPS, body, headers)
    assert answer.status == status, answer.body[:300]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 2\r\nTransfer-Encoding: chunked", id="both-lengths"),
        pytest.param(b"Content-Length: 2\r\nContent-Length: 3", id="two-lengths"),
        pytest.param(b"Content-Length: +2", id="signed-length"),
        pytest.param(b"Transfer-Encoding: chunked, identity", id="encoding-after-chunked"),
        pytest.param(b"X : y", id="space-before-colon"),
        pytest.param(b"X: y\r\n folded", id="folded"),
        pytest.param(b"X: a\x00b", id="nul"),
    ],
)
async def test_what_two_servers_could_read_differently_is_refused_and_ends_the_connection(api, pki, head):
    reader, writer = await connect(api, pki)
    writer.write(
        b"POST /version HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n{}GET /smuggled HTTP/1.1\r\n\r\n"
    )
    answer = await closed(reader)
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b"")
    assert answer.count(b"HTTP/1.") <= 1
    writer.close()
