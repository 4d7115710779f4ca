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
            ("", "nodes"): _own_node,
            ("", "pods"): self._pod,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csinode,
            ("resource.k8s.io", "resourceslices"): _slices,
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
        refusal = _refusal(node, info)
        if refusal:
            return Decision(Verdict.NO_OPINION, refusal)
        if self._needs(node, info.group, info.resource, info.namespace, info.name):
            return _ALLOW
        return Decision(Verdict.NO_OPINION, _no_relationship(node))

    def _reachable(self, node: str, info: RequestInfo, needs: Callable[[str, str], bool]) -> Decision:
        if info.verb != "get" or info.subresource:
            return Decision(Verdict.NO_OPINION, "can only get individual resources of this type")
        if info.name and needs(node, info.name):
            return _ALLOW
        return Decision(Verdict.NO_OPINION, _no_relationship(node))

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

    def _pod(self, node: str, info: RequestInfo) -> Decision:
        if info.subresource or info.verb not in ("get", "list", "watch"):
            return _by_rules(info)
        if info.verb in ("list", "watch") and not info.name:
            if _selects(info.field_selector, "spec.nodeName", node):
                return _ALLOW
            return Decision(Verdict.NO_OPINION, "can only list/watch pods with spec.nodeName field selector")
        pod = self._registry.cached(PODS, info.namespace, info.name)
        # A pod that is gone may be asked for: the answer is 404.
        if pod is None or pod["spec"].get("nodeName") == node:
            return _ALLOW
        return Decision(Verdict.NO_OPINION, _no_relationship(node))


def _refusal(node: str, info: RequestInfo) -> str:
    """Return why a request for an object that pods refer to is refused by its form alone, "" if it is not."""
    verbs: tuple[str, ...] = ("get", "list", "watch")
    match info.resource, info.subresource:
        case "persistentvolumeclaims", "":
            verbs = ("get",)
        case "persistentvolumeclaims", "status":
            verbs = ("get", "update", "patch")
        case "serviceaccounts", "token":
            verbs = ("create",)
        case "serviceaccounts" | "resourceclaims", "":
            verbs = ("get",)
        case _, "":
            pass
        case _:
            return "cannot access subresources"
    if info.verb not in verbs:
        return "can only read resources of this type" if "list" in verbs else f"can only {'/'.join(verbs)}"
    if not info.name:
        return "No Object name found"
    return ""


def _own_node(node: str, info: RequestInfo) -> Decision:
    if info.subresource not in ("", "status"):
        return _by_rules(info)
    match info.verb:
        case "create":
            return _ALLOW
        case "list" | "watch":
            if info.name == node:
                return _ALLOW
            return Decision(
                Verdict.NO_OPINION,
                f"node '{node}' cannot read all nodes, only its own Node object",
            )
        case "get" | "update" | "patch":
            if info.name == node:
                return _ALLOW
            reason = f"node '{node}' cannot read '{info.name}', only its own Node object"
            if info.verb != "get":
                reason = f"node '{node}' cannot change '{info.name}', only its own Node object"
            return Decision(Verdict.NO_OPINION, reason)
    return _by_rules(info)


def _lease(node: str, info: RequestInfo) -> Decision:
    if info.namespace != LEASE_NAMESPACE:
        return Decision(
            Verdict.NO_OPINION, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
        )
    return _own(node, info, ("get", "create", "update", "patch", "delete"))


def _csinode(node: str, info: RequestInfo) -> Decision:
    return _own(node, info, ("get", "create", "update", "patch", "delete"))


def _own(node: str, info: RequestInfo, verbs: tuple[str, ...]) -> Decision:
    if info.verb not in verbs or info.subresource:
        return Decision(Verdict.NO_OPINION, f"can only {', '.join(verbs)} {info.resource}")
    if info.verb != "create" and info.name != node:
        return Decision(
            Verdict.NO_OPINION, f"can only access {info.resource} with the same name as the requesting node"
        )
    return _ALLOW


def _slices(node: str, info: RequestInfo) -> Decision:
    if info.subresource or info.verb not in (
        "get", "create", "update", "patch", "delete", "list", "watch", "deletecollection"
    ):  # fmt: skip
        return Decision(Verdict.NO_OPINION, "can only access resource slices of the node")
    selects = info.verb in ("list", "watch", "deletecollection")
    if selects and not _selects(info.field_selector, "spec.nodeName", node):
        reason = "can only list/watch/deletecollection resourceslices with nodeName field selector"
        return Decision(Verdict.NO_OPINION, reason)
    return _ALLOW


def _selects(selector: str, field: str, value: str) -> bool:
    terms = [term.strip() for term in selector.split(",")]
    return f"{field}={value}" in terms or f"{field}=={value}" in terms


def _by_rules(info: RequestInfo) -> Decision:
    return _ALLOW if any(rule.allows(info) for rule in _node_rules()) else _NO_OPINION


def _no_relationship(node: str) -> str:
    return f"no relationship found between node '{node}' and this object"
