"""Every object that a cluster has from the start, apart from the `kubernetes` Service's endpoints. Pure.

Called by `reconcile.py`. Source: pkg/controlplane, pkg/registry/{rbac,scheduling,flowcontrol}/rest,
k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go (1.36).
"""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import orjson

from api.resource import Obj, Resource
from api.types.core_v1 import CONFIGMAPS, NAMESPACES, SERVICES
from api.types.flowcontrol_v1 import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from api.types.networking_v1 import SERVICECIDRS
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from api.types.scheduling_v1 import PRIORITYCLASSES
from apiserver.bootstrap import controller_policy, policy

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True)
class Settings:
    """What differs between clusters. Certificates are PEM text, "" for none."""

    service_cidr: str
    advertise_address: str
    secure_port: int
    client_ca: str = ""
    requestheader_ca: str = ""
    requestheader_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """An object that must exist."""

    resource: Resource[Any]
    namespace: str
    object: Obj

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


def namespaces() -> list[Wanted]:
    """Return the namespaces, which must exist before what is in them."""
    return [
        Wanted(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for name in SYSTEM_NAMESPACES
    ]


def rbac() -> list[Wanted]:
    """Return the default policy."""
    cluster_roles = [*policy.cluster_roles(), *controller_policy.controller_roles()]
    bindings = [*policy.cluster_role_bindings(), *controller_policy.controller_role_bindings()]
    return [
        *(Wanted(CLUSTERROLES, "", obj) for obj in cluster_roles),
        *(Wanted(CLUSTERROLEBINDINGS, "", obj) for obj in bindings),
        *(_namespaced(ROLES, obj) for obj in controller_policy.namespace_roles()),
        *(_namespaced(ROLEBINDINGS, obj) for obj in controller_policy.namespace_role_bindings()),
    ]


def rest(settings: Settings) -> list[Wanted]:
    """Return everything else."""
    return [
        *(Wanted(PRIORITYCLASSES, "", obj) for obj in _priority_classes()),
        *(Wanted(PRIORITYLEVELCONFIGURATIONS, "", obj) for obj in _priority_levels()),
        *(Wanted(FLOWSCHEMAS, "", obj) for obj in _flow_schemas()),
        Wanted(SERVICECIDRS, "", _service_cidr(settings)),
        Wanted(SERVICES, "default", kubernetes_service(settings)),
        Wanted(CONFIGMAPS, "kube-system", authentication_configmap(settings)),
    ]


def _namespaced(resource: Resource[Any], obj: Obj) -> Wanted:
    return Wanted(resource, obj["metadata"]["namespace"], obj)


def _priority_classes() -> list[Obj]:
    words = {
        "system-node-critical": (
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        "system-cluster-critical": (
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node "
            "if necessary.",
        ),
    }
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": text,
        }
        for name, (value, text) in words.items()
    ]


def _service_cidr(settings: Settings) -> Obj:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [settings.service_cidr]},
    }


def service_address(service_cidr: str) -> str:
    """Return the address of the `kubernetes` Service: the first of the range."""
    return str(ip_network(service_cidr)[1])


def kubernetes_service(settings: Settings) -> Obj:
    """Return the Service under which pods find the API."""
    address = service_address(settings.service_cidr)
    family = "IPv6" if ":" in address else "IPv4"
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": settings.secure_port}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [family],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [port],
        },
    }


