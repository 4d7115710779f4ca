"""The statuses of a pod's containers, from spec, observation and notes. PURE.

    not there yet         waiting PodInitializing / ContainerCreating, or the reason noted (ErrImagePull, ...)
    running               running; ready by probe
    ended, starts again   waiting CrashLoopBackOff (or what hinders the start), lastState = how it ended
    ended                 terminated

Source: pkg/kubelet/kubelet_pods.go convertToAPIContainerStatuses (1.36).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from api.resource import Obj
from api.times import format_time
from nodeagent.pod import order
from nodeagent.pod.observed import ContainerObserved, PodObserved, State

# (container name, "readiness" | "startup" | "liveness") -> the probe's verdict; None while it has none.
ProbeResult = Callable[[str, str], bool | None]


@dataclass(frozen=True)
class Waiting:
    """Why a container does not run; `reason` and `message` are upstream's words."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Knowledge:
    """What the agent knows about a pod beyond its object and the runtime's word."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    # Containers whose postStart hook still runs: not shown as running before it has ended.
    in_hook: frozenset[str] = frozenset()
    probe: ProbeResult = lambda _name, _kind: None
    runtime_name: str = "containerd"
    # The pod is over: nothing will start again.
    ended: bool = False


def is_started(container: Obj, seen: ContainerObserved | None, known: Knowledge) -> bool:
    """Return whether a container runs and has passed its startup probe."""
    if seen is None or not seen.running or seen.name in known.in_hook:
        return False
    return not container.get("startupProbe") or known.probe(seen.name, "startup") is True


def is_ready(container: Obj, seen: ContainerObserved | None, known: Knowledge) -> bool:
    """Return whether a container is started and its readiness probe, if any, succeeds."""
    if not is_started(container, seen, known) or seen is None:
        return False
    return not container.get("readinessProbe") or known.probe(seen.name, "readiness") is True


def container_statuses(
    pod: Obj, containers: list[Obj], observed: PodObserved, known: Knowledge, *, init: bool = False
) -> list[Obj]:
    """Return one status per container, in the order of the spec."""
    before = _statuses_by_name(pod)
    return [_status(pod, container, observed, known, before, init) for container in containers]


def _statuses_by_name(pod: Obj) -> dict[str, Obj]:
    status = pod.get("status") or {}
    groups = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return {one["name"]: one for group in groups for one in status.get(group) or ()}


def _status(
    pod: Obj,
    container: Obj,
    observed: PodObserved,
    known: Knowledge,
    before: Mapping[str, Obj],
    init: bool,
) -> Obj:
    name = container["name"]
    seen = observed.find(name)
    old = before.get(name) or {}
    state, last = _states(pod, container, observed, known, old)
    ready = is_ready(container, seen, known)
    if init and not order.is_sidecar(container):
        ready = seen is not None and seen.exited and seen.exit_code == 0
    status: Obj = {
        "name": name,
        "image": (seen.image if seen else "") or container.get("image", ""),
        "imageID": seen.image_id if seen else old.get("imageID", ""),
        "ready": ready,
        "started": is_started(container, seen, known),
        "restartCount": max(seen.restarts if seen else 0, old.get("restartCount", 0)),
        "state": state,
        "lastState": last,
    }
    if seen is not None:
        status["containerID"] = f"{known.runtime_name}://{seen.id}"
    elif old.get("containerID"):
        status["containerID"] = old["containerID"]
    status.update(_resources(container, seen))
    return status


def _resources(container: Obj, seen: ContainerObserved | None) -> Obj:
    """Return what the container was given. Requests left out equal limits, as the API server defaults
    them.
    """
    resources = container.get("resources") or {}
    shown: Obj = {}
    if resources.get("requests"):
        shown["allocatedResources"] = dict(resources["requests"])
    if seen is not None and seen.running:
        given = {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
        if given:
            shown["resources"] = given
    return shown


def _states(pod: Obj, container: Obj, observed: PodObserved, known: Knowledge, old: Obj) -> tuple[Obj, Obj]:
    """Return `state` and `lastState`."""
    name = container["name"]
    seen = observed.find(name)
    note = known.waiting.get(name)
    if seen is None or (seen.state is State.CREATED and not known.ended):
        return _absent(pod, observed, known, note, old)
    previous = observed.previous(name)
    last = terminated_state(previous, known) if previous is not None else old.get("lastState") or {}
    if seen.running and name in known.in_hook:
        return {"waiting": {"reason": _default_reason(pod, observed)}}, last
    if seen.running:
        return {"running": {"startedAt": format_time(seen.started_at)} if seen.started_at else {}}, last
    if note is not None and not known.ended:
        return _waiting(note), terminated_state(seen, known)
    return terminated_state(seen, known), last


def _absent(
    pod: Obj, observed: PodObserved, known: Knowledge, note: Waiting | None, old: Obj
) -> tuple[Obj, Obj]:
    """Return the states of a container of which the runtime has no attempt that has run."""
    last = old.get("lastState") or {}
    was = old.get("state") or {}
    if known.ended and was.get("terminated"):
        return was, last
    if known.ended and "running" in was:
        # Source: kubelet status manager: the container could not be located when the pod was terminated.
        lost = {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated",
            "startedAt": None,
            "finishedAt": None,
        }
        return {"terminated": lost}, last
    if was.get("terminated"):
        # The runtime has lost an attempt that we once saw.
        last = {"terminated": was["terminated"]}
    return _waiting(note or Waiting(_default_reason(pod, observed))), last


def _waiting(note: Waiting) -> Obj:
    waiting = {"reason": note.reason}
    if note.message:
        waiting["message"] = note.message
    return {"waiting": waiting}


def _default_reason(pod: Obj, observed: PodObserved) -> str:
    return "PodInitializing" if order.init_containers(pod) else "ContainerCreating"


def terminated_state(seen: ContainerObserved, known: Knowledge) -> Obj:
    """Return the `terminated` state of an attempt that has ended (or whose end nobody saw)."""
    code = seen.exit_code
    reason = seen.reason or ("Completed" if code == 0 else "Error")
    if seen.state is not State.EXITED:
        code, reason = 137, "ContainerStatusUnknown"
    ended: Obj = {
        "exitCode": code,
        "reason": reason,
        "startedAt": format_time(seen.started_at) if seen.started_at else None,
        "finishedAt": format_time(seen.finished_at) if seen.finished_at else None,
        "containerID": f"{known.runtime_name}://{seen.id}",
    }
    if seen.message:
        ended["message"] = seen.message
    return {"terminated": ended}
