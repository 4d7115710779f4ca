"""What a node may do: the whole matrix of verbs, objects and relations.

Each row is `verb resource[.group][/subresource] [namespace/]name [field selector] | answer`; the answer is
`yes`, `no` (no rule gives it), or the reason.
"""

from typing import Any

import pytest

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from api.types.resource_v1 import RESOURCESLICES
from api.types.storage_v1 import VOLUMEATTACHMENTS
from apiserver.authz.authorizer import Verdict
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.references import volume_secrets_of
from apiserver.http.message import RequestInfo, User
from tests.unit.apiserver.shelf import Shelf

UNRELATED = "no relationship found between node 'n1' and this object"
LEASE = "can only access node lease with the same name as the requesting node"
SLICES = "can only list/watch/deletecollection resourceslices with nodeName field selector"
VERBS = (
    "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, "
    "delete, deletecollection"
)
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))


def pod(name: str, node: str, **spec: Any) -> tuple[Any, dict[str, Any]]:
    metadata = {"name": name, "namespace": "d", "uid": f"uid-{name}"}
    return PODS, {"metadata": metadata, "spec": {"nodeName": node, **spec}}


def using(what: str) -> dict[str, Any]:
    """Return a pod spec that refers to objects named after `what` in every way."""
    env = [
        {"valueFrom": {"secretKeyRef": {"name": f"{what}-env"}}},
        {"valueFrom": {"configMapKeyRef": {"name": f"{what}-env"}}},
    ]
    sources = [{"secretRef": {"name": f"{what}-from"}}, {"configMapRef": {"name": f"{what}-from"}}]
    projected = [{"secret": {"name": f"{what}-projected"}}, {"configMap": {"name": f"{what}-projected"}}]
    return {
        "serviceAccountName": f"{what}-account",
        "imagePullSecrets": [{"name": f"{what}-pull"}],
        "containers": [{"name": "c"}],
        "initContainers": [{"name": "i", "env": env}],
        "ephemeralContainers": [{"name": "e", "envFrom": sources}],
        "resourceClaims": [{"name": "r", "resourceClaimName": f"{what}-devices"}],
        "volumes": [
            {"name": "s", "secret": {"secretName": f"{what}-volume"}},
            {"name": "c", "configMap": {"name": f"{what}-volume"}},
            {"name": "p", "projected": {"sources": projected}},
            {"name": "csi", "csi": {"nodePublishSecretRef": {"name": f"{what}-csi"}}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": f"{what}-claim"}},
            {"name": "eph", "ephemeral": {}},
        ],
    }


def volume(name: str, claim: str) -> tuple[Any, dict[str, Any]]:
    csi = {"driver": "d.io", "nodeStageSecretRef": {"name": f"{name}-stage", "namespace": "vault"}}
    spec = {"claimRef": {"namespace": "d", "name": claim}, "csi": csi}
    return PERSISTENTVOLUMES, {"metadata": {"name": name}, "spec": spec}


def claim(name: str, bound: str) -> tuple[Any, dict[str, Any]]:
    return PERSISTENTVOLUMECLAIMS, {
        "metadata": {"name": name, "namespace": "d"},
        "spec": {"volumeName": bound},
    }


def slice_of(name: str, node: str) -> tuple[Any, dict[str, Any]]:
    return RESOURCESLICES, {"metadata": {"name": name}, "spec": {"nodeName": node}}


def attachment(name: str, node: str) -> tuple[Any, dict[str, Any]]:
    return VOLUMEATTACHMENTS, {"metadata": {"name": name}, "spec": {"nodeName": node}}


WORLD: Any = Shelf(
    [
        pod("mine", "n1", **using("my")),
        pod("other", "n2", **using("her")),
        volume("my-pv", "my-claim"),
        volume("her-pv", "her-claim"),
        claim("my-claim", "my-pv"),
        claim("her-claim", "her-pv"),
        slice_of("my-slice", "n1"),
        slice_of("her-slice", "n2"),
        attachment("my-va", "n1"),
        attachment("her-va", "n2"),
    ]
)

ROWS = f"""
get secrets d/my-env | yes
get secrets d/my-from | yes
get secrets d/my-volume | yes
get secrets d/my-projected | yes
get secrets d/my-pull | yes
get secrets d/my-csi | yes
get secrets vault/my-pv-stage | yes
get secrets vault/her-pv-stage | {UNRELATED}
get secrets d/her-env | {UNRELATED}
get secrets d/her-volume | {UNRELATED}
get secrets d/her-pull | {UNRELATED}
get secrets other/my-env | {UNRELATED}
get secrets d/none | {UNRELATED}
list secrets d/my-env | yes
watch secrets d/my-env | yes
list secrets d/ | No Object name found
list secrets / | No Object name found
create secrets d/my-env | can only read resources of this type
update secrets d/my-env | can only read resources of this type
delete secrets d/my-env | can only read resources of this type
get secrets/status d/my-env | cannot read subresource
get configmaps d/my-env | yes
get configmaps d/my-from | yes
get configmaps d/my-volume | yes
get configmaps d/my-projected | yes
get configmaps d/her-volume | {UNRELATED}
watch configmaps d/my-volume | yes
list configmaps d/ | No Object name found
patch configmaps d/my-volume | can only read resources of this type
get persistentvolumeclaims d/my-claim | yes
get persistentvolumeclaims d/mine-eph | yes
get persistentvolumeclaims d/her-claim | {UNRELATED}
list persistentvolumeclaims d/ | can only get individual resources of this type
update persistentvolumeclaims d/my-claim | can only get individual resources of this type
update persistentvolumeclaims/status d/my-claim | yes
patch persistentvolumeclaims/status d/my-claim | yes
patch persistentvolumeclaims/status d/her-claim | {UNRELATED}
get persistentvolumeclaims/status d/my-claim | can only get/update/patch this type
get persistentvolumeclaims/other d/my-claim | cannot get subresource
get persistentvolumes my-pv | yes
get persistentvolumes her-pv | {UNRELATED}
get persistentvolumes none | {UNRELATED}
get persistentvolumes | No Object name found
list persistentvolumes | can only get individual resources of this type
update persistentvolumes my-pv | can only get individual resources of this type
get persistentvolumes/status my-pv | cannot get subresource
get volumeattachments.storage.k8s.io my-va | yes
get volumeattachments.storage.k8s.io her-va | {UNRELATED}
list volumeattachments.storage.k8s.io | can only get individual resources of this type
update volumeattachments.storage.k8s.io my-va | can only get individual resources of this type
get resourceclaims.resource.k8s.io d/my-devices | yes
get resourceclaims.resource.k8s.io d/her-devices | {UNRELATED}
list resourceclaims.resource.k8s.io d/ | can only get individual resources of this type
update resourceclaims.resource.k8s.io d/my-devices | can only get individual resources of this type
update resourceclaims.resource.k8s.io/status d/my-devices | can only get individual resources of this type
get serviceaccounts d/my-account | yes
get serviceaccounts d/her-account | {UNRELATED}
list serviceaccounts d/ | can only create tokens for individual service accounts
update serviceaccounts d/my-account | can only create tokens for individual service accounts
create serviceaccounts d/my-account | can only create token subresource of service account
create serviceaccounts/token d/my-account | yes
create serviceaccounts/token d/her-account | {UNRELATED}
create serviceaccounts/token d/ | No Object name found
get serviceaccounts/token d/my-account | can only create tokens for individual service accounts
get leases.coordination.k8s.io kube-node-lease/n1 | yes
update leases.coordination.k8s.io kube-node-lease/n1 | yes
patch leases.coordination.k8s.io kube-node-lease/n1 | yes
delete leases.coordination.k8s.io kube-node-lease/n1 | yes
create leases.coordination.k8s.io kube-node-lease/ | yes
get leases.coordination.k8s.io kube-node-lease/n2 | {LEASE}
update leases.coordination.k8s.io kube-node-lease/n2 | {LEASE}
list leases.coordination.k8s.io kube-node-lease/ | can only get, create, update, patch, or delete a node lease
get leases.coordination.k8s.io d/n1 | can only access leases in the "kube-node-lease" system namespace
create leases.coordination.k8s.io d/ | can only access leases in the "kube-node-lease" system namespace
get csinodes.storage.k8s.io n1 | yes
create csinodes.storage.k8s.io | yes
update csinodes.storage.k8s.io n1 | yes
delete csinodes.storage.k8s.io n1 | yes
get csinodes.storage.k8s.io n2 | can only access CSINode with the same name as the requesting node
patch csinodes.storage.k8s.io n2 | can only access CSINode with the same name as the requesting node
watch csinodes.storage.k8s.io | can only get, create, update, patch, or delete a CSINode
update csinodes.storage.k8s.io/status n1 | cannot authorize CSINode subresources
create resourceslices.resource.k8s.io | yes
get resourceslices.resource.k8s.io my-slice | yes
update resourceslices.resource.k8s.io my-slice | yes
delete resourceslices.resource.k8s.io my-slice | yes
get resourceslices.resource.k8s.io her-slice | {UNRELATED}
patch resourceslices.resource.k8s.io her-slice | {UNRELATED}
delete resourceslices.resource.k8s.io none | {UNRELATED}
list resourceslices.resource.k8s.io / spec.nodeName=n1 | yes
watch resourceslices.resource.k8s.io / spec.nodeName=n1,spec.driver=d | yes
deletecollection resourceslices.resource.k8s.io / spec.nodeName=n1 | yes
list resourceslices.resource.k8s.io / spec.nodeName=n2 | {SLICES}
deletecollection resourceslices.resource.k8s.io | {SLICES}
bind resourceslices.resource.k8s.io my-slice | {VERBS}
get resourceslices.resource.k8s.io/status my-slice | cannot authorize ResourceSlice subresources
get nodes n1 | yes
get nodes n2 | node 'n1' cannot read 'n2', only its own Node object
list nodes | node 'n1' cannot read all nodes, only its own Node object
watch nodes n1 | yes
watch nodes n2 | node 'n1' cannot read 'n2', only its own Node object
create nodes | yes
update nodes n1 | yes
patch nodes n1 | yes
patch nodes n2 | node 'n1' cannot change 'n2', only its own Node object
delete nodes n1 | no
deletecollection nodes | no
update nodes/status n1 | yes
patch nodes/status n2 | node 'n1' cannot change 'n2', only its own Node object
get nodes/status n1 | no
create nodes/proxy n1 | no
get nodes/proxy n1 | no
get pods d/mine | yes
get pods d/other | {UNRELATED}
get pods d/gone | yes
get pods d/ | No Object name found
list pods / spec.nodeName=n1 | yes
watch pods d/ spec.nodeName=n1 | yes
list pods / spec.nodeName=n2 | can only list/watch pods with spec.nodeName field selector
list pods / spec.nodeName!=n1 | can only list/watch pods with spec.nodeName field selector
list pods | can only list/watch pods with spec.nodeName field selector
create pods d/ | yes
update pods d/mine | no
patch pods d/mine | no
delete pods d/mine | yes
delete pods d/other | {UNRELATED}
deletecollection pods d/ | no
update pods/status d/mine | yes
patch pods/status d/mine | yes
patch pods/status d/other | {UNRELATED}
create pods/eviction d/mine | yes
create pods/eviction d/other | {UNRELATED}
create pods/exec d/mine | no
get pods/log d/mine | no
create pods/binding d/mine | no
get services d/any | yes
list services | yes
update services d/any | no
get endpoints d/any | yes
list endpoints | no
create events d/ | yes
patch events.events.k8s.io d/e | yes
delete events d/e | no
create tokenreviews.authentication.k8s.io | yes
create subjectaccessreviews.authorization.k8s.io | yes
create localsubjectaccessreviews.authorization.k8s.io d/ | yes
create selfsubjectaccessreviews.authorization.k8s.io | no
create certificatesigningrequests.certificates.k8s.io | yes
get certificatesigningrequests.certificates.k8s.io c | yes
update certificatesigningrequests.certificates.k8s.io/approval c | no
watch runtimeclasses.node.k8s.io | yes
create runtimeclasses.node.k8s.io | no
list csidrivers.storage.k8s.io | yes
delete csidrivers.storage.k8s.io d | no
list storageclasses.storage.k8s.io | no
get deployments.apps d/x | no
get clusterroles.rbac.authorization.k8s.io x | no
list namespaces | no
"""


def info(words: list[str]) -> RequestInfo:
    verb, what, where, selector = [*words, "", ""][:4]
    what, _, subresource = what.partition("/")
    resource, _, group = what.partition(".")
    namespace, slash, name = where.partition("/")
    if not slash:
        namespace, name = "", where
    return RequestInfo(
        True, "", verb, group, "v1", resource, subresource, namespace, name, field_selector=selector
    )


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        pytest.param(asked.split(), answer, id=asked.replace(" ", "-"))
        for asked, _, answer in (line.partition(" | ") for line in ROWS.strip().splitlines())
    ],
)
def test_matrix(asked: list[str], answer: str) -> None:
    decision = NodeAuthorizer(WORLD).authorize(NODE, info(asked))
    assert decision.verdict is (Verdict.ALLOW if answer == "yes" else Verdict.NO_OPINION)
    assert decision.reason == ("" if answer in ("yes", "no") else answer)


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(User("system:node:n1"), id="without-the-group"),
        pytest.param(User("n1", ("system:nodes",)), id="without-the-prefix"),
        pytest.param(User("system:node:", ("system:nodes",)), id="without-a-name"),
    ],
)
def test_only_nodes_are_judged(user: User) -> None:
    decision = NodeAuthorizer(WORLD).authorize(user, info(["get", "pods", "d/mine"]))
    assert decision.verdict is Verdict.NO_OPINION


