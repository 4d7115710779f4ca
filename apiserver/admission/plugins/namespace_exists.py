"""Whatever is written or deleted in a namespace, the namespace must be there.

Source: plugin/pkg/admission/namespace/exists (1.36).
"""

from api.types.core_v1 import NAMESPACES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry


class NamespaceExists:
    name = "NamespaceExists"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE", "DELETE") and request.resource.namespaced

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises `NotFound` of the namespace."""
        if request.namespace and self._registry.cached(NAMESPACES, "", request.namespace) is None:
            await self._registry.get(NAMESPACES, "", request.namespace)
