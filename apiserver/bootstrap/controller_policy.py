"""The default roles of controllers, each bound to its service account of kube-system.

Called by `objects.py`. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go and
namespace_policy.go (1.36, default feature gates).
"""

from api.resource import Obj
from apiserver.bootstrap.rule import (
    EVENTS,
    READ,
    Rule,
    account,
    cluster_role,
    cluster_role_binding,
    role,
    role_binding,
    rule,
    user,
)
from apiserver.features import GENERIC_WORKLOAD, PLAIN, Features

_BATCH, _CERTS, _DISCOVERY, _DRA = "batch", "certificates.k8s.io", "discovery.k8s.io", "resource.k8s.io"
_NETWORK, _STORAGE = "networking.k8s.io", "storage.k8s.io"
_WORKLOAD = ("apps", "extensions")
_PREFIX = "system:controller:"
_SIGNER = "kubernetes.io/"
_SIGNERS = " ".join(
    _SIGNER + name
    for name in (
        "legacy-unknown",
        "kube-apiserver-client",
        "kube-apiserver-client-kubelet",
        "kubelet-serving",
    )
)

_CONTROLLERS: dict[str, list[Rule]] = {
    "attachdetach-controller": [
        rule("list watch", "persistentvolumes persistentvolumeclaims"),
        rule(READ, "nodes"),
        rule("patch update", "nodes/status"),
        rule("list watch", "pods"),
        EVENTS,
        rule("get create delete list watch", "volumeattachments", _STORAGE),
        rule(READ, "csidrivers", _STORAGE),
        rule(READ, "csinodes", _STORAGE),
    ],
    "clusterrole-aggregation-controller": [
        rule("escalate get list watch update patch", "clusterroles", "rbac.authorization.k8s.io"),
    ],
    "cronjob-controller": [
        rule("get list watch update", "cronjobs", _BATCH),
        rule("get list watch create update delete patch", "jobs", _BATCH),
        rule("update", "cronjobs/status", _BATCH),
        rule("update", "cronjobs/finalizers", _BATCH),
        rule("list watch delete", "pods"),
        EVENTS,
    ],
    "daemon-set-controller": [
        rule(READ, "daemonsets", *_WORKLOAD),
        rule("update", "daemonsets/status", *_WORKLOAD),
        rule("update", "daemonsets/finalizers", *_WORKLOAD),
        rule("list watch", "nodes"),
        rule("list watch create delete patch", "pods"),
        rule("create", "pods/binding"),
        rule("get list watch create delete update patch", "controllerrevisions", "apps"),
        EVENTS,
    ],
    "deployment-controller": [
        rule("get list watch update", "deployments", *_WORKLOAD),
        rule("update", "deployments/status", *_WORKLOAD),
        rule("update", "deployments/finalizers", *_WORKLOAD),
        rule("get list watch create update patch delete", "replicasets", *_WORKLOAD),
        rule("get list watch update", "pods"),
        EVENTS,
    ],
    "disruption-controller": [
        rule(READ, "deployments", *_WORKLOAD),
        rule(READ, "replicasets", *_WORKLOAD),
        rule(READ, "replicationcontrollers"),
        rule(READ, "poddisruptionbudgets", "policy"),
        rule(READ, "statefulsets", "apps"),
        rule("update", "poddisruptionbudgets/status", "policy"),
        rule("patch update", "pods/status"),
        rule("get", "*/scale", "*"),
        EVENTS,
    ],
    "endpoint-controller": [
        rule(READ, "services pods"),
        rule("get list watch create update delete", "endpoints"),
        rule("create", "endpoints/restricted"),
        EVENTS,
    ],
    "endpointslice-controller": [
        rule(READ, "services pods nodes"),
        # For an owner reference with blockOwnerDeletion.
        rule("update", "services/finalizers"),
        rule("get list watch create update delete", "endpointslices", _DISCOVERY),
        EVENTS,
    ],
    "endpointslicemirroring-controller": [
        rule(READ, "services endpoints"),
        rule("update", "services/finalizers"),
        rule("update", "endpoints/finalizers"),
        rule("get list watch create update delete", "endpointslices", _DISCOVERY),
        EVENTS,
    ],
    "expand-controller": [
        rule("get list watch update patch", "persistentvolumes"),
        rule("update patch", "persistentvolumeclaims/status"),
        rule(READ, "persistentvolumeclaims"),
        EVENTS,
        rule("get", "services"),
    ],
    "ephemeral-volume-controller": [
        rule(READ, "pods"),
        rule("update", "pods/finalizers"),
        rule("get list watch create", "persistentvolumeclaims"),
        EVENTS,
    ],
    "resource-claim-controller": [
        rule(READ, "pods"),
        rule("update", "pods/finalizers"),
        rule("get list watch create delete", "resourceclaims", _DRA),
        rule("update patch", "resourceclaims resourceclaims/status resourceclaims/binding", _DRA),
        rule("update patch", "pods/status"),
        EVENTS,
    ],
    "device-taint-eviction-controller": [
        rule("get list watch delete", "pods"),
        rule("update patch", "pods/status"),
        rule(READ, "resourceclaims", _DRA),
        rule(READ, "resourceslices", _DRA),
        rule(READ, "deviceclasses", _DRA),
        rule(READ, "devicetaintrules", _DRA),
        EVENTS,
    ],
    "generic-garbage-collector": [
        rule("get list watch patch update delete", "*", "*"),
        EVENTS,
    ],
    "horizontal-pod-autoscaler": [
        rule(READ, "horizontalpodautoscalers", "autoscaling"),
        rule("update", "horizontalpodautoscalers/status", "autoscaling"),
        rule("get update", "*/scale", "*"),
        rule("list watch", "pods"),
        rule("list watch", "pods", "metrics.k8s.io"),
        rule(READ, "*", "custom.metrics.k8s.io"),
        rule(READ, "*", "external.metrics.k8s.io"),
        EVENTS,
    ],
    "job-controller": [
        rule("get list watch update patch", "jobs", _BATCH),
        rule("update", "jobs/status", _BATCH),
        rule("update", "jobs/finalizers", _BATCH),
        rule("list watch create delete patch", "pods"),
        EVENTS,
    ],
    "namespace-controller": [
        rule("get list watch delete", "namespaces"),
        rule("update", "namespaces/finalize namespaces/status"),
        rule("get list watch delete deletecollection", "*", "*"),
    ],
    "node-controller": [
        rule("get list watch update delete patch", "nodes"),
        rule("patch update", "nodes/status"),
        rule("patch update", "pods/status"),
        rule("list watch get delete", "pods"),
        EVENTS,
    ],
    "persistent-volume-binder": [
        rule("get list watch update create delete", "persistentvolumes"),
        rule("update", "persistentvolumes/status"),
        rule("get list watch update", "persistentvolumeclaims"),
        rule("update", "persistentvolumeclaims/status"),
        rule("list watch get create delete", "pods"),
        rule(READ, "storageclasses", _STORAGE),
        rule("list watch", "nodes"),
        EVENTS,
        rule("watch", "events"),
        rule("get", "services"),
    ],
    "pod-garbage-collector": [
        rule("list watch delete", "pods"),
        rule(READ, "nodes"),
        rule("patch", "pods/status"),
    ],
    "replicaset-controller": [
        rule("get list watch update", "replicasets", *_WORKLOAD),
        rule("update", "replicasets/status", *_WORKLOAD),
        rule("update", "replicasets/finalizers", *_WORKLOAD),
        rule("list watch patch create delete", "pods"),
        EVENTS,
    ],
    "replication-controller": [
        rule("get list watch update", "replicationcontrollers"),
        rule("update", "replicationcontrollers/status"),
        rule("update", "replicationcontrollers/finalizers"),
        rule("list watch patch create delete", "pods"),
        EVENTS,
    ],
    "resourcequota-controller": [
        rule("list watch", "*", "*"),
        rule("update", "resourcequotas/status"),
        EVENTS,
    ],
    "route-controller": [
        rule("list watch", "nodes"),
        rule("patch", "nodes/status"),
        EVENTS,
    ],
    "service-account-controller": [rule("create", "serviceaccounts"), EVENTS],
    "service-controller": [
        rule(READ, "services"),
        rule("patch update", "services/status"),
        rule("list watch", "nodes"),
        EVENTS,
    ],
    "service-cidrs-controller": [
        rule("get list watch patch update", "servicecidrs", _NETWORK),
        rule("patch update", "servicecidrs/finalizers", _NETWORK),
        rule("patch update", "servicecidrs/status", _NETWORK),
        rule(READ, "ipaddresses", _NETWORK),
        EVENTS,
    ],
    "statefulset-controller": [
        rule("list watch", "pods"),
        rule(READ, "statefulsets", "apps"),
        rule("update", "statefulsets/status", "apps"),
        rule("update", "statefulsets/finalizers", "apps"),
        rule("get create delete update patch", "pods"),
        rule("get create delete update patch list watch", "controllerrevisions", "apps"),
        rule("get create list watch", "persistentvolumeclaims"),
        rule("update delete", "persistentvolumeclaims"),
        rule("update", "pods/finalizers"),
        EVENTS,
    ],
    "ttl-controller": [rule("update patch list watch", "nodes"), EVENTS],
    "certificate-controller": [
        rule("get list watch delete", "certificatesigningrequests", _CERTS),
        rule("update", "certificatesigningrequests/status certificatesigningrequests/approval", _CERTS),
        rule("approve", "signers", _CERTS, names=f"{_SIGNER}kube-apiserver-client-kubelet"),
        rule("sign", "signers", _CERTS, names=_SIGNERS),
        rule("create", "subjectaccessreviews", "authorization.k8s.io"),
        EVENTS,
    ],
    "pvc-protection-controller": [
        rule("get list watch update", "persistentvolumeclaims"),
        rule("list watch get", "pods"),
        EVENTS,
    ],
    "pv-protection-controller": [rule("get list watch update", "persistentvolumes"), EVENTS],
    "volumeattributesclass-protection-controller": [
        rule(READ, "persistentvolumeclaims"),
        rule(READ, "persistentvolumes"),
        rule("get list watch update", "volumeattributesclasses", _STORAGE),
        EVENTS,
    ],
    "ttl-after-finished-controller": [rule("get list watch delete", "jobs", _BATCH), EVENTS],
    "root-ca-cert-publisher": [rule("create update", "configmaps"), EVENTS],
    "validatingadmissionpolicy-status-controller": [
        rule(READ, "validatingadmissionpolicies", "admissionregistration.k8s.io"),
        rule("get patch update", "validatingadmissionpolicies/status", "admissionregistration.k8s.io"),
        EVENTS,
    ],
    "legacy-service-account-token-cleaner": [
        rule("get", "configmaps", names="kube-apiserver-legacy-service-account-token-tracking"),
        rule("patch delete", "secrets"),
    ],
    "selinux-warning-controller": [
        EVENTS,
        rule(READ, "persistentvolumes"),
        rule(READ, "persistentvolumeclaims"),
        rule(READ, "pods"),
        rule(READ, "csidrivers", _STORAGE),
    ],
}

