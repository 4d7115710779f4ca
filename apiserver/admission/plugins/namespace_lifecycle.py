"""Objects are created only in namespaces that exist and are not being deleted; system namespaces stay.

Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle (1.36).
"""

from api import errors
from api.errors import NotFound
from api.resource import Obj
from api.types.core_v1 import NAMESPACES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse, refuse_because
from apiserver.registry import Registry
from kit import clock

_IMMORTAL = frozenset(("default", "kube-system", "kube-public"))
# After a DELETE of a namespace the cache is not believed for this long.
_FORCE_LIVE_S = 30.0
_REVIEWS = frozenset(("localsubjectaccessreviews",))


class NamespaceLifecycle:
    name = "NamespaceLifecycle"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._deleted: dict[str, float] = {}

    def handles(self, request: AdmissionRequest) -> bool:
        if request.resource is NAMESPACES:
            return request.operation == "DELETE" and not request.subresource
        named = request.resource.namespaced and request.operation in ("CREATE", "UPDATE", "CONNECT")
        return named and request.resource.plural not in _REVIEWS

    async def mutate(self, request: AdmissionRequest) -> Obj:
        """Refuse, or return the object as it is: it stands first, so that nothing else is tried in vain."""
        if request.resource is not NAMESPACES:
            namespace = await self._namespace(request.namespace)
            if request.operation == "CREATE" and is_terminating(namespace):
                raise terminating(request)
        return request.object or {}

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse to delete a namespace of the system; remember the deletion of another one."""
        if request.resource is not NAMESPACES:
            return
        if request.name in _IMMORTAL:
            raise refuse(request, "this namespace may not be deleted")
        now = clock.monotonic()
        self._deleted = {name: until for name, until in self._deleted.items() if until > now}
        self._deleted[request.name] = now + _FORCE_LIVE_S

    async def _namespace(self, name: str) -> Obj:
        if not self._deleted or self._deleted.get(name, 0.0) < clock.monotonic():
            found = self._registry.cached(NAMESPACES, "", name)
            if found is not None:
                return found
        try:
            return await self._registry.get(NAMESPACES, "", name)
        except NotFound as error:
            raise errors.not_found(NAMESPACES, name) from error


def is_terminating(namespace: Obj) -> bool:
    phase = (namespace.get("status") or {}).get("phase")
    return phase == "Terminating" or "deletionTimestamp" in namespace["metadata"]


def terminating(request: AdmissionRequest) -> errors.Forbidden:
    """Return the refusal of a create in a namespace that is going away."""
    namespace = request.namespace
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return refuse_because(request, why, cause)
