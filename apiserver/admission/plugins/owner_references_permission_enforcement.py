"""An owner reference that blocks the owner's deletion may be set only by who may change the owner's
finalizers.

Off by default, as upstream. Source: plugin/pkg/admission/gc/gc_admission.go (1.36).
"""

from typing import Any

from api import catalog
from api.resource import Obj
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import RequestInfo


class OwnerReferencesPermissionEnforcement:
    name = "OwnerReferencesPermissionEnforcement"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and not request.subresource

    async def validate(self, request: AdmissionRequest) -> None:
        before, after = _references(request.old), _references(request.object)
        if before == after:
            return
        if request.old is not None and not self._may(request, request.resource, request.name, "", "delete"):
            raise refuse(
                request, "cannot set an ownerRef on a resource you can't delete: insufficient permissions"
            )
        for reference in after:
            if reference.get("blockOwnerDeletion") and reference not in before:
                self._check_owner(request, reference)

    def _check_owner(self, request: AdmissionRequest, reference: Obj) -> None:
        owner = catalog.by_kind(reference["apiVersion"], reference["kind"])
        if owner is None or not self._may(request, owner, reference["name"], "finalizers", "update"):
            raise refuse(
                request,
                "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set "
                "finalizers on: insufficient permissions",
            )

    def _may(self, request: AdmissionRequest, resource: Any, name: str, subresource: str, verb: str) -> bool:
        info = RequestInfo(
            True,
            "",
            verb,
            resource.group,
            resource.version,
            resource.plural,
            subresource,
            request.namespace,
            name,
        )
        return self._authorizer.authorize(request.user, info).verdict is Verdict.ALLOW


def _references(obj: Obj | None) -> list[Obj]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []
