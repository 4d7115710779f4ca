"""What outcomes of probes mean. PURE. Driven by `probes/manager.py`.

    outcome (ok, not ok)  ->  run of equal outcomes  ->  result, once the run is as long as the threshold

    kind        before the first result    on failure                        runs
    startup     unknown                    the container is killed           until it succeeded once
    liveness    alive                      the container is killed           after startup succeeded
    readiness   not ready                  the pod gets no traffic           after startup succeeded, for ever

Source: pkg/kubelet/prober/worker.go (1.36).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from api.resource import Obj

LIVENESS, READINESS, STARTUP = "liveness", "readiness", "startup"
KINDS = (STARTUP, LIVENESS, READINESS)
_INITIAL: dict[str, bool | None] = {LIVENESS: True, READINESS: False, STARTUP: None}


@dataclass(frozen=True)
class ProbeSpec:
    """The numbers of one probe, defaults filled in."""

    kind: str
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True)
class Progress:
    """Where a probe stands: its result (None: none yet), and the run of equal outcomes at the end."""

    result: bool | None
    last: bool | None = None
    run: int = 0


@dataclass(frozen=True)
class Outcome:
    """What one probe saw. `ok` None: the probe itself could not be made, and counts for nothing."""

    ok: bool | None
    message: str = ""


def new_spec(kind: str, probe: Obj) -> ProbeSpec:
    return ProbeSpec(
        kind,
        float(probe.get("initialDelaySeconds") or 0),
        float(probe.get("periodSeconds") or 10),
        float(probe.get("timeoutSeconds") or 1),
        int(probe.get("successThreshold") or 1),
        int(probe.get("failureThreshold") or 3),
    )


def new_progress(kind: str, known: bool = False) -> Progress:
    """Return the progress of a fresh probe; `known`: an earlier agent had already seen it succeed."""
    return Progress(True if known else _INITIAL[kind])


def advance(progress: Progress, spec: ProbeSpec, outcome: Outcome) -> Progress:
    """Return the progress after one more outcome."""
    if outcome.ok is None:
        return progress
    run = progress.run + 1 if outcome.ok == progress.last else 1
    progress = replace(progress, last=outcome.ok, run=run)
    needed = spec.success_threshold if outcome.ok else spec.failure_threshold
    return replace(progress, result=outcome.ok) if run >= needed else progress


def is_final(progress: Progress, kind: str) -> bool:
    """Return whether this container needs no more probes of that kind: it started, or must be killed."""
    if kind == STARTUP:
        return progress.result is not None
    return kind == LIVENESS and progress.result is False


def first_delay_s(spec: ProbeSpec, started_at: datetime, now: datetime) -> float:
    """Return how long to wait before the first probe of a container that started then."""
    due = started_at + timedelta(seconds=spec.initial_delay_s)
    return max(0.0, (due - now).total_seconds())
