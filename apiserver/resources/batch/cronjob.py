"""CronJobs under REST. Source: pkg/registry/batch/cronjob/strategy.go (1.36)."""

from api.core.pod_warnings import spec_warnings
from api.field import Path
from api.resource import Obj
from apiserver.resources.apps.workload import name_warnings
from apiserver.rest.strategy import Strategy


class CronJobStrategy(Strategy):
    def warnings(self, obj: Obj) -> list[str]:
        job = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
        at = Path("spec").child("jobTemplate").child("spec").child("template").child("spec")
        return name_warnings(obj) + spec_warnings((job.get("template") or {}).get("spec") or {}, at)
