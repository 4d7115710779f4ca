"""Files, logs, metrics, clock, randomness, tasks and certificates."""

import asyncio
import io
import logging
import ssl
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cryptography import x509

from kit import clock, files, log, metrics, rand, tasks, tls


def test_write_atomic_replaces_the_file_and_sets_its_mode(tmp_path):
    path = tmp_path / "deep" / "file"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    files.write_atomic(path, "old")
    no_bytes: Any = 5
    with pytest.raises(TypeError):
        files.write_atomic(path, no_bytes)
    assert path.read_text() == "old"


def test_logs_are_one_json_line_each_with_bound_keys():
    out = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        log.setup(stream=out)
        log.get("part").bind(pod="a/b").info("bound", node="n1")
    finally:
        root.handlers[:], root.level = before[0], before[1]
    line = orjson.loads(out.getvalue())
    assert {
        "message": "bound",
        "pod": "a/b",
        "node": "n1",
        "logger": "part",
        "level": "info",
    }.items() <= line.items()


def test_metrics_render_as_prometheus_text():
    registry = metrics.Registry()
    registry.counter("requests_total", "Requests.", ("verb",)).add(('a"b',), 2)
    registry.histogram("latency_seconds", "Latency.", buckets=(0.1, 1.0)).observe(0.5)
    text = registry.render().decode()
    assert 'requests_total{verb="a\\"b"} 2' in text
    assert 'latency_seconds_bucket{le="0.1"} 0' in text
    assert 'latency_seconds_bucket{le="1"} 1' in text
    assert 'latency_seconds_bucket{le="+Inf"} 1' in text
    assert "latency_seconds_count 1" in text


def test_the_clock_can_be_replaced():
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    with clock.use(clock.ManualClock(moment)):
        assert clock.now() == moment
    assert clock.now() != moment


def test_seeded_randomness_repeats():
    draws = []
    for _ in range(2):
        rand.seed(7)
        draws.append((rand.suffix(), rand.uid(), rand.integer(1, 9), rand.jitter(1.0)))
    assert draws[0] == draws[1]
    assert set(draws[0][0]) <= set(rand.ALPHANUMS)


async def test_closing_tasks_cancels_all_and_a_fatal_failure_is_raised():
    group = tasks.Tasks()
    forever = group.spawn(asyncio.Event().wait(), "forever")

    async def fail() -> None:
        raise RuntimeError("broken")

    waiting = asyncio.ensure_future(group.wait())
    await asyncio.sleep(0)
    group.spawn(fail(), "fail", fatal=True)
    with pytest.raises(RuntimeError, match="broken"):
        await waiting
    await group.close()
    assert forever.cancelled()


async def test_retry_goes_on_until_it_works():
    calls = []

    async def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return "done"

    assert await tasks.retry(flaky, on=(OSError,), first_s=0.001) == "done"


async def test_a_client_certificate_issued_here_is_known_to_a_server_of_the_same_authority(tmp_path):
    ca = tls.new_ca("test")
    ca.save(tmp_path / "ca")
    tls.issue(ca, "server", server_names=("localhost", "127.0.0.1")).save(tmp_path / "server")
    tls.issue(ca, "jane", ("system:masters", "dev")).save(tmp_path / "jane")
    seen = []

    async def serve(reader, writer):
        seen.append(writer.get_extra_info("ssl_object").getpeercert(True))
        writer.close()

    context = tls.server_context(tmp_path / "server.crt", tmp_path / "server.key", tmp_path / "ca.crt")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        mine = tls.client_context(tmp_path / "ca.crt", tmp_path / "jane.crt", tmp_path / "jane.key")
        reader, writer = await asyncio.open_connection("localhost", port, ssl=mine)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("localhost", port, ssl=tls.client_context(None))
    subject = x509.load_der_x509_certificate(seen[0]).subject
    assert [a.value for a in subject] == ["system:masters", "dev", "jane"]
    assert (tmp_path / "jane.key").stat().st_mode & 0o777 == 0o600
