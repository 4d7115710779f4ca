"""Decisions over tables of roles and bindings."""

import pytest

from apiserver.authz.authorizer import Verdict
from apiserver.authz.rbac import build_table, decide
from apiserver.bootstrap import controller_policy, policy
from apiserver.bootstrap.rule import account, cluster_role, cluster_role_binding, group, role, rule, user
from apiserver.http.message import RequestInfo, User

ROLES = [cluster_role("reader", [rule("get list", "pods")])]
LOCAL = [role("a", "writer", [rule("create", "pods")])]


def bound(namespace: str, kind: str, name: str, *subjects: dict) -> dict:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    return {"metadata": {"name": "b", "namespace": namespace}, "roleRef": ref, "subjects": list(subjects)}


TABLE = build_table(
    ROLES,
    LOCAL,
    [cluster_role_binding("reader", group("dev"))],
    [
        bound("a", "Role", "writer", user("jane")),
        bound("b", "ClusterRole", "reader", account("", "robot")),
        bound("a", "Role", "gone", user("nobody")),
    ],
)


def ask(verb: str, namespace: str) -> RequestInfo:
    return RequestInfo(True, "", verb, "", "v1", "pods", "", namespace, "")


@pytest.mark.parametrize(
    ("who", "info", "reason"),
    [
        pytest.param(
            User("x", ("dev",)),
            ask("list", ""),
            'RBAC: allowed by ClusterRoleBinding "reader" of ClusterRole "reader" to Group "dev"',
            id="group-cluster-wide",
        ),
        pytest.param(User("x", ("dev",)), ask("create", "a"), None, id="verb-not-given"),
        pytest.param(
            User("jane"),
            ask("create", "a"),
            'RBAC: allowed by RoleBinding "b/a" of Role "writer" to User "jane"',
            id="role-in-its-namespace",
        ),
        pytest.param(User("jane"), ask("create", "b"), None, id="role-in-another-namespace"),
        pytest.param(User("jane"), ask("create", ""), None, id="role-not-cluster-wide"),
        pytest.param(
            User("system:serviceaccount:b:robot"),
            ask("get", "b"),
            'RBAC: allowed by RoleBinding "b/b" of ClusterRole "reader" to ServiceAccount "robot/b"',
            id="service-account-of-the-binding's-namespace",
        ),
        pytest.param(User("robot"), ask("get", "b"), None, id="service-account-is-not-its-bare-name"),
        pytest.param(User("nobody"), ask("get", "a"), None, id="missing-role-gives-nothing"),
    ],
)
def test_decide(who: User, info: RequestInfo, reason: str | None) -> None:
    decision = decide(TABLE, who, info)
    assert decision.verdict is (Verdict.NO_OPINION if reason is None else Verdict.ALLOW)
    assert decision.reason == (reason or "")


def default_table():
    return build_table(
        [*policy.cluster_roles(), *controller_policy.controller_roles()],
        controller_policy.namespace_roles(),
        [*policy.cluster_role_bindings(), *controller_policy.controller_role_bindings()],
        controller_policy.namespace_role_bindings(),
    )


@pytest.mark.parametrize(
    ("name", "groups", "info", "allowed"),
    [
        pytest.param("s", ("system:masters",), ask("delete", ""), True, id="masters"),
        pytest.param("system:kube-scheduler", (), ask("list", ""), True, id="scheduler-lists-pods"),
        pytest.param("system:kube-scheduler", (), ask("create", "a"), False, id="scheduler-creates-no-pods"),
        pytest.param(
            "u", ("system:authenticated",), RequestInfo(False, "/apis/apps/v1", "get"), True, id="discovery"
        ),
        pytest.param(
            "system:anonymous",
            ("system:unauthenticated",),
            RequestInfo(False, "/apis", "get"),
            False,
            id="anonymous",
        ),
        pytest.param("system:node:n", ("system:nodes",), ask("list", ""), False, id="nodes-have-no-role"),
        pytest.param(
            "system:serviceaccount:kube-system:namespace-controller",
            (),
            RequestInfo(True, "", "deletecollection", "x.y", "v1", "z", "", "a", ""),
            True,
            id="namespace-controller-empties-anything",
        ),
        pytest.param(
            "system:kube-controller-manager",
            (),
            RequestInfo(
                True,
                "",
                "get",
                "",
                "v1",
                "configmaps",
                "",
                "kube-system",
                "extension-apiserver-authentication",
            ),
            True,
            id="authentication-reader",
        ),
    ],
)
def test_default_policy(name: str, groups: tuple, info: RequestInfo, allowed: bool) -> None:
    assert (decide(default_table(), User(name, groups), info).verdict is Verdict.ALLOW) is allowed


def test_edit_cannot_write_endpoints() -> None:
    """CVE-2021-25740: endpoints lead into other namespaces."""
    table = build_table(policy.cluster_roles(), [], [cluster_role_binding("edit", user("u"))], [])
    info = RequestInfo(True, "", "update", "", "v1", "endpoints", "", "a", "x")
    assert decide(table, User("u"), info).verdict is Verdict.NO_OPINION


def test_aggregated_roles_come_complete() -> None:
    roles = {item["metadata"]["name"]: item for item in policy.cluster_roles()}
    for name in ("admin", "edit", "view"):
        label = f"rbac.authorization.k8s.io/aggregate-to-{name}"
        parts = [item for item in roles.values() if item["metadata"]["labels"].get(label) == "true"]
        assert parts
        for part in parts:
            assert all(one in roles[name]["rules"] for one in part["rules"])
