"""What a node may see: its own objects, and what the pods bound to it need.

A node is a user `system:node:<name>` in group `system:nodes`. A request for a secret, config map, claim,
volume or service account is allowed if some pod on that node refers to it; the pod that justified it is
remembered and checked again next time, so a repeated request costs one look at one pod.
Source: plugin/pkg/auth/authorizer/node/node_authorizer.go, KEP-4601 (1.36).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from api.resource import Obj
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import VOLUMEATTACHMENTS
from apiserver.authz import references
from apiserver.authz.authorizer import Decision, Verdict
from apiserver.authz.rules import Rule, compile_rules
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry

USER_PREFIX = "system:node:"
GROUP = "system:nodes"
LEASE_NAMESPACE = "kube-node-lease"
_ALLOW = Decision(Verdict.ALLOW)
_NO_OPINION = Decision(Verdict.NO_OPINION)
_NAMELESS = "No Object name found"
_OWN_VERBS = ("get", "create", "update", "patch", "delete")

References = Callable[[Obj], Iterator[str]]


def _account(pod: Obj) -> Iterator[str]:
    yield references.service_account_of(pod)


# Which objects in a pod's namespace a pod leads to.
_BY_RESOURCE: dict[tuple[str, str], References] = {
    ("", "secrets"): references.secrets_of,
    ("", "configmaps"): references.configmaps_of,
    ("", "persistentvolumeclaims"): references.claims_of,
    ("", "serviceaccounts"): _account,
    ("resource.k8s.io", "resourceclaims"): references.resource_claims_of,
}


def node_name(user: User) -> str:
    """Return the name of the node that a user is, "" if it is none."""
    if GROUP in user.groups and user.name.startswith(USER_PREFIX):
        return user.name.removeprefix(USER_PREFIX)
    return ""


@cache
def _node_rules() -> tuple[Rule, ...]:
    from apiserver.bootstrap.policy import NODE_RULES

    return compile_rules(NODE_RULES)


class NodeAuthorizer:
    """Decides on requests of nodes; has no opinion on anybody else's."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # (node, group, resource, namespace, name) -> the pod that needs it.
        self._witnesses: dict[tuple[str, str, str, str, str], str] = {}
        self._special: dict[tuple[str, str], Callable[[str, RequestInfo], Decision]] = {
            **dict.fromkeys(_BY_RESOURCE, self._referenced),
            ("", "persistentvolumes"): self._volume,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csinode,
            ("resource.k8s.io", "resourceslices"): self._slice,
        }

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        node = node_name(user)
        if not node:
            return _NO_OPINION
        if not info.is_resource:
            return _by_rules(info)
        decide = self._special.get((info.group, info.resource))
        return decide(node, info) if decide is not None else _by_rules(info)

    def _volume(self, node: str, info: RequestInfo) -> Decision:
        return self._reachable(node, info, self._needs_volume)

    def _attachment(self, node: str, info: RequestInfo) -> Decision:
        return self._reachable(node, info, self._needs_attachment)

    def _referenced(self, node: str, info: RequestInfo) -> Decision:
        refusal = _refusal(info)
        if refusal:
            return _no(refusal)
        if self._needs(node, info.group, info.resource, info.namespace, info.name):
            return _ALLOW
        if info.resource == "secrets" and self._volume_needs(node, info.namespace, info.name):
            return _ALLOW
        return _no_relationship(node)

    def _reachable(self, node: str, info: RequestInfo, needs: Callable[[str, str], bool]) -> Decision:
        if info.verb != "get":
            return _no("can only get individual resources of this type")
        if info.subresource:
            return _no("cannot get subresource")
        if not info.name:
            return _no(_NAMELESS)
        return _ALLOW if needs(node, info.name) else _no_relationship(node)

    def _needs(self, node: str, group: str, resource: str, namespace: str, name: str) -> bool:
        """Tell whether a pod on the node refers to an object."""
        refers = _BY_RESOURCE[group, resource]
        key = (node, group, resource, namespace, name)
        witness = self._witnesses.get(key)
        if witness is not None:
            pod = self._registry.cached(PODS, namespace, witness)
            if pod is not None and pod["spec"].get("nodeName") == node and name in refers(pod):
                return True
            del self._witnesses[key]
        for pod in self._pods(node, namespace):
            if name in refers(pod):
                if len(self._witnesses) > 200_000:
                    self._witnesses.clear()
                self._witnesses[key] = pod["metadata"]["name"]
                return True
        return False

    def _pods(self, node: str, namespace: str) -> Iterable[Obj]:
        return self._registry.cached_by_field(PODS, "spec.nodeName", node, namespace)

    def _needs_volume(self, node: str, name: str) -> bool:
        volume = self._registry.cached(PERSISTENTVOLUMES, "", name)
        claim = (volume or {}).get("spec", {}).get("claimRef")
        if not claim:
            return False
        group, resource = PERSISTENTVOLUMECLAIMS.group, PERSISTENTVOLUMECLAIMS.plural
        return self._needs(node, group, resource, claim.get("namespace", ""), claim.get("name", ""))

    def _needs_attachment(self, node: str, name: str) -> bool:
        attachment = self._registry.cached(VOLUMEATTACHMENTS, "", name)
        return attachment is not None and attachment["spec"].get("nodeName") == node

    def _volume_needs(self, node: str, namespace: str, name: str) -> bool:
        """Tell whether a volume of a pod on the node refers to a secret."""
        for pod in self._pods(node, ""):
            for claim in references.claims_of(pod):
                found = self._registry.cached(PERSISTENTVOLUMECLAIMS, pod["metadata"]["namespace"], claim)
                bound = ((found or {}).get("spec") or {}).get("volumeName")
                volume = self._registry.cached(PERSISTENTVOLUMES, "", bound) if bound else None
                if volume is not None and (namespace, name) in references.volume_secrets_of(volume):
                    return True
        return False

    def _pod(self, node: str, info: RequestInfo) -> Decision:
        match info.subresource, info.verb:
            case "", "create":
                # NodeRestriction lets only mirror pods pass.
                return _ALLOW
            case "", "list" | "watch":
                if _selects(info.field_selector, "spec.nodeName", node):
                    return _ALLOW
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "get" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return self._own_pod(node, info)
        return _by_rules(info)

    def _own_pod(self, node: str, info: RequestInfo) -> Decision:
        if not info.name:
            return _no(_NAMELESS)
        pod = self._registry.cached(PODS, info.namespace, info.name)
        # DEVIATION: a pod that is gone may be asked for, the answer is 404; upstream knows no such pod and
        # answers 403, after which a node cannot tell a deleted pod from a right that it lacks.
        if pod is None or pod["spec"].get("nodeName") == node:
            return _ALLOW
        return _no_relationship(node)

    def _slice(self, node: str, info: RequestInfo) -> Decision:
        if info.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        match info.verb:
            case "create":
                return _ALLOW
            case "get" | "update" | "patch" | "delete":
                found = self._registry.cached(RESOURCESLICES, "", info.name)
                own = found is not None and found["spec"].get("nodeName") == node
                return _ALLOW if own else _no_relationship(node)
            case "list" | "watch" | "deletecollection":
                if _selects(info.field_selector, "spec.nodeName", node):
                    return _ALLOW
                return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        return _no(
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, "
            "patch, delete, deletecollection"
        )


