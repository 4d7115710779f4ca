"""Pods that ask for an extended resource tolerate the taint that reserves its nodes (key: the resource).

Source: plugin/pkg/admission/extendedresourcetoleration (1.36).
"""

from api.resource import Obj
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest

_NATIVE = "kubernetes.io/"
_REQUESTS = "requests."


class ExtendedResourceToleration:
    name = "ExtendedResourceToleration"

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource is PODS and written

    async def mutate(self, request: AdmissionRequest) -> Obj:
        return tolerating(request.object or {})


def tolerating(pod: Obj) -> Obj:
    """Return the pod with the tolerations of its extended resources that it lacks."""
    spec = pod["spec"]
    names = sorted(
        {
            name
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
            for name in (container.get("resources") or {}).get("requests") or ()
            if is_extended(name)
        }
    )
    given = spec.get("tolerations") or []
    wanted = [{"key": name, "operator": "Exists"} for name in names]
    missing = [item for item in wanted if item not in given]
    return {**pod, "spec": {**spec, "tolerations": [*given, *missing]}} if missing else pod


def is_extended(name: str) -> bool:
    """Tell whether a resource is neither Kubernetes' own nor a quota's name."""
    return "/" in name and _NATIVE not in name and not name.startswith(_REQUESTS)
