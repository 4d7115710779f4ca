"""What to do for a pod next: spec + observation + what the agent knows + now -> `PodActions`. PURE.

Called by the pod worker after each observation. The worker performs what is returned, concurrently, and asks
again when something has changed; containers that are being started or killed are named in `Situation.busy`
and left alone.

    no live sandbox ---------------------> create one (first kill what the old one left)
    init containers, in order: each must have ended well, or, if restartable (sidecar), have started
    app containers ----------------------> start, restart by policy after back-off, kill if spec or probe says
    so nothing runs and nothing will -------> kill the pod: sidecars, then sandbox

Source: pkg/kubelet/kuberuntime computePodActions, computeInitContainerActions (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from api.resource import Obj
from nodeagent.pod import order
from nodeagent.pod.backoff import BackOff
from nodeagent.pod.hash import spec_hash
from nodeagent.pod.observed import ContainerObserved, PodObserved, State


@dataclass(frozen=True)
class Start:
    """Create and start a container; `attempt` is its restart count to be."""

    name: str
    attempt: int


@dataclass(frozen=True)
class Kill:
    """Stop one attempt of a container. `message` goes into the Event, `why` says what happened in one
    word.
    """

    id: str
    name: str
    message: str
    why: str


@dataclass(frozen=True)
class Wait:
    """A container that is in back-off."""

    name: str
    remaining_s: float
    delay_s: float


@dataclass(frozen=True)
class Situation:
    """What the agent knows that the runtime does not say."""

    # Containers with a start or a kill under way.
    busy: frozenset[str] = frozenset()
    # Names of running containers that have passed their startup probe (or have none) and their postStart
    # hook.
    started: frozenset[str] = frozenset()
    # Container name -> kind of the probe that wants it dead ("liveness", "startup").
    failed_probes: Mapping[str, str] = field(default_factory=dict)
    backoff: BackOff = field(default_factory=BackOff)
    # Restart counts in the pod's status: they go on if the runtime has lost the containers.
    restarts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PodActions:
    """What to do now. With `kill_pod`, everything that runs is stopped before anything else is done."""

    sandbox_attempt: int | None = None
    kill_pod: bool = False
    starts: tuple[Start, ...] = ()
    kills: tuple[Kill, ...] = ()
    waits: tuple[Wait, ...] = ()


IDLE = PodActions()


class _Plan:
    """Collects the actions on one pod."""

    def __init__(self, pod: Obj, observed: PodObserved, situation: Situation, now: datetime) -> None:
        self.pod, self.observed, self.situation, self.now = pod, observed, situation, now
        self.sandbox_id = observed.ready_sandbox.id if observed.ready_sandbox else ""
        self.starts: list[Start] = []
        self.kills: list[Kill] = []
        self.waits: list[Wait] = []

    def current(self, name: str) -> ContainerObserved | None:
        """Return the newest attempt if it belongs to the live sandbox."""
        seen = self.observed.find(name)
        return seen if seen is not None and seen.sandbox_id == self.sandbox_id else None

    def start(self, name: str, crashed: ContainerObserved | None = None) -> None:
        """Start a container, after back-off if it has crashed."""
        if name in self.situation.busy:
            return
        if crashed is not None and crashed.state is not State.CREATED:
            since = crashed.finished_at or crashed.created_at or self.now
            remaining = self.situation.backoff.remaining_s(name, since, self.now)
            if remaining > 0:
                self.waits.append(Wait(name, remaining, self.situation.backoff.delay_s(name)))
                return
        self.starts.append(Start(name, self._attempt(name)))

    def _attempt(self, name: str) -> int:
        seen = self.observed.find(name)
        if seen is not None:
            return seen.restarts + 1
        known = self.situation.restarts.get(name)
        return 0 if known is None else known + 1

    def kill(self, seen: ContainerObserved, message: str, why: str) -> None:
        if seen.name not in self.situation.busy:
            self.kills.append(Kill(seen.id, seen.name, message, why))

    def kill_if_unwell(self, container: Obj, seen: ContainerObserved, restarts: bool) -> bool:
        """Kill a running container whose spec has changed or whose probe failed; return whether it is."""
        name, then = seen.name, ", will be restarted" if restarts else ""
        if seen.spec_hash and seen.spec_hash != spec_hash(container):
            self.kill(seen, f"Container {name} definition changed, will be restarted", "changed")
        elif probe := self.situation.failed_probes.get(name):
            self.kill(seen, f"Container {name} failed {probe} probe{then}", probe)
        else:
            return False
        return True

    def done(self) -> PodActions:
        return PodActions(starts=tuple(self.starts), kills=tuple(self.kills), waits=tuple(self.waits))


def compute_actions(pod: Obj, observed: PodObserved, situation: Situation, now: datetime) -> PodActions:
    """Return what to do now for a pod that is to run (deletion is `order.termination_waves`)."""
    plan = _Plan(pod, observed, situation, now)
    if observed.ready_sandbox is None:
        return _without_sandbox(plan)
    for container in order.ephemeral_containers(pod):
        if observed.find(container["name"]) is None:
            plan.start(container["name"])
    verdict = _init_containers(plan)
    if verdict == "failed":
        return PodActions(kill_pod=True)
    if verdict == "done":
        kept = _app_containers(plan)
        if not kept and not plan.starts and not plan.waits and not _is_app_busy(plan):
            return PodActions(kill_pod=True)
    return plan.done()


def _without_sandbox(plan: _Plan) -> PodActions:
    observed = plan.observed
    attempt = observed.sandbox.attempt + 1 if observed.sandbox else 0
    leftovers = any(seen.state is not State.EXITED for seen in observed.containers)
    if not _is_wanted(plan, attempt):
        return PodActions(kill_pod=leftovers)
    if leftovers and observed.sandbox:
        return PodActions(kill_pod=True)
    return PodActions(sandbox_attempt=attempt)


def _is_wanted(plan: _Plan, attempt: int) -> bool:
    """Return whether a pod without a live sandbox needs one."""
    pod, observed = plan.pod, plan.observed
    if order.restart_policy(pod) == "Never" and attempt != 0 and observed.containers:
        return False
    if order.restart_policy(pod) != "OnFailure":
        return True
    return any(
        order.should_restart(pod, container, observed.find(container["name"]))
        for container in order.app_containers(pod)
    )


def _init_containers(plan: _Plan) -> str:
    """Go through the init containers; return "done", "blocked" or "failed"."""
    initialized = any(
        plan.current(container["name"]) is not None for container in order.app_containers(plan.pod)
    )
    for container in order.init_containers(plan.pod):
        if order.is_sidecar(container):
            ready = _sidecar(plan, container)
        elif initialized:
            continue
        else:
            verdict = _regular_init(plan, container)
            if verdict == "failed":
                return verdict
            ready = verdict == "done"
        if not ready and not initialized:
            return "blocked"
    return "done"


def _sidecar(plan: _Plan, container: Obj) -> bool:
    """Keep a sidecar alive; return whether what comes after it may start."""
    name = container["name"]
    seen = plan.current(name)
    if seen is None or not seen.running:
        plan.start(name, seen)
        return False
    if plan.kill_if_unwell(container, seen, restarts=True):
        return False
    return name in plan.situation.started


def _regular_init(plan: _Plan, container: Obj) -> str:
    name = container["name"]
    seen = plan.current(name)
    if seen is None or seen.state in (State.CREATED, State.UNKNOWN):
        plan.start(name, seen)
    elif seen.exited:
        if seen.exit_code == 0 and name not in plan.situation.busy:
            return "done"
        if order.restart_policy(plan.pod) == "Never" and seen.exit_code != 0:
            return "failed"
        plan.start(name, seen)
    return "blocked"


def _app_containers(plan: _Plan) -> int:
    """Plan the app containers; return how many run and shall go on."""
    kept = 0
    for container in order.app_containers(plan.pod):
        name = container["name"]
        # An attempt in an earlier sandbox still counts for the policy: a container that succeeded is not run
        # again.
        seen = plan.observed.find(name)
        if seen is None or not seen.running:
            if order.should_restart(plan.pod, container, seen):
                plan.start(name, seen)
            continue
        restarts = order.restart_policy(plan.pod) != "Never"
        plan.kill_if_unwell(container, seen, restarts)
        kept += 1
    return kept


def _is_app_busy(plan: _Plan) -> bool:
    return any(container["name"] in plan.situation.busy for container in order.app_containers(plan.pod))
