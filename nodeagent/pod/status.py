"""A pod's status, from its object, observation and the agent's knowledge. PURE. Called by the pod worker.

Phases: Pending -> Running -> Succeeded | Failed; an ended phase never changes again.
Source: pkg/kubelet/kubelet_pods.go getPhase, generateAPIPodStatus; pkg/kubelet/status/generate.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.podspec import qos_class
from api.resource import Obj
from api.times import format_time
from nodeagent.pod import order
from nodeagent.pod.container_status import Knowledge, container_statuses
from nodeagent.pod.observed import PodObserved

# The conditions that this module owns; others (DisruptionTarget, readiness gates, ...) are left alone.
OWNED_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
ENDED_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class Verdict:
    """Why the agent ended a pod by itself: its `status.reason` and `message`, and a condition if there is
    one.
    """

    reason: str
    message: str
    phase: str = "Failed"
    condition: Mapping[str, str] | None = None


@dataclass(frozen=True)
class NodeAddresses:
    """The node's own addresses, primary first."""

    ips: tuple[str, ...] = ()


def compute_status(
    pod: Obj,
    observed: PodObserved,
    known: Knowledge,
    node: NodeAddresses,
    now: datetime,
    verdict: Verdict | None = None,
) -> Obj:
    """Return the whole status to be of a pod. `pod["status"]` is the status written last: what it keeps is
    kept.
    """
    old = pod.get("status") or {}
    spec = pod["spec"]
    status: Obj = {
        "observedGeneration": pod["metadata"].get("generation", 0),
        "qosClass": old.get("qosClass") or qos_class(pod),
        "startTime": old.get("startTime") or format_time(now),
        "containerStatuses": container_statuses(pod, order.app_containers(pod), observed, known),
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = container_statuses(
            pod, order.init_containers(pod), observed, known, init=True
        )
    if spec.get("ephemeralContainers"):
        status["ephemeralContainerStatuses"] = container_statuses(
            pod, order.ephemeral_containers(pod), observed, known
        )
    status["phase"] = _kept_phase(old, verdict) or compute_phase(pod, status, known.ended)
    status.update(_reason(old, verdict))
    status.update(_addresses(pod, observed, node, old))
    if not status["observedGeneration"]:
        del status["observedGeneration"]
    ready = observed.ready_sandbox is not None and not known.ended
    status["conditions"] = _conditions(pod, status, ready, now, verdict)
    return status


def rejected_status(pod: Obj, verdict: Verdict, now: datetime) -> Obj:
    """Return the status of a pod that the node did not admit. Source: kubelet rejectPod (1.36)."""
    status: Obj = {
        "phase": "Failed",
        "reason": verdict.reason,
        "message": f"Pod was rejected: {verdict.message}",
        "qosClass": (pod.get("status") or {}).get("qosClass") or qos_class(pod),
        "startTime": format_time(now),
    }
    if generation := pod["metadata"].get("generation"):
        status["observedGeneration"] = generation
    return status


def _kept_phase(old: Obj, verdict: Verdict | None) -> str:
    if old.get("phase") in ENDED_PHASES:
        return str(old["phase"])
    return verdict.phase if verdict is not None else ""


def _reason(old: Obj, verdict: Verdict | None) -> Obj:
    if verdict is not None:
        return {"reason": verdict.reason, "message": verdict.message}
    return {key: old[key] for key in ("reason", "message") if old.get(key)}


def _addresses(pod: Obj, observed: PodObserved, node: NodeAddresses, old: Obj) -> Obj:
    """Return host and pod addresses; a pod that has ended keeps those it had."""
    result: Obj = {}
    if node.ips:
        result["hostIP"] = node.ips[0]
        result["hostIPs"] = [{"ip": ip} for ip in node.ips]
    if pod["spec"].get("hostNetwork"):
        ips: Sequence[str] = node.ips if observed.sandboxes else ()
    else:
        ips = observed.sandbox.ips if observed.sandbox else ()
    if ips:
        result["podIP"] = ips[0]
        result["podIPs"] = [{"ip": ip} for ip in ips]
    else:
        result.update({key: old[key] for key in ("podIP", "podIPs") if old.get(key)})
    return result


# --- phase ---


@dataclass
class _Count:
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    succeeded: int = 0


def compute_phase(pod: Obj, status: Obj, ended: bool) -> str:
    """Return the phase that container statuses add up to."""
    failed_init, pending_init, pending_sidecar = _count_init(pod, status)
    count = _count_apps(status)
    policy = order.restart_policy(pod)
    if failed_init and (policy == "Never" or ended):
        return "Failed"
    touched = count.running or count.stopped
    if not ended and (pending_init or failed_init or (pending_sidecar and not touched)):
        return "Pending"
    if count.waiting:
        return "Failed" if ended else "Pending"
    if count.running:
        return "Running"
    if not count.stopped:
        return "Failed" if ended else "Pending"
    return _stopped_phase(count, policy, ended, _has_live_sidecar(pod, status))


def _stopped_phase(count: _Count, policy: str, ended: bool, live_sidecar: bool) -> str:
    if live_sidecar and not ended:
        return "Running"
    all_well = count.stopped == count.succeeded
    if ended:
        return "Succeeded" if all_well else "Failed"
    if policy == "Always":
        return "Running"
    if all_well:
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _count_init(pod: Obj, status: Obj) -> tuple[int, int, int]:
    failed = pending = pending_sidecar = 0
    for container, one in zip(
        order.init_containers(pod), status.get("initContainerStatuses") or (), strict=False
    ):
        state = one["state"]
        ended = state.get("terminated") or (one.get("lastState") or {}).get("terminated")
        if order.is_sidecar(container):
            pending_sidecar += 0 if one.get("started") or ended else 1
        elif state.get("terminated"):
            failed += 1 if state["terminated"]["exitCode"] else 0
        elif "waiting" in state and ended and ended["exitCode"]:
            failed += 1
        else:
            pending += 1
    return failed, pending, pending_sidecar


def _count_apps(status: Obj) -> _Count:
    count = _Count()
    for one in status["containerStatuses"]:
        state, last = one["state"], one.get("lastState") or {}
        if "running" in state:
            count.running += 1
        elif state.get("terminated"):
            count.stopped += 1
            count.succeeded += 1 if state["terminated"]["exitCode"] == 0 else 0
        elif last.get("terminated"):
            count.stopped += 1
        else:
            count.waiting += 1
    return count


def _has_live_sidecar(pod: Obj, status: Obj) -> bool:
    pairs = zip(order.init_containers(pod), status.get("initContainerStatuses") or (), strict=False)
    return any(order.is_sidecar(container) and "running" in one["state"] for container, one in pairs)


# --- conditions ---


def _conditions(pod: Obj, status: Obj, sandbox: bool, now: datetime, verdict: Verdict | None) -> list[Obj]:
    old = {one["type"]: one for one in (pod.get("status") or {}).get("conditions") or ()}
    ready = _containers_ready(pod, status)
    new = [
        {"type": "PodReadyToStartContainers", "status": _bool(sandbox)},
        {"type": "Initialized", **_initialized(pod, status)},
        {"type": "Ready", **_pod_ready(pod, ready, old)},
        {"type": "ContainersReady", **ready},
        {"type": "PodScheduled", "status": "True"},
    ]
    if verdict is not None and verdict.condition is not None:
        new.append(dict(verdict.condition))
    generation = status.get("observedGeneration")
    kept = [dict(one) for name, one in old.items() if name not in {one["type"] for one in new}]
    return [*(_dated(one, old.get(one["type"]), generation, now) for one in new), *kept]


def _dated(new: Obj, old: Obj | None, generation: int | None, now: datetime) -> Obj:
    same = old is not None and old.get("status") == new["status"]
    moment = old.get("lastTransitionTime") if same and old is not None else None
    dated = {**new, "lastProbeTime": None, "lastTransitionTime": moment or format_time(now)}
    if generation:
        dated["observedGeneration"] = generation
    return dated


def _initialized(pod: Obj, status: Obj) -> Obj:
    containers = order.init_containers(pod)
    if not containers:
        return {"status": "True"}
    if status["phase"] == "Succeeded":
        return {"status": "True", "reason": "PodCompleted"}
    touched = any(
        "waiting" not in one["state"] or one.get("lastState") for one in status["containerStatuses"]
    )
    incomplete = [
        one["name"]
        for container, one in zip(containers, status["initContainerStatuses"], strict=True)
        if not (one["started"] or touched if order.is_sidecar(container) else one["ready"])
    ]
    if not incomplete or touched:
        return {"status": "True"}
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return {"status": "False", "reason": "ContainersNotInitialized", "message": message}


def _containers_ready(pod: Obj, status: Obj) -> Obj:
    if status["phase"] in ENDED_PHASES:
        reason = "PodCompleted" if status["phase"] == "Succeeded" else "PodFailed"
        return {"status": "False", "reason": reason}
    sidecar_names = {container["name"] for container in order.sidecars(pod)}
    counted: Iterable[Obj] = [
        *(one for one in status.get("initContainerStatuses") or () if one["name"] in sidecar_names),
        *status["containerStatuses"],
    ]
    unready = [one["name"] for one in counted if not one["ready"]]
    if not unready:
        return {"status": "True"}
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {"status": "False", "reason": "ContainersNotReady", "message": message}


def _pod_ready(pod: Obj, containers: Obj, old: Mapping[str, Obj]) -> Obj:
    if containers["status"] != "True":
        return containers
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        if name not in old:
            messages.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif old[name].get("status") != "True":
            messages.append(
                f'the status of pod readiness gate "{name}" is not "True", but {old[name].get("status")}'
            )
    if messages:
        return {"status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(messages)}
    return {"status": "True"}


def _bool(value: bool) -> str:
    return "True" if value else "False"


# --- writing ---


def status_patch(old: Mapping[str, object], new: Mapping[str, object]) -> Obj:
    """Return the strategic merge patch of a pod's `status` that turns `old` into `new`; {} if nothing
    differs.

    Only conditions this agent owns are sent, so that those that others write in between survive.
    """
    patch: Obj = {}
    for key in sorted({*old, *new}):
        if key in ("conditions", "nominatedNodeName", "resize", "resourceClaimStatuses"):
            continue
        if old.get(key) != new.get(key):
            patch[key] = new.get(key)
    if patch.get("podIPs") and old.get("podIPs"):
        patch["podIPs"] = [{"$patch": "replace"}, *patch["podIPs"]]
    if changed := _changed_conditions(old.get("conditions"), new.get("conditions")):
        patch["conditions"] = changed
    return patch


def _changed_conditions(old: object, new: object) -> list[Obj]:
    before = {one["type"]: one for one in _list(old)}
    changed = []
    for one in _list(new):
        old_one = before.get(one["type"])
        if not _same_condition(old_one, one):
            # A merge keeps what is not mentioned: a reason that no longer applies must be taken back by name.
            gone: Obj = dict.fromkeys(key for key in ("reason", "message") if key in (old_one or {}))
            changed.append({**gone, **one})
    return changed


def _list(value: object) -> list[Obj]:
    return value if isinstance(value, list) else []


def _same_condition(old: Obj | None, new: Obj) -> bool:
    if old is None:
        return False
    keys = ("status", "reason", "message", "lastTransitionTime", "observedGeneration")
    return all(old.get(key) == new.get(key) for key in keys)


def is_same_but_for_status(old: Obj, new: Obj) -> bool:
    """Return whether two versions of a pod differ in nothing that makes it run differently."""
    keys = ("uid", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations")
    same = all(old["metadata"].get(key) == new["metadata"].get(key) for key in keys)
    return same and old["spec"] == new["spec"]


def is_echo(theirs: Obj, own: Obj) -> bool:
    """Return whether a status holds what we computed last and no condition more."""
    if not own or status_patch(theirs, own):
        return False
    return len(theirs.get("conditions") or ()) == len(own.get("conditions") or ())
