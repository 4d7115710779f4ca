"""The default roles and bindings of users, nodes and components.

Called by `objects.py` (what to create at start) and by the Node authorizer (`NODE_RULES`).
Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go (1.36, default feature gates).
"""

from api.resource import Obj
from apiserver.bootstrap.rule import (
    EVENTS,
    READ,
    READ_UPDATE,
    READ_WRITE,
    WRITE,
    account,
    cluster_role,
    cluster_role_binding,
    group,
    rule,
    urls,
    user,
)
from apiserver.features import GENERIC_WORKLOAD, PLAIN, Features

_AUTHN, _AUTHZ = "authentication.k8s.io", "authorization.k8s.io"
_CERTS, _COORDINATION, _DISCOVERY = "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io"
_DRA, _NETWORK, _RBAC, _STORAGE = (
    "resource.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
)
_SCHEDULING = "scheduling.k8s.io"
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

_REVIEWS = [
    rule("create", "tokenreviews", _AUTHN),
    rule("create", "subjectaccessreviews", _AUTHZ),
]

_VIEW = [
    rule(
        READ,
        "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status "
        "endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
    ),
    rule(
        READ,
        "limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status "
        "replicationcontrollers/status pods/log",
    ),
    # DEVIATION: upstream has no such subresource. What it tells of nodes, events tell in part.
    rule("get", "pods/decision"),
    # Within a namespace this reads that namespace alone.
    rule(READ, "namespaces"),
    rule(READ, "events", "", "events.k8s.io"),
    rule(READ, "endpointslices", _DISCOVERY),
    rule(
        READ,
        "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets "
        "daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status "
        "replicasets/scale",
        "apps",
    ),
    rule(READ, "horizontalpodautoscalers horizontalpodautoscalers/status", "autoscaling"),
    rule(READ, "jobs cronjobs cronjobs/status jobs/status", "batch"),
    rule(
        READ,
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
        "ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale "
        "networkpolicies",
        "extensions",
    ),
    rule(READ, "poddisruptionbudgets poddisruptionbudgets/status", "policy"),
    rule(READ, "networkpolicies ingresses ingresses/status", _NETWORK),
    rule(READ, "resourceclaims resourceclaims/status resourceclaimtemplates", _DRA),
]

_EDIT = [
    # Reading these gives powers, so `view` does not have them.
    rule(READ, "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"),
    rule("impersonate", "serviceaccounts"),
    rule(WRITE, "pods pods/attach pods/proxy pods/exec pods/portforward"),
    rule("create", "pods/eviction"),
    rule(
        WRITE,
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy "
        "persistentvolumeclaims configmaps secrets",
    ),
    rule("create", "serviceaccounts/token"),
    rule(WRITE, "events", "", "events.k8s.io"),
    rule(
        WRITE,
        "statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback "
        "replicasets replicasets/scale",
        "apps",
    ),
    rule(WRITE, "horizontalpodautoscalers", "autoscaling"),
    rule(WRITE, "jobs cronjobs", "batch"),
    rule(
        WRITE,
        "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets "
        "replicasets/scale replicationcontrollers/scale networkpolicies",
        "extensions",
    ),
    rule(WRITE, "poddisruptionbudgets", "policy"),
    rule(WRITE, "networkpolicies ingresses", _NETWORK),
    rule(READ_WRITE, "leases", _COORDINATION),
    rule(WRITE, "resourceclaims resourceclaimtemplates", _DRA),
]

_ADMIN = [
    rule("create", "localsubjectaccessreviews", _AUTHZ),
    rule(READ_WRITE, "roles rolebindings", _RBAC),
]

# What every node may do; the Node authorizer and NodeRestriction narrow it to the node's own objects.
NODE_RULES = [
    rule("create", "tokenreviews", _AUTHN),
    rule("create", "subjectaccessreviews localsubjectaccessreviews", _AUTHZ),
    rule(READ, "services"),
    rule("create get list watch", "nodes"),
    rule("update patch", "nodes/status"),
    rule("update patch", "nodes"),
    rule("create update patch", "events", "", "events.k8s.io"),
    rule(READ, "pods"),
    rule("create delete", "pods"),
    rule("update patch", "pods/status"),
    rule("create", "pods/eviction"),
    rule(READ, "secrets configmaps"),
    rule("get", "persistentvolumeclaims persistentvolumes"),
    rule("get", "endpoints"),
    rule("create get list watch", "certificatesigningrequests", _CERTS),
    rule("get create update patch delete", "leases", _COORDINATION),
    rule("get", "volumeattachments", _STORAGE),
    rule("create", "serviceaccounts/token"),
    rule("get update patch", "persistentvolumeclaims/status"),
    rule(READ, "csidrivers", _STORAGE),
    rule("get create update patch delete", "csinodes", _STORAGE),
    rule(READ, "runtimeclasses", "node.k8s.io"),
    rule("get", "resourceclaims", _DRA),
    rule("deletecollection", "resourceslices", _DRA),
    rule("get", "serviceaccounts"),
]

