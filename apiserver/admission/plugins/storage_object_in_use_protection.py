"""Volumes and claims carry the finalizer that keeps them while they are in use.

Source: plugin/pkg/admission/storage/storageobjectinuseprotection (1.36).
"""

from api.resource import Obj
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from api.types.storage_v1 import VOLUMEATTRIBUTESCLASSES
from apiserver.admission.plugin import AdmissionRequest

_FINALIZERS = {
    PERSISTENTVOLUMES: "kubernetes.io/pv-protection",
    PERSISTENTVOLUMECLAIMS: "kubernetes.io/pvc-protection",
    VOLUMEATTRIBUTESCLASSES: "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection:
    name = "StorageObjectInUseProtection"

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource in _FINALIZERS and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        return with_finalizer(request.object or {}, _FINALIZERS[request.resource])


def with_finalizer(obj: Obj, finalizer: str) -> Obj:
    """Return the object with the finalizer."""
    present = obj["metadata"].get("finalizers") or []
    if finalizer in present:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "finalizers": [*present, finalizer]}}
