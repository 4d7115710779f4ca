"""The scheduler process: where the parts meet. Called by the command line with a `Config`."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from api.types.core_v1 import Pod
from api.types.scheduling_v1alpha2 import PODGROUPS
from client import kubeconfig
from client.api import Client
from client.discovery import serves
from client.http import HTTPTransport
from client.informer import Informers
from client.leases import run_as_leader
from kit import clock, log
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.asking import AskingAttempts, Overtaken, told_apart
from scheduler.attempt import Attempts, MakeRoom, Outcome, Placed, Refused
from scheduler.bind import Binder, Recorders
from scheduler.cluster import Cluster
from scheduler.config import Config
from scheduler.explain.decisions import Decisions
from scheduler.explain.explainer import Explainer
from scheduler.extender_client import ExtenderClient
from scheduler.framework import Profile
from scheduler.gang import GroupAttempts
from scheduler.group_api import GroupTeller
from scheduler.profiles import new_profiles
from scheduler.python_plugins.files import PythonPlugins
from scheduler.queue import Entry, SchedulingQueue
from scheduler.serving.announcement import announce
from scheduler.serving.server import Desk, serving
from scheduler.sources import Source, sources

FIELD_MANAGER = "pelamis-scheduler"
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
    endpoint = kubeconfig.load(config.kubeconfig)
    client = Client(HTTPTransport(endpoint), FIELD_MANAGER)
    try:
        await run_with(client, config, authority_of(endpoint))
    finally:
        await client.close()


def authority_of(endpoint: kubeconfig.Endpoint) -> bytes:
    """Return the certificates (PEM) by which the API server is known, empty if by the system's."""
    return endpoint.ca_data or (endpoint.ca_file.read_bytes() if endpoint.ca_file is not None else b"")


async def run_with(client: Client, config: Config, authority: bytes = b"") -> None:
    """Work over a given client: for `run` and for a cluster in one process."""
    async with serving(client, config, authority) as desk:
        await run_as_leader(client, config, partial(_lead, client, config, desk))


async def _lead(client: Client, config: Config, desk: Desk) -> None:
    tasks = Tasks()
    try:
        scheduler = Scheduler(client, config, tasks)
        informers = Informers(client)
        scheduler.attach(informers, groups=await serves(client, PODGROUPS))
        await informers.start(tasks)
        await informers.synced()
        if config.configuration.percentage_of_nodes_to_score:
            _log.info("percentageOfNodesToScore makes no difference: all nodes are scored")
        _log.info("scheduler started", nodes=scheduler.cluster.snapshot.node_count, pid=os.getpid())
        desk.explainer = scheduler.explainer
        if desk.address:
            lease = config.leader_elect_resource_namespace, config.leader_elect_resource_name
            tasks.spawn(announce(client, lease, desk.address, desk.certificate), "announcement")
        tasks.spawn(scheduler.run(), "scheduling", fatal=True)
        tasks.spawn(scheduler.follow_plugins(), "plugin files", fatal=True)
        await tasks.wait()
    finally:
        desk.explainer = None
        await tasks.close()


