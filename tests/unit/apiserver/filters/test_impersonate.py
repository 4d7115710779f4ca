"""Who may act as whom, for what."""

from typing import Any

import pytest

from api.errors import Forbidden
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES
from apiserver.authz.rbac import RBAC
from apiserver.bootstrap.rule import account, cluster_role, cluster_role_binding, rule, user
from apiserver.filters.constrained import Wanted
from apiserver.filters.impersonate import constrained, unconstrained
from apiserver.http.message import Request, RequestInfo, User
from tests.unit.apiserver.shelf import Shelf

AUTHN = "authentication.k8s.io"
JANE = User("jane")
AGENT = User("system:serviceaccount:d:agent", extra={"authentication.kubernetes.io/node-name": ("n1",)})
NODE_GROUPS = ("system:nodes", "system:authenticated")
ROBOT = "system:serviceaccount:d:robot"


def authorizer(*rules: Any) -> RBAC:
    bound = cluster_role_binding("r", user("jane"), account("d", "agent"))
    shelf: Any = Shelf([(CLUSTERROLES, cluster_role("r", list(rules))), (CLUSTERROLEBINDINGS, bound)])
    return RBAC(shelf)


def listing(who: User) -> Request:
    request = Request("GET", "/api/v1/namespaces/d/pods", {}, {}, b"")
    request.user = who
    request.info = RequestInfo(True, "", "list", "", "v1", "pods", "", "d")
    return request


def may(verb: str, resource: str, names: str = "", group: str = AUTHN) -> Any:
    return rule(verb, resource, group, names=names)


def legacy(resources: str) -> Any:
    return may("impersonate", resources, group="")


PODS = {mode: may(f"impersonate-on:{mode}:list", "pods", group="") for mode in (
    "user-info", "serviceaccount", "arbitrary-node", "associated-node",
)}  # fmt: skip
JOE = may("impersonate:user-info", "users", "joe")


@pytest.mark.parametrize(
    ("who", "rules", "wanted", "groups"),
    [
        pytest.param(JANE, [JOE, PODS["user-info"]], Wanted("joe"), ("system:authenticated",), id="user"),
        pytest.param(JANE, [JOE], Wanted("joe"), None, id="user-but-not-for-this"),
        pytest.param(JANE, [PODS["user-info"]], Wanted("joe"), None, id="this-but-not-the-user"),
        pytest.param(JANE, [JOE, PODS["user-info"]], Wanted("ann"), None, id="another-user"),
        pytest.param(
            JANE, [JOE, PODS["user-info"]], Wanted("joe", ("dev",)), None, id="group-not-allowed"
        ),
        pytest.param(
            JANE,
            [JOE, may("impersonate:user-info", "groups", "dev"), PODS["user-info"]],
            Wanted("joe", ("dev",)),
            ("dev", "system:authenticated"),
            id="user-and-group",
        ),
        pytest.param(
            JANE,
            [may("impersonate:user-info", "users groups"), PODS["user-info"]],
            Wanted("joe", ("system:masters",)),
            None,
            id="never-masters",
        ),
        pytest.param(
            JANE,
            [
                JOE, may("impersonate:user-info", "userextras/scope", "a"),
                may("impersonate:user-info", "uids", "7"), PODS["user-info"],
            ],
            Wanted("joe", (), "7", {"scope": ("a",)}),
            ("system:authenticated",),
            id="uid-and-extra",
        ),
        pytest.param(
            JANE, [may("impersonate:user-info", "users"), PODS["user-info"]], Wanted(ROBOT), None,
            id="accounts-are-no-users",
        ),
        pytest.param(
            JANE,
            [may("impersonate:serviceaccount", "serviceaccounts", "robot"), PODS["serviceaccount"]],
            Wanted(ROBOT),
            ("system:serviceaccounts", "system:serviceaccounts:d", "system:authenticated"),
            id="account",
        ),
        pytest.param(
            JANE,
            [may("impersonate:serviceaccount", "serviceaccounts", "robot"), PODS["serviceaccount"]],
            Wanted(ROBOT, ("dev",)),
            None,
            id="account-with-groups",
        ),
        pytest.param(
            JANE, [may("impersonate:arbitrary-node", "nodes", "n1"), PODS["arbitrary-node"]],
            Wanted("system:node:n1"), NODE_GROUPS, id="node",
        ),
        pytest.param(
            JANE, [may("impersonate:arbitrary-node", "nodes", "n1"), PODS["arbitrary-node"]],
            Wanted("system:node:n2"), None, id="another-node",
        ),
        pytest.param(
            AGENT, [may("impersonate:associated-node", "nodes"), PODS["associated-node"]],
            Wanted("system:node:n1"), NODE_GROUPS, id="own-node",
        ),
        pytest.param(
            AGENT, [may("impersonate:associated-node", "nodes"), PODS["associated-node"]],
            Wanted("system:node:n2"), None, id="not-own-node",
        ),
        pytest.param(
            JANE, [may("impersonate:associated-node", "nodes"), PODS["associated-node"]],
            Wanted("system:node:n1"), None, id="on-no-node",
        ),
    ],
)  # fmt: skip
def test_constrained(who, rules, wanted, groups):
    found = constrained(authorizer(*rules), listing(who), wanted)
    assert (None if found is None else found.groups) == groups
    assert found is None or (found.name, found.uid, found.extra) == (wanted.user, wanted.uid, wanted.extra)


@pytest.mark.parametrize(
    ("rules", "wanted", "expected"),
    [
        pytest.param([legacy("users")], Wanted("joe"), ("system:authenticated",), id="user"),
        pytest.param(
            [legacy("users groups")], Wanted("joe", ("a",)), ("a", "system:authenticated"),
            id="group",
        ),
        pytest.param(
            [legacy("users")], Wanted("joe", ("a",)),
            'groups "a" is forbidden: User "jane" cannot impersonate resource "groups" in API group "" at '
            "the cluster scope",
            id="no-group",
        ),
        pytest.param(
            [JOE, PODS["user-info"]], Wanted("joe"),
            'users "joe" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at '
            "the cluster scope",
            id="constrained-is-not-unconstrained",
        ),
        pytest.param(
            [legacy("serviceaccounts")], Wanted(ROBOT),
            ("system:serviceaccounts", "system:serviceaccounts:d", "system:authenticated"), id="account",
        ),
        pytest.param(
            [legacy("users")], Wanted("system:anonymous"), ("system:unauthenticated",),
            id="anonymous",
        ),
        pytest.param(
            [legacy("users")], Wanted("joe", uid="1"),
            'uids.authentication.k8s.io "1" is forbidden: User "jane" cannot impersonate resource "uids" in '
            'API group "authentication.k8s.io" at the cluster scope',
            id="no-uid",
        ),
    ],
)  # fmt: skip
def test_unconstrained(rules, wanted, expected):
    if isinstance(expected, str):
        with pytest.raises(Forbidden) as refused:
            unconstrained(authorizer(*rules), JANE, wanted)
        assert refused.value.message == expected
    else:
        assert unconstrained(authorizer(*rules), JANE, wanted).groups == expected
