"""The row of a pod: its readiness, its state in one word and its restarts.

Source: pkg/printers/internalversion/printers.go printPod (1.36).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.codec.columns.layout import NONE, age, layout, name, part, since
from api.podspec import is_pod_ready, is_sidecar, is_terminal
from api.resource import Obj

_SUCCEEDED = [
    {
        "type": "Completed",
        "status": "True",
        "reason": "Succeeded",
        "message": "The pod has completed successfully.",
    }
]
_FAILED = [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]


@dataclass
class _Tally:
    """What a walk over container statuses has found so far. `last` is the time of the last restart, or ""."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last: str = ""

    def count(self, status: Obj) -> None:
        self.restarts += status.get("restartCount", 0)
        ended = (status.get("lastState") or {}).get("terminated") or {}
        self.last = max(self.last, ended.get("finishedAt") or "")


def row_conditions(pod: Obj) -> list[Obj] | None:
    """Return the conditions of a table row: a pod at its end is marked so."""
    phase = part(pod, "status").get("phase")
    return _SUCCEEDED if phase == "Succeeded" else _FAILED if phase == "Failed" else None


def _ending(state: Obj) -> str:
    """Return why a container ended."""
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _first_reason(pod: Obj) -> str:
    status = part(pod, "status")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    return str(status.get("reason") or status.get("phase") or "")


def _init_state(status: Obj, sidecar: bool, number: int, total: int) -> str:
    """Return the word for an init container that keeps the pod from running; "" if it is done or is up."""
    state = status.get("state") or {}
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    if ended is not None and ended.get("exitCode", 0) == 0:
        return ""
    if sidecar and status.get("started"):
        return ""
    if ended is not None:
        return f"Init:{_ending(ended)}"
    if waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return f"Init:{waiting['reason']}"
    return f"Init:{number}/{total}"


def _walk_init(pod: Obj, tally: _Tally, kept: _Tally, sidecars: set[str]) -> bool:
    """Count init containers; `kept` counts sidecars alone. Say whether the pod is still initializing."""
    total = len(part(pod, "spec", "initContainers") or ())
    for number, status in enumerate(part(pod, "status", "initContainerStatuses") or ()):
        sidecar = status.get("name") in sidecars
        tally.count(status)
        if sidecar:
            kept.count(status)
        word = _init_state(status, sidecar, number, total)
        if word:
            tally.reason = word
            return True
        ended = (status.get("state") or {}).get("terminated")
        if sidecar and status.get("ready") and not (ended is not None and ended.get("exitCode", 0) == 0):
            tally.ready += 1
    return False


def _walk_containers(pod: Obj, tally: _Tally) -> None:
    running = False
    for status in reversed(part(pod, "status", "containerStatuses") or []):
        tally.count(status)
        state = status.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            tally.reason = waiting["reason"]
        elif ended is not None:
            tally.reason = _ending(ended)
        elif status.get("ready") and "running" in state:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        tally.reason = "Running" if is_pod_ready(pod) else "NotReady"


def _tally(pod: Obj) -> _Tally:
    sidecars = {c.get("name") for c in part(pod, "spec", "initContainers") or () if is_sidecar(c)}
    tally, kept = _Tally(_first_reason(pod)), _Tally("")
    initializing = _walk_init(pod, tally, kept, sidecars)
    if not initializing or _is_initialized(pod):
        tally.restarts, tally.last = kept.restarts, kept.last
        _walk_containers(pod, tally)
    if "deletionTimestamp" in pod["metadata"]:
        if part(pod, "status").get("reason") == "NodeLost":
            tally.reason = "Unknown"
        elif not is_terminal(pod):
            tally.reason = "Terminating"
    return tally


def _is_initialized(pod: Obj) -> bool:
    return any(
        condition.get("type") == "Initialized" and condition.get("status") == "True"
        for condition in part(pod, "status", "conditions") or ()
    )


def _gates(pod: Obj) -> str:
    gates = part(pod, "spec", "readinessGates") or ()
    if not gates:
        return NONE
    true = {c.get("type") for c in part(pod, "status", "conditions") or () if c.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"


def _cells(pod: Obj, now: datetime) -> list[Any]:
    spec, status = part(pod, "spec"), part(pod, "status")
    tally = _tally(pod)
    total = len(spec.get("containers") or ()) + sum(map(is_sidecar, spec.get("initContainers") or ()))
    restarts = str(tally.restarts)
    if tally.restarts and tally.last:
        restarts = f"{restarts} ({since(tally.last, now)} ago)"
    addresses = status.get("podIPs") or [{"ip": status.get("podIP")}]
    return [
        name(pod),
        f"{tally.ready}/{total}",
        tally.reason,
        restarts,
        age(pod, now),
        addresses[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(pod),
    ]


POD = layout("Name, Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*", _cells)
