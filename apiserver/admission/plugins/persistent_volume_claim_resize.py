"""A claim grows only where its storage class says that it can.

Source: plugin/pkg/admission/storage/persistentvolume/resize (1.36).
"""

from api.quantity import parse_quantity
from api.resource import Obj
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from api.types.storage_v1 import STORAGECLASSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry


class PersistentVolumeClaimResize:
    name = "PersistentVolumeClaimResize"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        updates = request.operation == "UPDATE" and not request.subresource
        return request.resource is PERSISTENTVOLUMECLAIMS and updates

    async def validate(self, request: AdmissionRequest) -> None:
        old, new = request.old or {}, request.object or {}
        if _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise refuse(request, "Only bound persistent volume claims can be expanded")
        found = self._registry.cached(
            STORAGECLASSES, "", (old.get("spec") or {}).get("storageClassName") or ""
        )
        if found is None or not found.get("allowVolumeExpansion"):
            raise refuse(
                request,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions "
                "the pvc must support resize",
            )


def _size(claim: Obj) -> int:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return parse_quantity(requests.get("storage", 0)).nano
