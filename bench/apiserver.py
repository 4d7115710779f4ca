"""How fast the API server is: `python -m bench.apiserver [--pods 5000] [--store etcd|memory|sqlite]
[--seconds 4]`.

Starts etcd (if chosen) and one API server as processes of their own, with TLS, client certificates, RBAC,
admission, validation and
managedFields on, drives them from this process over HTTP/1.1, and prints one JSON line per figure, with the
CPU seconds of the
server and of etcd. A figure counts only with `errors` 0. The names are those of the project's performance
goals (P1 to P5, P8, P9).
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from kit import tls

TICKS = os.sysconf("SC_CLK_TCK")
PODS = "/api/v1/namespaces/bench/pods"
MERGE = "application/merge-patch+json"
WATCHERS = 500
SERVE = """
import sys
from kit import config, log, tasks
from apiserver.app import run
from apiserver.config import Config
log.setup("warning")
settings = config.parse(Config, sys.argv[1:], "apiserver", "")
tasks.run(lambda: run(settings))
"""


def pod(number: int) -> bytes:
    """Return a pod of the size that a Deployment's pods have."""
    containers: list[dict[str, Any]] = [
        {
            "name": "main",
            "image": "registry.local/app:1.2.3",
            "command": ["/bin/app", "--serve"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "ports": [{"containerPort": 8080, "name": "http"}],
            "resources": {
                "requests": {"cpu": "100m", "memory": "64Mi"},
                "limits": {"cpu": "500m", "memory": "128Mi"},
            },
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        },
        {"name": "side", "image": "registry.local/side:1", "resources": {"requests": {"cpu": "10m"}}},
    ]
    labels = {"app": "bench", "shard": f"s{number % 100}", "tier": "web"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"p-{number:06}", "labels": labels, "annotations": {"note": "load"}},
        "spec": {"schedulerName": "nobody", "terminationGracePeriodSeconds": 0, "containers": containers},
    }
    return json.dumps(body, separators=(",", ":")).encode()


