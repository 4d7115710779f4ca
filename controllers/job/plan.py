"""job-controller: runs pods until enough have succeeded, or too many have failed.

    running --enough succeeded--> SuccessCriteriaMet --other pods gone--> Complete
            --too many failed, too late--> FailureTarget --pods gone--> Failed
            --spec.suspend--> Suspended, without pods, and back

Source: pkg/controller/job job_controller.go (1.36).
DEVIATION: podFailurePolicy, successPolicy and backoffLimitPerIndex are not looked at yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.conditions import find, set_condition
from api.labels import from_label_selector
from api.podspec import is_pod_active, is_pod_ready, is_terminal
from api.resource import Obj, key_of
from api.times import format_time, parse_time
from api.types.batch_v1 import JOBS, Job
from api.types.core_v1 import PODS, Pod
from controllers.claims import claim, owners_by_selector, selects_template
from controllers.framework.controller import BY_CONTROLLER, View, controller, controller_uids
from controllers.framework.plan import NOTHING, Change, Create, Plan, Record, SetStatus, delete
from controllers.job.tracking import (
    FINALIZER,
    INDEX,
    Tally,
    format_indexes,
    has_failed,
    holds_finalizer,
    index_of,
    is_indexed,
    release,
    tally,
)
from controllers.pods import new_pod
from controllers.replicas import BURST

# The wait after the n-th failure in a row.
FIRST_BACKOFF_S, LIMIT_BACKOFF_S = 10.0, 600.0
_MESSAGES = {
    "BackoffLimitExceeded": "Job has reached the specified backoff limit",
    "DeadlineExceeded": "Job was active longer than specified deadline",
    "CompletionsReached": "Reached expected number of succeeded pods",
}


@controller("job-controller", of=JOBS, owns=(PODS,), watches={PODS: owners_by_selector(JOBS)})
def job(job: Job, view: View, now: datetime) -> Plan:
    selector = from_label_selector(job["spec"].get("selector"))
    if not selects_template(selector, job):
        return NOTHING
    claimed = claim(job, JOBS, PODS, selector, view)
    pods = claimed.mine
    active = [pod for pod in pods if is_pod_active(pod)]
    counts = tally(job, pods)
    changes: list[Change] = [*claimed.changes, *release(counts.released)]
    if _is_finished(job):
        return Plan((*changes, *release(pod for pod in pods if holds_finalizer(pod) and is_terminal(pod))))
    status = _counted(job, pods, active, counts, now)
    waits: list[float] = []
    status, verdict, deadline_s = _judge(job, status, active, now)
    if deadline_s is not None:
        waits.append(deadline_s)
    if verdict or job["spec"].get("suspend"):
        changes += [delete(PODS, pod, about=job) for pod in active]
    elif "deletionTimestamp" not in job["metadata"]:
        more, wait_s = _keep_running(job, status, pods, active, counts, now)
        changes += more
        if wait_s is not None:
            waits.append(wait_s)
    if status != (job.get("status") or {}):
        changes += _announce(job, status)
        changes.append(SetStatus(JOBS, job, status))
    return Plan(tuple(changes), min(waits, default=None))


@controller(
    "job-controller",
    of=PODS,
    watches={
        JOBS: lambda job, view: [key_of(p) for p in view.by(PODS, BY_CONTROLLER, job["metadata"]["uid"])]
    },
    indexes={PODS: {BY_CONTROLLER: controller_uids}},
    relevant=lambda pod: True if holds_finalizer(pod) else None,
)
def abandoned_job_pods(pod: Pod, view: View, now: datetime) -> Plan:
    """Let go of pods whose Job does not exist any more: nobody will count them."""
    if not holds_finalizer(pod):
        return NOTHING
    for ref in pod["metadata"].get("ownerReferences") or ():
        if ref.get("controller") and ref["kind"] == "Job":
            owner = view.get(JOBS, pod["metadata"].get("namespace", ""), ref["name"])
            if owner is not None and owner["metadata"]["uid"] == ref["uid"]:
                return NOTHING
    return Plan(tuple(release([pod])))


def _is_finished(job: Job) -> bool:
    conditions: Any = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _counted(job: Job, pods: Sequence[Pod], active: Sequence[Pod], counts: Tally, now: datetime) -> Obj:
    """Return the status with its numbers."""
    status: Obj = dict(job.get("status") or {})
    going = [p for p in pods if "deletionTimestamp" in p["metadata"] and not is_terminal(p)]
    numbers = {
        "active": len(active),
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "ready": sum(is_pod_ready(pod) for pod in active),
        "terminating": len(going),
        "completedIndexes": format_indexes(counts.indexes),
    }
    for name, value in numbers.items():
        if value or name in ("ready", "terminating"):
            status[name] = value
        else:
            status.pop(name, None)
    status["uncountedTerminatedPods"] = counts.uncounted
    if not job["spec"].get("suspend"):
        status.setdefault("startTime", format_time(now))
    return _suspension(job, status, now)


def _suspension(job: Job, status: Obj, now: datetime) -> Obj:
    present = find(status.get("conditions"), "Suspended")
    suspended = bool(job["spec"].get("suspend"))
    if suspended and (present is None or present["status"] != "True"):
        status.pop("startTime", None)
        return _say(status, "Suspended", "True", "JobSuspended", "Job suspended", now)
    if not suspended and present is not None and present["status"] == "True":
        status["startTime"] = format_time(now)
        return _say(status, "Suspended", "False", "JobResumed", "Job resumed", now)
    return status


def _say(status: Obj, kind: str, value: str, reason: str, message: str, now: datetime) -> Obj:
    condition: Obj = {"type": kind, "status": value, "reason": reason, "message": message}
    condition["lastProbeTime"] = format_time(now)
    return {**status, "conditions": set_condition(status.get("conditions"), condition, now)}


def _judge(job: Job, status: Obj, active: Sequence[Pod], now: datetime) -> tuple[Obj, str, float | None]:
    """Return the status with the conditions of the end; why it ends, or ""; when a deadline will end it."""
    conditions = status.get("conditions")
    failing, complete = find(conditions, "FailureTarget"), find(conditions, "SuccessCriteriaMet")
    wait_s = None
    if failing is None and complete is None:
        reason, wait_s = _failure(job, status, active, now)
        if reason:
            status = _say(status, "FailureTarget", "True", reason, _MESSAGES[reason], now)
        elif _is_enough(job, status):
            reason = "CompletionsReached"
            status = _say(status, "SuccessCriteriaMet", "True", reason, _MESSAGES[reason], now)
        failing = find(status.get("conditions"), "FailureTarget")
        complete = find(status.get("conditions"), "SuccessCriteriaMet")
    last = failing or complete
    if last is None:
        return status, "", wait_s
    if not active and not status.get("terminating") and not status["uncountedTerminatedPods"]:
        kind = "Failed" if failing else "Complete"
        status = _say(status, kind, "True", last["reason"], last["message"], now)
        if not failing:
            status["completionTime"] = format_time(now)
    return status, last["reason"], None


def _failure(job: Job, status: Obj, active: Sequence[Pod], now: datetime) -> tuple[str, float | None]:
    spec: Any = job["spec"]
    failed = status.get("failed", 0) + len(status["uncountedTerminatedPods"].get("failed") or ())
    limit = spec.get("backoffLimit", 6)
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    restarts = 0
    if pod_spec.get("restartPolicy") == "OnFailure":
        restarts = sum(_restarts(pod) for pod in active)
    if failed > limit or (restarts and restarts >= max(1, limit)):
        return "BackoffLimitExceeded", None
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is None or "startTime" not in status:
        return "", None
    left_s = (parse_time(status["startTime"]) + timedelta(seconds=deadline) - now).total_seconds()
    return ("DeadlineExceeded", None) if left_s <= 0 else ("", left_s)


def _restarts(pod: Pod) -> int:
    status: Any = pod.get("status") or {}
    listed = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return sum(each.get("restartCount", 0) for each in listed)


def _succeeded(status: Mapping[str, Any]) -> int:
    uncounted = status["uncountedTerminatedPods"].get("succeeded") or ()
    return int(status.get("succeeded", 0)) + len(uncounted)


def _is_enough(job: Job, status: Obj) -> bool:
    completions = job["spec"].get("completions")
    if completions is None:
        return _succeeded(status) > 0 and not status.get("active")
    return _succeeded(status) >= completions


def _keep_running(
    job: Job, status: Obj, pods: Sequence[Pod], active: Sequence[Pod], counts: Tally, now: datetime
) -> tuple[list[Change], float | None]:
    """Return the pods to start or to stop, and when to start more after a failure."""
    parallelism = job["spec"].get("parallelism", 1)
    completions = job["spec"].get("completions")
    if completions is None:
        wanted = len(active) if _succeeded(status) else parallelism
    else:
        wanted = min(parallelism, completions - _succeeded(status))
    if job["spec"].get("podReplacementPolicy") == "Failed":
        wanted -= status.get("terminating", 0)
    if len(active) > wanted:
        surplus = sorted(active, key=is_pod_ready)[: len(active) - max(0, wanted)]
        return [delete(PODS, pod, about=job) for pod in surplus], None
    missing = min(wanted - len(active), BURST)
    if missing <= 0:
        return [], None
    wait_s = _backoff_s(job, pods, now)
    if wait_s > 0:
        return [], wait_s
    return [*_creates(job, active, counts, missing)], None


def _backoff_s(job: Job, pods: Iterable[Pod], now: datetime) -> float:
    """Return how long to wait for the sake of the failures since the last success."""
    ended = sorted((_ended_at(pod, now), has_failed(job, pod)) for pod in pods if is_terminal(pod))
    failures = 0
    for _, failed in reversed(ended):
        if not failed:
            break
        failures += 1
    if not failures:
        return 0.0
    delay = min(LIMIT_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10))
    return delay - (now - ended[-1][0]).total_seconds()


def _ended_at(pod: Pod, now: datetime) -> datetime:
    moments = [
        parse_time(each["state"]["terminated"]["finishedAt"])
        for each in (pod.get("status") or {}).get("containerStatuses") or ()
        if ((each.get("state") or {}).get("terminated") or {}).get("finishedAt")
    ]
    created = pod["metadata"].get("creationTimestamp")
    return max(moments, default=parse_time(created) if created else now)


def _creates(job: Job, active: Iterable[Pod], counts: Tally, missing: int) -> Iterable[Change]:
    namespace = job["metadata"].get("namespace", "")
    if not is_indexed(job):
        return [Create(PODS, _pod(job), namespace, about=job)] * missing
    taken = {index_of(pod) for pod in active} | counts.indexes
    free = [index for index in range(job["spec"].get("completions") or 0) if index not in taken]
    return [Create(PODS, _pod(job, index), namespace, about=job) for index in free[:missing]]


def _pod(job: Job, index: int | None = None) -> Obj:
    pod = new_pod(job["spec"].get("template") or {}, job, JOBS)
    metadata = pod["metadata"]
    metadata["finalizers"] = [*metadata.get("finalizers", ()), FINALIZER]
    if index is None:
        return pod
    name = f"{job['metadata']['name']}-{index}"
    metadata["generateName"] = f"{name}-"
    metadata["annotations"] = {**metadata.get("annotations", {}), INDEX: str(index)}
    metadata["labels"] = {**metadata.get("labels", {}), INDEX: str(index)}
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
    spec = {**pod["spec"], "hostname": name}
    for group in ("initContainers", "containers"):
        if group in spec:
            spec[group] = [_with_variable(container, variable) for container in spec[group]]
    pod["spec"] = spec
    return pod


def _with_variable(container: Obj, variable: Obj) -> Obj:
    env = container.get("env") or []
    if any(each["name"] == variable["name"] for each in env):
        return container
    return {**container, "env": [*env, variable]}


def _announce(job: Job, status: Obj) -> list[Change]:
    before = (job.get("status") or {}).get("conditions")
    conditions = status.get("conditions")
    if find(conditions, "Complete") and not find(before, "Complete"):
        return [Record(job, "Normal", "Completed", "Job completed")]
    failed = find(conditions, "Failed")
    if failed and not find(before, "Failed"):
        return [Record(job, "Warning", failed["reason"], failed["message"])]
    return []
