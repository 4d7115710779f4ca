"""An ingress that names no class gets the default one.

Source: plugin/pkg/admission/network/defaultingressclass (1.36).
"""

from collections.abc import Iterable

from api.resource import Obj
from api.types.networking_v1 import INGRESSCLASSES, INGRESSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.registry import Registry

_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass:
    name = "DefaultIngressClass"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is INGRESSES and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        ingress = request.object or {}
        annotated = _OLD_CLASS in (ingress["metadata"].get("annotations") or {})
        if annotated or (ingress.get("spec") or {}).get("ingressClassName") is not None:
            return ingress
        default = default_class(self._registry.cached_list(INGRESSCLASSES))
        if not default:
            return ingress
        return {**ingress, "spec": {**(ingress.get("spec") or {}), "ingressClassName": default}}


def default_class(classes: Iterable[Obj]) -> str:
    """Return the name of the default class ("" if none): of several, the newest, then the first by name."""
    found = [item for item in classes if (item["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"]
    found.sort(key=lambda item: item["metadata"]["name"])
    found.sort(key=lambda item: item["metadata"].get("creationTimestamp", ""), reverse=True)
    return str(found[0]["metadata"]["name"]) if found else ""
