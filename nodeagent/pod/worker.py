"""One pod's life on this node: one task at a time that observes, writes the status, and does what
`compute_actions` says. A pod that is asleep has no task: most pods of a node are.

    wake (object changed | container event | probe | timer | an operation has ended)
      -> observe -> status -> compute_actions -> start operations, without waiting for them -> asleep
    ending (deleted | removed | past its deadline | phase ended): stop all -> final status -> clean up ->
    delete object

Operations (make the sandbox, mount volumes, start or stop one container, stop all) run as tasks of their own,
at most one per container; a container with one under way is left alone. Nothing here waits for the runtime
twice over.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.resource import Obj
from api.times import parse_time
from kit import clock, log
from kit.tasks import Tasks
from nodeagent.admit import Claims, claims_of
from nodeagent.cri.errors import CRIError
from nodeagent.pod import cleanup, order, start, stop
from nodeagent.pod.actions import Kill, PodActions, Situation, Start, compute_actions
from nodeagent.pod.backoff import BackOff, format_delay
from nodeagent.pod.container_status import Knowledge, Waiting, is_started
from nodeagent.pod.directory import PodRecord
from nodeagent.pod.edges import Edges
from nodeagent.pod.observation import Observation
from nodeagent.pod.observed import NOTHING, ContainerObserved, PodObserved, State
from nodeagent.pod.resize import Resizer
from nodeagent.pod.status import (
    ENDED_PHASES,
    OWNED_CONDITIONS,
    Verdict,
    compute_status,
    is_echo,
    is_same_but_for_status,
    rejected_status,
)
from nodeagent.pod.turns import Turns
from nodeagent.probes.hooks import HookError
from nodeagent.probes.manager import ContainerState
from nodeagent.volumes.plugin import VolumeError

# Keys of operations on the pod as a whole; no container is called so.
SANDBOX, VOLUMES, STOP, RESIZE, COLLECT = "/sandbox", "/volumes", "/stop", "/resize", "/collect"
# How soon an operation on the pod as a whole is tried again; doubled up to the limit.
FIRST_RETRY_S, LIMIT_RETRY_S = 0.5, 20.0
# A containerd event may be ahead of containerd's own answer by some milliseconds.
EXIT_LAG_S = 0.01
# Source: kubelet: what a pod that vanished from the API gets.
REMOVED_GRACE_S = 1.0
DEADLINE = Verdict("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
_log = log.get("nodeagent.worker")


@dataclass(slots=True)
class _Memory:
    """What the agent knows about the pod beyond its object and the runtime; lost when the agent restarts."""

    waiting: dict[str, Waiting] = field(default_factory=dict)
    in_hook: set[str] = field(default_factory=set)
    retry_at: dict[str, float] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    exits: set[str] = field(default_factory=set)
    crashes: BackOff = field(default_factory=BackOff)


_BLANK = _Memory()


class PodWorker:
    """Owns one pod. `update`, `remove` and `wake` may be called at any time and return at once."""

    def __init__(
        self, edges: Edges, record: PodRecord, tasks: Tasks, observation: Observation | None = None
    ) -> None:
        self._edges = edges
        self._record = record
        self._tasks = tasks
        self._observation = observation or Observation(edges.runtime)
        self._notes: _Memory | None = None
        self._resizer = Resizer(edges)
        self._turns = Turns(tasks, record.uid, self._take_step, self._fall_asleep)
        self._failures = 0
        self._claims: Claims | None = None
        self._ops: dict[str, asyncio.Task[None]] = {}
        # Operations that were under way when the present observation began: it may not show what they did.
        self._unseen: frozenset[str] = frozenset()
        self._verdict: Verdict | None = None
        self._stop_grace_s: float | None = None
        self._volumes_ready = False
        self._cleaned = False
        self._deleted = False
        self.removed = False
        # Called when the pod is gone from API and runtime.
        self._gone: Callable[[PodWorker], None] | None = None
        # Containers of an earlier agent have been taken over and not been looked at yet.
        self._inherited = False

    @property
    def _memory(self) -> _Memory:
        if self._notes is None:
            self._notes = _Memory()
        return self._notes

    @property
    def _log(self) -> log.Logger:
        metadata = self._pod["metadata"]
        return _log.bind(pod=f"{metadata.get('namespace')}/{metadata['name']}")

    @property
    def _pod(self) -> Obj:
        return self._record.pod

    @property
    def uid(self) -> str:
        return self._record.uid

    @property
    def holds_resources(self) -> bool:
        """Whether the pod still counts against the node's capacity.

        Not once its object is gone: who bound the next pod here no longer knew of it.
        """
        return (
            not (self.removed or self._cleaned)
            and (self._record.status or {}).get("phase") not in ENDED_PHASES
        )

    @property
    def claims(self) -> Claims:
        """What the pod takes of the node."""
        if self._claims is None:
            self._claims = claims_of(self._pod)
        return self._claims

    # --- what others tell it ---

    def update(self, pod: Obj) -> None:
        """Take a newer object. One that only echoes our own status changes nothing."""
        before, self._record.pod = self._record.pod, pod
        if is_same_but_for_status(before, pod):
            if is_echo(pod.get("status") or {}, self._record.status):
                # From here on it is held once, and not by us.
                self._record.status = pod["status"]
                self._edges.statuses.shown(pod)
            else:
                self.wake()
            return
        self._claims = None
        self.retry()

    def retry(self) -> None:
        """Something that the pod waits for may have come: try again at once."""
        self._memory.retry_at.clear()
        self.wake()

    def remove(self) -> None:
        """The object is gone from its source: stop and clean up."""
        self.removed = True
        self.wake()

    def reject(self, verdict: Verdict) -> None:
        """The node does not admit the pod: it fails without having been started."""
        self._verdict = verdict
        self._record.status = rejected_status(self._pod, verdict, clock.now())

    def end(self, verdict: Verdict) -> None:
        """End the pod with a reason (eviction)."""
        self._verdict = self._verdict or verdict
        self.wake()

    def wake(self) -> None:
        self._turns.wake()

    def exited(self, container_id: str) -> None:
        """The runtime said that a container has ended."""
        self._memory.exits.add(container_id)
        self.wake()

    def runtime_returned(self) -> None:
        """The runtime was away: believe nothing that was read before."""
        self._observation.invalidate()
        self.wake()

    def adopt(self, sandboxes: list[str], containers: list[tuple[str, str]]) -> None:
        """Take over what the runtime has of this pod: sandbox ids, and (container id, sandbox id)."""
        for sandbox_id in sandboxes:
            self._observation.add_sandbox(sandbox_id)
        for container_id, sandbox_id in containers:
            self._observation.add_container(container_id, sandbox_id)
        self._inherited = True
        self.wake()

    @property
    def known_ids(self) -> set[str]:
        return self._observation.ids

    # --- its task ---

    def start(self, gone: "Callable[[PodWorker], None]") -> None:
        """Begin to live; `gone` is called with it when the pod is gone from API and runtime."""
        self._gone = gone
        self._turns.start()

    async def _take_step(self) -> None:
        try:
            await self._step()
            self._failures = 0
        except CRIError as error:
            self._log.debug("runtime failed", error=error.message, code=error.code)
            self._turns.wake_in(min(5.0, 0.1 * 2 ** min(self._failures, 6)))
            self._failures += 1
        except Exception:  # noqa: BLE001 - the pod worker goes on, whatever one step met
            self._log.exception("pod step failed")
            self._turns.wake_in(min(30.0, 2.0 ** min(self._failures, 5)))
            self._failures += 1

    def _fall_asleep(self) -> None:
        if self._notes == _BLANK:
            self._notes = None
        if not self._ops:
            # A dictionary that was larger stays so.
            self._ops = {}
        if self._turns.ended and self._gone is not None:
            for task in self._ops.values():
                task.cancel()
            self._gone(self)

    async def _step(self) -> None:
        observed = await self._observe()
        now = clock.now()
        if self._is_ending(now):
            await self._step_ending(observed, now)
        else:
            self._step_running(observed, now)

    async def _observe(self) -> PodObserved:
        self._unseen = frozenset(self._ops)
        observed = await self._observation.refresh()
        self._edges.directory.observe(self.uid, observed)
        if self._inherited:
            self._inherited = False
            self._inherit_backoff(observed)
        running = {seen.id for seen in observed.containers if seen.running}
        self._memory.exits &= running
        if self._memory.exits:
            self._turns.wake_in(EXIT_LAG_S)
        return observed

    def _inherit_backoff(self, observed: PodObserved) -> None:
        """Go on with the crash back-off of an earlier agent.

        DEVIATION: upstream's is lost when the kubelet restarts, and every crashing container starts at once.
        """
        for seen in observed.newest.values():
            if seen.exited and seen.created_at is not None:
                self._memory.crashes.seed(seen.name, seen.restarts, seen.created_at)

    # --- a pod that shall run ---

    def _step_running(self, observed: PodObserved, now: datetime) -> None:
        self._sync_probes(observed)
        actions = compute_actions(self._pod, observed, self._situation(observed), now)
        self._note_waits(actions)
        self._publish(observed, now)
        self._perform(actions, observed, now)
        if ends := order.deadline(self._pod, self._started_at()):
            self._turns.wake_in((ends - now).total_seconds())

    def _situation(self, observed: PodObserved) -> Situation:
        pod, uid, probes = self._pod, self.uid, self._edges.probes
        known = self._knowledge(ended=False)
        running = [seen for seen in observed.newest.values() if seen.running]
        specs = {container["name"]: container for container in order.all_containers(pod)}
        failed = {
            seen.name: kind
            for seen in running
            for kind in ("startup", "liveness")
            if probes.result(uid, seen.name, kind) is False
        }
        counts = {
            one["name"]: one.get("restartCount", 0)
            for key in ("initContainerStatuses", "containerStatuses")
            for one in (pod.get("status") or {}).get(key) or ()
            if one.get("containerID")
        }
        started = {
            seen.name for seen in running if seen.name in specs and is_started(specs[seen.name], seen, known)
        }
        busy = self._unseen | frozenset(self._ops)
        return Situation(busy, frozenset(started), failed, self._memory.crashes, counts)

    def _note_waits(self, actions: PodActions) -> None:
        metadata = self._pod["metadata"]
        whom = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        for wait in actions.waits:
            text = f"back-off {format_delay(wait.delay_s)} restarting failed container={wait.name} pod={whom}"
            note = Waiting("CrashLoopBackOff", text)
            if self._memory.waiting.get(wait.name) != note:
                message = f"Back-off restarting failed container {wait.name} in pod {whom}"
                self._edges.report(self._pod, "Warning", "BackOff", message, wait.name)
            self._memory.waiting[wait.name] = note
            self._turns.wake_in(wait.remaining_s)

    def _perform(self, actions: PodActions, observed: PodObserved, now: datetime) -> None:
        if actions.kill_pod:
            self._launch(STOP, self._stop_all(observed, order.grace_period_s(self._pod)))
            return
        if STOP in self._ops:
            return
        if not self._volumes_ready:
            self._launch(VOLUMES, self._mount())
        if actions.sandbox_attempt is not None:
            self._launch(SANDBOX, self._make_sandbox(actions.sandbox_attempt))
            return
        for kill in actions.kills:
            self._launch(kill.name, self._kill(kill, observed))
        if self._volumes_ready:
            for item in actions.starts:
                self._start(item, observed, now)
        if dead := order.dead_attempts(observed):
            self._launch(COLLECT, self._collect(dead))
        resized = self._resizer.plan(self._pod, observed)
        if resized:
            self._launch(RESIZE, self._resizer.apply(self._pod, resized))

    def _start(self, item: Start, observed: PodObserved, now: datetime) -> None:
        seen = observed.find(item.name)
        if self._launch(item.name, self._run_container(item, observed)) and seen is not None:
            self._memory.crashes.advance(item.name, now)

    def _launch(self, key: str, coro: Coroutine[Any, Any, None]) -> bool:
        """Start an operation unless one of that key is under way or it is too early to repeat it."""
        early = self._memory.retry_at.get(key, 0.0) - clock.monotonic()
        if key in self._ops or key in self._unseen or early > 0:
            coro.close()
            if early > 0:
                self._turns.wake_in(early)
            return False
        task = self._tasks.spawn(coro, f"{key} of pod {self.uid}")
        self._ops[key] = task
        task.add_done_callback(lambda _: self._op_ended(key, task))
        return True

    def _op_ended(self, key: str, task: asyncio.Task[None]) -> None:
        if self._ops.get(key) is task:
            del self._ops[key]
        if not task.cancelled() and task.exception() is not None:
            self._retry_later(key)
        self.wake()

    def _retry_later(self, key: str, seconds: float = 0.0) -> None:
        """Do not repeat an operation before `seconds`, or, if 0, before a delay that doubles each time."""
        if not seconds:
            seconds = self._memory.delays.get(key, FIRST_RETRY_S)
            self._memory.delays[key] = min(LIMIT_RETRY_S, seconds * 2)
        self._memory.retry_at[key] = clock.monotonic() + seconds

    # --- operations ---

    async def _mount(self) -> None:
        try:
            await self._edges.volumes.mount_pod(self._pod)
        except VolumeError as error:
            self._edges.report(self._pod, "Warning", "FailedMount", error.message)
            self._retry_later(VOLUMES)
            return
        self._volumes_ready = True

    async def _make_sandbox(self, attempt: int) -> None:
        try:
            sandbox_id = await start.start_sandbox(self._edges, self._pod, attempt)
        except start.StartError as error:
            self._log.info("sandbox not made", error=error.message)
            self._retry_later(SANDBOX)
            return
        self._memory.delays.pop(SANDBOX, None)
        self._observation.add_sandbox(sandbox_id)
        self._edges.directory.own(self.uid, sandbox_id)

    async def _run_container(self, item: Start, observed: PodObserved) -> None:
        pod = self._pod
        container, sandbox = order.find_container(pod, item.name), observed.ready_sandbox
        if container is None or sandbox is None:
            return
        target = observed.find(container.get("targetContainerName") or "")
        hook = (container.get("lifecycle") or {}).get("postStart")
        try:
            container_id = await start.create_container(
                self._edges, pod, container, item.attempt, sandbox, target.id if target else ""
            )
            self._edges.directory.own(self.uid, container_id)
            self._observation.add_container(container_id, sandbox.id)
            if hook:
                self._memory.in_hook.add(item.name)
            await start.start_container(self._edges, pod, item.name, container_id)
            self._memory.waiting.pop(item.name, None)
            self._resizer.started(container_id, pod, container)
            if hook:
                await self._post_start(container, container_id, hook, sandbox.ips)
        except start.StartError as error:
            self._memory.waiting[item.name] = Waiting(error.reason, error.message)
            if error.retry_after_s:
                self._retry_later(item.name, error.retry_after_s)
        finally:
            self._memory.in_hook.discard(item.name)

    async def _post_start(self, container: Obj, container_id: str, hook: Obj, ips: tuple[str, ...]) -> None:
        pod = self._pod
        ip = (self._edges.settings.ips if pod["spec"].get("hostNetwork") else ips)[:1]
        try:
            await self._edges.hooks.run(pod, container, container_id, hook, pod_ip=ip[0] if ip else "")
        except HookError as error:
            name = container["name"]
            self._edges.report(pod, "Warning", "FailedPostStartHook", "PostStartHook failed", name)
            self._edges.report(pod, "Normal", "Killing", "FailedPostStartHook", name)
            await self._edges.runtime.stop_container(container_id, order.grace_period_s(pod))
            raise start.StartError("PostStartHookError", error.message) from error

    async def _collect(self, dead: Sequence[ContainerObserved]) -> None:
        """Remove attempts that nobody needs any more, with their logs."""
        for seen in dead:
            await self._edges.runtime.remove_container(seen.id)
            self._observation.forget(seen.id)
            await cleanup.remove_log(seen.log_path)

    async def _kill(self, kill: Kill, observed: PodObserved) -> None:
        seen = next((one for one in observed.containers if one.id == kill.id), None)
        if seen is None:
            return
        grace = self._kill_grace_s(kill)
        await stop.stop_container(self._edges, self._pod, seen, kill.message, grace)

    def _kill_grace_s(self, kill: Kill) -> float:
        container = order.find_container(self._pod, kill.name) or {}
        own = (container.get(f"{kill.why}Probe") or {}).get("terminationGracePeriodSeconds")
        return float(own) if own is not None else float(order.grace_period_s(self._pod))

    async def _stop_all(self, observed: PodObserved, grace_s: float) -> None:
        await stop.stop_pod(self._edges, self._pod, observed, grace_s)
        await stop.stop_sandboxes(self._edges, observed)

    # --- a pod that shall end ---

    def _is_ending(self, now: datetime) -> bool:
        if self._verdict is None and (ends := order.deadline(self._pod, self._started_at())) and now >= ends:
            self._verdict = DEADLINE
            self._edges.report(self._pod, "Normal", DEADLINE.reason, DEADLINE.message)
        return (
            self.removed
            or self._verdict is not None
            or bool(self._pod["metadata"].get("deletionTimestamp"))
            or (self._pod.get("status") or {}).get("phase") in ENDED_PHASES
            or self._record.status.get("phase") in ENDED_PHASES
        )

    async def _step_ending(self, observed: PodObserved, now: datetime) -> None:
        grace = self._grace_s()
        if self._stop_grace_s is None or grace < self._stop_grace_s:
            await self._cancel_ops()
            self._stop_grace_s = grace
            observed = await self._observe()
        # A container that was made and never started does not become an ended one: it goes with its sandbox.
        live = any(seen.state in (State.RUNNING, State.UNKNOWN) for seen in observed.containers)
        if live or observed.ready_sandbox is not None:
            self._sync_probes(observed)
            self._publish(observed, now)
            self._launch(STOP, self._stop_all(observed, grace))
            return
        if STOP in self._ops:
            return
        self._publish(observed, now, ended=True)
        await self._clean_up(observed)

    def _grace_s(self) -> float:
        if self.removed and self._pod["metadata"].get("deletionGracePeriodSeconds") is None:
            return REMOVED_GRACE_S
        return float(order.grace_period_s(self._pod))

    async def _cancel_ops(self) -> None:
        """Give up whatever is under way: making things is pointless now, stopping starts anew with less
        grace.
        """
        tasks = [task for task in self._ops.values() if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._memory.retry_at.clear()

    async def _clean_up(self, observed: PodObserved) -> None:
        """Give back what the pod holds; then, if it is being deleted, let the object go, and then forget
        it.
        """
        edges, uid = self._edges, self.uid
        edges.probes.forget(uid)
        if not self._cleaned:
            await self._edges.volumes.remove_pod(uid)
            self._cleaned = cleanup.remove_cgroup(edges, self._pod)
            if not self._cleaned:
                self._turns.wake_in(0.1)
        if self._pod["metadata"].get("deletionTimestamp") and not self.removed and not self._deleted:
            await edges.statuses.flush(uid)
            self._deleted = await edges.statuses.delete(self._pod)
            if not self._deleted:
                self._turns.wake_in(1.0)
                return
        if self.removed or self._deleted:
            edges.statuses.forget(uid)
            await stop.remove_sandboxes(edges, observed)
            await cleanup.remove_logs(edges, self._pod)
            self._turns.ended = True

    # --- status and probes ---

    def _publish(self, observed: PodObserved, now: datetime, ended: bool = False) -> None:
        if self.removed:
            return
        rejected = self._verdict is not None and not observed.sandboxes and not observed.containers
        if not (rejected and self._record.status.get("phase") == "Failed"):
            known = self._knowledge(ended)
            addresses = self._edges.settings.addresses
            # A verdict counts once everything has been stopped: until then the pod is what it is.
            verdict = self._verdict if ended or self._verdict is DEADLINE else None
            pod = self._with_own_status()
            status = compute_status(pod, observed, known, addresses, now, verdict)
            theirs: Obj = self._pod.get("status") or {}
            self._record.status = theirs if is_echo(theirs, status) else status
        self._edges.statuses.publish(self._pod, self._record.status)
        if not ended and self._record.status["phase"] in ENDED_PHASES:
            self.wake()

    def _with_own_status(self) -> Obj:
        """Return the pod with the status we computed last, which a watch may not show yet."""
        theirs: Obj = self._pod.get("status") or {}
        if not self._record.status:
            return self._pod
        own = dict(self._record.status)
        if theirs.get("phase") in ENDED_PHASES:
            own.update({key: theirs[key] for key in ("phase", "reason", "message") if theirs.get(key)})
        foreign = [one for one in theirs.get("conditions") or () if one["type"] not in OWNED_CONDITIONS]
        mine = [one for one in own.get("conditions") or () if one["type"] in OWNED_CONDITIONS]
        own["conditions"] = [*mine, *foreign]
        return {**self._pod, "status": own}

    def _knowledge(self, ended: bool) -> Knowledge:
        probes, uid = self._edges.probes, self.uid
        return Knowledge(
            dict(self._memory.waiting),
            frozenset(self._memory.in_hook),
            lambda name, kind: probes.result(uid, name, kind),
            self._edges.settings.runtime_name,
            ended,
        )

    def _sync_probes(self, observed: PodObserved) -> None:
        status = self._pod.get("status") or {}
        before = {
            one["containerID"]: one
            for key in ("initContainerStatuses", "containerStatuses")
            for one in status.get(key) or ()
            if one.get("containerID")
        }
        states = {}
        for seen in observed.newest.values():
            if seen.running and seen.started_at and seen.name not in self._memory.in_hook:
                old = before.get(f"{self._edges.settings.runtime_name}://{seen.id}") or {}
                ready, started = bool(old.get("ready")), bool(old.get("started"))
                states[seen.name] = ContainerState(seen.id, seen.started_at, True, ready, started)
        ips = observed.sandbox.ips if observed.sandbox else ()
        if self._pod["spec"].get("hostNetwork"):
            ips = self._edges.settings.ips
        self._edges.probes.sync(self._pod, states, ips[0] if ips else "")

    def _started_at(self) -> datetime | None:
        text = self._record.status.get("startTime") or (self._pod.get("status") or {}).get("startTime")
        return parse_time(str(text)) if text else None


def new_worker(edges: Edges, pod: Obj, tasks: Tasks, observation: Observation | None = None) -> PodWorker:
    """Return a worker for a pod, known to the directory from now on; what it does runs under `tasks`."""
    record = edges.directory.put(pod)
    record.observed = NOTHING
    return PodWorker(edges, record, tasks, observation)
