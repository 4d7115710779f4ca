"""A pod of a runtime class carries the class's overhead and is scheduled where the class's runtime is.

Source: plugin/pkg/admission/runtimeclass (1.36).
"""

from typing import Any

from api.errors import NotFound
from api.quantity import parse_quantity
from api.resource import Obj
from api.types.core_v1 import PODS
from api.types.node_v1 import RUNTIMECLASSES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry


class RuntimeClass:
    name = "RuntimeClass"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource is PODS and request.operation == "CREATE" and not request.subresource

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        name = pod["spec"].get("runtimeClassName")
        if not name:
            if pod["spec"].get("overhead"):
                raise refuse(
                    request,
                    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
                )
            return pod
        return with_class(request, pod, await self._class(request, name))

    async def _class(self, request: AdmissionRequest, name: str) -> Obj:
        found = self._registry.cached(RUNTIMECLASSES, "", name)
        if found is not None:
            return found
        try:
            return await self._registry.get(RUNTIMECLASSES, "", name)
        except NotFound as error:
            raise refuse(request, f'pod rejected: RuntimeClass "{name}" not found') from error


def with_class(request: AdmissionRequest, pod: Obj, found: Obj) -> Obj:
    """Return the pod with the overhead, node selector and tolerations of its class."""
    spec = _with_overhead(request, pod["spec"], (found.get("overhead") or {}).get("podFixed"))
    scheduling = found.get("scheduling") or {}
    return {**pod, "spec": _with_scheduling(request, spec, scheduling)}


def _with_overhead(request: AdmissionRequest, spec: Obj, overhead: dict[str, str] | None) -> Obj:
    given = spec.get("overhead")
    if overhead is None:
        if given:
            raise refuse(
                request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        return spec
    if given and not _is_equal(given, overhead):
        raise refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    return {**spec, "overhead": dict(overhead)}


def _with_scheduling(request: AdmissionRequest, spec: Obj, scheduling: dict[str, Any]) -> Obj:
    selector = scheduling.get("nodeSelector") or {}
    given = spec.get("nodeSelector") or {}
    for key, value in selector.items():
        if given.get(key, value) != value:
            raise refuse(
                request,
                f"pod rejected: conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {given[key]}",
            )
    result = {**spec, "nodeSelector": {**given, **selector}} if selector else spec
    tolerations = spec.get("tolerations") or []
    missing = [item for item in scheduling.get("tolerations") or () if item not in tolerations]
    return {**result, "tolerations": [*tolerations, *missing]} if missing else result


def _is_equal(one: dict[str, str], other: dict[str, str]) -> bool:
    if one.keys() != other.keys():
        return False
    return all(parse_quantity(one[key]).nano == parse_quantity(other[key]).nano for key in one)
