"""How big a cluster one machine holds: `python -m bench.scale [--dir D] [--nodes 1000] [--pods 30000]`.

P13 and D12, on hollow nodes: seconds until all nodes are Ready, what they cost when nothing happens, pods
bound and Running per second, the time of single-object calls meanwhile (by an onlooker with a connection per
verb, and by the server's own histogram of everybody's calls), a listing in pages, and what each process
takes. Without `--dir` a cluster is brought up for it; with it, the nodes are those that are there.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.apiserver import MERGE, Connection, pss_mb
from bench.cluster import IMAGE, Cluster, cluster, ms, report, spent
from bench.podstart import until_account
from cli.cluster import control

NAMESPACE = "bench-scale"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
# Those whose memory is the control plane's.
CONTROL_PLANE = ("etcd", "apiserver", "scheduler", "controllers")
# The onlooker asks each of its questions so often.
ASK_EVERY_S = 0.1
PAGE, BIG_PAGE = 500, 5000
SINGLE = ("get", "create", "update", "patch", "delete")
CREATORS = 8


def deployment(number: int, replicas: int) -> bytes:
    name = f"d-{number:04}"
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sleep", "3600"],
        "resources": {"requests": requests},
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }
    return json.dumps(body).encode()


def bare_pod(number: int) -> bytes:
    spec = json.loads(deployment(0, 0))["spec"]["template"]["spec"]
    metadata = {"name": f"p-{number:06}", "labels": {"app": f"g-{number // 500}"}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).encode()


@dataclass
class Onlooker:
    """Asks for single objects, over and over, and notes how long each answer took, in seconds, by verb."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: int = 0

    async def look(self, target: Cluster, verb: str) -> None:
        connection, number = await target.connect(), 0
        if verb == "patch":
            await self._ask(connection, "", "POST", CONFIGMAPS, b'{"metadata":{"name":"patched"}}')
        while True:
            number += 1
            name = f"c-{number}"
            match verb:
                case "get":
                    await self._ask(connection, verb, "GET", "/api/v1/nodes/node-1")
                case "patch":
                    body = b'{"data":{"n":"%d"}}' % number
                    await self._ask(connection, verb, "PATCH", f"{CONFIGMAPS}/patched", body, MERGE)
                case _:
                    body = b'{"metadata":{"name":"%s"}}' % name.encode()
                    await self._ask(connection, "create", "POST", CONFIGMAPS, body)
                    await self._ask(connection, "delete", "DELETE", f"{CONFIGMAPS}/{name}")
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(
        self,
        connection: Connection,
        verb: str,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "application/json",
    ) -> None:
        began = time.monotonic()
        status, _ = await connection.ask(method, path, body, kind)
        self.errors += status >= 400
        self.times[verb].append(time.monotonic() - began)

    def take(self) -> dict[str, Any]:
        """Return the percentiles since the last call, in milliseconds."""
        found: dict[str, Any] = {}
        for verb, times in sorted(self.times.items()):
            if verb:
                found[verb] = {"p50_ms": ms(times, 0.5), "p99_ms": ms(times, 0.99), "most_ms": ms(times, 1.0)}
        errors, self.errors = self.errors, 0
        self.times.clear()
        return {"errors": errors, **found}


@asynccontextmanager
async def looking(target: Cluster) -> AsyncIterator[Onlooker]:
    """Yield an onlooker that asks until the end of the block."""
    onlooker = Onlooker()
    tasks = [asyncio.ensure_future(onlooker.look(target, verb)) for verb in ("get", "patch", "create")]
    try:
        yield onlooker
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for error in results:
            if not isinstance(error, asyncio.CancelledError):
                raise RuntimeError("the onlooker stopped looking") from error


Buckets = dict[float, float]


async def durations(target: Cluster) -> Buckets:
    """Return how many single-object calls of everybody took at most so many seconds, by the server's word."""
    connection = await target.connect()
    _, length = await connection.start("GET", "/metrics")
    text = (await connection.body(length)).decode()
    connection.close()
    counts: Buckets = defaultdict(float)
    pattern = r'apiserver_request_duration_seconds_bucket\{verb="(\w*)",resource="\w*",le="([^"]+)"\} (\d+)'
    for verb, limit, count in re.findall(pattern, text):
        if verb in SINGLE:
            counts[float(limit.replace("+Inf", "inf"))] += float(count)
    return counts


