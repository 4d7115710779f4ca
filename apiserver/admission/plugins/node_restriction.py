"""What a node may write: its own Node, status and deletion of its own pods, mirror pods, its own leases.

    nodes     create and update itself only; no taints, no protected labels, no config source, no owner
    references pods      create mirror pods bound to itself; delete, change the status of and evict its own
    pods only tokens    for service accounts of its own pods, bound to those pods
    leases    its own one in kube-node-lease;  csinodes: its own;  resourceslices: its own;  claims: status
    only

Source: plugin/pkg/admission/noderestriction/admission.go (1.36).
"""

from typing import Any

from api.podspec import MIRROR, is_mirror
from api.resource import Obj
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PERSISTENTVOLUMECLAIMS, PODS, SERVICEACCOUNTS
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import CSINODES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import name_of, refuse
from apiserver.authz import references
from apiserver.authz.node import LEASE_NAMESPACE, node_name
from apiserver.registry import Registry

_RESOURCES = (NODES, PODS, SERVICEACCOUNTS, LEASES, CSINODES, RESOURCESLICES, PERSISTENTVOLUMECLAIMS)
_RESTRICTED_PREFIX = "node-restriction.kubernetes.io"
# Labels of the kubernetes.io and k8s.io domains that a node may set on itself.
_OWN_LABELS = frozenset(
    (
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.kubernetes.io/region", "failure-domain.kubernetes.io/zone",
        "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "node.kubernetes.io/windows-build",
    )
)  # fmt: skip
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction:
    name = "NodeRestriction"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handles(self, request: AdmissionRequest) -> bool:
        return request.resource in _RESOURCES

    async def validate(self, request: AdmissionRequest) -> None:
        node = node_name(request.user)
        if not node:
            return
        match request.resource:
            case _ if request.resource is NODES:
                check_node(request, node)
            case _ if request.resource is PODS:
                self._check_pod(request, node)
            case _ if request.resource is SERVICEACCOUNTS:
                self._check_token(request, node)
            case _ if request.resource is LEASES:
                _check_lease(request, node)
            case _ if request.resource is CSINODES:
                _check_named(
                    request, node, "can only access CSINode with the same name as the requesting node"
                )
            case _ if request.resource is RESOURCESLICES:
                _check_slice(request, node)
            case _:
                _check_claim(request, node)

    def _check_pod(self, request: AdmissionRequest, node: str) -> None:
        if request.subresource == "":
            if request.operation == "CREATE":
                check_mirror(request, node, self._registry.cached(NODES, "", node))
            elif request.operation == "DELETE":
                self._check_own(request, node, request.old)
            else:
                raise refuse(
                    request,
                    f'unexpected operation "{request.operation}", '
                    f'node "{node}" can only create and delete mirror pods',
                )
        elif request.subresource == "status":
            self._check_own(request, node, request.old)
            if _labels(request.old) != _labels(request.object):
                raise refuse(request, f'node "{node}" cannot update labels through pod status')
        elif request.subresource == "eviction":
            self._check_own(request, node, self._registry.cached(PODS, request.namespace, name_of(request)))
        else:
            raise refuse(
                request,
                f'unexpected pod subresource "{request.subresource}", '
                "only 'status' and 'eviction' are allowed",
            )

    def _check_own(self, request: AdmissionRequest, node: str, pod: Obj | None) -> None:
        if pod is not None and (pod.get("spec") or {}).get("nodeName") != node:
            verb = {"DELETE": "delete", "UPDATE": "update status for"}.get(request.operation, "evict")
            raise refuse(request, f'node "{node}" can only {verb} pods with spec.nodeName set to itself')

    def _check_token(self, request: AdmissionRequest, node: str) -> None:
        if request.subresource != "token":
            return
        bound = ((request.object or {}).get("spec") or {}).get("boundObjectRef")
        if not bound or bound.get("kind") != "Pod":
            raise refuse(request, f"node requested token not bound to a pod: {node}")
        if not bound.get("uid"):
            raise refuse(request, "node requested token with a pod binding without a uid")
        pod = self._registry.cached(PODS, request.namespace, bound.get("name", ""))
        if pod is None or pod["metadata"]["uid"] != bound["uid"]:
            raise refuse(request, f'pod "{bound.get("name")}" not found, or not with that uid')
        if pod["spec"].get("nodeName") != node:
            raise refuse(
                request, f"node requested token bound to a pod scheduled on a different node: {node}"
            )


