"""What a node may write: its own Node, status and deletion of its own pods, mirror pods, its own leases.

    nodes      create and update itself only; no taints, protected labels, config source, owner references
    pods       create mirror pods bound to itself; delete, change the status of and evict its own pods only
    tokens     for service accounts of its own pods, bound to those pods, for audiences that they mount
    requests   for certificates of nodes: in its own name only
    leases     its own one in kube-node-lease;  csinodes: its own;  resourceslices: its own
    claims     sizes and conditions in the status only

Source: plugin/pkg/admission/noderestriction/admission.go (1.36).
"""

from collections.abc import Iterator
from typing import Any

from api import errors
from api.certificates.pem import common_names
from api.coordination.heartbeat import RENEWED_WITH
from api.podspec import MIRROR, is_mirror
from api.resource import Obj
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import (
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    SERVICEACCOUNTS,
)
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import CSIDRIVERS, CSINODES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import name_of, refuse
from apiserver.authz import references
from apiserver.authz.node import LEASE_NAMESPACE, USER_PREFIX, node_name
from apiserver.registry import Registry

_RESOURCES = (
    NODES, PODS, SERVICEACCOUNTS, LEASES, CSINODES, RESOURCESLICES, PERSISTENTVOLUMECLAIMS,
    CERTIFICATESIGNINGREQUESTS,
)  # fmt: skip
_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
# Of a claim: what every write changes, and what nodes may change in its status.
_MOVING = ("resourceVersion", "managedFields")
_SIZES = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
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
            case _ if request.resource is CERTIFICATESIGNINGREQUESTS:
                _check_request(request, node)
            case _:
                _check_claim(request, node)

    def _check_pod(self, request: AdmissionRequest, node: str) -> None:
        match request.subresource, request.operation:
            case "", "CREATE":
                check_mirror(request, node, self._registry.cached(NODES, "", node))
            case "", "DELETE":
                _check_own(request, node, request.old)
            case "", _:
                raise refuse(
                    request,
                    f'unexpected operation "{request.operation}", '
                    f'node "{node}" can only create and delete mirror pods',
                )
            case "status", _:
                _check_pod_status(request, node)
            case "eviction", _:
                name = name_of(request)
                _check_own(request, node, self._registry.cached(PODS, request.namespace, name))
            case _:
                raise refuse(
                    request,
                    f'unexpected pod subresource "{request.subresource}", '
                    "only 'status' and 'eviction' are allowed",
                )

    def _check_token(self, request: AdmissionRequest, node: str) -> None:
        if request.subresource != "token":
            return
        spec = (request.object or {}).get("spec") or {}
        bound = spec.get("boundObjectRef") or {}
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
            raise refuse(request, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise refuse(request, "node requested token with a pod binding without a uid")
        pod = self._registry.cached(PODS, request.namespace, bound["name"])
        if pod is None:
            raise errors.not_found(PODS, bound["name"])
        if pod["metadata"]["uid"] != bound["uid"]:
            raise refuse(
                request,
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        if pod["spec"].get("nodeName") != node:
            raise refuse(request, "node requested token bound to a pod scheduled on a different node")
        self._check_audience(request, pod, spec.get("audiences") or [])

    def _check_audience(self, request: AdmissionRequest, pod: Obj, audiences: list[str]) -> None:
        """Refuse a token for an audience that the pod does not mount one for."""
        if len(audiences) > 1:
            raise refuse(request, "node may only request 0 or 1 audiences")
        audience = audiences[0] if audiences else ""
        if audience in mounted_audiences(pod):
            return
        for driver in self._csi_drivers(pod):
            found = self._registry.cached(CSIDRIVERS, "", driver) or {}
            for wanted in (found.get("spec") or {}).get("tokenRequests") or ():
                if wanted.get("audience", "") == audience:
                    return
        raise refuse(request, f'audience "{audience}" not found in pod spec volume')

    def _csi_drivers(self, pod: Obj) -> Iterator[str]:
        """Yield the drivers of a pod's volumes, also of those behind its claims."""
        for volume in pod["spec"].get("volumes") or ():
            if driver := (volume.get("csi") or {}).get("driver"):
                yield driver
        for name in references.claims_of(pod):
            claim = self._registry.cached(PERSISTENTVOLUMECLAIMS, pod["metadata"]["namespace"], name)
            bound = ((claim or {}).get("spec") or {}).get("volumeName")
            found = self._registry.cached(PERSISTENTVOLUMES, "", bound) if bound else None
            if driver := (((found or {}).get("spec") or {}).get("csi") or {}).get("driver"):
                yield driver


def mounted_audiences(pod: Obj) -> set[str]:
    """Return the audiences of the tokens that a pod mounts; "" is the API server's own."""
    return {
        source["serviceAccountToken"].get("audience", "")
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source.get("serviceAccountToken") is not None
    }


def _check_own(request: AdmissionRequest, node: str, pod: Obj | None) -> None:
    if pod is not None and (pod.get("spec") or {}).get("nodeName") != node:
        verb = {"DELETE": "delete", "UPDATE": "update pod status for"}.get(request.operation, "evict")
        raise refuse(request, f'node "{node}" can only {verb} pods with spec.nodeName set to itself')


def _check_pod_status(request: AdmissionRequest, node: str) -> None:
    if request.operation != "UPDATE":
        raise refuse(request, f'unexpected operation "{request.operation}"')
    _check_own(request, node, request.old)
    if _labels(request.old) != _labels(request.object):
        raise refuse(request, f'node "{node}" cannot update labels through pod status')
    before, after = ((obj or {}).get("status") or {} for obj in (request.old, request.object))
    if before.get("resourceClaimStatuses") != after.get("resourceClaimStatuses"):
        raise refuse(request, f'node "{node}" cannot update resource claim statuses')


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
    forbidden = ", ".join(sorted(key for key in changed if not may_set_label(key)))
    if forbidden and old is None:
        raise refuse(request, f'node "{node}" is not allowed to set the following labels: {forbidden}')
    if forbidden:
        raise refuse(request, f"is not allowed to modify labels: {forbidden}")


def _check_update(request: AdmissionRequest, node: str, obj: Obj, old: Obj) -> None:
    if not request.subresource and _taints(obj) != _taints(old):
        raise refuse(request, f'node "{node}" is not allowed to modify taints')
    source = (obj.get("spec") or {}).get("configSource")
    if source and source != (old.get("spec") or {}).get("configSource"):
        why = "is not allowed to update configSource to a new non-nil configSource"
        raise refuse(request, f'node "{node}" {why}')
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
    ):
        if any(refers(pod)):
            raise refuse(request, f'node "{node}" can not create pods that reference {word}')
    # Also what a template would make, and what the status claims was made.
    if pod["spec"].get("resourceClaims") or any(references.resource_claims_of(pod)):
        raise refuse(request, f'node "{node}" can not create pods that reference resourceclaims')


def _check_mirror_owner(request: AdmissionRequest, node: str, pod: Obj, own: Obj | None) -> None:
    owners: list[dict[str, Any]] = pod["metadata"].get("ownerReferences") or []
    if len(owners) > 1:
        raise refuse(
            request, f'node "{node}" can only create pods with a single owner reference set to itself'
        )
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        raise refuse(request, f'node "{node}" can only create pods with an owner reference set to itself')
    if not owner.get("controller"):
        why = "can only create pods with a controller owner reference set to itself"
        raise refuse(request, f'node "{node}" {why}')
    if owner.get("blockOwnerDeletion"):
        raise refuse(request, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    if own is None:
        raise errors.not_found(NODES, node)
    if own["metadata"]["uid"] != owner.get("uid"):
        raise refuse(
            request, f"node {node} UID mismatch: expected {own['metadata']['uid']} got {owner.get('uid')}"
        )


def _check_lease(request: AdmissionRequest, node: str) -> None:
    if request.namespace != LEASE_NAMESPACE:
        raise refuse(request, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    _check_named(request, node, "can only access node lease with the same name as the requesting node")
    # Ours: or it would be thought alive after its end for as long as the others are.
    if (group := _group(request.object)) is not None and group != _group(request.old):
        raise refuse(request, f'node "{node}" may not let its lease be renewed with others')


def _group(lease: Obj | None) -> str | None:
    """Return with which others a Lease is renewed (`api/coordination/heartbeat.py`)."""
    return ((lease or {}).get("metadata", {}).get("annotations") or {}).get(RENEWED_WITH)


def _check_named(request: AdmissionRequest, node: str, why: str) -> None:
    if name_of(request) != node:
        raise refuse(request, why)


def _check_slice(request: AdmissionRequest, node: str) -> None:
    for obj in (request.object, request.old):
        if obj is not None and (obj.get("spec") or {}).get("nodeName") != node:
            why = "can only create ResourceSlice with the same NodeName as the requesting node"
            raise refuse(request, why)


def _check_claim(request: AdmissionRequest, node: str) -> None:
    if request.operation != "UPDATE" or request.subresource != "status":
        raise refuse(request, f'unexpected operation "{request.operation}"')
    if _fixed_claim(request.old or {}) != _fixed_claim(request.object or {}):
        why = "is not allowed to update fields other than status.quantity and status.conditions"
        raise refuse(request, f'node "{node}" {why}')


def _fixed_claim(claim: Obj) -> Obj:
    """Return what of a claim a node may not change."""
    metadata = {key: value for key, value in (claim.get("metadata") or {}).items() if key not in _MOVING}
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in _SIZES}
    return {"metadata": metadata, "spec": claim.get("spec"), "status": status}


def _check_request(request: AdmissionRequest, node: str) -> None:
    """Refuse a request for the certificate of another node."""
    spec = (request.object or {}).get("spec") or {}
    if request.operation != "CREATE" or spec.get("signerName") not in _NODE_SIGNERS:
        return
    own = f"{USER_PREFIX}{node}"
    if any(name.startswith(USER_PREFIX) and name != own for name in common_names(spec.get("request", ""))):
        raise refuse(request, f"can only create a node CSR with CN={own}")


def _labels(obj: Obj | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _taints(obj: Obj) -> list[Obj]:
    return (obj.get("spec") or {}).get("taints") or []
