"""Times that clients leave to the server: of conditions of certificate requests, of taints of devices.

Source: pkg/registry/certificates/certificates populateConditionTimestamps, pkg/apis/resource/v1/defaults.go
SetDefaults_DeviceTaint (1.36): there the strategy and the defaults ask the clock; ours are pure.
"""

from api.resource import Obj
from api.times import format_time
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from api.types.resource_v1 import RESOURCESLICES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.resources.certificates.certificatesigningrequest import with_condition_times
from apiserver.resources.dra.resourceslice import with_taint_times
from kit import clock


class Timestamps:
    name = "Timestamps"

    def handles(self, request: AdmissionRequest) -> bool:
        if request.resource is CERTIFICATESIGNINGREQUESTS:
            return request.operation == "UPDATE" and request.subresource in ("approval", "status")
        return request.resource is RESOURCESLICES and request.operation in ("CREATE", "UPDATE")

    async def mutate(self, request: AdmissionRequest) -> Obj:
        obj, now = request.object or {}, format_time(clock.now())
        if request.resource is RESOURCESLICES:
            return with_taint_times(obj, now)
        return with_condition_times(obj, request.old or {}, now)
