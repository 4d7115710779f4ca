"""How fast the scheduler is: `python -m bench.scheduler [--kubeconfig FILE] [--nodes 1000] [--pods 4000]`.

One JSON line per figure. Without a kubeconfig the decision alone, in this process: P6c (one pod over 5,000
nodes, plain and with zone spread and host anti-affinity, identical pods and pods that are all different) and
P6d (how even 4,000 identical pods lie on 5,000 nodes). With one, P6a and P6b: nodes and pending pods are
created, a scheduler process is started, and bound pods are counted as a watch shows them. Nothing else may
run against that API server, and it must not taint new nodes: `pelamis up --nodes 0 --components apiserver
--set apiserver:--disable-admission-plugins=TaintNodesByCondition`.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from api.types.core_v1 import PODS
from bench.apiserver import pss_mb, seconds_of
from bench.scheduling import LIMIT_S, Load, Seen, creations, follow, has_node, rate, scheduler, while_alive
from client import kubeconfig
from kit.tasks import collect_rarely
from scheduler.attempt import Attempts, Placed
from scheduler.cluster import Cluster
from scheduler.kept import Kept
from scheduler.profiles import default_profile

NAMESPACE = "bench-scheduler"
ZONES = 10
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"


def new_node(number: int) -> Any:
    offers = {"cpu": "32", "memory": "256Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    name = f"node-{number:05d}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % ZONES}"}
    status = {"capacity": offers, "allocatable": offers, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}


def new_pod(number: int, spread: bool, group: str = "sched") -> Any:
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "app:1", "resources": resources}]}
    selector = {"matchLabels": {"app": group}}
    if spread:
        zones = {"maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone", "labelSelector": selector}
        spec["topologySpreadConstraints"] = [{**zones, "whenUnsatisfiable": "DoNotSchedule"}]
        hosts = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
        wish = [{"weight": 1, "podAffinityTerm": hosts}]
        spec["affinity"] = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}}
    name = f"{group}-{number:05d}"
    metadata = {"name": name, "namespace": NAMESPACE, "uid": name, "labels": {"app": group}}
    return {"metadata": metadata, "spec": spec}


def say(figure: str, **values: Any) -> None:
    print(json.dumps({"bench": "scheduler", "figure": figure, **values}), flush=True)


class Pure:
    """Decisions without any edge."""

    def __init__(self, nodes: int) -> None:
        self.profile, self.kept = default_profile(), Kept()
        self.cluster = Cluster({self.profile.name: self.profile})
        self.attempts = Attempts(self.cluster)
        self.snapshot, self.shapes = self.cluster.snapshot, self.cluster.shapes
        for number in range(nodes):
            self.cluster.node_changed(None, new_node(number), 0.0)

    def run(self, pods: list[Any]) -> tuple[float, Counter[str]]:
        """Place pods; return CPU microseconds per pod (taking it in and assuming it included) and pods per
        node.
        """
        used: Counter[str] = Counter()
        started = time.process_time()
        for pod in pods:
            self.cluster.pod_changed(None, pod, 0.0)
        while (entry := self.cluster.queue.pop(0.0)) is not None:
            outcome = self.attempts.attempt(entry, 0.0)
            assert isinstance(outcome, Placed)
            used[outcome.node] += 1
        return (time.process_time() - started) / len(pods) * 1e6, used


def pure(nodes: int, pods: int) -> None:
    for spread in (False, True):
        shape = "spread" if spread else "plain"
        each, used = Pure(nodes).run([new_pod(number, spread) for number in range(pods)])
        say("P6c", unit="us", nodes=nodes, shape=shape, pods="identical", value=round(each, 1), moonshot=20)
        most = max(used.values())
        say("P6d", unit="pods", nodes=nodes, shape=shape, nodes_used=len(used), value=most, must=1)
        different = [new_pod(number, spread, f"g{number}") for number in range(pods // 8)]
        each, _ = Pure(nodes).run(different)
        say("P6c", unit="us", nodes=nodes, shape=shape, pods="all different", value=round(each, 1), must=150)


async def end_to_end(config: Path, nodes: int, pods: int, spread: bool) -> None:
    load = Load(kubeconfig.load(config))
    try:
        await load.namespace(NAMESPACE)
        refused = await load.send(creations("/api/v1/nodes", map(new_node, range(nodes))))
        group = f"s{int(time.time())}"
        made = (new_pod(number, spread, group) for number in range(pods))
        refused += await load.send(creations(PODS_PATH, made))
        await _measure(load, config, nodes, pods, spread, group, refused)
    finally:
        await load.close()


async def _measure(
    load: Load, config: Path, nodes: int, pods: int, spread: bool, group: str, refused: int
) -> None:
    here = await load.client.list(PODS, NAMESPACE, limit=1)
    query = f"resourceVersion={here.resource_version}&labelSelector=app%3D{group}"
    seen = Seen()
    async with scheduler(config) as process:
        async with asyncio.timeout(LIMIT_S):
            await while_alive(process, follow(load, PODS_PATH, query, has_node, pods, seen))
        cpu_s, memory_mb = seconds_of(process.pid), pss_mb(process.pid)
    used = Counter(seen.nodes.values())
    say(
        "P6b" if spread else "P6a",
        unit="pods/s",
        nodes=nodes,
        pods=pods,
        value=round(rate(seen.times.values()), 1),
        errors=refused,
        max_on_one_node=max(used.values()),
        nodes_used=len(used),
        scheduler_cpu_s=cpu_s,
        scheduler_pss_mb=memory_mb,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", type=Path, help="measure end to end against this API server")
    parser.add_argument("--nodes", type=int, help="default 5000; 1000 end to end")
    parser.add_argument("--pods", type=int, default=4000)
    parser.add_argument("--spread", action="store_true", help="P6b: zone spread and host anti-affinity")
    args = parser.parse_args()
    # As the process itself is run (`kit.tasks`): else a figure holds a collection of all modules, or not.
    collect_rarely()
    if args.kubeconfig is None:
        pure(args.nodes or 5000, args.pods)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(end_to_end(args.kubeconfig, args.nodes or 1000, args.pods, args.spread))


if __name__ == "__main__":
    main()