class Scheduler:
    """The loop: takes pods from the queue, decides, assumes, hands over to the binder."""

    def __init__(self, client: Client, config: Config, tasks: Tasks) -> None:
        said = config.configuration
        queue = SchedulingQueue(said.pod_initial_backoff_s, said.pod_max_backoff_s)
        self._profiles = new_profiles(said)
        self._python = PythonPlugins(config.plugin_files, self._warn_of_plugin, config.plugin_timeout_s)
        self._said = said
        self.cluster = Cluster(self._all_profiles(), queue)
        self._attempts = Attempts(self.cluster, config.seed, clock.now)
        self._decisions = Decisions(config.decisions_memory_mb << 20)
        self.explainer = Explainer(self.cluster, self._attempts, self._decisions, said.extenders)
        self._asking = AskingAttempts(self._attempts, said.extenders)
        self._extenders = ExtenderClient(said.extenders)
        # The next pod, about which extenders are to be asked first.
        self._asked: Entry | None = None
        self._wake = asyncio.Event()
        recorders = Recorders(client, tasks)
        bind = self._extenders.bind if said.extenders else None
        self._binder = Binder(client, self.cluster, recorders, tasks, config.bindings_in_flight, bind)
        self._groups = GroupAttempts(self._attempts, self._note)
        self._teller = GroupTeller(client, self.cluster, recorders.of, tasks)
        self._binder.on_end = self._wake.set

    def _warn_of_plugin(self, pod: Pod, message: str) -> None:
        self._binder.warn_of_plugin(pod, message)

    async def follow_plugins(self) -> None:
        """Take functions of users into the profiles when their files change, until cancelled."""
        await self._python.follow(self._plugins_changed)

    def _plugins_changed(self) -> None:
        self.cluster.set_profiles(self._all_profiles(), clock.monotonic())
        self._wake.set()

    def _all_profiles(self) -> dict[str, Profile]:
        profiles = self._python.extend(self._profiles)
        return {name: told_apart(profile, self._said.extenders) for name, profile in profiles.items()}

    def attach(self, informers: Informers, groups: bool = False) -> None:
        """Follow what decisions depend on; `groups` says whether there are PodGroups."""
        self.cluster.groups.followed = groups
        for source in sources(self.cluster):
            found = informers.of(
                source.resource, field_selector=source.field_selector, metadata_only=source.metadata_only
            )
            found.subscribe(self._taken(source))

    def _taken(self, source: Source) -> Callable[[Any, Any], None]:
        def on_change(old: Any, new: Any) -> None:
            source.take(old, new, clock.monotonic())
            if source.binds:
                self._binder.object_changed()
            self._wake.set()

        return on_change

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
                elif self._asked is None:
                    await self._rest(flush_at)
                if self._asked is not None:
                    entry, self._asked = self._asked, None
                    await self._ask(entry)
        finally:
            REGISTRY.collect.remove(self._count)
            await self._extenders.close()

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
            if self._asking.concerns(entry.pod) and not self._is_grouped(entry.pod):
                self._asked = entry
                return False
            self._schedule(entry, started)
        return False

    def _schedule(self, entry: Entry, now: float) -> None:
        if self._is_grouped(entry.pod):
            whole = self._groups.attempt(entry, now)
            self._teller.tell(whole, clock.monotonic() - now)
            for _, outcome in whole.pods:
                self._perform(outcome)
            return
        outcome = self._attempts.attempt(entry, now)
        self._note(entry, outcome)
        self._perform(outcome)
        _duration.observe(clock.monotonic() - now)

    def _is_grouped(self, pod: Pod) -> bool:
        """Say whether the pod is placed together with others. About those no extender is asked."""
        return "schedulingGroup" in pod["spec"] and self.cluster.groups.followed

    async def _ask(self, entry: Entry) -> None:
        """Decide about a pod with the help of extenders; others wait meanwhile, as upstream's do."""
        asking = self._asking.attempt(entry, clock.monotonic)
        try:
            questions = next(asking)
            while True:
                questions = asking.send(await self._extenders.ask_all(questions))
        except StopIteration as end:
            outcome = end.value
        finally:
            asking.close()
        if not isinstance(outcome, Overtaken):
            self._note(entry, outcome)
            self._perform(outcome)

    def _note(self, entry: Entry, outcome: Outcome) -> Callable[[str], None]:
        """Keep a decision; return what takes it back."""
        record = self._decisions.keep(outcome, entry, clock.now())
        return partial(self._decisions.retract, record)

    def _perform(self, outcome: Outcome) -> None:
        match outcome:
            case Placed() as placed:
                self._binder.bind(placed)
            case MakeRoom(cycle=cycle, plan=plan, message=message, changes=changes):
                self._binder.preempt(cycle.pod, plan, message)
                self._binder.relieve(cycle, changes)
            case Refused(cycle=cycle, message=message, changes=changes, reason=reason):
                self._binder.report_failure(cycle.pod, message, reason)
                self._binder.relieve(cycle, changes)

    def _count(self) -> None:
        counts = self.cluster.queue.counts()
        for where in ("active", "backoff", "unschedulable", "gated"):
            _pending.set(counts.get(where, 0), (where,))
