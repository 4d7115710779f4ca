"""Approving or denying a certificate request takes the right to `approve` for its signer.

Source: plugin/pkg/admission/certificates/approval (1.36).
"""

from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import RequestInfo, User


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


def may_act_for(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Tell whether a user has a right on a signer, or on all signers of its domain (`example.com/*`)."""
    domain = signer.partition("/")[0]
    return any(
        authorizer.authorize(user, _info(verb, name)).verdict is Verdict.ALLOW
        for name in (signer, f"{domain}/*")
    )


def _info(verb: str, name: str) -> RequestInfo:
    return RequestInfo(True, "", verb, "certificates.k8s.io", "v1", "signers", "", "", name)
