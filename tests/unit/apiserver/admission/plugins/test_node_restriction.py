"""What a node may write, object by object."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from api.coordination.heartbeat import RENEWED_WITH
from api.errors import StatusError
from api.resource import Obj
from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, SERVICEACCOUNTS
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import CSIDRIVERS, CSINODES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.plugins.node_restriction import NodeRestriction
from apiserver.http.message import User
from tests.unit.apiserver.shelf import Shelf

USER = User("system:node:n1", ("system:nodes",))
MIRROR = {"kubernetes.io/config.mirror": "hash"}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": True}


def node(name: str = "n1", **spec: Any) -> Obj:
    return {"metadata": {"name": name, "uid": "node-uid"}, "spec": spec}


def labelled(*keys: str) -> Obj:
    return {"metadata": {"name": "n1", "labels": dict.fromkeys(keys, "x")}, "spec": {}}


def owned() -> Obj:
    return {"metadata": {"name": "n1", "ownerReferences": [{"name": "x"}]}, "spec": {}}


def pod(name: str = "p", on: str = "n1", **spec: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "d", "uid": "u"}, "spec": {"nodeName": on, **spec}}


def mirror(owner: Obj | None = None, **spec: Any) -> Obj:
    made = pod(**spec)
    owners = [OWNER if owner is None else owner]
    made["metadata"] |= {"annotations": MIRROR, "ownerReferences": owners}
    return made


def status(on: str = "n1", labels: Obj | None = None, **fields: Any) -> Obj:
    made = pod(on=on)
    made["metadata"]["labels"] = labels or {}
    return {**made, "status": fields}


def token(*audiences: str, **bound: Any) -> Obj:
    return {"spec": {"audiences": list(audiences), "boundObjectRef": bound}}


BOUND = {"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": "u"}
SOURCES = [{"serviceAccountToken": {}}, {"serviceAccountToken": {"audience": "vault"}}]
VOLUMES = [
    {"name": "t", "projected": {"sources": SOURCES}},
    {"name": "i", "csi": {"driver": "inline.io"}},
    {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
]


def driver(name: str, audience: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"tokenRequests": [{"audience": audience}]}}


CLAIM = {"metadata": {"name": "claim", "namespace": "d"}, "spec": {"volumeName": "pv"}}
WORLD: Any = Shelf(
    [
        (NODES, node()),
        (PODS, pod("mine", volumes=VOLUMES)),
        (PODS, pod("other", "n2")),
        (PERSISTENTVOLUMECLAIMS, CLAIM),
        (PERSISTENTVOLUMES, {"metadata": {"name": "pv"}, "spec": {"csi": {"driver": "volume.io"}}}),
        (CSIDRIVERS, driver("inline.io", "inline")),
        (CSIDRIVERS, driver("volume.io", "volume")),
    ]
)


def lease(name: str) -> Obj:
    return {"metadata": {"name": name}}


def sliced(on: str) -> Obj:
    return {"metadata": {"name": "s"}, "spec": {"nodeName": on}}


def certificate(name: str, signer: str = "kubernetes.io/kubelet-serving") -> Obj:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(csr.public_bytes(Encoding.PEM)).decode()
    return {"metadata": {"name": "c"}, "spec": {"signerName": signer, "request": text}}


def claim(metadata: Obj | None = None, spec: Obj | None = None, **fields: Any) -> Obj:
    named = {**CLAIM["metadata"], **(metadata or {})}
    return {"metadata": named, "spec": spec or CLAIM["spec"], "status": fields}


async def verdict(resource: Any, operation: str, obj: Obj | None, old: Obj | None, subresource: str) -> str:
    """Return why the plugin refuses, "" if it does not."""
    metadata = (obj or old or {}).get("metadata") or {}
    name, namespace = metadata.get("name", ""), metadata.get("namespace", "d")
    request = AdmissionRequest(operation, resource, namespace, name, USER, obj, old, subresource)
    plugin = NodeRestriction(WORLD)
    assert plugin.handles(request)
    try:
        await plugin.validate(request)
    except StatusError as error:
        return error.message.partition(" is forbidden: ")[2] or error.message
    return ""


@pytest.mark.parametrize(
    ("operation", "obj", "old", "subresource", "why"),
    [
        pytest.param("CREATE", node(), None, "", "", id="own"),
        pytest.param(
            "CREATE", node("n2"), None, "", 'node "n1" is not allowed to modify node "n2"', id="another"
        ),
        pytest.param("UPDATE", node(), node(), "status", "", id="status"),
        pytest.param(
            "UPDATE", node("n2"), node("n2"), "status", 'node "n1" is not allowed to modify node "n2"',
            id="status-of-another",
        ),
        pytest.param(
            "DELETE", None, node("n2"), "", 'node "n1" is not allowed to modify node "n2"',
            id="delete-another",
        ),
        pytest.param(
            "UPDATE", node(taints=[{"key": "a"}]), node(), "", 'node "n1" is not allowed to modify taints',
            id="taints",
        ),
        pytest.param(
            "UPDATE", owned(), node(), "", 'node "n1" is not allowed to modify ownerReferences', id="owners"
        ),
        pytest.param(
            "UPDATE", owned(), node(), "status", 'node "n1" is not allowed to modify ownerReferences',
            id="owners-through-status",
        ),
        pytest.param(
            "CREATE", node(configSource={"a": 1}), None, "",
            'node "n1" is not allowed to create pods with a non-nil configSource', id="config-source",
        ),
        pytest.param(
            "UPDATE", node(configSource={"a": 1}), node(), "",
            'node "n1" is not allowed to update configSource to a new non-nil configSource',
            id="new-config-source",
        ),
        pytest.param(
            "CREATE", labelled("node-restriction.kubernetes.io/a", "kubernetes.io/os"), None, "",
            'node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/a',
            id="protected-label-at-birth",
        ),
        pytest.param(
            "UPDATE", labelled("a.node-restriction.kubernetes.io/x"), node(), "",
            "is not allowed to modify labels: a.node-restriction.kubernetes.io/x", id="protected-label",
        ),
        pytest.param(
            "UPDATE", node(), labelled("node-role.kubernetes.io/x"), "",
            "is not allowed to modify labels: node-role.kubernetes.io/x", id="protected-label-removed",
        ),
        pytest.param("UPDATE", labelled("example.com/x", "plain"), node(), "", "", id="free-labels"),
        pytest.param(
            "UPDATE", labelled("a.kubelet.kubernetes.io/x", "node.kubernetes.io/y"), node(), "", "",
            id="own-domains",
        ),
        pytest.param(
            "UPDATE", labelled("topology.kubernetes.io/zone", "kubernetes.io/hostname"), node(), "", "",
            id="well-known",
        ),
        pytest.param(
            "UPDATE", labelled("x.k8s.io/y"), node(), "", "is not allowed to modify labels: x.k8s.io/y",
            id="k8s",
        ),
    ],
)  # fmt: skip
async def test_nodes(operation, obj, old, subresource, why):
    assert await verdict(NODES, operation, obj, old, subresource) == why


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        pytest.param(mirror(), "", id="mirror"),
        pytest.param(
            pod(),
            'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror '
            "pods",
            id="no-mirror",
        ),
        pytest.param(
            mirror(on="n2"), 'node "n1" can only create pods with spec.nodeName set to itself', id="elsewhere"
        ),
        pytest.param(
            mirror({}), 'node "n1" can only create pods with an owner reference set to itself', id="unowned"
        ),
        pytest.param(
            mirror({**OWNER, "name": "n2"}),
            'node "n1" can only create pods with an owner reference set to itself', id="owned-by-another",
        ),
        pytest.param(
            mirror({**OWNER, "controller": False}),
            'node "n1" can only create pods with a controller owner reference set to itself',
            id="owner-is-no-controller",
        ),
        pytest.param(
            mirror({**OWNER, "blockOwnerDeletion": True}),
            'node "n1" must not set blockOwnerDeletion on an owner reference', id="owner-blocks",
        ),
        pytest.param(
            mirror({**OWNER, "uid": "old"}), "node n1 UID mismatch: expected node-uid got old",
            id="owner-of-old",
        ),
        pytest.param(
            mirror(serviceAccountName="a"),
            'node "n1" can not create pods that reference a service account', id="account",
        ),
        pytest.param(
            mirror(volumes=[{"secret": {"secretName": "s"}}]),
            'node "n1" can not create pods that reference secrets', id="secret",
        ),
        pytest.param(
            mirror(initContainers=[{"envFrom": [{"configMapRef": {"name": "c"}}]}]),
            'node "n1" can not create pods that reference configmaps', id="configmap",
        ),
        pytest.param(
            mirror(volumes=[{"persistentVolumeClaim": {"claimName": "c"}}]),
            'node "n1" can not create pods that reference persistentvolumeclaims', id="claim",
        ),
        pytest.param(
            mirror(resourceClaims=[{"name": "r", "resourceClaimName": "c"}]),
            'node "n1" can not create pods that reference resourceclaims', id="devices",
        ),
        pytest.param(
            mirror(resourceClaims=[{"name": "r", "resourceClaimTemplateName": "c"}]),
            'node "n1" can not create pods that reference resourceclaims', id="devices-by-template",
        ),
        pytest.param(
            {**mirror(), "status": {"resourceClaimStatuses": [{"name": "r", "resourceClaimName": "c"}]}},
            'node "n1" can not create pods that reference resourceclaims', id="devices-by-status",
        ),
    ],
)  # fmt: skip
async def test_new_pods(obj, why):
    assert await verdict(PODS, "CREATE", obj, None, "") == why


@pytest.mark.parametrize(
    ("operation", "obj", "old", "subresource", "why"),
    [
        pytest.param("DELETE", None, pod(), "", "", id="delete-own"),
        pytest.param(
            "DELETE", None, pod(on="n2"), "",
            'node "n1" can only delete pods with spec.nodeName set to itself', id="delete-another",
        ),
        pytest.param(
            "UPDATE", pod(), pod(), "",
            'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods', id="update",
        ),
        pytest.param("UPDATE", status(phase="Running"), status(), "status", "", id="status"),
        pytest.param(
            "UPDATE", status("n2"), status("n2"), "status",
            'node "n1" can only update pod status for pods with spec.nodeName set to itself',
            id="status-of-another",
        ),
        pytest.param(
            "UPDATE", status(labels={"a": "b"}), status(), "status",
            'node "n1" cannot update labels through pod status', id="labels",
        ),
        pytest.param(
            "UPDATE", status(resourceClaimStatuses=[{"name": "r"}]), status(), "status",
            'node "n1" cannot update resource claim statuses', id="devices",
        ),
        pytest.param("CREATE", {"metadata": {"name": "mine"}}, None, "eviction", "", id="evict"),
        pytest.param(
            "CREATE", {"metadata": {"name": "other"}}, None, "eviction",
            'node "n1" can only evict pods with spec.nodeName set to itself', id="evict-another",
        ),
        pytest.param(
            "CREATE", {"metadata": {"name": "mine"}}, None, "binding",
            "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed", id="binding",
        ),
    ],
)  # fmt: skip
async def test_pods(operation, obj, old, subresource, why):
    assert await verdict(PODS, operation, obj, old, subresource) == why


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        pytest.param(token(**BOUND), "", id="own-audience"),
        pytest.param(token("vault", **BOUND), "", id="mounted-audience"),
        pytest.param(token("inline", **BOUND), "", id="audience-of-a-driver"),
        pytest.param(token("volume", **BOUND), "", id="audience-of-a-volume's-driver"),
        pytest.param(token("bank", **BOUND), 'audience "bank" not found in pod spec volume', id="audience"),
        pytest.param(token("a", "b", **BOUND), "node may only request 0 or 1 audiences", id="audiences"),
        pytest.param(token(), "node requested token not bound to a pod", id="unbound"),
        pytest.param(
            token(**{**BOUND, "kind": "Secret"}), "node requested token not bound to a pod",
            id="bound-to-secret",
        ),
        pytest.param(
            token(**{**BOUND, "uid": ""}), "node requested token with a pod binding without a uid",
            id="no-uid",
        ),
        pytest.param(
            token(**{**BOUND, "uid": "x"}),
            "the UID in the bound object reference (x) does not match the UID in record. The object might "
            "have been deleted and then recreated",
            id="uid",
        ),
        pytest.param(
            token(**{**BOUND, "name": "other"}),
            "node requested token bound to a pod scheduled on a different node", id="another-node",
        ),
        pytest.param(token(**{**BOUND, "name": "gone"}), 'pods "gone" not found', id="gone"),
    ],
)  # fmt: skip
async def test_tokens(obj, why):
    assert await verdict(SERVICEACCOUNTS, "CREATE", obj, None, "token") == why


SAME_LEASE = "can only access node lease with the same name as the requesting node"
SAME_SLICE = "can only create ResourceSlice with the same NodeName as the requesting node"


@pytest.mark.parametrize(
    ("resource", "operation", "obj", "old", "why"),
    [
        pytest.param(
            LEASES, "CREATE", lease("n1"), None,
            'can only access leases in the "kube-node-lease" system namespace',
            id="lease-elsewhere",
        ),
        pytest.param(CSINODES, "CREATE", lease("n1"), None, "", id="csinode"),
        pytest.param(
            CSINODES, "UPDATE", lease("n2"), lease("n2"),
            "can only access CSINode with the same name as the requesting node", id="csinode-of-another",
        ),
        pytest.param(RESOURCESLICES, "CREATE", sliced("n1"), None, "", id="slice"),
        pytest.param(RESOURCESLICES, "CREATE", sliced("n2"), None, SAME_SLICE, id="slice-of-another"),
        pytest.param(RESOURCESLICES, "UPDATE", sliced("n1"), sliced("n2"), SAME_SLICE, id="slice-taken"),
        pytest.param(
            CERTIFICATESIGNINGREQUESTS, "CREATE", certificate("system:node:n1"), None, "", id="certificate"
        ),
        pytest.param(
            CERTIFICATESIGNINGREQUESTS, "CREATE", certificate("system:node:n2"), None,
            "can only create a node CSR with CN=system:node:n1", id="certificate-of-another",
        ),
        pytest.param(
            CERTIFICATESIGNINGREQUESTS, "CREATE", certificate("system:node:n2", "a.io/b"), None, "",
            id="another-signer",
        ),
    ],
)  # fmt: skip
async def test_others(resource, operation, obj, old, why):
    assert await verdict(resource, operation, obj, old, "") == why


async def test_leases():
    for name, why in (("n1", ""), ("n2", SAME_LEASE)):
        obj = {"metadata": {"name": name, "namespace": "kube-node-lease"}}
        assert await verdict(LEASES, "UPDATE", obj, obj, "") == why


async def test_a_node_cannot_have_its_lease_renewed_by_others():
    alone = {"metadata": {"name": "n1", "namespace": "kube-node-lease"}}
    joined = {"metadata": {**alone["metadata"], "annotations": {RENEWED_WITH: "g/h"}}}
    why = 'node "n1" may not let its lease be renewed with others'
    assert await verdict(LEASES, "CREATE", joined, None, "") == why
    assert await verdict(LEASES, "UPDATE", joined, alone, "") == why
    assert await verdict(LEASES, "UPDATE", joined, joined, "") == ""
    assert await verdict(LEASES, "UPDATE", alone, joined, "") == ""


@pytest.mark.parametrize(
    ("new", "subresource", "why"),
    [
        pytest.param(
            claim({"resourceVersion": "2"}, capacity={"storage": "2Gi"}, conditions=[{"type": "x"}]),
            "status", "", id="sizes",
        ),
        pytest.param(
            claim({"labels": {"a": "b"}}), "status",
            'node "n1" is not allowed to update fields other than status.quantity and status.conditions',
            id="labels",
        ),
        pytest.param(
            claim(phase="Bound"), "status",
            'node "n1" is not allowed to update fields other than status.quantity and status.conditions',
            id="phase",
        ),
        pytest.param(claim(), "", 'unexpected operation "UPDATE"', id="not-the-status"),
    ],
)  # fmt: skip
async def test_claims(new, subresource, why):
    assert await verdict(PERSISTENTVOLUMECLAIMS, "UPDATE", new, claim(), subresource) == why


async def test_others_are_not_nodes():
    request = AdmissionRequest("DELETE", NODES, "", "n2", User("joe"), None, node("n2"))
    await NodeRestriction(WORLD).validate(request)
