"""A local cluster under measurement: brought up by `pelamis up`, or joined; its processes, CPU and memory.

Used by `podstart.py`, `startup.py` and `memory.py`.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.apiserver import Connection, free_port, percentile, pss_mb, seconds_of
from cli.cluster import bringup, control
from cli.cluster.layout import Layout
from kit import tls

PELAMIS = Path(__file__).resolve().parent.parent / "pelamis" / "__main__.py"
IMAGE = "docker.io/library/busybox:latest"
CONTROL_PLANE = ("apiserver", "scheduler", "controllers")


class Cluster:
    """A running local cluster, found by its directory."""

    def __init__(self, folder: Path, up_s: float = 0.0) -> None:
        self.layout: Layout = bringup.load(folder)
        # How long `pelamis up` took, as its caller sees it; 0 for one that was there already.
        self.up_s = up_s

    def processes(self) -> dict[str, int]:
        """Return the process ids by name (`apiserver`, `node-1-agent`, ...)."""
        answer = control.ask(self.layout.control_socket, "status")
        return {one["name"]: one["pid"] for one in answer["processes"] if one["pid"]}

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each process has used so far."""
        return {name: seconds_of(pid) for name, pid in self.processes().items()}

    def memory(self) -> dict[str, float]:
        """Return the PSS of each process, in MB."""
        return {name: pss_mb(pid) for name, pid in self.processes().items()}

    def tls(self) -> ssl.SSLContext:
        pki = self.layout.pki
        return tls.client_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")

    async def connect(self) -> Connection:
        """Return a connection to the API server, as the administrator."""
        port = self.layout.settings.port
        return Connection(*await asyncio.open_connection("127.0.0.1", port, ssl=self.tls(), limit=8 << 20))


@contextmanager
def cluster(folder: Path | None, *flags: str) -> Iterator[Cluster]:
    """Yield the cluster in `folder`; without one, a new one of `pelamis up` with `flags`, gone afterwards."""
    if folder is not None:
        yield Cluster(folder)
        return
    with tempfile.TemporaryDirectory(prefix="pelamis-bench-") as made:
        place = Path(made) / "c"
        try:
            began = time.monotonic()
            run("up", place, f"--port={free_port()}", *flags)
            yield Cluster(place, time.monotonic() - began)
        finally:
            run("down", place, "--purge")


def run(verb: str, folder: Path, *flags: str) -> None:
    """Run a verb of the command line on the cluster in `folder`."""
    command = [sys.executable, str(PELAMIS), verb, f"--dir={folder}", *flags]
    subprocess.run(command, check=True, stdout=sys.stderr)


def start_pod(name: str, node: str = "") -> bytes:
    """Return the pod that the load generator of the performance goals starts."""
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container | {"command": ["sleep", "3600"]}],
    }
    if node:
        spec["nodeName"] = node
    metadata = {"name": name, "labels": {"app": "start"}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).encode()


def ms(seconds: Iterable[float], part: float) -> float:
    """Return a percentile of durations, in milliseconds."""
    return percentile(list(seconds), part)


def report(name: str, figures: dict[str, Any], cpu: dict[str, float], memory: dict[str, float]) -> None:
    """Print one figure as a line of JSON, with the machine's load average beside it."""
    line = {"figure": name, **figures, "load_average": round(os.getloadavg()[0], 2)}
    print(json.dumps(line | {"cpu_s": cpu, "pss_mb": memory}), flush=True)


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the CPU seconds that each process used in between."""
    return {name: round(after[name] - before.get(name, 0.0), 2) for name in after}
