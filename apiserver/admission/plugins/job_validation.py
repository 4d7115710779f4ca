"""How many pods of a gang's Job run at once may not be changed: the gang is as large as it was declared.

Without PodGroups it has nothing to do. Source: plugin/pkg/admission/job (1.36).
"""

from collections.abc import Iterable

from api.owners import is_controlled_by
from api.resource import Obj
from api.types.batch_v1 import JOBS
from api.types.scheduling_v1alpha2 import PODGROUPS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry


class JobValidation:
    """`served`: whether there are PodGroups."""

    name = "JobValidation"

    def __init__(self, registry: Registry, served: bool) -> None:
        self._registry = registry
        self._served = served

    def handles(self, request: AdmissionRequest) -> bool:
        is_job = request.resource is JOBS and request.operation == "UPDATE" and not request.subresource
        return self._served and is_job

    async def validate(self, request: AdmissionRequest) -> None:
        new, old = request.object or {}, request.old or {}
        if new["spec"].get("parallelism") == old["spec"].get("parallelism"):
            return
        for group in self._groups(request.namespace, old):
            if "gang" in group["spec"]["schedulingPolicy"]:
                named = f'gang-scheduled PodGroup "{group["metadata"]["name"]}"'
                raise refuse(request, f"cannot change parallelism for a Job referencing {named}")

    def _groups(self, namespace: str, job: Obj) -> Iterable[Obj]:
        """Return the groups that a Job's pods are in: the one that its template names, else those it owns."""
        name = (job["spec"]["template"]["spec"].get("schedulingGroup") or {}).get("podGroupName")
        if name:
            found = self._registry.cached(PODGROUPS, namespace, name)
            return [found] if found is not None else []
        there = self._registry.cached_list(PODGROUPS, namespace)
        return [group for group in there if is_controlled_by(group, job)]
