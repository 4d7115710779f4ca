"""Services may not claim external addresses (CVE-2020-8554); those that they have they may keep.

Source: plugin/pkg/admission/denyserviceexternalips (1.36).
"""

from api.resource import Obj
from api.types.core_v1 import SERVICES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse


class DenyServiceExternalIPs:
    name = "DenyServiceExternalIPs"

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource is SERVICES and written

    async def validate(self, request: AdmissionRequest) -> None:
        if _addresses(request.object) - _addresses(request.old):
            raise refuse(request, "Use of external IPs is denied by admission control")


def _addresses(service: Obj | None) -> set[str]:
    return set(((service or {}).get("spec") or {}).get("externalIPs") or ())
