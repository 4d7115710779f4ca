"""A scheduler under measurement: filled API servers, pods that are seen bound, and how many a second.

Used by `scheduler.py` and `scheduler_perf.py`. Objects are sent over raw connections, many at a time, so that
the load takes little of the machine that it shares with what is measured.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from api.errors import AlreadyExists
from api.resource import Resource
from api.types.core_v1 import NAMESPACES, SERVICEACCOUNTS
from bench.apiserver import Connection
from bench.cluster import PELAMIS
from client.api import Client
from client.http import HTTPTransport, tls_context
from client.kubeconfig import Endpoint

# As many objects upstream's scheduler_perf creates at one time.
CONNECTIONS = 30
# Who waits longer for pods to be bound has found that something is wrong.
LIMIT_S = 600.0
_CONFLICT = 409
Request = tuple[str, str, bytes]


class Load:
    """Whoever fills an API server: `client` for single calls, raw connections for what comes in thousands."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.client = Client(HTTPTransport(endpoint))
        self._endpoint = endpoint
        self._idle: list[Connection] = []

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()
        await self.client.close()

    async def connect(self) -> Connection:
        at = urlsplit(self._endpoint.server)
        context = tls_context(self._endpoint)
        return Connection(*await asyncio.open_connection(at.hostname, at.port, ssl=context, limit=8 << 20))

    async def send(self, requests: Sequence[Request]) -> int:
        """Send requests, `CONNECTIONS` at a time; return how many were refused (a conflict is no refusal)."""
        following, refused = iter(requests), 0

        async def work() -> None:
            nonlocal refused
            connection = self._idle.pop() if self._idle else await self.connect()
            for method, path, body in following:
                status, _ = await connection.ask(method, path, body)
                refused += status >= 300 and status != _CONFLICT
            self._idle.append(connection)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONNECTIONS, len(requests))):
                group.create_task(work())
        return refused

    async def ensure(self, resource: Resource[Any], obj: Any) -> None:
        try:
            await self.client.create(resource, obj)
        except AlreadyExists:
            return

    async def namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        """Make a namespace with the service account that no controller makes here."""
        await self.ensure(NAMESPACES, {"metadata": {"name": name, "labels": labels or {}}})
        await self.ensure(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name}})


def creations(path: str, objects: Iterable[dict[str, Any]]) -> list[Request]:
    """Return the requests that create objects, encoded."""
    return [("POST", path, orjson.dumps(one)) for one in objects]


@dataclass
class Seen:
    """Pods that have become what was waited for: when each was first seen so, and its node."""

    times: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.times)

    def add(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if key not in self.times:
            self.times[key] = time.perf_counter()
            self.nodes[key] = pod["spec"].get("nodeName", "")


def has_node(pod: Any) -> bool:
    return bool(pod["spec"].get("nodeName"))


def is_refused(pod: Any) -> bool:
    """Tell whether the scheduler has said that no node takes the pod."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("reason") == "Unschedulable" for one in conditions)


async def follow(
    load: Load, path: str, query: str, is_so: Callable[[Any], bool], count: int, seen: Seen
) -> None:
    """Watch pods until `count` have been seen of which `is_so`."""
    connection = await load.connect()
    try:
        status, _ = await connection.start("GET", f"{path}?watch=true&{query}")
        if status != 200:
            raise RuntimeError(f"watch of {path} answered {status}")
        rest = b""
        while seen.count < count:
            *lines, rest = (rest + await connection.frame()).split(b"\n")
            for line in lines:
                pod = orjson.loads(line)["object"]
                if is_so(pod):
                    seen.add(pod)
    finally:
        connection.close()


def listeners(port: int) -> list[int]:
    """Return the processes of this machine that listen on a TCP port."""
    text = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    # The state 0A is LISTEN; the tenth field is the inode of the socket.
    sockets = (line.split() for line in text.splitlines())
    inodes = {f"socket:[{one[9]}]" for one in sockets if one[3] == "0A" and one[1].endswith(f":{port:04X}")}
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if inodes & _sockets(pid)]


def _sockets(pid: int) -> set[str]:
    try:
        return {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()


@asynccontextmanager
async def scheduler(kubeconfig: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A scheduler process of our own, ended with the block."""
    flags = (f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
    process = await asyncio.create_subprocess_exec(sys.executable, str(PELAMIS), "scheduler", *flags)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def while_alive(process: asyncio.subprocess.Process, work: Coroutine[Any, Any, None]) -> None:
    """Do some work that waits for the process. Raises `RuntimeError` if it ends before the work does."""
    working, living = asyncio.ensure_future(work), asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({working, living}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise RuntimeError(f"the scheduler ended with {process.returncode}")
        working.result()
    finally:
        working.cancel()
        living.cancel()


def samples(times: Iterable[float], began: float) -> list[float]:
    """Return pods per second in each second from `began`, as upstream's scheduler_perf takes its samples.

    The second in which the first pod is seen gives none; seconds without pods share the rate of the next
    that has some; what comes after the last full second is left out. None at all if everything took less
    than two seconds. Source: throughputCollector in test/integration/scheduler_perf/util.go.
    """
    found: list[float] = []
    counts: dict[int, int] = {}
    for moment in times:
        second = math.floor(moment - began)
        counts[second] = counts.get(second, 0) + 1
    if not counts:
        return found
    skipped = 0
    for second in range(min(counts) + 1, max(counts)):
        if not (count := counts.get(second, 0)):
            skipped += 1
            continue
        found += [count / (skipped + 1)] * (skipped + 1)
        skipped = 0
    return found


def rate(times: Iterable[float]) -> float:
    """Return pods per second from the first to the last that was seen."""
    ordered = sorted(times)
    span = ordered[-1] - ordered[0] if ordered else 0.0
    return (len(ordered) - 1) / span if span else 0.0
