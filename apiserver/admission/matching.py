"""Whether the namespace and the labels of what a request is about are those that a webhook or policy selects.

Spec: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/{namespace,object} (1.36).
"""

from api.labels import Selector
from api.resource import Obj
from api.types.core_v1 import NAMESPACES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry


def namespace_of(request: AdmissionRequest) -> str:
    """Return the namespace that a request is in; a request about a namespace is in that one."""
    return request.name if request.resource is NAMESPACES else request.namespace


async def namespace_object(registry: Registry, request: AdmissionRequest) -> Obj | None:
    """Return the namespace of a request as it is in the store; None if it is in none. Raises `NotFound`."""
    name = namespace_of(request)
    if not name:
        return None
    found = registry.cached(NAMESPACES, "", name)
    return found if found is not None else await registry.get(NAMESPACES, "", name)


async def in_selected_namespace(registry: Registry, request: AdmissionRequest, selector: Selector) -> bool:
    """Tell whether a request's namespace is selected; what is in no namespace always is. Raises
    `NotFound`."""
    if selector.empty or not namespace_of(request):
        return True
    written = request.operation in ("CREATE", "UPDATE") and not request.subresource
    if request.resource is NAMESPACES and written:
        # The labels that it is about to have.
        return selector.matches(_labels(request.object))
    namespace = await namespace_object(registry, request)
    return selector.matches(_labels(namespace))


def is_selected_object(request: AdmissionRequest, selector: Selector) -> bool:
    """Tell whether the labels of the object, as it is to be or as it was, are selected."""
    if selector.empty:
        return True
    return any(
        obj is not None and "metadata" in obj and selector.matches(_labels(obj))
        for obj in (request.object, request.old)
    )


def _labels(obj: Obj | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}
