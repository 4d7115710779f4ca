"""A claim that names no storage class gets the default one.

Source: plugin/pkg/admission/storage/storageclass/setdefault (1.36).
"""

from collections.abc import Iterable

from api.resource import Obj
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from api.types.storage_v1 import STORAGECLASSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_OLD_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass:
    name = "DefaultStorageClass"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        created = request.operation == "CREATE" and not request.subresource
        return created and request.resource is PERSISTENTVOLUMECLAIMS

    async def mutate(self, request: AdmissionRequest) -> Obj:
        claim = request.object or {}
        annotated = _OLD_CLASS in (claim["metadata"].get("annotations") or {})
        if annotated or (claim.get("spec") or {}).get("storageClassName") is not None:
            return claim
        default = default_class(self._registry.cached_list(STORAGECLASSES))
        if not default:
            return claim
        return {**claim, "spec": {**(claim.get("spec") or {}), "storageClassName": default}}


def default_class(classes: Iterable[Obj]) -> str:
    """Return the name of the default class ("" if none): of several, the newest, then the first by name."""
    found = [item for item in classes if is_default(item)]
    found.sort(key=lambda item: item["metadata"]["name"])
    found.sort(key=lambda item: item["metadata"].get("creationTimestamp", ""), reverse=True)
    return str(found[0]["metadata"]["name"]) if found else ""


def is_default(item: Obj) -> bool:
    annotations = item["metadata"].get("annotations") or {}
    return "true" in (annotations.get(_DEFAULT), annotations.get(_OLD_DEFAULT))
