"""Figures of pods from the runtime's, with rates between samples."""

from datetime import UTC, datetime

from kit import clock
from nodeagent.stats import Stats, node_usage
from proto.gen.cri import runtime_v1_pb2 as cri


def figures(container, at_s, cpu_s, memory):
    labels = {
        "io.kubernetes.container.name": container,
        "io.kubernetes.pod.name": "p",
        "io.kubernetes.pod.namespace": "ns",
        "io.kubernetes.pod.uid": "u",
    }
    attributes = cri.ContainerAttributes(id=f"id-{container}", labels=labels)
    usage = cri.UInt64Value(value=int(cpu_s * 1e9))
    cpu = cri.CpuUsage(timestamp=int(at_s * 1e9), usage_core_nano_seconds=usage)
    return cri.ContainerStats(
        attributes=attributes,
        cpu=cpu,
        memory=cri.MemoryUsage(working_set_bytes=cri.UInt64Value(value=memory)),
    )


class Runtime:
    def __init__(self):
        self.stats = []

    async def list_container_stats(self):
        return [*self.stats, cri.ContainerStats(attributes=cri.ContainerAttributes(id="not a pod's"))]


async def test_rates_come_from_two_samples():
    runtime = Runtime()
    stats = Stats(runtime, "n1")
    runtime.stats = [figures("a", 10, 1, 100), figures("b", 10, 2, 200)]
    with clock.use(clock.ManualClock(datetime(2026, 1, 1, tzinfo=UTC))):
        first = await stats.summary()
        assert "usageNanoCores" not in first["pods"][0]["cpu"]
        runtime.stats = [figures("a", 12, 2, 110), figures("b", 12, 2, 220)]
        (pod,) = (await stats.summary())["pods"]
        text = (await stats.resource_metrics()).decode()
    assert pod["podRef"] == {"name": "p", "namespace": "ns", "uid": "u"}
    assert pod["cpu"]["usageNanoCores"] == 500_000_000
    assert pod["memory"] == {"time": "2026-01-01T00:00:00Z", "workingSetBytes": 330}
    assert [one["cpu"]["usageNanoCores"] for one in pod["containers"]] == [500_000_000, 0]
    labels = 'container="a",namespace="ns",pod="p"'
    assert f"container_cpu_usage_seconds_total{{{labels}}} 2.000000 12000\n" in text
    assert f"container_memory_working_set_bytes{{{labels}}} 110 12000\n" in text


def test_node_usage(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 1\n")
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  400 kB\n")
    assert node_usage(tmp_path) == (1.5, 600 * 1024)
