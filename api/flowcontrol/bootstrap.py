"""The priority levels and flow schemas that every cluster has from the start. Pure.

Called by the API server (bootstrap objects; what it works with until they exist) and by validation: the
specs of the mandatory ones are fixed.
Source: k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go (1.36).
"""

from api.resource import Obj

_FLOW = "flowcontrol.apiserver.k8s.io/v1"
# Says whether the server keeps the spec of a suggested object as it suggests it.
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
# What every server needs, so that their specs are fixed.
MANDATORY = ("exempt", "catch-all")

# name -> concurrency shares, percent that may be lent, queues, hand size.
_LEVELS = {
    "system": (30, 33, 64, 6),
    "node-high": (40, 25, 64, 6),
    "leader-election": (10, 0, 16, 4),
    "workload-high": (40, 50, 128, 6),
    "workload-low": (100, 90, 128, 6),
    "global-default": (20, 50, 128, 6),
}


def priority_levels() -> list[Obj]:
    """Return the mandatory and the suggested PriorityLevelConfigurations."""
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
    metadata = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
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


def flow_schemas() -> list[Obj]:
    """Return the mandatory and the suggested FlowSchemas."""
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
