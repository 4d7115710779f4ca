"""Role-based access control: a decision over tables compiled from the watch cache.

    (Cluster)RoleBinding --subjects--> grants by subject: [Grant(namespace or everywhere, rules, why)]
    (Cluster)Role        --rules-----> compiled rules by role

Tables are rebuilt when one of the four resources changes; decisions are remembered until then.
Source: plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation/rule.go (1.36).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from api.resource import Obj
from api.types.rbac_v1 import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from apiserver.authn.service_account import user_name
from apiserver.authz.authorizer import Decision, Verdict
from apiserver.authz.rules import Rule, compile_rules
from apiserver.http.message import RequestInfo, User
from apiserver.registry import Registry

_NO_OPINION = Decision(Verdict.NO_OPINION)
# Decisions remembered between two changes of policy.
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Grant:
    """A role given to one subject. `namespace` is "" for a cluster-wide grant."""

    namespace: str
    rules: tuple[Rule, ...]
    why: str


@dataclass(frozen=True)
class Table:
    """Grants by subject (`u:name`, `g:name`) and namespace."""

    grants: dict[str, dict[str, list[Grant]]]

    def of(self, user: User, namespace: str) -> Iterator[Grant]:
        """Yield the grants of a user for requests in a namespace (or cluster-wide: "")."""
        for subject in (f"u:{user.name}", *(f"g:{group}" for group in user.groups)):
            by_namespace = self.grants.get(subject)
            if by_namespace is None:
                continue
            yield from by_namespace.get("", ())
            if namespace:
                yield from by_namespace.get(namespace, ())


def build_table(
    cluster_roles: Iterable[Obj],
    roles: Iterable[Obj],
    cluster_bindings: Iterable[Obj],
    bindings: Iterable[Obj],
) -> Table:
    """Return the table of all grants; bindings to missing roles give nothing."""
    rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
    for role in (*cluster_roles, *roles):
        metadata = role["metadata"]
        rules[metadata.get("namespace", ""), metadata["name"]] = compile_rules(role.get("rules"))
    table: dict[str, dict[str, list[Grant]]] = {}
    for binding in (*cluster_bindings, *bindings):
        namespace = binding["metadata"].get("namespace", "")
        ref = binding["roleRef"]
        given = rules.get((namespace if ref["kind"] == "Role" else "", ref["name"]))
        if given is None:
            continue
        for subject in binding.get("subjects") or ():
            key = _subject_key(subject, namespace)
            grant = Grant(namespace, given, _why(binding, ref, subject))
            table.setdefault(key, {}).setdefault(namespace, []).append(grant)
    return Table(table)


def _subject_key(subject: Obj, namespace: str) -> str:
    if subject["kind"] == "ServiceAccount":
        return "u:" + user_name(subject.get("namespace") or namespace, subject["name"])
    return ("g:" if subject["kind"] == "Group" else "u:") + str(subject["name"])


def _why(binding: Obj, ref: Obj, subject: Obj) -> str:
    metadata = binding["metadata"]
    namespace = metadata.get("namespace", "")
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    name = f"{metadata['name']}/{namespace}" if namespace else metadata["name"]
    who = f'{subject["kind"]} "{subject["name"]}"'
    if subject["kind"] == "ServiceAccount":
        who = f'ServiceAccount "{subject["name"]}/{subject.get("namespace") or namespace}"'
    return f'RBAC: allowed by {kind} "{name}" of {ref["kind"]} "{ref["name"]}" to {who}'


def decide(table: Table, user: User, info: RequestInfo) -> Decision:
    """Return ALLOW with the grant that allows it, or no opinion."""
    for grant in table.of(user, info.namespace if info.is_resource else ""):
        if any(rule.allows(info) for rule in grant.rules):
            return Decision(Verdict.ALLOW, grant.why)
    return _NO_OPINION


class RBAC:
    """The authorizer; also answers what a user may do at all, for escalation checks and rules reviews."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revisions: tuple[int, ...] = ()
        self._table = Table({})
        self._decisions: dict[tuple[Any, ...], Decision] = {}

    def authorize(self, user: User, info: RequestInfo) -> Decision:
        table = self.table()
        key: tuple[Any, ...]
        if info.is_resource:
            what = (info.verb, info.group, info.resource, info.subresource)
            key = (user.name, user.groups, what, info.namespace, info.name)
        else:
            key = (user.name, user.groups, info.verb, info.path)
        decision = self._decisions.get(key)
        if decision is None:
            if len(self._decisions) >= _REMEMBERED:
                self._decisions.clear()
            decision = self._decisions[key] = decide(table, user, info)
        return decision

    def rules(self, user: User, namespace: str) -> tuple[Rule, ...]:
        """Return every rule that applies to a user in a namespace (cluster-wide: "")."""
        return tuple(rule for grant in self.table().of(user, namespace) for rule in grant.rules)

    def table(self) -> Table:
        """Return the present table, rebuilt if policy has changed."""
        registry = self._registry
        revisions = (
            registry.cached_revision(CLUSTERROLES),
            registry.cached_revision(ROLES),
            registry.cached_revision(CLUSTERROLEBINDINGS),
            registry.cached_revision(ROLEBINDINGS),
        )
        if revisions != self._revisions:
            self._table = build_table(
                registry.cached_list(CLUSTERROLES),
                registry.cached_list(ROLES),
                registry.cached_list(CLUSTERROLEBINDINGS),
                registry.cached_list(ROLEBINDINGS),
            )
            self._decisions.clear()
            self._revisions = revisions
        return self._table