class Connection:
    """One keep-alive HTTP/1.1 connection; the least that a benchmark needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, int]:
        """Return status and size of the answer, which is read whole and dropped."""
        status, length = await self.start(method, path, body, kind)
        left = length
        while left > 0:
            left -= len(await self._reader.read(min(left, 1 << 20)))
        return status, length

    async def body(self, length: int) -> bytes:
        """Return the body of the answer whose head `start` has read."""
        return await self._reader.readexactly(length)

    async def start(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, int]:
        """Send a request and read the head of the answer; return status and Content-Length (-1: chunked)."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = -1
        for line in answer.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        return int(answer[9:12]), length

    async def frame(self) -> bytes:
        """Return one chunk of a chunked answer."""
        size = int((await self._reader.readline()).strip(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    def close(self) -> None:
        self._writer.close()


def seconds_of(pid: int | None) -> float:
    """Return the CPU seconds of a process so far."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return round(int(text.split("\nPss:")[1].split()[0]) / 1024, 1)


@dataclass
class Bench:
    """The processes under test and how to reach them."""

    folder: Path
    store: str
    port: int = 0
    server: subprocess.Popen[bytes] | None = None
    etcd: subprocess.Popen[bytes] | None = None
    ready_s: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        ca = tls.new_ca("bench")
        ca.save(self.folder / "ca")
        tls.issue(ca, "server", server_names=["127.0.0.1"], client=False).save(self.folder / "server")
        tls.issue(ca, "admin", ["system:masters"]).save(self.folder / "admin")
        tls.new_ca("sa").save(self.folder / "sa")
        began = time.monotonic()
        url = self._start_store()
        self.port = free_port()
        flags = {
            "etcd-servers": url,
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "tls-cert-file": self.folder / "server.crt",
            "tls-private-key-file": self.folder / "server.key",
            "client-ca-file": self.folder / "ca.crt",
            "service-account-signing-key-file": self.folder / "sa.key",
            # Nobody creates the default service account here.
            "disable-admission-plugins": "ServiceAccount",
        }
        argv = [f"--{name}={value}" for name, value in flags.items()]
        self.server = subprocess.Popen([sys.executable, "-c", SERVE, *argv])
        asyncio.run(self._until_ready())
        self.ready_s = round(time.monotonic() - began, 3)

    def _start_store(self) -> str:
        if self.store == "memory":
            return "memory:"
        if self.store == "sqlite":
            return f"sqlite:{self.folder / 'store.db'}"
        client, peer = free_port(), free_port()
        argv = ["etcd", f"--data-dir={self.folder / 'etcd'}", "--log-level=error", "--heartbeat-interval=20"]
        argv += ["--election-timeout=120", f"--initial-cluster=default=http://127.0.0.1:{peer}"]
        for name in ("listen-client-urls", "advertise-client-urls"):
            argv.append(f"--{name}=http://127.0.0.1:{client}")
        for name in ("listen-peer-urls", "initial-advertise-peer-urls"):
            argv.append(f"--{name}=http://127.0.0.1:{peer}")
        quiet = subprocess.DEVNULL
        self.etcd = subprocess.Popen(argv, stdout=quiet, stderr=quiet)
        return f"http://127.0.0.1:{client}"

    async def _until_ready(self) -> None:
        while self.server is not None and self.server.poll() is None:
            try:
                connection = await self.connect()
                status, _ = await connection.ask("GET", "/readyz")
                connection.close()
                if status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.01)
        raise RuntimeError("the API server did not start")

    async def connect(self) -> Connection:
        context: ssl.SSLContext = tls.client_context(
            self.folder / "ca.crt", self.folder / "admin.crt", self.folder / "admin.key"
        )
        streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, limit=8 << 20)
        return Connection(*streams)

    def stop(self) -> None:
        for process in (self.server, self.etcd):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(10)

    def cpu(self) -> tuple[float, float]:
        return seconds_of(self.server.pid if self.server else None), seconds_of(
            self.etcd.pid if self.etcd else None
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def report(bench: Bench, name: str, before: tuple[float, float], **figures: Any) -> None:
    after = bench.cpu()
    pid = bench.server.pid if bench.server else 0
    line = {"figure": name, "store": bench.store, **figures}
    line |= {"server_cpu_s": round(after[0] - before[0], 2), "etcd_cpu_s": round(after[1] - before[1], 2)}
    print(json.dumps(line | {"server_pss_mb": pss_mb(pid)}), flush=True)


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000, 2) if ordered else -1.0


Work = Callable[[Connection, int], Awaitable[tuple[int, int]]]


async def drive(
    bench: Bench, name: str, workers: int, work: Work, total: int = 0, seconds: float = 0.0
) -> None:
    """Run `work` on as many connections as workers, `total` times or for `seconds`."""
    connections = [await bench.connect() for _ in range(workers)]
    times: list[float] = []
    errors = size = 0
    following = 0
    before, began = bench.cpu(), time.monotonic()

    async def worker(connection: Connection) -> None:
        nonlocal errors, size, following
        while (following < total) if total else (time.monotonic() - began < seconds):
            number = following
            following += 1
            started = time.monotonic()
            status, length = await work(connection, number)
            times.append(time.monotonic() - started)
            size += length
            errors += status >= 400

    await asyncio.gather(*(worker(connection) for connection in connections))
    elapsed = time.monotonic() - began
    for connection in connections:
        connection.close()
    rate, megabytes = round(len(times) / elapsed, 1), round(size / 1e6 / elapsed, 1)
    figures = {"per_s": rate, "mb_per_s": megabytes, "errors": errors, "count": len(times)}
    report(bench, name, before, **figures, p50_ms=percentile(times, 0.5), p99_ms=percentile(times, 0.99))


async def watch(bench: Bench, name: str, events: int, rate: float) -> None:
    """One writer, many watchers of its namespace: how many deliveries a second, and how late."""
    control = await bench.connect()
    await control.ask("POST", PODS, pod(999_999))
    watchers = [await bench.connect() for _ in range(WATCHERS)]
    for one in watchers:
        status, _ = await one.start(
            "GET", f"{PODS}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3Dp-999999"
        )
        if status != 200:
            raise RuntimeError(f"watch answered {status}")
        await one.frame()
    late: list[float] = []
    before, began = bench.cpu(), time.monotonic()

    async def follow(connection: Connection) -> None:
        for _ in range(events):
            line = await connection.frame()
            at = line.index(b'"bench-t":"') + 11
            late.append(time.monotonic() - float(line[at : line.index(b'"', at)]))

    following = [asyncio.ensure_future(follow(one)) for one in watchers]
    for number in range(events):
        if rate:
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        body = b'{"metadata":{"annotations":{"bench-t":"%.6f"}}}' % time.monotonic()
        await control.ask("PATCH", f"{PODS}/p-999999", body, MERGE)
    await asyncio.gather(*following)
    elapsed = time.monotonic() - began
    figures = {"per_s": round(len(late) / elapsed, 1), "errors": events * WATCHERS - len(late)}
    report(bench, name, before, **figures, p50_ms=percentile(late, 0.5), p99_ms=percentile(late, 0.99))
    await control.ask("DELETE", f"{PODS}/p-999999")
    for one in [*watchers, control]:
        one.close()


async def measure(bench: Bench, pods: int, seconds: float) -> None:
    report(bench, "P8 start to readyz", (0.0, 0.0), seconds=bench.ready_s)
    report(bench, "P9a idle memory of the API server", bench.cpu())
    control = await bench.connect()
    await control.ask("POST", "/api/v1/namespaces", b'{"metadata":{"name":"bench"}}')
    control.close()

    def name(number: int) -> str:
        return f"{PODS}/p-{number % pods:06}"

    def patch(number: int) -> bytes:
        return b'{"metadata":{"annotations":{"k":"%d"}}}' % number

    await drive(bench, "P3 create", 16, lambda c, n: c.ask("POST", PODS, pod(n)), total=pods)
    await drive(bench, "P2 get", 16, lambda c, n: c.ask("GET", name(n)), seconds=seconds)
    cached = f"{PODS}?resourceVersion=0"
    await drive(bench, "P1 list", 4, lambda c, n: c.ask("GET", cached), seconds=seconds)
    await drive(bench, "P1b list, consistent", 4, lambda c, n: c.ask("GET", PODS), seconds=seconds)
    selected = f"{cached}&labelSelector=shard%3Ds"
    await drive(
        bench, "P1c list by label", 4, lambda c, n: c.ask("GET", f"{selected}{n % 100}"), seconds=seconds
    )
    await drive(
        bench, "P4 patch", 16, lambda c, n: c.ask("PATCH", name(n), patch(n), MERGE), total=min(pods, 3000)
    )
    await watch(bench, "P5 watch", 200, 0.0)
    await watch(bench, "P5b watch at 50/s", 200, 50.0)
    await drive(bench, "P4 delete", 16, lambda c, n: c.ask("DELETE", name(n)), total=pods)
    report(bench, "P9b memory after all that", bench.cpu())


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the API server.")
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--store", choices=("etcd", "memory", "sqlite"), default="etcd")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the reading phases")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen.store)
        try:
            bench.start()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure(bench, chosen.pods, chosen.seconds))
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
