"""Issuing a certificate, or failing a request, takes the right to `sign` for its signer.

Source: plugin/pkg/admission/certificates/signing (1.36).
"""

from typing import Any

from api.resource import Obj
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.admission.signers import may_act_for
from apiserver.authz.authorizer import Authorizer


class CertificateSigning:
    name = "CertificateSigning"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        signs = request.operation == "UPDATE" and request.subresource == "status"
        return request.resource is CERTIFICATESIGNINGREQUESTS and signs

    async def validate(self, request: AdmissionRequest) -> None:
        old, new = request.old or {}, request.object or {}
        if _outcome(old) == _outcome(new):
            return
        signer = (old.get("spec") or {}).get("signerName", "")
        if not may_act_for(self._authorizer, request.user, "sign", signer):
            raise refuse(request, f'user not permitted to sign requests with signerName "{signer}"')


def _outcome(csr: Obj) -> tuple[Any, list[Obj]]:
    status = csr.get("status") or {}
    failed = [item for item in status.get("conditions") or () if item.get("type") == "Failed"]
    return status.get("certificate"), failed
