"""Who may write what of claims to devices: admin access needs a label on the namespace, each part of a
claim's status a right of its own.

    adminAccess in a spec, template, allocation   label `resource.kubernetes.io/admin-access: "true"`
    status.allocation, status.reservedFor         `update` of `resourceclaims/binding`
    status.devices                                `arbitrary-node:update` of `resourceclaims/driver`, each;
                                                  `associated-node:update` for accounts on the claim's node

Source: pkg/registry/resource/resourceclaim_auth.go, strategies of the claims (1.36).
"""

from typing import Any

from api import errors, field
from api.codec.shapes import equal
from api.field import FieldError, Path
from api.resource import Obj
from api.types.core_v1 import NAMESPACES
from api.types.resource_v1 import RESOURCECLAIMS, RESOURCECLAIMTEMPLATES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.filters.authorize import forbidden
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry

ADMIN_LABEL = "resource.kubernetes.io/admin-access"
_NODE_EXTRA = "authentication.kubernetes.io/node-name"
_ACCOUNT = "system:serviceaccount:"
_STATUS = Path("status")


class ResourceClaimRights:
    name = "ResourceClaimRights"

    def __init__(self, registry: Registry, authorizer: Authorizer) -> None:
        self._registry = registry
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        if request.resource is RESOURCECLAIMS:
            created = request.operation == "CREATE" and not request.subresource
            return created or (request.operation == "UPDATE" and request.subresource == "status")
        return request.resource is RESOURCECLAIMTEMPLATES and request.operation == "CREATE"

    async def validate(self, request: AdmissionRequest) -> None:
        obj, old = request.object or {}, request.old or {}
        found = admin_path(obj, old, request.resource is RESOURCECLAIMTEMPLATES)
        faults = [] if found is None else self._admin_errors(request.namespace, found)
        if request.subresource:
            faults += self._status_errors(request, obj.get("status") or {}, old.get("status") or {})
        if faults:
            raise errors.invalid(
                request.resource.group, request.resource.kind, obj["metadata"]["name"], faults
            )

    def _admin_errors(self, namespace: str, path: Path) -> list[FieldError]:
        found = self._registry.cached(NAMESPACES, "", namespace) or {"metadata": {}}
        if (found["metadata"].get("labels") or {}).get(ADMIN_LABEL) == "true":
            return []
        text = f"admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
        return [field.forbidden(path, text)]

    def _status_errors(self, request: AdmissionRequest, status: Obj, old: Obj) -> list[FieldError]:
        verb = request.request.info.verb if request.request else "update"
        faults = self._binding_errors(request, verb, status, old)
        verbs = [f"arbitrary-node:{verb}"]
        if is_on_node(request.user, allocated_node(status)):
            verbs.insert(0, f"associated-node:{verb}")
        for driver in changed_drivers(status, old):
            infos = [_info(name, "driver", request.namespace, driver) for name in verbs]
            refusals = [self._refusal(request.user, info) for info in infos]
            if all(refusals):
                what = f'resource="resourceclaims/driver", verb="[{" ".join(verbs)}]"'
                text = f"changing status.devices requires {what} permission: {refusals[0]}"
                faults.append(field.forbidden(_STATUS.child("devices"), text))
        return faults

    def _binding_errors(
        self, request: AdmissionRequest, verb: str, status: Obj, old: Obj
    ) -> list[FieldError]:
        if all(equal(status.get(name), old.get(name)) for name in ("allocation", "reservedFor")):
            return []
        refusal = self._refusal(request.user, _info(verb, "binding"))
        if not refusal:
            return []
        what = f'resource="resourceclaims/binding", verb="{verb}"'
        text = f"changing status.allocation or status.reservedFor requires {what} permission: {refusal}"
        return [field.forbidden(_STATUS, text)]

    def _refusal(self, user: User, info: RequestInfo) -> str:
        decision = self._authorizer.authorize(user, info)
        if decision.verdict is Verdict.ALLOW:
            return ""
        return forbidden(user, info, decision.reason).message


def _info(verb: str, subresource: str, namespace: str = "", name: str = "") -> RequestInfo:
    group, version, plural = RESOURCECLAIMS.group, RESOURCECLAIMS.version, RESOURCECLAIMS.plural
    return RequestInfo(True, "", verb, group, version, plural, subresource, namespace, name)


def admin_path(obj: Obj, old: Obj, is_template: bool) -> Path | None:
    """Return where admin access is asked for, or newly given in a status; None if nowhere."""
    if old:
        given = [_admin_index(_results(each)) for each in (old, obj)]
        path = _STATUS.child("allocation", "devices", "results")
        return path.index(given[1]).child("adminAccess") if given[0] < 0 <= given[1] else None
    spec, path = obj.get("spec") or {}, Path("spec")
    if is_template:
        # The path is that of a claim in upstream too.
        spec = spec.get("spec") or {}
    requests = (spec.get("devices") or {}).get("requests") or []
    index = _admin_index([request.get("exactly") or {} for request in requests])
    return path.child("devices", "requests").index(index).child("adminAccess") if index >= 0 else None


def _admin_index(items: list[Obj]) -> int:
    return next((number for number, item in enumerate(items) if item.get("adminAccess")), -1)


def _results(claim: Obj) -> list[Obj]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return (allocation.get("devices") or {}).get("results") or []


def changed_drivers(status: Obj, old: Obj) -> list[str]:
    """Return the drivers whose reports on devices were added, changed or removed."""
    now, before = _reports(status), _reports(old)
    changed = [key for key in now.keys() | before.keys() if not equal(now.get(key), before.get(key))]
    return sorted({key[0] for key in changed})


def _reports(status: Obj) -> dict[tuple[str, ...], Any]:
    names = ("driver", "pool", "device", "shareID")
    return {tuple(item.get(name, "") for name in names): item for item in status.get("devices") or ()}


def allocated_node(status: Obj) -> str:
    """Return the node to which an allocation is bound by name, "" if it is not."""
    terms = ((status.get("allocation") or {}).get("nodeSelector") or {}).get("nodeSelectorTerms") or []
    if len(terms) != 1 or terms[0].get("matchExpressions") or len(terms[0].get("matchFields") or ()) != 1:
        return ""
    wanted = terms[0]["matchFields"][0]
    named = wanted.get("key") == "metadata.name" and wanted.get("operator") == "In"
    values = wanted.get("values") or []
    return str(values[0]) if named and len(values) == 1 else ""


def is_on_node(user: User, node: str) -> bool:
    """Tell whether a service account's token was issued for a pod on this node."""
    return bool(node) and user.name.startswith(_ACCOUNT) and tuple(user.extra.get(_NODE_EXTRA, ())) == (node,)
