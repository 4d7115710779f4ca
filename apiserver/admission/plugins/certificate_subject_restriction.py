"""Nobody asks for a client certificate of the group that may do everything.

Source: plugin/pkg/admission/certificates/subjectrestriction (1.36).
"""

from api.certificates.pem import organizations
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse

_SIGNER, _MASTERS = "kubernetes.io/kube-apiserver-client", "system:masters"


class CertificateSubjectRestriction:
    name = "CertificateSubjectRestriction"

    def handles(self, request: AdmissionRequest) -> bool:
        creates = request.operation == "CREATE" and not request.subresource
        return request.resource is CERTIFICATESIGNINGREQUESTS and creates

    async def validate(self, request: AdmissionRequest) -> None:
        spec = (request.object or {}).get("spec") or {}
        if spec.get("signerName") == _SIGNER and _MASTERS in organizations(spec.get("request", "")):
            raise refuse(request, f"use of {_SIGNER} signer with {_MASTERS} group is not allowed")
