"""What the pods of this node use, from the runtime's figures: `/stats/summary` and `/metrics/resource`.

The runtime says CPU seconds used so far; rates come from the sample before. Called by the node's HTTP server.
Source: k8s.io/kubelet/pkg/apis/stats/v1alpha1; metrics-server reads `/metrics/resource`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from api.resource import Obj
from api.times import format_time
from kit import clock
from proto.gen.cri import runtime_v1_pb2 as cri

_NAME, _POD, _NAMESPACE, _UID = (
    "io.kubernetes.container.name",
    "io.kubernetes.pod.name",
    "io.kubernetes.pod.namespace",
    "io.kubernetes.pod.uid",
)
_MEMINFO = re.compile(r"^(\w+):\s+(\d+) kB$", re.M)


class StatsSource(Protocol):
    """What this needs of a runtime."""

    async def list_container_stats(self) -> list[cri.ContainerStats]:
        """Return the present figures of all running containers. Raises `CRIError`."""


@dataclass(frozen=True)
class Usage:
    """One container's figures; `rate` in nanocores, None before the second sample."""

    namespace: str
    pod: str
    uid: str
    container: str
    at_ns: int
    cpu_ns: int
    memory_bytes: int
    rate: int | None = None


class Stats:
    """Remembers the last sample of each container."""

    def __init__(self, runtime: StatsSource, node_name: str) -> None:
        self._runtime = runtime
        self._node_name = node_name
        self._last: dict[str, Usage] = {}

    async def sample(self) -> list[Usage]:
        """Return the figures of this node's containers now. Raises `CRIError`."""
        found: list[Usage] = []
        fresh: dict[str, Usage] = {}
        for stats in await self._runtime.list_container_stats():
            labels = stats.attributes.labels
            if _NAME in labels:
                usage = fresh[stats.attributes.id] = _usage(stats, self._last.get(stats.attributes.id))
                found.append(usage)
        self._last = fresh
        return found

    async def summary(self) -> Obj:
        """Return the `Summary` object."""
        now = format_time(clock.now())
        pods: dict[str, list[Usage]] = {}
        for usage in await self.sample():
            pods.setdefault(usage.uid, []).append(usage)
        return {
            "node": {"nodeName": self._node_name, **_node_stats(now)},
            "pods": [_pod_stats(usages, now) for usages in pods.values()],
        }

    async def resource_metrics(self) -> bytes:
        """Return Prometheus text as metrics-server expects it."""
        usages = await self.sample()
        node_cpu, node_memory = node_usage()
        lines = [
            "# TYPE node_cpu_usage_seconds_total counter",
            f"node_cpu_usage_seconds_total {node_cpu:g}",
            "# TYPE node_memory_working_set_bytes gauge",
            f"node_memory_working_set_bytes {node_memory}",
            "# TYPE container_cpu_usage_seconds_total counter",
            *_metric_lines("container_cpu_usage_seconds_total", usages, lambda u: f"{u.cpu_ns / 1e9:.6f}"),
            "# TYPE container_memory_working_set_bytes gauge",
            *_metric_lines("container_memory_working_set_bytes", usages, lambda u: str(u.memory_bytes)),
            "# TYPE resource_scrape_error gauge",
            "scrape_error 0",
        ]
        return ("\n".join(lines) + "\n").encode()


def _usage(stats: cri.ContainerStats, before: Usage | None) -> Usage:
    labels = stats.attributes.labels
    cpu_ns = stats.cpu.usage_core_nano_seconds.value
    at_ns = stats.cpu.timestamp
    rate: int | None = None
    if before is not None:
        rate = before.rate
        if at_ns > before.at_ns and cpu_ns >= before.cpu_ns:
            rate = (cpu_ns - before.cpu_ns) * 1_000_000_000 // (at_ns - before.at_ns)
    return Usage(
        labels[_NAMESPACE],
        labels[_POD],
        labels[_UID],
        labels[_NAME],
        at_ns,
        cpu_ns,
        stats.memory.working_set_bytes.value,
        rate,
    )


def _figures(usages: Iterable[Usage], now: str) -> Obj:
    usages = list(usages)
    rates = [usage.rate for usage in usages if usage.rate is not None]
    cpu: dict[str, Any] = {"time": now, "usageCoreNanoSeconds": sum(usage.cpu_ns for usage in usages)}
    if rates:
        cpu["usageNanoCores"] = sum(rates)
    memory = {"time": now, "workingSetBytes": sum(usage.memory_bytes for usage in usages)}
    return {"cpu": cpu, "memory": memory}


def _pod_stats(usages: list[Usage], now: str) -> Obj:
    first = usages[0]
    return {
        "podRef": {"name": first.pod, "namespace": first.namespace, "uid": first.uid},
        "containers": [{"name": usage.container, **_figures([usage], now)} for usage in usages],
        **_figures(usages, now),
    }


def _node_stats(now: str) -> Obj:
    cpu_s, memory = node_usage()
    return {
        "cpu": {"time": now, "usageCoreNanoSeconds": int(cpu_s * 1e9)},
        "memory": {"time": now, "workingSetBytes": memory},
    }


def node_usage(proc: Path = Path("/proc")) -> tuple[float, int]:
    """Return (CPU seconds used since boot, bytes of memory in use) of the machine."""
    ticks = [int(text) for text in (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    busy = sum(ticks) - ticks[3] - ticks[4]
    memory = dict(_MEMINFO.findall((proc / "meminfo").read_text()))
    used = int(memory.get("MemTotal", 0)) - int(memory.get("MemAvailable", 0))
    return busy / 100, used * 1024


def _metric_lines(name: str, usages: Iterable[Usage], value: Any) -> Iterator[str]:
    for usage in usages:
        labels = f'container="{usage.container}",namespace="{usage.namespace}",pod="{usage.pod}"'
        yield f"{name}{{{labels}}} {value(usage)} {_millis(usage.at_ns)}"


def _millis(at_ns: int) -> int:
    moment = datetime.fromtimestamp(at_ns / 1e9, UTC) if at_ns else clock.now()
    return int(moment.timestamp() * 1000)
