"""Which flow schema a request belongs to, and which flow within it. Pure; called by `control.py`.

Schemas are compiled to sets; the outcome is remembered per groups, verb, and resource or path.
Source: k8s.io/apiserver/pkg/util/flowcontrol rule.go (1.36).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from api.flowcontrol.sharding import HASH_BITS
from api.resource import Obj
from apiserver.flowcontrol.levels import Level
from apiserver.http.message import RequestInfo, User

ALL = "*"
# User names of service accounts: this, the namespace, a colon, the name.
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Rule:
    """Subjects and what they do; names are sets."""

    users: frozenset[str]
    groups: frozenset[str]
    # What the user names of all service accounts of a namespace begin with.
    prefixes: tuple[str, ...]
    resources: tuple["ResourceRule", ...]
    paths: tuple["PathRule", ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        if not self._has_subject(user):
            return False
        if info.is_resource:
            return any(rule.matches(info) for rule in self.resources)
        return any(rule.matches(info) for rule in self.paths)

    def _has_subject(self, user: User) -> bool:
        if user.name in self.users or ALL in self.users or ALL in self.groups:
            return True
        return not self.groups.isdisjoint(user.groups) or user.name.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class ResourceRule:
    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    namespaces: frozenset[str]
    cluster: bool

    def matches(self, info: RequestInfo) -> bool:
        resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return (
            _has(self.verbs, info.verb)
            and _has(self.groups, info.group)
            and _has(self.resources, resource)
            and (_has(self.namespaces, info.namespace) if info.namespace else self.cluster)
        )


@dataclass(frozen=True, slots=True)
class PathRule:
    verbs: frozenset[str]
    paths: frozenset[str]
    prefixes: tuple[str, ...]

    def matches(self, info: RequestInfo) -> bool:
        return _has(self.verbs, info.verb) and (
            _has(self.paths, info.path) or info.path.startswith(self.prefixes)
        )


@dataclass(eq=False, slots=True)
class Schema:
    """A compiled FlowSchema with its level. The counters are for metrics and only grow."""

    name: str
    uid: str
    level: Level
    # "ByUser", "ByNamespace" or "".
    by: str
    rules: tuple[Rule, ...]
    dispatched: int = 0
    running: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def matches(self, user: User, info: RequestInfo) -> bool:
        return any(rule.matches(user, info) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Flow:
    """A request among those that are treated as one: of one schema and one user or namespace."""

    schema: Schema
    user: User
    info: RequestInfo

    @property
    def distinguisher(self) -> str:
        """Return what flows of the schema are told apart by."""
        match self.schema.by:
            case "ByUser":
                return self.user.name
            case "ByNamespace":
                return self.info.namespace
        return ""

    @property
    def hash(self) -> int:
        """Return the number by which the flow is dealt its queues."""
        digest = hashlib.sha256(f"{self.schema.name}\0{self.distinguisher}".encode()).digest()
        return int.from_bytes(digest[:8], "little") & ((1 << HASH_BITS) - 1)


class Classifier:
    """Finds the schema of a request. Remembers by what can make a difference: few users and namespaces are
    named by any schema, all others are as good as each other."""

    # Outcomes remembered. Only a client that invents paths comes near; it makes the table start afresh, no
    # more.
    REMEMBERED = 8192

    def __init__(self, schemas: Sequence[Schema], last: Schema) -> None:
        """`schemas` in order of precedence; `last` takes what none matches."""
        self.schemas = tuple(schemas)
        self._last = last
        rules = [rule for schema in schemas for rule in schema.rules]
        self._users = frozenset(name for rule in rules for name in rule.users)
        self._prefixes = tuple({prefix for rule in rules for prefix in rule.prefixes})
        self._namespaces = frozenset(
            name for rule in rules for resource in rule.resources for name in resource.namespaces
        )
        self._known: dict[tuple[object, ...], Schema] = {}

    def find(self, user: User, info: RequestInfo) -> Schema:
        """Return the schema of a request."""
        name, namespace = user.name, info.namespace
        if name not in self._users and not name.startswith(self._prefixes):
            name = ""
        if namespace and namespace not in self._namespaces:
            namespace = ALL
        what = info.resource or info.path
        key = (name, user.groups, info.verb, what, namespace, info.subresource, info.group)
        schema = self._known.get(key)
        return schema if schema is not None else self._learn(key, user, info)

    def _learn(self, key: tuple[object, ...], user: User, info: RequestInfo) -> Schema:
        if len(self._known) >= self.REMEMBERED:
            self._known.clear()
        schema = next((one for one in self.schemas if one.matches(user, info)), self._last)
        self._known[key] = schema
        return schema


def compile_rules(spec: Obj) -> tuple[Rule, ...]:
    """Return the rules of a FlowSchema's spec."""
    return tuple(_rule(rule) for rule in spec.get("rules") or ())


def method_of(spec: Obj) -> str:
    return str((spec.get("distinguisherMethod") or {}).get("type", ""))


def _rule(rule: Obj) -> Rule:
    subjects = rule.get("subjects") or ()

    def named(kind: str, member: str) -> Iterable[Obj]:
        return (subject[member] for subject in subjects if subject.get("kind") == kind)

    names = {item["name"] for item in named("User", "user")}
    prefixes: list[str] = []
    for item in named("ServiceAccount", "serviceAccount"):
        prefix = f"{_ACCOUNT}{item['namespace']}:"
        if item["name"] == ALL:
            prefixes.append(prefix)
        else:
            names.add(prefix + item["name"])
    return Rule(
        frozenset(names),
        frozenset(item["name"] for item in named("Group", "group")),
        tuple(prefixes),
        tuple(_resource_rule(item) for item in rule.get("resourceRules") or ()),
        tuple(_path_rule(item) for item in rule.get("nonResourceRules") or ()),
    )


def _resource_rule(rule: Obj) -> ResourceRule:
    verbs, groups, resources, namespaces = (
        frozenset(rule.get(name) or ()) for name in ("verbs", "apiGroups", "resources", "namespaces")
    )
    return ResourceRule(verbs, groups, resources, namespaces, bool(rule.get("clusterScope")))


def _path_rule(rule: Obj) -> PathRule:
    urls = rule.get("nonResourceURLs") or ()
    prefixes = tuple(url[:-1] for url in urls if url.endswith("/*"))
    return PathRule(frozenset(rule.get("verbs") or ()), frozenset(urls), prefixes)


def _has(names: frozenset[str], name: str) -> bool:
    return ALL in names or name in names
