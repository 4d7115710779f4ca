"""A namespace is made when something is created in it.

Source: plugin/pkg/admission/namespace/autoprovision (1.36).
"""

from api.errors import AlreadyExists
from api.resource import Obj
from api.types.core_v1 import NAMESPACES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry


class NamespaceAutoProvision:
    name = "NamespaceAutoProvision"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource.namespaced

    async def mutate(self, request: AdmissionRequest) -> Obj:
        """Return the object as it is; its namespace is there then. A dry run makes none."""
        name = request.namespace
        if name and not request.dry_run and self._registry.cached(NAMESPACES, "", name) is None:
            try:
                await self._registry.create(NAMESPACES, "", {"metadata": {"name": name}})
            except AlreadyExists:
                return request.object or {}
        return request.object or {}
