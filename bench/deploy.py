"""How fast a Deployment becomes ready: `python -m bench.deploy [--dir D] [--replicas 1000] [--nodes 20]`.

P10: from the request to the Deployment's status that counts all replicas as ready, on hollow nodes; then a
rolling update of it, to the status that counts all as updated and none as old. Without `--dir` a cluster of
hollow nodes is brought up for it.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from bench.apiserver import MERGE, Connection
from bench.cluster import IMAGE, Cluster, cluster, report, spent
from bench.podstart import until_account

NAMESPACE = "bench-deploy"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
LIMIT_S = 240.0


def deployment(replicas: int) -> bytes:
    container = {"name": "main", "image": IMAGE, "command": ["sleep", "3600"]}
    spec = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "big", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "big"}},
            "template": {"metadata": {"labels": {"app": "big"}}, "spec": spec | {"containers": [container]}},
        },
    }
    return json.dumps(body).encode()


async def until(watch: Connection, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Read the watch until the Deployment is as wanted. Raises `TimeoutError`."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            for line in (await watch.frame()).splitlines():
                if wanted(json.loads(line)["object"]):
                    return


def is_complete(replicas: int, generation: int) -> Callable[[dict[str, Any]], bool]:
    """Return the test for: all replicas are ready, of this generation, and no others are left."""

    def test(found: dict[str, Any]) -> bool:
        status = found.get("status", {})
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")}
        return status.get("observedGeneration", 0) >= generation and counts == {replicas}

    return test


async def measure(target: Cluster, replicas: int) -> None:
    connection, watch = await target.connect(), await target.connect()
    body = json.dumps({"metadata": {"name": NAMESPACE}}).encode()
    await connection.ask("POST", "/api/v1/namespaces", body)
    await until_account(connection, NAMESPACE)
    await watch.start("GET", f"{DEPLOYMENTS}?watch=true")
    rename = b'{"spec":{"template":{"metadata":{"annotations":{"round":"2"}}}}}'
    steps = (
        ("P10 Deployment to ready", "POST", DEPLOYMENTS, deployment(replicas), 1),
        ("P10 rolling update", "PATCH", f"{DEPLOYMENTS}/big", rename, 2),
    )
    for name, method, path, request, generation in steps:
        before, began = target.cpu(), time.monotonic()
        kind = MERGE if method == "PATCH" else "application/json"
        status, _ = await connection.ask(method, path, request, kind)
        await until(watch, is_complete(replicas, generation))
        seconds = round(time.monotonic() - began, 2)
        figures = {"errors": int(status >= 300), "replicas": replicas, "seconds": seconds}
        report(name, figures, spent(before, target.cpu()), target.memory())
    await connection.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
    for one in (connection, watch):
        one.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of a Deployment's start and update (P10).")
    parser.add_argument("--dir", type=Path, help="of a running cluster; without it one is brought up")
    parser.add_argument("--replicas", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=20, help="hollow nodes of the cluster brought up")
    chosen = parser.parse_args()
    flags = (f"--nodes={chosen.nodes}", "--runtime=hollow")
    with (
        cluster(chosen.dir, *flags) as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(measure(target, chosen.replicas))


if __name__ == "__main__":
    main()
