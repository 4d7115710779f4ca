"""The workloads of upstream's scheduler_perf: `python -m bench.scheduler_perf --all | --only NAME | --list`.

Each workload fills a cluster of its own (etcd and the API server, from `pelamis up`, and a scheduler process)
with nodes and first pods, then creates the measured pods while the scheduler works, and counts those that a
watch shows bound: the average of upstream's samples of one second. One JSON line per workload, with CPU
seconds of the measured phase and memory at its end. `--nodes N` scales everything to N nodes (the number of
nodes is upstream's otherwise), `--pending` creates all measured pods before it starts the scheduler anew, so
that their creation takes nothing from it. With `--kubeconfig` one workload runs against an API server that is
there: empty, and started as `APISERVER` below says.
"""

import argparse
import asyncio
import itertools
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from api.types.core_v1 import PODS
from api.types.scheduling_v1 import PRIORITYCLASSES
from bench.apiserver import pss_mb, seconds_of
from bench.cluster import Cluster, cluster, report, spent
from bench.scheduling import (
    LIMIT_S,
    Load,
    Seen,
    creations,
    follow,
    has_node,
    is_refused,
    listeners,
    rate,
    samples,
    scheduler,
    while_alive,
)
from bench.workloads import (
    HIGH_PRIORITY,
    WORKLOADS,
    Churn,
    NamedNode,
    Namespaces,
    Nodes,
    Pods,
    Step,
    Workload,
    named_node,
    new_node,
    new_object,
    new_pod,
    scaled,
)
from client import kubeconfig
from kit.tasks import Tasks

# No kubelet makes these nodes ready and no controller makes service accounts: upstream's benchmark turns the
# same plugins off (and `Priority`, which stays on here).
APISERVER = (
    "--nodes=0",
    "--components=apiserver",
    "--set=apiserver:--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
)
_BOUND = "fieldSelector=spec.nodeName%21%3D"
_UNBOUND = "fieldSelector=spec.nodeName%3D"
_CHURN = "churn"
_ALONE, _CROWDED = "NothingPending", "ManyPending"


@dataclass(frozen=True)
class Target:
    """An API server: as whom it is filled, as whom the scheduler works, and the processes to account for."""

    admin: Path
    scheduler: Path
    processes: dict[str, int]


@contextmanager
def own_target() -> Iterator[Target]:
    """A cluster of our own without nodes, gone afterwards."""
    with cluster(None, *APISERVER) as made:
        yield _target(made)


def _target(made: Cluster) -> Target:
    layout = made.layout
    return Target(layout.kubeconfig, layout.pki / "scheduler.kubeconfig", made.processes())


def _target_of(config: Path) -> Target:
    """The API server of a kubeconfig; its processes are known if it runs on this machine."""
    port = urlsplit(kubeconfig.load(config).server).port or 443
    return Target(config, config, {f"apiserver-{pid}": pid for pid in listeners(port)})