def test_what_a_pod_justified_ends_with_it() -> None:
    world: Any = Shelf([pod("mine", "n1", **using("my"))])
    authorizer = NodeAuthorizer(world)
    asked = info(["get", "secrets", "d/my-env"])
    assert authorizer.authorize(NODE, asked).verdict is Verdict.ALLOW
    world.forget()
    assert authorizer.authorize(NODE, asked).verdict is Verdict.NO_OPINION


def test_witnesses_are_remembered_and_asked_again() -> None:
    world: Any = Shelf([pod("mine", "n1", **using("my")), pod("second", "n1", **using("my"))])
    authorizer = NodeAuthorizer(world)
    asked = info(["get", "configmaps", "d/my-env"])
    for _ in range(2):
        assert authorizer.authorize(NODE, asked).verdict is Verdict.ALLOW


def test_secrets_of_volumes() -> None:
    spec = {
        "claimRef": {"namespace": "d", "name": "c"},
        "csi": {"nodePublishSecretRef": {"name": "a"}, "nodeStageSecretRef": {"name": "b", "namespace": "v"}},
        "rbd": {"secretRef": {"name": "e"}},
        "azureFile": {"secretName": "f"},
    }
    assert list(volume_secrets_of({"spec": spec})) == [("d", "a"), ("v", "b"), ("d", "e"), ("d", "f")]


def test_paths_follow_the_rules_of_nodes() -> None:
    path = RequestInfo(False, "/metrics", "get")
    assert NodeAuthorizer(WORLD).authorize(NODE, path).verdict is Verdict.NO_OPINION
