"""A short notation for policy rules and bindings. Pure; called by the tables of default policy."""

from typing import Any

from api.resource import Obj

READ = "get list watch"
WRITE = "create update patch delete deletecollection"
READ_WRITE = f"{READ} {WRITE}"
READ_UPDATE = f"{READ} update patch"

RBAC_GROUP = "rbac.authorization.k8s.io"
LABEL = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_ANNOTATION = {AUTO_UPDATE: "true"}

Rule = dict[str, Any]


def rule(verbs: str, resources: str, *groups: str, names: str = "") -> Rule:
    """Return a rule on resources, given as words; the group is the core one unless said."""
    made: Rule = {
        "apiGroups": sorted(groups or ("",)),
        "resources": sorted(resources.split()),
        "verbs": sorted(verbs.split()),
    }
    if names:
        made["resourceNames"] = sorted(names.split())
    return made


def urls(paths: str) -> Rule:
    """Return a rule to get paths, given as words."""
    return {"nonResourceURLs": sorted(paths.split()), "verbs": ["get"]}


EVENTS = rule("create update patch", "events", "", "events.k8s.io")


def cluster_role(name: str, rules: list[Rule], labels: dict[str, str] | None = None) -> Obj:
    metadata = {"name": name, "labels": {**LABEL, **(labels or {})}, "annotations": dict(_ANNOTATION)}
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": rules,
    }


def role(namespace: str, name: str, rules: list[Rule]) -> Obj:
    made = cluster_role(name, rules)
    made["metadata"]["namespace"] = namespace
    return {**made, "kind": "Role"}


def cluster_role_binding(role_name: str, *subjects: Obj) -> Obj:
    """Return the binding of a ClusterRole under its own name."""
    made: Obj = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role_name, "labels": dict(LABEL), "annotations": dict(_ANNOTATION)},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role_name},
    }
    if subjects:
        made["subjects"] = list(subjects)
    return made


def role_binding(namespace: str, role_name: str, name: str, *subjects: Obj) -> Obj:
    """Return the binding of a Role of the same namespace."""
    made = cluster_role_binding(role_name, *subjects)
    made["kind"] = "RoleBinding"
    made["metadata"] |= {"name": name, "namespace": namespace}
    made["roleRef"] = {**made["roleRef"], "kind": "Role"}
    return made


def group(name: str) -> Obj:
    return {"apiGroup": RBAC_GROUP, "kind": "Group", "name": name}


def user(name: str) -> Obj:
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": name}


def account(namespace: str, name: str) -> Obj:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