_SCHEDULER = [
    EVENTS,
    rule("create", "leases", _COORDINATION),
    rule("get update list watch", "leases", _COORDINATION, names="kube-scheduler"),
    rule(READ_WRITE, "leasecandidates", _COORDINATION),
    rule(READ, "nodes"),
    rule("get list watch delete", "pods"),
    rule("create", "pods/binding bindings"),
    rule("patch update", "pods/status"),
    rule(READ, "services replicationcontrollers"),
    rule(READ, "replicasets", "apps", "extensions"),
    rule(READ, "statefulsets", "apps"),
    rule(READ, "poddisruptionbudgets", "policy"),
    rule(READ, "persistentvolumeclaims persistentvolumes"),
    *_REVIEWS,
    rule(READ, "csinodes", _STORAGE),
    rule(READ, "volumeattachments", _STORAGE),
    rule(READ, "namespaces"),
    rule(READ, "csidrivers", _STORAGE),
    rule(READ, "csistoragecapacities", _STORAGE),
    rule(READ, "deviceclasses", _DRA),
    rule(READ_UPDATE, "resourceclaims", _DRA),
    rule(READ_UPDATE, "resourceclaims/status", _DRA),
    # Allocations and reservations; asked for besides `resourceclaims/status`.
    rule("update patch", "resourceclaims/binding", _DRA),
    # Claims for extended resources that devices back.
    rule("create delete", "resourceclaims", _DRA),
    rule(READ_UPDATE, "pods/finalizers"),
    rule(READ, "resourceslices", _DRA),
]

_GROUP_SCHEDULER = [
    rule(READ, "podgroups", _SCHEDULING),
    rule("patch update", "podgroups/status", _SCHEDULING),
]

_CONTROLLER_MANAGER = [
    EVENTS,
    rule("create", "leases", _COORDINATION),
    rule("get update", "leases", _COORDINATION, names="kube-controller-manager"),
    rule("create", "secrets serviceaccounts"),
    rule("delete", "secrets"),
    rule("get", "namespaces secrets serviceaccounts configmaps"),
    rule("update", "secrets serviceaccounts"),
    *_REVIEWS,
    rule("list watch", "*", "*"),
    rule("create", "serviceaccounts/token"),
]

_HEALTH = "/livez /readyz /healthz"
_MONITORING = [
    urls(f"/metrics /metrics/slis {_HEALTH} /livez/* /readyz/* /healthz/*"),
    rule("get", "nodes/metrics"),
]
_PROVISIONER = [
    rule("get list watch create delete", "persistentvolumes"),
    rule("get list watch update", "persistentvolumeclaims"),
    rule(READ, "storageclasses", _STORAGE),
    rule("watch", "events"),
    EVENTS,
]
_PROXIER = [
    rule("list watch", "services endpoints"),
    rule(READ, "nodes"),
    EVENTS,
    rule("list watch", "servicecidrs", _NETWORK),
    rule("list watch", "endpointslices", _DISCOVERY),
]
_KUBELET_API = [
    rule(READ, "nodes"),
    rule("proxy", "nodes"),
    rule("*", "nodes/proxy nodes/metrics nodes/stats nodes/log"),
    rule("*", "nodes/pods nodes/healthz nodes/configz"),
]


_DNS = "pelamis:cluster-dns"
_DNS_RULES = [
    rule("list watch", "services namespaces"),
    rule("list watch", "endpointslices", "discovery.k8s.io"),
]


def _signer_role(name: str, signer: str) -> Obj:
    return cluster_role(
        f"system:certificates.k8s.io:{name}-approver", [rule("approve", "signers", _CERTS, names=signer)]
    )


def _csr_role(name: str) -> Obj:
    return cluster_role(
        f"system:certificates.k8s.io:certificatesigningrequests:{name}",
        [rule("create", f"certificatesigningrequests/{name}", _CERTS)],
    )


def _aggregated(name: str, part_of: str, rules: list[Obj]) -> Obj:
    """Return `admin`, `edit` or `view`, already filled with what the aggregation controller would gather."""
    made = cluster_role(name, rules, {f"{_AGGREGATE}{part_of}": "true"} if part_of else None)
    selector = {"matchLabels": {f"{_AGGREGATE}{name}": "true"}}
    return {**made, "aggregationRule": {"clusterRoleSelectors": [selector]}}