def _refusal(info: RequestInfo) -> str:
    """Return why a request for an object that pods refer to is refused by its form alone, "" if it is not."""
    why = _form_fault(info.resource, info.subresource, info.verb)
    return why or ("" if info.name else _NAMELESS)


def _form_fault(resource: str, subresource: str, verb: str) -> str:
    match resource, subresource:
        case "persistentvolumeclaims", "status":
            return "" if verb in ("update", "patch") else "can only get/update/patch this type"
        case "serviceaccounts", _ if (verb, subresource) != ("get", ""):
            if verb != "create":
                return "can only create tokens for individual service accounts"
            return "" if subresource == "token" else "can only create token subresource of service account"
        case "secrets" | "configmaps", _:
            if verb not in ("get", "list", "watch"):
                return "can only read resources of this type"
            return "cannot read subresource" if subresource else ""
    if verb != "get":
        return "can only get individual resources of this type"
    return "cannot get subresource" if subresource else ""


def _node(node: str, info: RequestInfo) -> Decision:
    match info.subresource, info.verb:
        case "", "create":
            return _ALLOW
        case "", "get" | "list" | "watch":
            if info.name == node:
                return _ALLOW
            if not info.name:
                return _no(f"node '{node}' cannot read all nodes, only its own Node object")
            return _no(f"node '{node}' cannot read '{info.name}', only its own Node object")
        case "" | "status", "update" | "patch":
            # DEVIATION: upstream leaves this to NodeRestriction, which may be switched off.
            if info.name == node:
                return _ALLOW
            return _no(f"node '{node}' cannot change '{info.name}', only its own Node object")
    return _by_rules(info)


def _lease(node: str, info: RequestInfo) -> Decision:
    if info.verb not in _OWN_VERBS:
        return _no("can only get, create, update, patch, or delete a node lease")
    if info.namespace != LEASE_NAMESPACE:
        return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    return _own(node, info, "node lease")


def _csinode(node: str, info: RequestInfo) -> Decision:
    if info.verb not in _OWN_VERBS:
        return _no("can only get, create, update, patch, or delete a CSINode")
    if info.subresource:
        return _no("cannot authorize CSINode subresources")
    return _own(node, info, "CSINode")


def _own(node: str, info: RequestInfo, what: str) -> Decision:
    """Decide by the name, which is not known yet when an object is created."""
    if info.verb == "create" or info.name == node:
        return _ALLOW
    return _no(f"can only access {what} with the same name as the requesting node")


def _selects(selector: str, field: str, value: str) -> bool:
    terms = [term.strip() for term in selector.split(",")]
    return f"{field}={value}" in terms or f"{field}=={value}" in terms


def _by_rules(info: RequestInfo) -> Decision:
    return _ALLOW if any(rule.allows(info) for rule in _node_rules()) else _NO_OPINION


def _no(why: str) -> Decision:
    return Decision(Verdict.NO_OPINION, why)


def _no_relationship(node: str) -> Decision:
    return _no(f"no relationship found between node '{node}' and this object")