def authentication_configmap(settings: Settings) -> Obj:
    """Return what extension API servers need to believe our users and our proxied requests."""
    data: dict[str, str] = {}
    if settings.client_ca:
        data["client-ca-file"] = settings.client_ca
    if settings.requestheader_ca:
        data |= {
            "requestheader-client-ca-file": settings.requestheader_ca,
            "requestheader-allowed-names": orjson.dumps(list(settings.requestheader_names)).decode(),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


_FLOW = "flowcontrol.apiserver.k8s.io/v1"
_AUTO_UPDATE = {"apf.kubernetes.io/autoupdate-spec": "true"}
# name -> concurrency shares, percent that may be lent, queues, hand size.
_LEVELS = {
    "system": (30, 33, 64, 6),
    "node-high": (40, 25, 64, 6),
    "leader-election": (10, 0, 16, 4),
    "workload-high": (40, 50, 128, 6),
    "workload-low": (100, 90, 128, 6),
    "global-default": (20, 50, 128, 6),
}


def _priority_levels() -> list[Obj]:
    exempt = {"type": "Exempt", "exempt": {"lendablePercent": 0, "nominalConcurrencyShares": 0}}
    catch_all = _limited(5, 0, {"type": "Reject"})
    levels = {"exempt": exempt, "catch-all": catch_all}
    for name, (shares, lendable, queues, hand) in _LEVELS.items():
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
        levels[name] = _limited(shares, lendable, {"type": "Queue", "queuing": queuing})
    return [_flow("PriorityLevelConfiguration", name, spec) for name, spec in levels.items()]


def _limited(shares: int, lendable: int, response: Obj) -> Obj:
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return {"type": "Limited", "limited": limited}


def _flow(kind: str, name: str, spec: Obj) -> Obj:
    metadata = {"name": name, "annotations": dict(_AUTO_UPDATE)}
    return {"apiVersion": _FLOW, "kind": kind, "metadata": metadata, "spec": spec}


_EVERYTHING = {
    "resourceRules": [
        {
            "verbs": ["*"],
            "apiGroups": ["*"],
            "resources": ["*"],
            "clusterScope": True,
            "namespaces": ["*"],
        }
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}


def _users(*names: str) -> list[Obj]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _groups(*names: str) -> list[Obj]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Obj]:
    return [
        {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}}
        for name in names
    ]


def _resources(verbs: str, group: str, resources: str, *places: str, cluster: bool = False) -> Obj:
    found: Obj = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    if cluster:
        found["clusterScope"] = True
    if places:
        found["namespaces"] = list(places)
    return {"resourceRules": [found]}


def _schema(name: str, level: str, precedence: int, by: str, subjects: list[Obj], *rules: Obj) -> Obj:
    spec: Obj = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [{"subjects": subjects, **rule} for rule in rules],
    }
    if by:
        spec["distinguisherMethod"] = {"type": by}
    return _flow("FlowSchema", name, spec)


def _flow_schemas() -> list[Obj]:
    everybody = _groups("system:authenticated", "system:unauthenticated")
    manager, scheduler = "system:kube-controller-manager", "system:kube-scheduler"
    probes = {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}
    leases = "coordination.k8s.io"
    acquire = "get create update"
    return [
        _schema("exempt", "exempt", 1, "", _groups("system:masters"), _EVERYTHING),
        _schema("probes", "exempt", 2, "", everybody, probes),
        _schema(
            "system-leader-election",
            "leader-election",
            100,
            "ByUser",
            _users(manager, scheduler),
            _resources(acquire, leases, "leases", "kube-system"),
        ),
        _schema(
            "endpoint-controller",
            "workload-high",
            150,
            "ByUser",
            [*_users(manager), *_accounts("endpoint-controller", "endpointslicemirroring-controller")],
            _resources(acquire, "", "endpoints", "*"),
        ),
        _schema(
            "workload-leader-election",
            "leader-election",
            200,
            "ByUser",
            _accounts("*"),
            _resources(acquire, leases, "leases", "*"),
        ),
        _schema(
            "system-node-high",
            "node-high",
            400,
            "ByUser",
            _groups("system:nodes"),
            _resources("*", "", "nodes nodes/status", cluster=True),
            _resources("*", leases, "leases", "*"),
        ),
        _schema("system-nodes", "system", 500, "ByUser", _groups("system:nodes"), _EVERYTHING),
        _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", _users(manager), _EVERYTHING),
        _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _users(scheduler), _EVERYTHING),
        _schema(
            "kube-system-service-accounts", "workload-high", 900, "ByNamespace", _accounts("*"), _EVERYTHING
        ),
        _schema(
            "service-accounts",
            "workload-low",
            9000,
            "ByUser",
            _groups("system:serviceaccounts"),
            _EVERYTHING,
        ),
        _schema("global-default", "global-default", 9900, "ByUser", everybody, _EVERYTHING),
        _schema("catch-all", "catch-all", 10000, "ByUser", everybody, _EVERYTHING),
    ]
