"""The edge: tells the API server where pods go, or why they go nowhere. Called by `app`, which never waits.

bind ok        -> Event Scheduled; the watch confirms
404, 409       -> deleted, or bound by somebody else: the assumption is undone, the pod backs off until
                  the watch tells what has become of it
other refusal  -> the same, with an Event
no answer      -> the same binding is sent again until there is one: it may have been written. The pod's
                  place stays taken meanwhile. What the watch says of the pod ends it
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from api import podspec
from api.errors import InternalError, NotFound, ServiceUnavailable, StatusError, Timeout, TooManyRequests
from api.times import format_time
from api.types.core_v1 import PODS, Pod
from client.api import Client
from client.events import Recorder
from client.transport import Unreachable
from kit import clock, log, rand
from kit.metrics import REGISTRY
from kit.tasks import Tasks
from scheduler.attempt import SCHEDULER_ERROR, UNSCHEDULABLE, Placed, unreserve
from scheduler.cluster import DEFAULT_SCHEDULER, Cluster
from scheduler.extenders import ExtenderError
from scheduler.framework import (
    Change,
    Create,
    Cycle,
    Delete,
    Failed,
    PreBindPlugin,
    UndoPlugin,
    Wait,
    Write,
    serves,
)
from scheduler.preempt import Preemption

T = TypeVar("T")
# Answers that do not tell whether the write has happened.
_UNCLEAR = (Unreachable, InternalError, ServiceUnavailable, Timeout, TooManyRequests)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
# Events that wait to be recorded (beyond that the oldest are dropped); how many are recorded at once.
_NEWS_MAX, _NEWS_AT_ONCE = 20_000, 500
_log = log.get("scheduler.bind")
_attempts = REGISTRY.counter(
    "scheduler_schedule_attempts_total", "Attempts to schedule pods, by result.", ("result",)
)


class Recorders:
    """Events by whoever reports them: the scheduler that a pod names."""

    def __init__(self, client: Client, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._by_name: dict[str, Recorder] = {}

    def of(self, reporter: str) -> Recorder:
        found = self._by_name.get(reporter)
        if found is None:
            found = self._by_name[reporter] = Recorder(self._client, reporter, self._tasks)
        return found

    async def flush(self) -> None:
        for recorder in list(self._by_name.values()):
            await recorder.flush()


class Binder:
    """`idle` is called whenever a binding has ended, so that the caller may hand over more."""

    def __init__(
        self,
        client: Client,
        cluster: Cluster,
        recorders: Recorders,
        tasks: Tasks,
        limit: int,
        bind_outside: Callable[[Pod, str], Awaitable[bool]] | None = None,
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._recorders = recorders
        self._tasks = tasks
        self._limit = limit
        # Binds the pods that are not ours to bind; False for all others.
        self._bind_outside = bind_outside
        self._under_way = 0
        self._news: deque[tuple[str, Mapping[str, Any], str, str, str]] = deque(maxlen=_NEWS_MAX)
        self._telling: asyncio.Task[None] | None = None
        # Statuses are written some at a time: servers turn away who asks for thousands at once.
        # uid -> what is to be written, the newest only.
        self._writing, self._ending = asyncio.Semaphore(limit), asyncio.Semaphore(limit)
        self._statuses: dict[str, Mapping[str, Any]] = {}
        # Replaced whenever an object has changed, for those who wait for that.
        self._stirred = asyncio.Event()
        self.on_end: Callable[[], None] = lambda: None

    @property
    def full(self) -> bool:
        return self._under_way >= self._limit

    def object_changed(self) -> None:
        """Another object has changed: pods that wait for that are looked at again."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    def bind(self, placed: Placed) -> None:
        """Start binding a pod that has been assumed and reserved for."""
        self._under_way += 1
        self._tasks.spawn(self._bind(placed), f"bind {placed.cycle.pod['metadata']['name']}")

    async def _bind(self, placed: Placed) -> None:
        try:
            for plugin in placed.profile.pre_binds:
                failure = await self._prepare(placed, plugin)
                if failure is not None:
                    self._undo(placed, failure)
                    return
            if not await self._is_bound_outside(placed):
                await self._bind_until_answered(placed)
        finally:
            self._under_way -= 1
            self.on_end()

    async def _prepare(self, placed: Placed, plugin: PreBindPlugin) -> str | None:
        """Do what a plugin wants written first. Returns why it cannot be done."""
        pod, node, began = placed.cycle.pod, placed.node, clock.monotonic()
        told = False
        while True:
            if not self._cluster.is_assumed(pod["metadata"]["uid"], node):
                return "the pod has gone, or is elsewhere"
            match plugin.pre_bind(placed.cycle, node):
                case Failed(reason=reason):
                    return reason
                case Wait(reason=reason, limit_s=limit_s, event=event):
                    if event is not None and not told:
                        self._announce(pod, "Normal", *event)
                        told = True
                    if not await self._stir_within(began + limit_s - clock.monotonic()):
                        return f"{plugin.name}: {reason}: timed out after {limit_s:g} s"
                case changes:
                    if not changes:
                        return None
                    if (error := await self._perform(placed.cycle, changes)) is not None:
                        return error

    async def _stir_within(self, limit_s: float) -> bool:
        """Wait until an object changes, False if none does in time. Others may bind meanwhile."""
        self._under_way -= 1
        self.on_end()
        try:
            async with asyncio.timeout(max(0.0, limit_s)):
                await self._stirred.wait()
        except TimeoutError:
            return False
        finally:
            self._under_way += 1
        return True

    async def _perform(self, cycle: Cycle, changes: Sequence[Change]) -> str | None:
        """Write, and show what came back to the plugins at once. Returns why that failed."""
        for change in changes:
            try:
                answer: Any = await self._change_until_answered(cycle, change)
            except (StatusError, Unreachable) as error:
                name = "" if isinstance(change, Create) else f" {change.name}"
                return f"{change.resource.kind}{name}: {error}"
            # Pods are not among the objects: the snapshot knows them.
            if answer is not None and change.resource is not PODS:
                cycle.objects.assume(change.resource, answer)
        return None

    async def _change_until_answered(self, cycle: Cycle, change: Change) -> Any:
        """Do what can be done twice until it is known to be done, as long as anybody waits for it: what has
        been written counts, even if nobody has heard of that.
        """
        pod = cycle.pod
        return await self._insist(
            pod,
            "plugin's change",
            lambda: self._change(change),
            lambda: not isinstance(change, Create) and pod["metadata"]["uid"] in self._cluster.assumed,
        )

    async def _insist(
        self, pod: Pod, what: str, send: Callable[[], Awaitable[T]], is_wanted: Callable[[], bool]
    ) -> T:
        """Return the answer, asking again until there is one, as long as it is wanted.

        Raises what the answer was last, if it is a refusal or nobody wants another.
        """
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await send()
            except _UNCLEAR as error:
                unanswered = error
            if is_wanted():
                _log.info("unanswered", what=what, pod=_name(pod), error=str(unanswered))
                await clock.sleep(rand.jitter(pause))
                pause = min(_LONGEST_PAUSE_S, pause * 2)
            if not is_wanted():
                raise unanswered

    async def _change(self, change: Change) -> Any:
        match change:
            case Create(resource, namespace, body):
                return await self._client.create(resource, body, namespace)
            case Delete(resource, namespace, name, uid):
                with suppress(NotFound):
                    await self._client.delete(resource, name, namespace, uid=uid)
                return None
            case Write(resource, namespace, name, body, subresource, kind):
                return await self._client.patch(
                    resource, name, namespace, body, kind=kind, subresource=subresource
                )

    def relieve(self, cycle: Cycle, changes: Sequence[Change]) -> None:
        """Write what plugins want in the aftermath of an attempt; it fails without consequences."""
        if changes:
            self._tasks.spawn(self._relieve(cycle, changes), "what plugins want written")

    async def _relieve(self, cycle: Cycle, changes: Sequence[Change]) -> None:
        if (error := await self._perform(cycle, changes)) is not None:
            _log.warning("plugin's change not written", pod=_name(cycle.pod), error=error)

    def _give_back(self, placed: Placed) -> None:
        unreserve(placed.cycle, placed.profile, placed.node)
        for plugin in reversed(placed.profile.pre_binds):
            if serves(plugin, UndoPlugin):
                self.relieve(placed.cycle, plugin.undo(placed.cycle, placed.node))

    def _undo(self, placed: Placed, reason: str, tell: bool = True) -> None:
        """Take everything back, and let the pod try anew; tell users why, unless they need not know."""
        pod, node = placed.cycle.pod, placed.node
        self._give_back(placed)
        if not self._cluster.is_assumed(pod["metadata"]["uid"], node):
            return
        self._cluster.undo(pod, clock.monotonic())
        _attempts.add(("error",))
        _log.warning("binding given up", pod=_name(pod), node=node, reason=reason)
        if tell:
            self._announce(pod, "Warning", "FailedScheduling", reason)

    async def _is_bound_outside(self, placed: Placed) -> bool:
        """Let an extender bind the pod; False if there is none that does. It is asked once: if it does not
        answer, it may have bound.
        """
        if self._bind_outside is None:
            return False
        try:
            if not await self._bind_outside(placed.cycle.pod, placed.node):
                return False
        except ExtenderError as error:
            self._undo(placed, f"binding rejected: {error}")
        else:
            self._tell_bound(placed)
        return True

    def _tell_bound(self, placed: Placed) -> None:
        pod = placed.cycle.pod
        _attempts.add(("scheduled",))
        text = f"Successfully assigned {_name(pod)} to {placed.node}"
        self._announce(pod, "Normal", "Scheduled", text)

    async def _bind_until_answered(self, placed: Placed) -> None:
        pod, node = placed.cycle.pod, placed.node
        uid = pod["metadata"]["uid"]
        try:
            await self._insist(
                pod,
                "binding",
                lambda: self._post(pod, node),
                lambda: self._cluster.is_assumed(uid, node),
            )
        except _UNCLEAR:
            return
        except StatusError as error:
            # Deleted, or bound by somebody else: the watch will tell.
            self._undo(placed, f"binding rejected: {error.message}", error.code not in (404, 409))
            return
        self._tell_bound(placed)

    async def _post(self, pod: Pod, node: str) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "target": {"kind": "Node", "name": node},
        }
        await self._client.create(
            PODS, binding, metadata["namespace"], subresource="binding", name=metadata["name"]
        )

    def report_failure(self, pod: Pod, message: str, reason: str = UNSCHEDULABLE) -> None:
        """Tell users that no node will do: an Event each time, the condition when it changes.

        Room that had been made for the pod was not enough: its nomination ends, unless it still waits.
        """
        _attempts.add(("error" if reason == SCHEDULER_ERROR else "unschedulable",))
        uid = pod["metadata"]["uid"]
        if uid in self._cluster.nominations and not self._cluster.is_awaiting_room(pod):
            self._cluster.denominate(uid)
        self._tell(pod, message, reason)

    def preempt(self, pod: Pod, plan: Preemption, message: str) -> None:
        """Reserve the node for the pod and end the victims, which frees it."""
        _attempts.add(("unschedulable",))
        self._cluster.nominate(pod, plan.node)
        self._tell(pod, message)
        for victim in plan.victims:
            uid = victim["metadata"]["uid"]
            if uid not in self._cluster.victims:
                self._cluster.victims.add(uid)
                self._tasks.spawn(self._end(victim, pod, plan.node), "preemption")

    def warn_of_plugin(self, pod: Pod, message: str) -> None:
        """Tell users that a function of theirs had no part in the decision about a pod, and why."""
        self._announce(pod, "Warning", "SchedulerPluginFailed", message)

    def _tell(self, pod: Pod, message: str, reason: str = UNSCHEDULABLE) -> None:
        self._announce(pod, "Warning", "FailedScheduling", message)
        condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        before = podspec.pod_condition(pod, "PodScheduled") or {}
        nominated = self._cluster.nominated(pod["metadata"]["uid"])
        is_new = nominated != ((pod.get("status") or {}).get("nominatedNodeName") or "")
        if is_new or any(before.get(key) != value for key, value in condition.items()):
            self._set_status(pod, condition, before, nominated)

    def _set_status(
        self, pod: Pod, condition: Mapping[str, str], before: Mapping[str, Any], nominated: str
    ) -> None:
        metadata = pod["metadata"]
        since = format_time(clock.now())
        if before.get("status") == condition["status"]:
            since = before.get("lastTransitionTime") or since
        full: dict[str, Any] = {**condition, "lastProbeTime": None, "lastTransitionTime": since}
        if generation := metadata.get("generation"):
            full["observedGeneration"] = generation
        status = {"conditions": [full], "nominatedNodeName": nominated or None}
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        self._statuses[metadata["uid"]] = body
        self._tasks.spawn(self._write_status(pod, body), "status of a pod")

    async def _write_status(self, pod: Pod, body: Mapping[str, Any]) -> None:
        """Write a status until there is an answer, while it is the newest and the pod waits for a node."""
        uid = pod["metadata"]["uid"]

        def is_wanted() -> bool:
            return self._statuses.get(uid) is body and self._cluster.is_waiting(uid)

        async with self._writing:
            if is_wanted():
                try:
                    await self._insist(pod, "status", lambda: self._patch_status(pod, body), is_wanted)
                except (StatusError, Unreachable) as error:
                    _log.debug("status not written", pod=_name(pod), error=str(error))
        if self._statuses.get(uid) is body:
            del self._statuses[uid]

    async def _patch_status(self, pod: Pod, body: Mapping[str, Any]) -> None:
        metadata = pod["metadata"]
        await self._client.patch(
            PODS, metadata["name"], metadata["namespace"], body, kind="strategic", subresource="status"
        )

    async def _end(self, victim: Pod, preemptor: Pod, node: str) -> None:
        """Mark a victim, so that everybody can read why, then delete it with its own grace period."""
        metadata = victim["metadata"]
        scheduler = _scheduler_of(preemptor)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
            "lastProbeTime": None,
            "lastTransitionTime": format_time(clock.now()),
        }
        body = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}}
        if await self._mark_and_delete(victim, body, preemptor["metadata"]["uid"]):
            text = f"Preempted by pod {preemptor['metadata']['uid']} on node {node}"
            self._announce(victim, "Normal", "Preempted", text, scheduler)

    async def _mark_and_delete(self, victim: Pod, body: Mapping[str, Any], preemptor: str) -> bool:
        """Ask until there is an answer, while the preemptor (its uid) waits; say whether the victim goes."""
        metadata, victims = victim["metadata"], self._cluster.victims
        uid = metadata["uid"]

        async def send() -> None:
            await self._patch_status(victim, body)
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=uid)

        def is_wanted() -> bool:
            return uid in victims and self._cluster.is_waiting(preemptor)

        try:
            # Not behind the statuses of thousands that wait: somebody more important needs the room.
            async with self._ending:
                await self._insist(victim, "preemption", send, is_wanted)
        except NotFound:
            return False
        except (StatusError, Unreachable) as error:
            # The preemptor asks again when it is tried next.
            victims.discard(uid)
            _log.warning("victim not ended", pod=_name(victim), error=str(error))
            return False
        return True

    def _announce(self, pod: Pod, kind: str, reason: str, message: str, reporter: str = "") -> None:
        """Record an Event by the pod's scheduler, or another; many of them bit by bit, since the recorder
        drops what is too much at once.
        """
        self._news.append((reporter or _scheduler_of(pod), _reference(pod), kind, reason, message))
        if self._telling is None or self._telling.done():
            self._telling = self._tasks.spawn(self._tell_news(), "events of the scheduler")

    async def _tell_news(self) -> None:
        while self._news:
            for _ in range(min(_NEWS_AT_ONCE, len(self._news))):
                reporter, about, kind, reason, message = self._news.popleft()
                self._recorders.of(reporter).event(about, kind, reason, message)
            await self._recorders.flush()


def _name(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _scheduler_of(pod: Pod) -> str:
    return pod["spec"].get("schedulerName") or DEFAULT_SCHEDULER


def _reference(pod: Pod) -> Mapping[str, Any]:
    """Return the pod as Events refer to it."""
    metadata = pod["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
