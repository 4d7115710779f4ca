"""Nobody grants more than they hold: roles and bindings are checked against the rights of who writes them.

    role      its rules must be held by the writer, who otherwise needs `escalate` on the role; one that
              aggregates takes all rights
    binding   the rules of the bound role must be held by the writer, who otherwise needs `bind` on the role

Source: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased (1.36).
"""

from typing import Any

from api import errors
from api.codec.shapes import equal
from api.resource import Obj, Resource
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import name_of
from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.authz.rbac import RBAC
from apiserver.authz.rules import Rule, compile_rules, describe, uncovered
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry

_MASTERS = "system:masters"
_COLLECTION = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")
_EVERYTHING = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


class RBACEscalation:
    name = "RBACEscalation"

    def __init__(self, registry: Registry, rbac: RBAC, authorizer: Authorizer) -> None:
        self._registry = registry
        self._rbac = rbac
        self._authorizer = authorizer

    def handles(self, request: AdmissionRequest) -> bool:
        kinds = (ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS)
        writes = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return writes and request.resource in kinds

    async def validate(self, request: AdmissionRequest) -> None:
        if _MASTERS in request.user.groups or request.object is None:
            return
        if request.resource in (ROLES, CLUSTERROLES):
            self._check_role(request, request.object)
        else:
            await self._check_binding(request, request.object)

    def _check_role(self, request: AdmissionRequest, role: Obj) -> None:
        if _only_collected(request, role):
            return
        if self._may(request, request.resource, role["metadata"].get("name", ""), "escalate"):
            return
        # An aggregated role gathers whatever its labels find, and nobody can take rules from it.
        if role.get("aggregationRule") or (request.old or {}).get("aggregationRule"):
            owned = self._rbac.rules(request.user, request.namespace)
            if uncovered(owned, compile_rules(_EVERYTHING)):
                why = "must have cluster-admin privileges to use the aggregationRule"
                raise errors.forbidden(request.resource, name_of(request), why)
        self._check_rules(request, compile_rules(role.get("rules")))

    async def _check_binding(self, request: AdmissionRequest, binding: Obj) -> None:
        if _only_collected(request, binding):
            return
        ref = binding["roleRef"]
        resource = ROLES if ref["kind"] == "Role" else CLUSTERROLES
        if self._may(request, resource, ref["name"], "bind"):
            return
        namespace = request.namespace if resource is ROLES else ""
        role = await self._registry.get(resource, namespace, ref["name"])
        self._check_rules(request, compile_rules(role.get("rules")))

    def _check_rules(self, request: AdmissionRequest, wanted: tuple[Rule, ...]) -> None:
        owned = self._rbac.rules(request.user, request.namespace)
        missing = uncovered(owned, wanted)
        if missing:
            what = "is attempting to grant RBAC permissions not currently held"
            why = f"{_who(request.user)} {what}:\n{describe(missing)}"
            raise errors.forbidden(request.resource, name_of(request), why)

    def _may(self, request: AdmissionRequest, resource: Resource[Any], name: str, verb: str) -> bool:
        namespace = request.namespace
        info = RequestInfo(
            True, "", verb, resource.group, resource.version, resource.plural, "", namespace, name
        )
        return self._authorizer.authorize(request.user, info).verdict is Verdict.ALLOW


def _only_collected(request: AdmissionRequest, obj: Obj) -> bool:
    """Tell whether an update changes only what the garbage collector needs to change.

    A new label is more than that: it may let an aggregated role gather the rules of this one.
    """
    return request.old is not None and equal(_without_collection(obj), _without_collection(request.old))


def _without_collection(obj: Obj) -> Obj:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in _COLLECTION}
    return {**obj, "metadata": metadata}


def _who(user: User) -> str:
    groups = " ".join(f'"{group}"' for group in user.groups)
    return f'user "{user.name}" (groups=[{groups}])'