def served(before: Buckets, after: Buckets) -> dict[str, Any]:
    """Return the buckets in which p50 and p99 fall, in seconds, and the number of calls."""
    counts = {limit: after[limit] - before.get(limit, 0.0) for limit in sorted(after)}
    total = counts.get(float("inf"), 0.0)

    def part(wanted: float) -> float:
        return next((limit for limit, count in counts.items() if count >= wanted * total), 0.0)

    return {"calls": int(total), "p50_at_most_s": part(0.5), "p99_at_most_s": part(0.99)}


@dataclass
class Progress:
    """When each pod was first seen bound and first seen Running, in seconds of the monotonic clock."""

    bound: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, line: bytes) -> None:
        if b'"nodeName":"' not in line:
            return
        pod, now = orjson.loads(line)["object"], time.monotonic()
        name = pod["metadata"]["name"]
        if name not in self.bound:
            self.bound[name] = now
            self.nodes[pod["spec"]["nodeName"]] += 1
        if pod["status"].get("phase") == "Running":
            self.running.setdefault(name, now)

    async def follow(self, watch: Connection, count: int) -> None:
        """Read a watch until so many pods run."""
        while len(self.running) < count:
            for line in (await watch.frame()).splitlines():
                self.take(line)


def rate(times: Collection[float], began: float) -> dict[str, float]:
    last = max(times, default=began) - began
    return {"seconds": round(last, 2), "per_s": round(len(times) / last, 1) if last else 0.0}


async def create(target: Cluster, bodies: list[tuple[str, bytes]]) -> int:
    """Send what is to be made, some at a time; return how many were refused."""
    waiting, refused = iter(bodies), 0

    async def work() -> None:
        nonlocal refused
        connection = await target.connect()
        for path, body in waiting:
            status, _ = await connection.ask("POST", path, body)
            refused += status >= 300
        connection.close()

    await asyncio.gather(*(work() for _ in range(CREATORS)))
    return refused


async def start_pods(target: Cluster, options: argparse.Namespace, onlooker: Onlooker) -> None:
    """Start all pods and print how fast they were bound and ran, and how the API did meanwhile."""
    watch = await target.connect()
    await watch.start("GET", f"{PODS}?watch=true")
    each, pods = options.replicas, options.pods
    if each:
        sizes = [min(each, pods - start) for start in range(0, pods, each)]
        bodies = [(DEPLOYMENTS, deployment(number, size)) for number, size in enumerate(sizes)]
    else:
        bodies = [(PODS, bare_pod(number)) for number in range(pods)]
    before, counted, began = target.cpu(), await durations(target), time.monotonic()
    onlooker.take()
    progress = Progress()
    async with asyncio.timeout(options.limit):
        refused, _ = await asyncio.gather(create(target, bodies), progress.follow(watch, pods))
    watch.close()
    cpu, memory = spent(before, target.cpu()), usage(target)
    figures = {
        "nodes": options.nodes,
        "pods": pods,
        "errors": refused,
        "as": "deployments" if each else "pods",
    }
    bound, running = rate(progress.bound.values(), began), rate(progress.running.values(), began)
    most = max(progress.nodes.values(), default=0)
    report("P13 pods", figures | {"bound": bound, "running": running, "most_on_one": most}, cpu, memory)
    calls = onlooker.take() | {"everybody": served(counted, await durations(target))}
    report("P13 single-object calls meanwhile", calls, {}, {})


def usage(target: Cluster) -> dict[str, float]:
    """Return the memory of the processes, of the control plane together, and of all."""
    memory = target.memory()
    memory["supervisor"] = pss_mb(control.ask(target.layout.control_socket, "status")["pid"])
    plane = sum(memory.get(name, 0.0) for name in CONTROL_PLANE)
    return {**memory, "control plane": round(plane, 1), "all": round(sum(memory.values()), 1)}


async def idle(target: Cluster, seconds: float, name: str, onlooker: Onlooker) -> None:
    """Let the cluster be, and print what that costs: percent of one CPU per process."""
    before, counted, began = target.cpu(), await durations(target), time.monotonic()
    onlooker.take()
    await asyncio.sleep(seconds)
    over = time.monotonic() - began
    cpu = {process: round(100 * used / over, 2) for process, used in spent(before, target.cpu()).items()}
    calls = onlooker.take() | {"everybody": served(counted, await durations(target))}
    report(name, {"over_s": round(over, 1), "cpu_percent": cpu, **calls}, {}, usage(target))


