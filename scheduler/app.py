"""The scheduler process: where the parts meet. Called by the command line with a `Config`."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from api.resource import Resource
from api.types.apps_v1 import REPLICASETS, STATEFULSETS
from api.types.core_v1 import NAMESPACES, NODES, PODS, REPLICATIONCONTROLLERS, SERVICES, Pod
from api.types.policy_v1 import PODDISRUPTIONBUDGETS
from client import kubeconfig
from client.api import Client
from client.events import Recorder
from client.http import HTTPTransport
from client.informer import Informers
from client.leases import run_as_leader
from kit import clock, log
from kit.health import listening
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.bind import Binder
from scheduler.cluster import Cluster
from scheduler.config import Config
from scheduler.decide import schedule, with_preemption
from scheduler.framework import Cycle, Kept, Placement, Unschedulable
from scheduler.preempt import NO_VICTIMS, NOT_HELPFUL, Hopeless, Preemption, Request, preempt, priority_of
from scheduler.profiles import default_profile
from scheduler.queue import Entry
from scheduler.spreading import Spreading

FIELD_MANAGER = "pelamis-scheduler"
# Pods that have ended take no room; the server leaves them out.
_LIVE = "status.phase!=Succeeded,status.phase!=Failed"
# How long decisions may go on before bindings and events get their turn.
_SLICE_S = 0.005
_FLUSH_S = 30.0
_log = log.get("scheduler.app")
_duration = REGISTRY.histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Time to decide where one pod goes.",
    buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1),
)
_pending = REGISTRY.gauge("scheduler_pending_pods", "Pods without a node, by queue.", ("queue",))


async def run(config: Config) -> None:
    """Work until cancelled. Raises `LeadershipLost` when another process may have taken over."""
    client = Client(HTTPTransport(kubeconfig.load(config.kubeconfig)), FIELD_MANAGER)
    try:
        async with listening(config.bind_address, config.secure_port):
            await run_with(client, config)
    finally:
        await client.close()


async def run_with(client: Client, config: Config) -> None:
    """Work over a given client: for `run` and for a cluster in one process."""
    await run_as_leader(client, config, partial(_lead, client, config))


async def _lead(client: Client, config: Config) -> None:
    tasks = Tasks()
    try:
        scheduler = Scheduler(client, config, tasks)
        informers = Informers(client)
        scheduler.attach(informers)
        await informers.start(tasks)
        await informers.synced()
        _log.info("scheduler started", nodes=scheduler.cluster.snapshot.node_count, pid=os.getpid())
        tasks.spawn(scheduler.run(), "scheduling", fatal=True)
        await tasks.wait()
    finally:
        await tasks.close()


class Scheduler:
    """The loop: takes pods from the queue, decides, assumes, hands over to the binder."""

    def __init__(self, client: Client, config: Config, tasks: Tasks) -> None:
        self.cluster = Cluster(config.scheduler_name)
        self._spreading = Spreading()
        self._profile = default_profile(config.scheduler_name)
        self._kept = Kept()
        self._seed = config.seed
        self._wake = asyncio.Event()
        recorder = Recorder(client, config.scheduler_name, tasks)
        self._binder = Binder(client, self.cluster, recorder, tasks, config.bindings_in_flight)
        self._binder.on_end = self._wake.set

    def attach(self, informers: Informers) -> None:
        """Follow what decisions depend on. Nodes come before pods, so that pods find theirs."""
        cluster, spreading = self.cluster, self._spreading
        informers.of(NODES).subscribe(self._timed(cluster.node_changed))
        informers.of(NAMESPACES, metadata_only=True).subscribe(self._timed(cluster.namespace_changed))
        informers.of(PODS, field_selector=_LIVE).subscribe(self._timed(cluster.pod_changed))
        informers.of(PODDISRUPTIONBUDGETS).subscribe(self._timed(cluster.budget_changed))
        informers.of(SERVICES).subscribe(spreading.service_changed)
        owners: tuple[Resource[Any], ...] = (REPLICASETS, STATEFULSETS, REPLICATIONCONTROLLERS)
        for resource in owners:
            informers.of(resource).subscribe(self._controller(resource.kind))

    def _timed(self, handle: Callable[[Any, Any, float], None]) -> Callable[[Any, Any], None]:
        def on_change(old: Any, new: Any) -> None:
            handle(old, new, clock.monotonic())
            self._wake.set()

        return on_change

    def _controller(self, kind: str) -> Callable[[Any, Any], None]:
        return lambda old, new: self._spreading.controller_changed(kind, old, new)

    async def run(self) -> None:
        """Schedule until cancelled."""
        REGISTRY.collect.append(self._count)
        flush_at = clock.monotonic() + _FLUSH_S
        try:
            while True:
                self._wake.clear()
                now = clock.monotonic()
                if now >= flush_at:
                    self.cluster.queue.flush(now)
                    flush_at = now + _FLUSH_S
                if self._work(now + _SLICE_S):
                    await clock.sleep(0)
                else:
                    await self._rest(flush_at)
        finally:
            REGISTRY.collect.remove(self._count)

    async def _rest(self, until: float) -> None:
        due = self.cluster.queue.next_due()
        if due is not None:
            until = min(until, due)
        try:
            async with asyncio.timeout(max(0.0, until - clock.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _work(self, until: float) -> bool:
        """Decide until the queue is empty, the binder full, or the slice over; say whether it is the last."""
        while not self._binder.full:
            started = clock.monotonic()
            if started >= until:
                return True
            entry = self.cluster.queue.pop(started)
            if entry is None:
                return False
            self._schedule(entry)
            _duration.observe(clock.monotonic() - started)
        return False

    def _schedule(self, entry: Entry) -> None:
        pod, cluster = entry.pod, self.cluster
        shape = cluster.shapes.of(pod)
        cycle = Cycle(
            shape,
            cluster.snapshot,
            self._kept,
            nominated=cluster.nominated(entry.uid),
            default_selector=self._spreading.selector_of(shape),
        )
        with cluster.reserved(pod):
            found = schedule(cycle, self._profile, pod["metadata"]["name"], self._seed)
            made = self._make_room(cycle, pod, found) if isinstance(found, Unschedulable) else ""
        if isinstance(found, Placement):
            cluster.assume(pod, found.node)
            self._binder.bind(pod, found.node)
            return
        cluster.queue.park(entry.uid, found.plugins)
        if isinstance(made, Preemption):
            self._binder.preempt(pod, made, found.message)
        else:
            self._binder.report_failure(pod, made)

    def _make_room(self, cycle: Cycle, pod: Pod, failure: Unschedulable) -> Preemption | str:
        """Return what to end for the pod, or the message that says that there is nothing."""
        cluster, nodes = self.cluster, self.cluster.snapshot.node_count
        if not nodes:
            return failure.message
        if pod["spec"].get("preemptionPolicy") == "Never":
            return f"{failure.message} preemption: not eligible due to preemptionPolicy=Never."
        if cluster.is_awaiting_room(pod):
            text = "not eligible due to a terminating pod on the nominated node."
            return f"{failure.message} preemption: {text}"
        if cluster.any_below(priority_of(pod)):
            budgets = tuple(cluster.budgets.values())
            request = Request(
                cycle,
                self._profile,
                priority_of(pod),
                failure.curable,
                cluster.pods_on,
                cluster.shapes.of,
                budgets,
            )
            match preempt(request):
                case Preemption() as found:
                    return found
                case Hopeless(reasons=reasons):
                    return with_preemption(failure, nodes, reasons)
        curable = int(failure.curable.sum())
        counts = {NO_VICTIMS: curable, NOT_HELPFUL: nodes - curable}
        return with_preemption(failure, nodes, {why: count for why, count in counts.items() if count})

    def _count(self) -> None:
        for where, count in {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}.items():
            _pending.set(self.cluster.queue.counts().get(where, count), (where,))
