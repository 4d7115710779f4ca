"""Counting a Job's finished pods exactly once, though pods may vanish at any time. Pure.

Each pod holds a finalizer until it has been counted:

    pod finishes --> its uid is written to status.uncountedTerminatedPods
                     (indexed and succeeded: its index to status.completedIndexes)
                 --> its finalizer is removed --> it is added to the counter and leaves the list

Source: pkg/controller/job job_controller.go `trackJobStatusAndRemoveFinalizers` (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.resource import Obj
from api.types.batch_v1 import Job
from api.types.core_v1 import PODS, Pod
from controllers.framework.plan import Change, patch

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Tally:
    """The counts to write, and the pods that may lose their finalizer now."""

    succeeded: int
    failed: int
    indexes: frozenset[int]
    uncounted: Obj
    released: tuple[Pod, ...]


def is_indexed(job: Job) -> bool:
    return job["spec"].get("completionMode") == "Indexed"


def index_of(pod: Mapping[str, Any]) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def phase_of(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def has_failed(job: Job, pod: Pod) -> bool:
    """A pod that is being deleted has failed, too, unless the Job wants to wait for its end."""
    if phase_of(pod) == "Failed":
        return True
    waits = job["spec"].get("podReplacementPolicy") == "Failed"
    return "deletionTimestamp" in pod["metadata"] and phase_of(pod) != "Succeeded" and not waits


def holds_finalizer(pod: Mapping[str, Any]) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Return the next step of counting."""
    status: Any = job.get("status") or {}
    noted = status.get("uncountedTerminatedPods") or {}
    held = {pod["metadata"]["uid"]: pod for pod in pods if holds_finalizer(pod)}
    stored = parse_indexes(status.get("completedIndexes", ""))
    indexes = set(stored)
    released: list[Pod] = []
    waiting: dict[str, list[str]] = {"succeeded": [], "failed": []}
    counted = {"succeeded": int(status.get("succeeded") or 0), "failed": int(status.get("failed") or 0)}
    for outcome in waiting:
        for uid in noted.get(outcome) or ():
            if uid in held:
                waiting[outcome].append(uid)
                released.append(held.pop(uid))
            else:
                counted[outcome] += 1
    limit = job["spec"].get("completions") or 0
    for uid, pod in held.items():
        index = index_of(pod)
        if phase_of(pod) == "Succeeded" and is_indexed(job):
            if index in stored or index is None or index >= limit:
                released.append(pod)
            else:
                indexes.add(index)
        elif phase_of(pod) == "Succeeded":
            waiting["succeeded"].append(uid)
        elif has_failed(job, pod):
            waiting["failed"].append(uid)
    succeeded = len(indexes) if is_indexed(job) else counted["succeeded"]
    uncounted: Obj = {name: uids for name, uids in waiting.items() if uids}
    return Tally(succeeded, counted["failed"], frozenset(indexes), uncounted, tuple(released))


def release(pods: Iterable[Pod]) -> list[Change]:
    """Return the patches that take the finalizer from pods."""
    changes: list[Change] = []
    for pod in pods:
        left = [name for name in pod["metadata"].get("finalizers") or () if name != FINALIZER]
        changes.append(patch(PODS, pod, {"metadata": {"finalizers": left}}))
    return changes


def parse_indexes(text: str) -> frozenset[int]:
    """`1,3-5` -> {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def format_indexes(indexes: Iterable[int]) -> str:
    """{1, 3, 4, 5} -> `1,3-5`; two neighbours are listed apart."""
    runs: list[list[int]] = []
    for number in sorted(indexes):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = []
    for first, last in runs:
        separator = "," if last == first + 1 else "-"
        texts.append(str(first) if first == last else f"{first}{separator}{last}")
    return ",".join(texts)
