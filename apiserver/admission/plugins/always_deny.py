"""Refuses every write: a server that shall change nothing, for tests.

Source: plugin/pkg/admission/deny (1.36).
"""

from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse


class AlwaysDeny:
    name = "AlwaysDeny"
    # The server's own lease and bootstrap objects are written all the same.
    of_users = True

    def handles(self, request: AdmissionRequest) -> bool:
        return True

    async def validate(self, request: AdmissionRequest) -> None:
        raise refuse(request, "admission control is denying all modifications")
