"""Every verb on every resource: what nodes may write at all, and RBAC beside a plain reading of objects."""

from itertools import product

from api import catalog
from apiserver.authz.authorizer import Verdict
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import build_table, decide
from apiserver.bootstrap import controller_policy, policy
from apiserver.bootstrap.rule import account, cluster_role, cluster_role_binding, group, role, rule, user
from apiserver.http.message import RequestInfo, User
from tests.unit.apiserver.authz.test_node import NODE, WORLD

READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
# What a node may write of objects that are not its own; NodeRestriction looks at each of them.
NODE_WRITES = {
    ("", "events", "create"), ("", "events", "update"), ("", "events", "patch"),
    ("events.k8s.io", "events", "create"), ("events.k8s.io", "events", "update"),
    ("events.k8s.io", "events", "patch"),
    ("", "nodes", "create"), ("", "pods", "create"),
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
    ("authorization.k8s.io", "localsubjectaccessreviews", "create"),
    ("certificates.k8s.io", "certificatesigningrequests", "create"),
    ("storage.k8s.io", "csinodes", "create"), ("resource.k8s.io", "resourceslices", "create"),
}  # fmt: skip


def everything():
    """Yield group, resource with its subresource, and whether it is namespaced."""
    for item in catalog.ALL:
        for subresource in ("", *item.subresources):
            yield item.group, item.plural, subresource, item.namespaced


def test_what_nodes_may_write_of_others():
    authorizer = NodeAuthorizer(WORLD)
    allowed = set()
    asked = 0
    for (group_, resource, subresource, namespaced), verb in product(everything(), WRITES):
        namespace = "d" if namespaced else ""
        for name in ("other", "her-slice", "her-claim", "her-account", "n2"):
            info = RequestInfo(True, "", verb, group_, "v1", resource, subresource, namespace, name)
            asked += 1
            if authorizer.authorize(NODE, info).verdict is Verdict.ALLOW:
                path = f"{resource}/{subresource}" if subresource else resource
                allowed.add((group_, path, verb))
    assert asked > 2500
    # Pods that do not exist may be asked for, as said in `node.py`; the answer is 404.
    gone = {("", "pods", "delete"), ("", "pods/status", "update"), ("", "pods/status", "patch"),
            ("", "pods/eviction", "create")}  # fmt: skip
    assert allowed - gone == NODE_WRITES
    for path, verb in (("pods", "delete"), ("pods/status", "patch"), ("pods/eviction", "create")):
        resource, _, subresource = path.partition("/")
        info = RequestInfo(True, "", verb, "", "v1", resource, subresource, "d", "other")
        assert authorizer.authorize(NODE, info).verdict is not Verdict.ALLOW


ROLES = [
    *policy.cluster_roles(), *controller_policy.controller_roles(),
    cluster_role("scale", [rule("get update", "*/scale", "*")]),
    cluster_role("named", [rule("get delete", "configmaps secrets", names="a b")]),
    cluster_role("apps", [rule("*", "*", "apps")]),
    cluster_role("logs", [rule("get", "pods/log"), rule("watch", "*", "batch", "policy")]),
]  # fmt: skip
LOCAL = [
    *controller_policy.namespace_roles(),
    role("a", "writer", [rule("create patch", "pods pods/exec"), rule("deletecollection", "*")]),
]


def bound(namespace, kind, name, *subjects):
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    return {"metadata": {"name": name, "namespace": namespace}, "roleRef": ref, "subjects": list(subjects)}


CLUSTER_BINDINGS = [
    *policy.cluster_role_bindings(), *controller_policy.controller_role_bindings(),
    cluster_role_binding("scale", group("scalers")), cluster_role_binding("view", group("viewers")),
    cluster_role_binding("named", user("ned")), cluster_role_binding("missing", user("ned")),
]  # fmt: skip
BINDINGS = [
    *controller_policy.namespace_role_bindings(),
    bound("a", "ClusterRole", "admin", user("ann")),
    bound("a", "ClusterRole", "edit", group("editors")),
    bound("a", "Role", "writer", account("b", "robot")),
    bound("b", "ClusterRole", "apps", account("", "robot")),
    bound("a", "ClusterRole", "logs", user("ned"), group("scalers")),
]
SUBJECTS = [
    User("nobody"),
    User("ann", ("system:authenticated",)),
    User("ed", ("editors",)),
    User("vic", ("viewers", "scalers")),
    User("ned"),
    User("sam", ("scalers",)),
    User("robot"),
    User("system:serviceaccount:b:robot", ("system:serviceaccounts:b",)),
    User("system:serviceaccount:a:robot"),
    User("system:kube-scheduler"),
    User("system:kube-controller-manager"),
    User("system:serviceaccount:kube-system:generic-garbage-collector"),
    User("system:serviceaccount:kube-system:job-controller"),
]


def holds(binding, who):
    """Tell, by reading the binding, whether it is for a user."""
    for subject in binding.get("subjects") or ():
        name, home = subject["name"], subject.get("namespace") or binding["metadata"].get("namespace", "")
        match subject["kind"]:
            case "User" if name == who.name:
                return True
            case "Group" if name in who.groups:
                return True
            case "ServiceAccount" if who.name == f"system:serviceaccount:{home}:{name}":
                return True
    return False


def read(rules, verb, group_, resource, subresource, name):
    """Tell, by reading rules, whether one of them allows something."""
    path = f"{resource}/{subresource}" if subresource else resource
    for one in rules:
        resources = one.get("resources", [])
        if (
            {verb, "*"} & set(one["verbs"])
            and {group_, "*"} & set(one.get("apiGroups", []))
            and ({path, "*"} & set(resources) or (subresource and f"*/{subresource}" in resources))
            and (not one.get("resourceNames") or name in one["resourceNames"])
        ):
            return True
    return False


def test_rbac_beside_a_plain_reading():
    table = build_table(ROLES, LOCAL, CLUSTER_BINDINGS, BINDINGS)
    by_name = {("", item["metadata"]["name"]): item["rules"] for item in ROLES}
    by_name |= {(item["metadata"]["namespace"], item["metadata"]["name"]): item["rules"] for item in LOCAL}
    asked = allowed = 0
    for who, namespace in product(SUBJECTS, ("", "a", "b")):
        rules = []
        for binding in [*CLUSTER_BINDINGS, *BINDINGS]:
            home, ref = binding["metadata"].get("namespace", ""), binding["roleRef"]
            if home in ("", namespace) and holds(binding, who):
                rules += by_name.get((home if ref["kind"] == "Role" else "", ref["name"]), [])
        for (group_, resource, subresource, _), verb in product(everything(), (*READS, *WRITES)):
            name = "a" if verb in ("get", "delete", "update", "patch") else ""
            info = RequestInfo(True, "", verb, group_, "v1", resource, subresource, namespace, name)
            found = decide(table, who, info).verdict is Verdict.ALLOW
            assert found == read(rules, verb, group_, resource, subresource, name), (who, info)
            asked, allowed = asked + 1, allowed + found
    assert asked > 20_000
    assert allowed > 1_000