# Only with the gate GenericWorkload.
_OF_GROUPS: dict[str, list[Rule]] = {
    "podgroup-protection-controller": [
        rule("get list watch update", "podgroups", "scheduling.k8s.io"),
        rule(READ, "pods"),
        EVENTS,
    ],
}

_SYSTEM, _PUBLIC = "kube-system", "kube-public"
_AUTH_READER = "extension-apiserver-authentication-reader"
_LEADERS = ("kube-controller-manager", "kube-scheduler")


def controller_roles(features: Features = PLAIN) -> list[Obj]:
    """Return the ClusterRoles `system:controller:*`."""
    return [cluster_role(_PREFIX + name, rules) for name, rules in _of(features).items()]


def controller_role_bindings(features: Features = PLAIN) -> list[Obj]:
    """Return the ClusterRoleBindings of the controllers' service accounts."""
    return [cluster_role_binding(_PREFIX + name, account(_SYSTEM, name)) for name in _of(features)]


def _of(features: Features) -> dict[str, list[Rule]]:
    return {**_CONTROLLERS, **_OF_GROUPS} if features.is_on(GENERIC_WORKLOAD) else _CONTROLLERS


def namespace_roles() -> list[Obj]:
    """Return the Roles of kube-system and kube-public."""
    leader = [
        role(
            _SYSTEM,
            f"system::leader-locking-{name}",
            [rule("watch", "configmaps"), rule("get update", "configmaps", names=name)],
        )
        for name in _LEADERS
    ]
    return [
        role(
            _SYSTEM,
            _AUTH_READER,
            [rule(READ, "configmaps", names="extension-apiserver-authentication")],
        ),
        role(_SYSTEM, f"{_PREFIX}bootstrap-signer", [rule(READ, "secrets")]),
        role(_SYSTEM, f"{_PREFIX}cloud-provider", [rule("create get list watch", "configmaps")]),
        role(_SYSTEM, f"{_PREFIX}token-cleaner", [rule("get list watch delete", "secrets"), EVENTS]),
        *leader,
        role(
            _PUBLIC,
            f"{_PREFIX}bootstrap-signer",
            [
                rule(READ, "configmaps"),
                rule("update", "configmaps", names="cluster-info"),
                EVENTS,
            ],
        ),
    ]


def namespace_role_bindings() -> list[Obj]:
    """Return the RoleBindings of kube-system and kube-public."""
    managers = (user("system:kube-controller-manager"), user("system:kube-scheduler"))
    bound = [
        role_binding(_SYSTEM, _PREFIX + name, _PREFIX + name, account(_SYSTEM, name))
        for name in ("bootstrap-signer", "cloud-provider", "token-cleaner")
    ]
    leaders = [
        role_binding(
            _SYSTEM,
            f"system::leader-locking-{name}",
            f"system::leader-locking-{name}",
            user(f"system:{name}"),
            account(_SYSTEM, name),
        )
        for name in _LEADERS
    ]
    signer = f"{_PREFIX}bootstrap-signer"
    return [
        role_binding(_SYSTEM, _AUTH_READER, f"system::{_AUTH_READER}", *managers),
        *bound,
        *leaders,
        role_binding(_PUBLIC, signer, signer, account(_SYSTEM, "bootstrap-signer")),
    ]