async def list_all(target: Cluster, pods: int) -> None:
    """Print how long the list of all pods takes in pages, asked plainly and by kubectl."""
    connection, before, began = await target.connect(), target.cpu(), time.monotonic()
    found, size, token = 0, 0, ""
    while True:
        more = f"&continue={token}" if token else ""
        _, length = await connection.start("GET", f"{PODS}?limit={PAGE}{more}")
        body = await connection.body(length)
        size += len(body)
        page = orjson.loads(body)
        found += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    connection.close()
    figures = {"errors": int(found != pods), "pods": found, "page": PAGE, "mb": round(size / 1e6, 1)}
    figures["seconds"] = round(time.monotonic() - began, 2)
    report("P13 list of all pods in pages", figures, spent(before, target.cpu()), {})
    for page_of in (PAGE, BIG_PAGE):
        await kubectl_all(target, pods, page_of)


async def kubectl_all(target: Cluster, pods: int, page: int) -> None:
    """Print how long kubectl takes to list all pods, and its own CPU time.

    With its usual pages of 500 it mostly waits for itself: after ten requests it asks five times a second.
    """
    flags = (f"--kubeconfig={target.layout.kubeconfig}", f"--chunk-size={page}", "--no-headers")
    command = ("kubectl", "get", "pods", "-n", NAMESPACE, *flags)
    before, own, began = target.cpu(), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    printed = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = printed.stdout.count(b"\n")
    figures = {"errors": int(lines != pods), "pods": lines, "page": page, "seconds": round(seconds, 2)}
    own_s = used.ru_utime + used.ru_stime - own.ru_utime - own.ru_stime
    cpu = {**spent(before, target.cpu()), "kubectl": round(own_s, 2)}
    report("P13 list of all pods by kubectl", figures, cpu, {})


async def remove(target: Cluster, pods: int) -> None:
    """Delete the namespace with everything in it and print how long that took."""
    before, began = target.cpu(), time.monotonic()
    connection = await target.connect()
    path = f"/api/v1/namespaces/{NAMESPACE}"
    await connection.ask("DELETE", path)
    while (await connection.ask("GET", path))[0] == 200:  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.5)
    connection.close()
    seconds = round(time.monotonic() - began, 2)
    figures = {"errors": 0, "pods": pods, "seconds": seconds}
    report("P13 all pods deleted", figures, spent(before, target.cpu()), usage(target))


async def measure(target: Cluster, options: argparse.Namespace) -> None:
    connection = await target.connect()
    await connection.ask("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": NAMESPACE}}).encode())
    await until_account(connection, NAMESPACE)
    if target.up_s:
        figures = {"errors": 0, "nodes": options.nodes, "seconds": round(target.up_s, 2)}
        report("P13 up, until all nodes are Ready", figures, target.cpu(), usage(target))
    async with looking(target) as onlooker:
        await asyncio.sleep(options.settle)
        await idle(target, options.idle, "P13 idle, no pods", onlooker)
        if options.pods:
            await start_pods(target, options, onlooker)
            await idle(target, options.idle, "P13 idle, all pods", onlooker)
    if options.pods:
        await list_all(target, options.pods)
        if not options.keep:
            await remove(target, options.pods)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of a big cluster of hollow nodes (P13, D12).")
    parser.add_argument("--dir", type=Path, help="of a running cluster; without it one is brought up")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30_000)
    parser.add_argument(
        "--replicas", type=int, default=500, help="pods of one Deployment; 0: pods without one"
    )
    parser.add_argument("--settle", type=float, default=10.0, help="seconds before the first idle figure")
    parser.add_argument("--idle", type=float, default=30.0, help="how long being idle is measured")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds after which pods are given up")
    parser.add_argument("--keep", action="store_true", help="do not delete the pods")
    parser.add_argument("--set", action="append", default=[], help="as of `pelamis up`")
    options = parser.parse_args()
    flags = [f"--nodes={options.nodes}", "--runtime=hollow", *(f"--set={one}" for one in options.set)]
    with (
        cluster(options.dir, *flags) as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        print(json.dumps({"figure": "machine", "cpus": os.cpu_count(), "load": os.getloadavg()}), flush=True)
        runner.run(measure(target, options))


if __name__ == "__main__":
    main()