def check_node(request: AdmissionRequest, node: str) -> None:
    """Refuse what a node may not write to Node objects. Raises `Forbidden`."""
    if name_of(request) != node:
        raise refuse(request, f'node "{node}" is not allowed to modify node "{name_of(request)}"')
    obj = request.object
    if obj is None:
        return
    if (obj.get("spec") or {}).get("configSource") and request.operation == "CREATE":
        raise refuse(request, f'node "{node}" is not allowed to create pods with a non-nil configSource')
    old = request.old
    if old is None:
        changed = set(_labels(obj))
    else:
        _check_update(request, node, obj, old)
        before, after = _labels(old), _labels(obj)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    forbidden = sorted(key for key in changed if not may_set_label(key))
    if forbidden:
        raise refuse(request, f"is not allowed to modify labels: {', '.join(forbidden)}")


def _check_update(request: AdmissionRequest, node: str, obj: Obj, old: Obj) -> None:
    if not request.subresource and _taints(obj) != _taints(old):
        raise refuse(request, f'node "{node}" is not allowed to modify taints')
    before, after = old["metadata"].get("ownerReferences") or [], obj["metadata"].get("ownerReferences") or []
    if before != after:
        raise refuse(request, f'node "{node}" is not allowed to modify ownerReferences')


def may_set_label(key: str) -> bool:
    """Tell whether a node may set or change this label of itself."""
    domain = key.partition("/")[0] if "/" in key else ""
    if _within(domain, _RESTRICTED_PREFIX):
        return False
    if key in _OWN_LABELS or any(_within(domain, allowed) for allowed in _OWN_LABEL_DOMAINS):
        return True
    return not (_within(domain, "kubernetes.io") or _within(domain, "k8s.io"))


def _within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith("." + parent)


def check_mirror(request: AdmissionRequest, node: str, own: Obj | None) -> None:
    """Refuse any pod but a mirror pod bound to the node and owned by it. Raises `Forbidden`."""
    pod = request.object or {}
    if not is_mirror(pod):
        raise refuse(
            request, f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        )
    if pod["spec"].get("nodeName") != node:
        raise refuse(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
    _check_mirror_owner(request, node, pod, own)
    if references.service_account_of(pod):
        raise refuse(request, f'node "{node}" can not create pods that reference a service account')
    for refers, word in (
        (references.secrets_of, "secrets"),
        (references.configmaps_of, "configmaps"),
        (references.claims_of, "persistentvolumeclaims"),
        (references.resource_claims_of, "resourceclaims"),
    ):
        if any(refers(pod)):
            raise refuse(request, f'node "{node}" can not create pods that reference {word}')


def _check_mirror_owner(request: AdmissionRequest, node: str, pod: Obj, own: Obj | None) -> None:
    owners: list[dict[str, Any]] = pod["metadata"].get("ownerReferences") or []
    if len(owners) != 1:
        raise refuse(
            request, f'node "{node}" can only create pods with a single owner reference set to itself'
        )
    owner = owners[0]
    named = (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) == ("v1", "Node", node)
    if not named or not owner.get("controller") or owner.get("blockOwnerDeletion"):
        raise refuse(request, f'node "{node}" can only create pods with an owner reference set to itself')
    if own is not None and own["metadata"]["uid"] != owner.get("uid"):
        raise refuse(
            request, f"node {node} UID mismatch: expected {own['metadata']['uid']} got {owner.get('uid')}"
        )


def _check_lease(request: AdmissionRequest, node: str) -> None:
    if request.namespace != LEASE_NAMESPACE:
        raise refuse(request, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    _check_named(request, node, "can only access node lease with the same name as the requesting node")


def _check_named(request: AdmissionRequest, node: str, why: str) -> None:
    if name_of(request) != node:
        raise refuse(request, why)


def _check_slice(request: AdmissionRequest, node: str) -> None:
    for obj in (request.object, request.old):
        if obj is not None and (obj.get("spec") or {}).get("nodeName") != node:
            raise refuse(
                request,
                f"can only create ResourceSlice with the same NodeName as the requesting node: {node}",
            )


def _check_claim(request: AdmissionRequest, node: str) -> None:
    if request.operation != "UPDATE" or request.subresource != "status":
        raise refuse(request, f'node "{node}" can only update the status of persistentvolumeclaims')


def _labels(obj: Obj | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _taints(obj: Obj) -> list[Obj]:
    return (obj.get("spec") or {}).get("taints") or []
