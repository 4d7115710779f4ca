"""How fast pods start and end on a real node: `python -m bench.podstart [--dir D] [--starts 30]`.

P7a: pods created one after the other, from before the request to the watch event that says Running.
P7b: so many at once, to the last Running. P7c: deletion with a grace of 1 s of a process that ignores
SIGTERM, to the object's disappearance. Without `--dir` a cluster of one node is brought up for it.
"P7 breakdown" says where the time of P7a goes, by what the watch and containerd's own events show:

    request -> stored -> bound -> sandbox recorded (agent, cgroup) -> sandbox started (network, its process)
            -> container recorded -> container started -> Running seen
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.apiserver import Connection
from bench.cluster import Cluster, cluster, ms, report, spent, start_pod
from nodeagent.cri.client import Runtime
from proto.gen.containerd import events_pb2

NAMESPACE = "bench-start"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
LIMIT_S = 60.0
# What containerd says of one pod with one container, in this order.
STEPS = (
    ("/containers/create", "agent"),
    ("/tasks/start", "sandbox"),
    ("/containers/create", "create"),
    ("/tasks/start", "start"),
)


@dataclass
class Seen:
    """One watch event and when it came, by the wall clock."""

    kind: str
    pod: dict[str, Any]
    at: float


@dataclass
class Watch:
    """Follows the pods of the namespace, and containerd's events, from the present on."""

    events: asyncio.Queue[Seen] = field(default_factory=asyncio.Queue)
    # (when, topic) of containerd's events.
    runtime: list[tuple[float, str]] = field(default_factory=list)

    async def follow(self, connection: Connection) -> None:
        await connection.start("GET", f"{PODS}?watch=true")
        while True:
            for line in (await connection.frame()).splitlines():
                event = json.loads(line)
                await self.events.put(Seen(event["type"], event["object"], time.time()))

    async def follow_runtime(self, runtime: Runtime) -> None:
        request = events_pb2.SubscribeRequest(filters=["namespace==k8s.io"])
        async for envelope in runtime.stream(SUBSCRIBE, request, events_pb2.Envelope):
            stamp = envelope.timestamp
            self.runtime.append((stamp.seconds + stamp.nanos / 1e9, envelope.topic))

    async def until(self, name: str, wanted: Callable[[Seen], bool]) -> list[Seen]:
        """Return the events of a pod up to the first that is wanted. Raises `TimeoutError`."""
        found: list[Seen] = []
        async with asyncio.timeout(LIMIT_S):
            while True:
                seen = await self.events.get()
                if seen.pod["metadata"]["name"] == name:
                    found.append(seen)
                    if wanted(seen):
                        return found


def is_running(seen: Seen) -> bool:
    return bool(seen.pod.get("status", {}).get("phase") == "Running")


def is_gone(seen: Seen) -> bool:
    return seen.kind == "DELETED"


async def create(connection: Connection, name: str) -> None:
    status, _ = await connection.ask("POST", PODS, start_pod(name))
    if status != 201:
        raise RuntimeError(f"creating {name} answered {status}")


def split(
    began: float, answered: float, seen: list[Seen], runtime: list[tuple[float, str]]
) -> dict[str, float]:
    """Return the seconds that each part of one pod's start took."""
    bound = next(one.at for one in seen if one.pod["spec"].get("nodeName"))
    parts, last = {"api write": answered - began, "bind": bound - answered}, bound
    for topic, name in STEPS:
        at = next((at for at, found in runtime if found == topic and at > last), None)
        if at is None:
            return parts
        parts[name], last = at - last, at
    return parts | {"status": seen[-1].at - last}


async def one_by_one(target: Cluster, watch: Watch, connection: Connection, starts: int) -> None:
    """Measure P7a and P7c, and print both and the breakdown."""
    started: list[float] = []
    ended: list[float] = []
    parts: list[dict[str, float]] = []
    before, errors = target.cpu(), 0
    for number in range(starts):
        name = f"start-{number:03}"
        watch.runtime.clear()
        began = time.time()
        await create(connection, name)
        answered = time.time()
        try:
            seen = await watch.until(name, is_running)
        except TimeoutError:
            errors += 1
            continue
        started.append(seen[-1].at - began)
        await asyncio.sleep(0.02)
        parts.append(split(began, answered, seen, watch.runtime))
        began = time.time()
        await connection.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=1")
        ended.append((await watch.until(name, is_gone))[-1].at - began)
    cpu, memory = spent(before, target.cpu()), target.memory()
    for figure, times in (("P7a pod start", started), ("P7c pod end, grace 1 s", ended)):
        figures = {"errors": errors, "count": len(times), "p50_ms": ms(times, 0.5), "p99_ms": ms(times, 0.99)}
        report(figure, figures, cpu, memory)
    names = ("api write", "bind", *(name for _, name in STEPS), "status")
    medians = {key: [one[key] for one in parts if key in one] for key in names}
    figures = {key: round(statistics.median(found) * 1000, 1) for key, found in medians.items() if found}
    report("P7 breakdown, median ms", figures, {}, {})


async def at_once(target: Cluster, watch: Watch, connection: Connection, count: int) -> None:
    """Measure P7b."""
    names = {f"burst-{number:03}" for number in range(count)}
    before, began = target.cpu(), time.time()
    for name in sorted(names):
        await create(connection, name)
    times: list[float] = []
    waiting = set(names)
    async with asyncio.timeout(LIMIT_S):
        while waiting:
            seen = await watch.events.get()
            if is_running(seen) and seen.pod["metadata"]["name"] in waiting:
                waiting.remove(seen.pod["metadata"]["name"])
                times.append(seen.at - began)
    figures = {"errors": 0, "count": count, "last_s": round(max(times), 3), "p50_ms": ms(times, 0.5)}
    report("P7b pods at once", figures, spent(before, target.cpu()), target.memory())
    for name in names:
        await connection.ask("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")


async def measure(target: Cluster, starts: int, burst: int) -> None:
    connection = await target.connect()
    body = json.dumps({"metadata": {"name": NAMESPACE}}).encode()
    await connection.ask("POST", "/api/v1/namespaces", body)
    runtime = Runtime(str(target.layout.node(1).containerd_socket))
    watch = Watch()
    following = [
        asyncio.ensure_future(watch.follow(await target.connect())),
        asyncio.ensure_future(watch.follow_runtime(runtime)),
    ]
    await until_account(connection, NAMESPACE)
    await create(connection, "warm-up")
    await watch.until("warm-up", is_running)
    await connection.ask("DELETE", f"{PODS}/warm-up?gracePeriodSeconds=0")
    await watch.until("warm-up", is_gone)
    await one_by_one(target, watch, connection, starts)
    await at_once(target, watch, connection, burst)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await runtime.close()
    await connection.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


async def until_account(connection: Connection, namespace: str) -> None:
    """Wait until pods may be made: the namespace's service account is there."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    while (await connection.ask("GET", path))[0] != 200:  # noqa: ASYNC110 - asked over HTTP
        await asyncio.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of pods' starts and ends (P7).")
    parser.add_argument("--dir", type=Path, help="of a running cluster; without it one is brought up")
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--burst", type=int, default=20)
    chosen = parser.parse_args()
    with (
        cluster(chosen.dir, "--nodes=1") as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(measure(target, chosen.starts, chosen.burst))


if __name__ == "__main__":
    main()