def cluster_roles(features: Features = PLAIN) -> list[Obj]:
    """Return the default ClusterRoles, without the controllers'."""
    roles = [
        cluster_role("cluster-admin", [rule("*", "*", "*"), {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        cluster_role(
            "system:discovery",
            [urls(f"{_HEALTH} /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*")],
        ),
        cluster_role("system:monitoring", _MONITORING),
        cluster_role(
            "system:basic-user",
            [
                rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", _AUTHZ),
                rule("create", "selfsubjectreviews", _AUTHN),
            ],
        ),
        cluster_role("system:public-info-viewer", [urls(f"{_HEALTH} /version /version/")]),
        _aggregated("admin", "", [*_ADMIN, *_EDIT, *_VIEW]),
        _aggregated("edit", "admin", [*_EDIT, *_VIEW]),
        _aggregated("view", "edit", _VIEW),
        cluster_role("system:aggregate-to-admin", _ADMIN, {f"{_AGGREGATE}admin": "true"}),
        cluster_role("system:aggregate-to-edit", _EDIT, {f"{_AGGREGATE}edit": "true"}),
        cluster_role("system:aggregate-to-view", _VIEW, {f"{_AGGREGATE}view": "true"}),
        cluster_role(
            "system:heapster",
            [rule(READ, "events pods nodes namespaces"), rule(READ, "deployments", "extensions")],
        ),
        cluster_role("system:node", NODE_RULES),
        cluster_role(
            "system:node-problem-detector", [rule("get", "nodes"), rule("patch", "nodes/status"), EVENTS]
        ),
        cluster_role(
            "system:node-bootstrapper",
            [rule("create get list watch", "certificatesigningrequests", _CERTS)],
        ),
        cluster_role("system:auth-delegator", _REVIEWS),
        cluster_role("system:kube-aggregator", [rule(READ, "services endpoints")]),
        cluster_role("system:kube-controller-manager", _CONTROLLER_MANAGER),
        cluster_role("system:kube-dns", [rule("list watch", "endpoints services")]),
        cluster_role("system:persistent-volume-provisioner", _PROVISIONER),
        cluster_role(
            "system:volume-scheduler",
            [
                rule(READ_UPDATE, "persistentvolumes"),
                rule(READ, "storageclasses", _STORAGE),
                rule(READ_UPDATE, "persistentvolumeclaims"),
            ],
        ),
        cluster_role("system:kubelet-api-admin", _KUBELET_API),
        cluster_role("system:node-proxier", _PROXIER),
        cluster_role("system:kube-scheduler", [*_SCHEDULER, *_of_groups(features)]),
        # DEVIATION: our DNS server is a user of its own and reads slices; upstream's add-on brings its role.
        cluster_role(_DNS, _DNS_RULES),
    ]
    return [*roles, *_certificate_roles(), _issuer_discovery()]


def _of_groups(features: Features) -> list[Obj]:
    return _GROUP_SCHEDULER if features.is_on(GENERIC_WORKLOAD) else []


def _certificate_roles() -> list[Obj]:
    return [
        _csr_role("nodeclient"),
        _csr_role("selfnodeclient"),
        _signer_role("legacy-unknown", "kubernetes.io/legacy-unknown"),
        _signer_role("kubelet-serving", "kubernetes.io/kubelet-serving"),
        _signer_role("kube-apiserver-client", "kubernetes.io/kube-apiserver-client"),
        _signer_role("kube-apiserver-client-kubelet", "kubernetes.io/kube-apiserver-client-kubelet"),
    ]


def _issuer_discovery() -> Obj:
    paths = "/.well-known/openid-configuration /openid/v1/jwks"
    slashed = " ".join(f"{path}/" for path in paths.split())
    return cluster_role("system:service-account-issuer-discovery", [urls(f"{paths} {slashed}")])


def cluster_role_bindings() -> list[Obj]:
    """Return the default ClusterRoleBindings, without the controllers'."""
    authenticated, everybody = group("system:authenticated"), group("system:unauthenticated")
    scheduler = user("system:kube-scheduler")
    return [
        cluster_role_binding("cluster-admin", group("system:masters")),
        cluster_role_binding("system:monitoring", group("system:monitoring")),
        cluster_role_binding("system:discovery", authenticated),
        cluster_role_binding("system:basic-user", authenticated),
        cluster_role_binding("system:public-info-viewer", authenticated, everybody),
        cluster_role_binding("system:node-proxier", user("system:kube-proxy")),
        cluster_role_binding("system:kube-controller-manager", user("system:kube-controller-manager")),
        cluster_role_binding("system:kube-dns", account("kube-system", "kube-dns")),
        cluster_role_binding("system:kube-scheduler", scheduler),
        cluster_role_binding(_DNS, user("system:kube-dns")),
        cluster_role_binding("system:volume-scheduler", scheduler),
        # Nodes are authorized by the Node authorizer; the binding stays, without subjects.
        cluster_role_binding("system:node"),
        cluster_role_binding("system:service-account-issuer-discovery", group("system:serviceaccounts")),
    ]
