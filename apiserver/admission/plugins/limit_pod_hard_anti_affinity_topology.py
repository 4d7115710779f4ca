"""A pod may keep others off its own node, but not off a whole zone.

Source: plugin/pkg/admission/antiaffinity (1.36).
"""

from api.resource import Obj
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse

_HOSTNAME = "kubernetes.io/hostname"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class LimitPodHardAntiAffinityTopology:
    name = "LimitPodHardAntiAffinityTopology"

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource is PODS and written

    async def validate(self, request: AdmissionRequest) -> None:
        key = wider_topology(request.object or {})
        if key is not None:
            what = "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey"
            raise refuse(request, f"{what} {key} but only key {_HOSTNAME} is allowed")


def wider_topology(pod: Obj) -> str | None:
    """Return the first topology key of a required anti-affinity that is not the host's name."""
    anti = ((pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}).get(_REQUIRED) or ()
    return next((term["topologyKey"] for term in anti if term.get("topologyKey") != _HOSTNAME), None)
