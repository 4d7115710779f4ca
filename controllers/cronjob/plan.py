"""cronjob-controller: makes a Job at each moment of a schedule.

    Allow: always   Forbid: not while one is active   Replace: the active ones are deleted first

Of several moments that were missed only the last one counts, and only within `startingDeadlineSeconds`.
Source: pkg/controller/cronjob cronjob_controllerv2.go (1.36).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.batch.schedule import Schedule, parse_schedule
from api.conditions import find
from api.owners import new_controller_ref
from api.resource import Obj, key_of
from api.times import format_time, parse_time
from api.types.batch_v1 import CRONJOBS, JOBS, CronJob, Job
from controllers.framework.controller import View, controller
from controllers.framework.plan import Change, Create, Delete, Plan, Record, SetStatus

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
# When more moments than this were missed, the search begins anew closer to the present.
_MANY = 100


@dataclass(frozen=True)
class Moments:
    """The last moment that is due, if any, and the next one."""

    due: datetime | None
    next: datetime | None


@controller("cronjob-controller", of=CRONJOBS, owns=(JOBS,))
def cronjob(cron: CronJob, view: View, now: datetime) -> Plan:
    jobs = sorted(view.owned(JOBS, cron), key=lambda job: job["metadata"].get("creationTimestamp", ""))
    active = [job for job in jobs if not outcome(job)]
    changes: list[Change] = [*_forget(cron, jobs)]
    status = _seen(cron, jobs, active)
    try:
        schedule = parse_schedule(cron["spec"]["schedule"], cron["spec"].get("timeZone") or "")
    except ValueError as error:
        message = f"unparseable schedule: {cron['spec']['schedule']!r} : {error}"
        return Plan((*changes, Record(cron, "Warning", "UnparseableSchedule", message), *_told(cron, status)))
    moments = find_moments(cron, schedule, now)
    if moments.due and not cron["spec"].get("suspend") and "deletionTimestamp" not in cron["metadata"]:
        changes += _start(cron, view, active, moments.due, status)
    wait_s = (moments.next - now).total_seconds() + 0.1 if moments.next else None
    return Plan((*changes, *_told(cron, status)), wait_s)


def outcome(job: Job) -> str:
    """Return `Complete`, `Failed`, or "" while the job runs."""
    conditions: list[Any] = list((job.get("status") or {}).get("conditions") or ())
    for kind in ("Complete", "Failed"):
        condition = find(conditions, kind)
        if condition is not None and condition.get("status") == "True":
            return kind
    return ""


def find_moments(cron: CronJob, schedule: Schedule, now: datetime) -> Moments:
    """Return the last moment since the last run (or the creation) that has come, and the next to come."""
    last: Any = (cron.get("status") or {}).get("lastScheduleTime")
    since = parse_time(last or cron["metadata"]["creationTimestamp"])
    deadline = cron["spec"].get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    for start in (since, now - timedelta(days=31), now - timedelta(days=1), now - timedelta(hours=1)):
        moment, due, count = schedule.after(max(since, start)), None, 0
        while moment is not None and moment <= now and count <= _MANY:
            due, moment, count = moment, schedule.after(moment), count + 1
        if count <= _MANY:
            break
    return Moments(due, moment if moment is None or moment > now else schedule.after(now))


def _start(cron: CronJob, view: View, active: Sequence[Job], due: datetime, status: Obj) -> list[Change]:
    """Return what starts the job of a moment; notes it in `status`, which the caller owns."""
    metadata = cron["metadata"]
    name = f"{metadata['name']}-{int(due.timestamp()) // 60}"
    namespace = metadata.get("namespace", "")
    policy = cron["spec"].get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [Record(cron, "Normal", "JobAlreadyActive", message)]
    changes: list[Change] = []
    if view.get(JOBS, namespace, name) is None:
        if policy == "Replace":
            changes += [_delete(cron, job) for job in active]
        changes.append(Create(JOBS, _job(cron, name, due), namespace, about=cron))
    status["lastScheduleTime"] = format_time(due)
    return changes


def _job(cron: CronJob, name: str, due: datetime) -> Obj:
    template: Any = cron["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), SCHEDULED_AT: format_time(due)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": annotations,
            "ownerReferences": [new_controller_ref(cron, CRONJOBS)],
        },
        "spec": template.get("spec") or {},
    }


def _delete(cron: CronJob, job: Job) -> Delete:
    return Delete(JOBS, key_of(job), job["metadata"]["uid"], propagation="Background", about=cron)


def _forget(cron: CronJob, jobs: Sequence[Job]) -> list[Change]:
    """Return the deletions of finished jobs beyond the history limits, oldest first."""
    spec: Any = cron["spec"]
    limits = {
        "Complete": spec.get("successfulJobsHistoryLimit", 3),
        "Failed": spec.get("failedJobsHistoryLimit", 1),
    }
    changes: list[Change] = []
    for kind, limit in limits.items():
        ended = [j for j in jobs if outcome(j) == kind and "deletionTimestamp" not in j["metadata"]]
        changes += [_delete(cron, job) for job in ended[: max(0, len(ended) - limit)]]
    return changes


def _seen(cron: CronJob, jobs: Sequence[Job], active: Sequence[Job]) -> Obj:
    """Return the status as the jobs show it."""
    status: Obj = dict(cron.get("status") or {})
    status["active"] = [
        {
            "kind": "Job",
            "namespace": job["metadata"].get("namespace", ""),
            "name": job["metadata"]["name"],
            "uid": job["metadata"]["uid"],
            "apiVersion": "batch/v1",
        }
        for job in active
    ]
    if not active:
        del status["active"]
    done: list[str] = [
        moment
        for job in jobs
        if outcome(job) == "Complete" and (moment := (job.get("status") or {}).get("completionTime"))
    ]
    known = status.get("lastSuccessfulTime")
    if done:
        status["lastSuccessfulTime"] = max([*done, *([known] if known else [])])
    return status


def _told(cron: CronJob, status: Obj) -> list[Change]:
    return [] if status == (cron.get("status") or {}) else [SetStatus(CRONJOBS, cron, status)]
