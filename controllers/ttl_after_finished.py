"""ttl-after-finished-controller: deletes finished Jobs when their `ttlSecondsAfterFinished` is over.

Source: pkg/controller/ttlafterfinished (1.36).
"""

from datetime import datetime, timedelta
from typing import Any

from api.resource import key_of
from api.times import parse_time
from api.types.batch_v1 import JOBS, Job
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Delete, Plan


@controller("ttl-after-finished-controller", of=JOBS)
def ttl_after_finished(job: Job, view: View, now: datetime) -> Plan:
    ttl_s = job["spec"].get("ttlSecondsAfterFinished")
    ended = _ended_at(job)
    if ttl_s is None or ended is None or "deletionTimestamp" in job["metadata"]:
        return NOTHING
    left_s = (ended + timedelta(seconds=ttl_s) - now).total_seconds()
    if left_s > 0:
        return Plan(requeue_after=left_s)
    metadata = job["metadata"]
    version = metadata.get("resourceVersion", "")
    return Plan((Delete(JOBS, key_of(job), metadata["uid"], version, propagation="Foreground"),))


def _ended_at(job: Job) -> datetime | None:
    conditions: list[Any] = list((job.get("status") or {}).get("conditions") or ())
    for condition in conditions:
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            moment = condition.get("lastTransitionTime")
            return parse_time(moment) if moment else None
    return None
