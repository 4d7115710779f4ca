"""Approving or denying a certificate request takes the right to `approve` for its signer.

Source: plugin/pkg/admission/certificates/approval (1.36).
"""

from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.admission.signers import may_act_for
from apiserver.authz.authorizer import Authorizer


class CertificateApproval:
    name = "CertificateApproval"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        approves = request.operation == "UPDATE" and request.subresource == "approval"
        return request.resource is CERTIFICATESIGNINGREQUESTS and approves

    async def validate(self, request: AdmissionRequest) -> None:
        signer = ((request.old or {}).get("spec") or {}).get("signerName", "")
        if not may_act_for(self._authorizer, request.user, "approve", signer):
            raise refuse(request, f'user not permitted to approve requests with signerName "{signer}"')
