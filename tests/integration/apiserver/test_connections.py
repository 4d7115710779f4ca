"""HTTP/1.1 as clients may speak it: one after the other, ahead, in whatever pieces, old, and not at all."""

import asyncio
import gc
import weakref

import pytest

from kit import tls
from tests.integration.in_process import until

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


async def connect(api, pki):
    context = tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    return await asyncio.open_connection("127.0.0.1", api.session._base_url.port, ssl=context)


@pytest.fixture
async def client(api, pki):
    reader, writer = await connect(api, pki)
    yield reader, writer
    writer.close()


async def answer(reader):
    """Read one answer; return its status line, headers and body."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return head[0], headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def rest(reader):
    async with asyncio.timeout(20):
        return await reader.read()


def post(name, *headers):
    body = b'{"metadata":{"name":"%s"}}' % name.encode()
    lines = [f"POST {CONFIGMAPS} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode(), body


@pytest.mark.parametrize("size", [1, 50, 1 << 20])
async def test_requests_sent_ahead_are_answered_in_order(client, size):
    reader, writer = client
    sent = b"".join(b"".join(post(f"a{number}")) for number in range(5)) + GET
    for start in range(0, len(sent), size):
        writer.write(sent[start : start + size])
        await asyncio.sleep(0)
    bodies = [(await answer(reader))[2] for _ in range(6)]
    assert [f'"name":"a{number}"'.encode() in body for number, body in enumerate(bodies[:5])] == [True] * 5
    assert b"gitVersion" in bodies[5]


async def test_a_body_that_waits_to_be_asked_for(client):
    reader, writer = client
    head, body = post("asked", "Expect: 100-continue")
    writer.write(head)
    assert (await answer(reader))[0] == "HTTP/1.1 100 Continue"
    writer.write(body)
    assert (await answer(reader))[0] == "HTTP/1.1 201 Created"


async def test_a_body_in_chunks(client):
    reader, writer = client
    head, body = post("chunks", "Transfer-Encoding: chunked")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    writer.write(head + b"".join(b"1\r\n%c\r\n" % one for one in body) + b"0\r\n\r\n" + GET)
    assert (await answer(reader))[0] == "HTTP/1.1 201 Created"
    assert (await answer(reader))[0] == "HTTP/1.1 200 OK"


async def test_a_trailer_is_no_header(client):
    reader, writer = client
    head, body = post("trailer", "Transfer-Encoding: chunked")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    # As a header it would make the user one who may do nothing.
    writer.write(head + chunk + b"Impersonate-User: nobody\r\n\r\n" + GET)
    assert (await answer(reader))[0] == "HTTP/1.1 201 Created"
    assert (await answer(reader))[0] == "HTTP/1.1 200 OK"


async def test_a_trailer_without_end(client):
    reader, writer = client
    writer.write(
        f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ".encode()
    )
    for _ in range(20):
        writer.write(b"x" * 65_000)
    assert (await answer(reader))[0] == "HTTP/1.1 400 Bad Request"
    assert await rest(reader) == b""


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"GET /version HTTP/1.0", id="old"),
        pytest.param(b"GET /version HTTP/1.1\r\nConnection: close", id="asked to"),
    ],
)
async def test_the_last_request_of_a_connection(client, request_line):
    reader, writer = client
    writer.write(request_line + b"\r\nHost: x\r\n\r\n" + GET)
    _, headers, body = await answer(reader)
    assert headers["connection"] == "close"
    assert b"gitVersion" in body
    assert await rest(reader) == b""


async def test_a_watch_for_a_client_that_knows_no_chunks(api, client):
    await api.ok("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
    reader, writer = client
    writer.write(f"GET {CONFIGMAPS}?watch=1&timeoutSeconds=1 HTTP/1.0\r\nHost: x\r\n\r\n".encode())
    head, _, events = (await rest(reader)).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert b"chunked" not in head
    assert events.startswith(b'{"type":"ADDED"')


async def test_a_target_that_is_a_whole_url(client):
    reader, writer = client
    writer.write(b"GET https://x.example%s?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n" % CONFIGMAPS.encode())
    status, _, body = await answer(reader)
    assert status == "HTTP/1.1 200 OK"
    assert b"ConfigMapList" in body


async def test_no_http(client):
    reader, writer = client
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    assert (await rest(reader)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_head_without_end(client):
    reader, writer = client
    writer.write(b"GET / HTTP/1.1\r\n")
    for _ in range(20):
        writer.write(b"X-Long: " + b"x" * 65_000 + b"\r\n")
    assert (await rest(reader)).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


async def test_an_answer_before_the_body_has_come_can_be_read(client):
    reader, writer = client
    writer.write(f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n".encode())
    writer.write(bytes(4_000_000))
    status, headers, _ = await answer(reader)
    assert status == "HTTP/1.1 413 Request Entity Too Large"
    assert headers["connection"] == "close"
    assert await rest(reader) == b""


async def test_a_connection_that_has_ended_is_gone_without_the_collector(api, pki, server):
    gc.disable()
    try:
        before = set(map(id, server.listener._connections))
        reader, writer = await connect(api, pki)
        writer.write(GET)
        await answer(reader)
        (made,) = [weakref.ref(one) for one in server.listener._connections if id(one) not in before]
        writer.close()
        await writer.wait_closed()

        async def is_gone():
            return made() is None

        await until(is_gone)
    finally:
        gc.enable()
