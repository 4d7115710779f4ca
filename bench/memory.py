"""How much memory an idle cluster takes: `python -m bench.memory [--dir D] [--pods 30] [--settle 10]`.

PSS, so pages that the processes share are counted once between them. P9a: API server, controllers and
scheduler together. P9c: the node agent with no pod and with 30. The supervisor, from which they are
forked, is shown beside them.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

import uvloop

from bench.apiserver import Connection, pss_mb
from bench.cluster import CONTROL_PLANE, Cluster, cluster, report, spent, start_pod
from cli.cluster import control

PODS = "/api/v1/namespaces/default/pods"
AGENT = "node-1-agent"


async def idle(target: Cluster, seconds: float, name: str, parts: tuple[str, ...]) -> None:
    """Let the cluster be for a while, then print the memory of some processes, and what being idle cost."""
    before, began = target.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, memory = spent(before, target.cpu()), target.memory()
    supervisor = control.ask(target.layout.control_socket, "status")["pid"]
    figures = {"errors": 0, "mb": round(sum(memory[part] for part in parts), 1), "of": parts}
    over = {"over_s": round(time.monotonic() - began, 1)}
    report(name, figures | over, cpu, memory | {"supervisor": pss_mb(supervisor)})


async def start(connection: Connection, count: int) -> None:
    """Start pods on the node and wait until all run."""
    for number in range(count):
        while not await is_taken(connection, start_pod(f"idle-{number:03}")):  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)
    await connection.start("GET", f"{PODS}?watch=true")
    waiting = {f"idle-{number:03}" for number in range(count)}
    while waiting:
        for line in (await connection.frame()).splitlines():
            pod = json.loads(line)["object"]
            if pod.get("status", {}).get("phase") == "Running":
                waiting.discard(pod["metadata"]["name"])


async def is_taken(connection: Connection, pod: bytes) -> bool:
    """Create a pod; False as long as its service account is not there."""
    return (await connection.ask("POST", PODS, pod))[0] != 403


async def measure(target: Cluster, pods: int, settle_s: float) -> None:
    await idle(target, settle_s, "P9a idle memory of the control plane", CONTROL_PLANE)
    await idle(target, 1.0, "P9c node agent, no pods", (AGENT,))
    await start(await target.connect(), pods)
    await idle(target, settle_s, f"P9c node agent, {pods} pods", (AGENT,))
    connection = await target.connect()
    for number in range(pods):
        await connection.ask("DELETE", f"{PODS}/idle-{number:03}?gracePeriodSeconds=0")
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of an idle cluster's memory (P9a, P9c).")
    parser.add_argument("--dir", type=Path, help="of a running cluster; without it one is brought up")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--settle", type=float, default=10.0, help="seconds of idling before each figure")
    chosen = parser.parse_args()
    with (
        cluster(chosen.dir, "--nodes=1") as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(measure(target, chosen.pods, chosen.settle))


if __name__ == "__main__":
    main()