class Bench:
    """One run of a workload."""

    def __init__(self, workload: Workload, target: Target, pending: bool) -> None:
        self._workload, self._target, self._pending = workload, target, pending
        self._load = Load(kubeconfig.load(target.admin))
        self._tasks = Tasks()
        self._stack = AsyncExitStack()
        self._processes = dict(target.processes)
        self._numbers = itertools.count()
        self._refused = 0
        self._is_warm = False

    async def run(self) -> float:
        """Do the steps and print the figure; return it."""
        began = time.monotonic()
        try:
            high = {"metadata": {"name": HIGH_PRIORITY}, "value": 10}
            await self._load.ensure(PRIORITYCLASSES, high)
            await self._start_scheduler()
            for step in self._workload.steps:
                if step is self._workload.measured:
                    return await self._measure(step, began)
                await self._do(step)
            raise AssertionError("a workload measures something")
        finally:
            await self._tasks.close()
            await self._stack.aclose()
            await self._load.close()

    async def _start_scheduler(self) -> None:
        self._process = await self._stack.enter_async_context(scheduler(self._target.scheduler))
        self._processes["scheduler"] = self._process.pid

    async def _do(self, step: Step) -> None:
        match step:
            case Nodes():
                await self._send("/api/v1/nodes", (new_node(n, step.zones) for n in range(step.count)))
            case NamedNode():
                await self._send("/api/v1/nodes", [named_node()])
            case Namespaces():
                for number in range(step.count):
                    await self._load.namespace(f"{step.prefix}-{number}", dict(step.labels))
            case Pods():
                await self._warm_up()
                await self._fill(step)
            case Churn():
                await self._warm_up()
                await self._load.namespace(_CHURN)
                self._tasks.spawn(self._churn(step), _CHURN)

    async def _send(self, path: str, objects: Any) -> None:
        self._refused += await self._load.send(creations(path, objects))

    async def _warm_up(self) -> None:
        """Wait until the scheduler works: until one pod that fits anywhere has a node."""
        if not self._is_warm:
            self._is_warm = True
            await self._fill(Pods("warm-up", 1, "warm-up"))

    async def _fill(self, step: Pods) -> None:
        """Create pods, and wait until all have a node, or none as they should."""
        for number in range(step.namespaces):
            await self._load.namespace(_namespace(step, number))
        query, is_so = (_UNBOUND, is_refused) if step.is_refused else (_BOUND, has_node)
        query = f"resourceVersion={await self._revision()}&{query}"
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            seen = follow(self._load, "/api/v1/pods", query, is_so, step.count, Seen())
            group.create_task(while_alive(self._process, seen))
            for number in range(step.namespaces):
                count = len(range(number, step.count, step.namespaces))
                await self._send(_path(_namespace(step, number)), self._pods(step.template, count))

    def _pods(self, template: str, count: int) -> Iterator[dict[str, Any]]:
        return (new_pod(template, f"{template}-{next(self._numbers):06d}") for _ in range(count))

    async def _revision(self) -> str:
        return (await self._load.client.list(PODS, limit=1)).resource_version

    async def _churn(self, step: Churn) -> None:
        """Create one object of each template every so often, and delete it at the next turn if so asked."""
        there: list[str] = []
        while True:
            await asyncio.sleep(step.every_s)
            if there:
                await self._load.send([("DELETE", f"{path}?gracePeriodSeconds=0", b"") for path in there])
                there = []
                continue
            for template in step.templates:
                plural, body = new_object(template, f"churn-{next(self._numbers):06d}")
                path = "/api/v1/nodes" if plural == "nodes" else f"/api/v1/namespaces/{_CHURN}/{plural}"
                await self._load.send(creations(path, [body]))
                if step.recreate:
                    there.append(f"{path}/{body['metadata']['name']}")

    async def _churned(self) -> dict[str, int]:
        """Return how many pods of the churn are there, and how many of them have a node."""
        if not any(isinstance(step, Churn) for step in self._workload.steps):
            return {}
        pods = (await self._load.client.list(PODS, _CHURN)).items
        return {"churn_pods": len(pods), "churn_bound": sum(map(has_node, pods))}

    async def _measure(self, step: Pods, began: float) -> float:
        await self._warm_up()
        name = _namespace(step, 0)
        await self._load.namespace(name)
        requests = creations(_path(name), self._pods(step.template, step.count))
        if self._pending:
            await self._stack.aclose()
            self._refused += await self._load.send(requests)
            requests = []
        query = f"resourceVersion={await self._revision()}&{_BOUND}"
        if self._pending:
            await self._start_scheduler()
        setup_s, cpu, started = time.monotonic() - began, self._cpu(), time.perf_counter()
        seen, created_s = Seen(), 0.0
        following = follow(self._load, _path(name), query, has_node, step.count, seen)
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
                group.create_task(while_alive(self._process, following))
                self._refused += await self._load.send(requests)
                created_s = time.perf_counter() - started
        figures = self._figures(step, list(seen.times.values()), started)
        if requests and created_s:
            figures["created_per_s"] = round(step.count / created_s, 1)
        figures |= {"setup_s": round(setup_s, 1), "measured_s": round(time.perf_counter() - started, 1)}
        figures |= await self._churned()
        memory = {name: pss_mb(pid) for name, pid in self._processes.items()}
        report(self._workload.name, figures, spent(cpu, self._cpu()), memory)
        return float(figures["value"])

    def _figures(self, step: Pods, times: list[float], started: float) -> dict[str, Any]:
        each, gate = [] if self._pending else samples(times, started), self._workload.gate
        return {
            "unit": "pods/s",
            "value": round(sum(each) / len(each) if each else rate(times), 1),
            "must": 2 * gate,
            "gate": gate,
            "latest_gate": self._workload.latest or gate,
            "first_to_last": round(rate(times), 1),
            "nodes": self._workload.nodes,
            "pods": step.count,
            "errors": self._refused + step.count - len(times),
        }

    def _cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each process so far, ours among them: it creates and watches."""
        return {name: seconds_of(pid) for name, pid in self._processes.items()} | {
            "load": time.process_time()
        }


def _namespace(step: Pods, number: int) -> str:
    return f"{step.namespace}-{number}" if step.namespaces > 1 else step.namespace


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _run(workload: Workload, target: Target, pending: bool) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Bench(workload, target, pending).run())


def _run_all(workloads: list[Workload], pending: bool) -> dict[str, float]:
    """Run each in a cluster of its own; return the figures by name. One that fails is 0."""
    found: dict[str, float] = {}
    for workload in workloads:
        try:
            with own_target() as target:
                found[workload.name] = _run(workload, target, pending)
        except Exception as error:
            print(f"{workload.name}: {error!r}", file=sys.stderr)
            found[workload.name] = 0.0
    return found


def _list() -> None:
    for one in WORKLOADS:
        measured = one.measured
        text = f"{one.nodes:6} nodes, {measured.count:6} pods ({measured.template})"
        print(
            f"{one.name:48} {text:50} must {2 * one.gate:.0f} pods/s" if one.gate else f"{one.name:48} {text}"
        )


def _conclude(found: dict[str, float], began: float) -> None:
    line: dict[str, Any] = {"figure": "all workloads", "total_s": round(time.monotonic() - began, 1)}
    gates = {one.name: 2 * one.gate for one in WORKLOADS}
    line["below_must"] = [name for name, value in found.items() if value < gates[name] or not value]
    if found.get(_ALONE) and _CROWDED in found:
        line["with_20000_pending"] = round(found[_CROWDED] / found[_ALONE], 2)
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The workloads of upstream's scheduler_perf.")
    parser.add_argument("--all", action="store_true", help="every workload, each in a cluster of its own")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="may be repeated")
    parser.add_argument("--list", action="store_true", help="print the workloads")
    parser.add_argument("--nodes", type=int, help="scale to so many nodes, and the pods with them")
    parser.add_argument("--pending", action="store_true", help="create the measured pods beforehand")
    parser.add_argument("--kubeconfig", type=Path, help="of an empty API server, for one workload")
    args = parser.parse_args()
    # Whoever ends the benchmark ends its clusters: as an exception this passes through what takes them down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if args.list:
        _list()
        return
    chosen = [one for one in WORKLOADS if args.all or one.name in args.only]
    if len(chosen) < len(args.only) or not chosen or (args.kubeconfig and len(chosen) > 1):
        parser.error("name workloads of --list with --only (one with --kubeconfig), or say --all")
    if args.nodes:
        chosen = [scaled(one, args.nodes / one.nodes) for one in chosen]
    began = time.monotonic()
    if args.kubeconfig:
        found = {chosen[0].name: _run(chosen[0], _target_of(args.kubeconfig), args.pending)}
    else:
        found = _run_all(chosen, args.pending)
    _conclude(found, began)


if __name__ == "__main__":
    main()
