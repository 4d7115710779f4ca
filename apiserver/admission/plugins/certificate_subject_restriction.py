"""Nobody asks for a client certificate of the group that may do everything.

Source: plugin/pkg/admission/certificates/subjectrestriction (1.36).
"""

import base64
import binascii

from cryptography import x509
from cryptography.x509.oid import NameOID

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


def organizations(encoded: str) -> list[str]:
    """Return the organizations of a base64 PEM certificate request; [] if it cannot be read."""
    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(encoded))
    except (ValueError, binascii.Error):
        # Validation says what is wrong with it.
        return []
    return [str(item.value) for item in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
