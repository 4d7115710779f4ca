"""How fast a cluster starts: `python -m bench.startup [--runs 3]`. Each figure is the median of the runs.

P8 readyz: a control plane without nodes, from starting `pelamis up` to /readyz, etcd included. P8 first
pod: a node on containerd, to the first pod seen Running; its image comes with the cluster. P8 hollow: three
hollow nodes, to the end of `pelamis up`, when kubectl finds them ready. Certificates and images are made anew
every time.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench.apiserver import Connection, free_port
from bench.cluster import PELAMIS, Cluster, report, run, start_pod
from cli.cluster import bringup

PODS = "/api/v1/namespaces/default/pods"
LIMIT_S = 60.0
POLL_S = 0.005


async def connect(folder: Path) -> Connection | None:
    """Return a connection to the API server, None as long as nothing answers."""
    try:
        return await Cluster(folder).connect()
    except (OSError, bringup.BringUpError):
        return None


async def answer(folder: Path, method: str, path: str, body: bytes = b"") -> int:
    connection = await connect(folder)
    if connection is None:
        return 0
    status, _ = await connection.ask(method, path, body)
    connection.close()
    return status


async def until_readyz(folder: Path) -> None:
    while await answer(folder, "GET", "/readyz") != 200:  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(POLL_S)


async def until_running(folder: Path) -> None:
    """Make a pod as soon as it is taken, and wait until a watch shows it running."""
    while await answer(folder, "POST", PODS, start_pod("first")) != 201:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    connection = await Cluster(folder).connect()
    await connection.start("GET", f"{PODS}?watch=true&fieldSelector=metadata.name%3Dfirst")
    while True:
        for line in (await connection.frame()).splitlines():
            if orjson.loads(line)["object"].get("status", {}).get("phase") == "Running":
                connection.close()
                return


async def until_up(_folder: Path) -> None:
    """Wait for nothing but the command itself."""


FIGURES = {
    "P8 start to readyz": (["--nodes=0"], until_readyz),
    "P8 start to first pod": (["--nodes=1"], until_running),
    "P8 up, three hollow nodes": (["--nodes=3", "--runtime=hollow"], until_up),
}


def measure(name: str) -> tuple[float, float, dict[str, float], dict[str, float]]:
    """Return seconds to what the figure waits for, seconds of the command, and what the processes used."""
    flags, wait = FIGURES[name]
    with tempfile.TemporaryDirectory(prefix="pelamis-bench-") as made:
        folder = Path(made) / "c"
        command = [sys.executable, str(PELAMIS), "up", f"--dir={folder}", f"--port={free_port()}", *flags]
        began = time.monotonic()
        up = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(asyncio.wait_for(wait(folder), LIMIT_S))
            reached_s = time.monotonic() - began
            if up.wait(LIMIT_S) != 0:
                raise RuntimeError(f"pelamis up failed with {up.returncode}")
            up_s = time.monotonic() - began
            target = Cluster(folder)
            return (up_s if wait is until_up else reached_s), up_s, target.cpu(), target.memory()
        finally:
            up.wait(LIMIT_S)
            run("down", folder, "--purge")


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of a cluster's start (P8).")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    for name in FIGURES:
        found = [measure(name) for _ in range(chosen.runs)]
        figures = {
            "errors": 0,
            "seconds": round(statistics.median(one[0] for one in found), 3),
            "command_s": round(statistics.median(one[1] for one in found), 3),
            "each": [round(one[0], 3) for one in found],
        }
        report(name, figures, found[-1][2], found[-1][3])


if __name__ == "__main__":
    main()
