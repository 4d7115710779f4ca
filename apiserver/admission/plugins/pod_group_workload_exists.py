"""A PodGroup that names a template of a Workload is taken only if that template is there.

Source: plugin/pkg/admission/scheduling/podgroup (1.36).
"""

from api.errors import NotFound
from api.resource import Obj
from api.types.scheduling_v1alpha2 import PODGROUPS, WORKLOADS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry


class PodGroupWorkloadExists:
    name = "PodGroupWorkloadExists"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is PODGROUPS and request.operation == "CREATE" and not request.subresource

    async def validate(self, request: AdmissionRequest) -> None:
        spec = (request.object or {}).get("spec") or {}
        reference = (spec.get("podGroupTemplateRef") or {}).get("workload")
        if not reference:
            return
        name, template = reference["workloadName"], reference["podGroupTemplateName"]
        workload = await self._workload(request, name)
        if "deletionTimestamp" in workload["metadata"]:
            raise refuse(request, f'PodGroup rejected: Workload "{name}" is being deleted')
        if all(item["name"] != template for item in workload["spec"]["podGroupTemplates"]):
            text = f'PodGroup rejected: PodGroupTemplate "{template}" not found in Workload "{name}"'
            raise refuse(request, text)

    async def _workload(self, request: AdmissionRequest, name: str) -> Obj:
        found = self._registry.cached(WORKLOADS, request.namespace, name)
        if found is not None:
            return found
        try:
            return await self._registry.get(WORKLOADS, request.namespace, name)
        except NotFound as error:
            raise refuse(request, f'PodGroup rejected: Workload "{name}" not found') from error
