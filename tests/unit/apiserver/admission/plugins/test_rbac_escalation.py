"""Nobody grants more than they hold, by whatever change of a role or binding."""

from typing import Any

import pytest

from api.errors import StatusError
from api.resource import Obj
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.plugins.rbac_escalation import RBACEscalation
from apiserver.authz.rbac import RBAC
from apiserver.authz.union import Union
from apiserver.bootstrap.rule import cluster_role, cluster_role_binding, rule, user
from apiserver.http.message import User
from tests.unit.apiserver.shelf import Shelf

JANE = User("jane", ("dev", "system:authenticated"))
ROLE = [rule("get list", "pods"), rule("create", "deployments", "apps")]
POWER = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
MISSING = (
    'user "jane" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not '
    "currently held:\n"
)


class Registry(Shelf):
    async def get(self, resource: Any, namespace: str, name: str) -> Obj | None:
        return self.cached(resource, namespace, name)


def world(*more: tuple[str, list[Obj]]) -> RBACEscalation:
    """Return the plugin in a cluster where jane has `ROLE` and what `more` says."""
    roles = [cluster_role("held", ROLE), cluster_role("power", [rule("*", "secrets")])]
    bindings = [cluster_role_binding("held", user("jane"))]
    for name, rules in more:
        roles.append(cluster_role(name, rules))
        bindings.append(cluster_role_binding(name, user("jane")))
    kept = [(CLUSTERROLES, item) for item in roles] + [(CLUSTERROLEBINDINGS, item) for item in bindings]
    registry: Any = Registry(kept)
    rbac = RBAC(registry)
    return RBACEscalation(registry, rbac, Union([rbac]))


async def verdict(plugin: RBACEscalation, resource: Any, obj: Obj, old: Obj | None, who: User) -> str:
    namespace = "d" if resource.namespaced else ""
    operation = "UPDATE" if old else "CREATE"
    request = AdmissionRequest(operation, resource, namespace, obj["metadata"]["name"], who, obj, old)
    assert plugin.handles(request)
    try:
        await plugin.validate(request)
    except StatusError as error:
        return error.message.partition(" is forbidden: ")[2]
    return ""


def role(*rules: Obj, labels: Obj | None = None, **fields: Any) -> Obj:
    return {"metadata": {"name": "r", "labels": labels or {}}, "rules": list(rules), **fields}


def binding(name: str, kind: str = "ClusterRole", **metadata: Any) -> Obj:
    ref = {"kind": kind, "name": name}
    return {"metadata": {"name": "b", **metadata}, "roleRef": ref, "subjects": [user("joe")]}


SECRETS = '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
ANY = '{APIGroups:[""], Resources:["secrets"], Verbs:["*"]}'


@pytest.mark.parametrize(
    ("resource", "obj", "old", "why"),
    [
        pytest.param(ROLES, role(rule("get", "pods")), None, "", id="held"),
        pytest.param(ROLES, role(rule("get", "secrets")), None, MISSING + SECRETS, id="not-held"),
        pytest.param(ROLES, role(rule("get", "secrets")), role(), MISSING + SECRETS, id="not-held-added"),
        pytest.param(
            CLUSTERROLES,
            role(rule("get", "secrets"), labels={"aggregate-to-edit": "true"}),
            role(rule("get", "secrets")),
            MISSING + SECRETS,
            id="a-label-may-spread-rules",
        ),
        pytest.param(
            CLUSTERROLES,
            {**role(rule("get", "secrets")), "metadata": {"name": "r", "labels": {}, "finalizers": ["a/b"]}},
            role(rule("get", "secrets")),
            "",
            id="only-finalizers",
        ),
        pytest.param(
            CLUSTERROLES,
            role(**POWER),
            None,
            "must have cluster-admin privileges to use the aggregationRule",
            id="aggregation",
        ),
        pytest.param(
            CLUSTERROLES,
            role(),
            role(**POWER),
            "must have cluster-admin privileges to use the aggregationRule",
            id="aggregation-ended",
        ),
        pytest.param(ROLEBINDINGS, binding("held"), None, "", id="bind-held"),
        pytest.param(ROLEBINDINGS, binding("power"), None, MISSING + ANY, id="bind-not-held"),
        pytest.param(CLUSTERROLEBINDINGS, binding("power"), None, MISSING + ANY, id="bind-everywhere"),
        pytest.param(
            CLUSTERROLEBINDINGS,
            binding("power", labels={"a": "b"}),
            binding("power"),
            MISSING + ANY,
            id="binding-relabelled",
        ),
        pytest.param(
            CLUSTERROLEBINDINGS,
            binding("power", ownerReferences=[{"name": "o"}]),
            binding("power"),
            "",
            id="binding-collected",
        ),
    ],
)
async def test_escalation(resource, obj, old, why):
    assert await verdict(world(), resource, obj, old, JANE) == why


@pytest.mark.parametrize(
    ("more", "resource", "obj"),
    [
        pytest.param(
            rule("escalate", "clusterroles", "rbac.authorization.k8s.io", names="r"),
            CLUSTERROLES,
            role(rule("*", "*", "*"), **POWER),
            id="escalate",
        ),
        pytest.param(
            rule("bind", "clusterroles", "rbac.authorization.k8s.io", names="power"),
            CLUSTERROLEBINDINGS,
            binding("power"),
            id="bind",
        ),
    ],
)
async def test_rights_to_escalate(more, resource, obj):
    assert await verdict(world(("more", [more])), resource, obj, None, JANE) == ""
    masters = User("root", ("system:masters",))
    assert await verdict(world(), resource, obj, None, masters) == ""
