"""The audit policy: how much of which request is written down. Pure.

    kind: Policy
    apiVersion: audit.k8s.io/v1
    omitStages: [RequestReceived]
    rules:                                 the first that matches decides; none: nothing is written
      - level: None
        users: [system:kube-proxy]
        verbs: [watch]
        resources: [{group: "", resources: [endpoints, services/status], resourceNames: [a]}]
      - level: Metadata

Spec: k8s.io/apiserver/pkg/audit/policy {checker,reader}.go, apis/audit/validation (1.36).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.http.message import RequestInfo, User

NONE, METADATA, REQUEST, REQUEST_RESPONSE = "None", "Metadata", "Request", "RequestResponse"
LEVELS = (NONE, METADATA, REQUEST, REQUEST_RESPONSE)
RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)


@dataclass(frozen=True)
class Decision:
    """What of one request is written."""

    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def writes(self, stage: str) -> bool:
        return self.level != NONE and stage not in self.omit_stages

    @property
    def wants_request(self) -> bool:
        return self.level in (REQUEST, REQUEST_RESPONSE)

    @property
    def wants_response(self) -> bool:
        return self.level == REQUEST_RESPONSE


NOTHING = Decision(NONE)


@dataclass(frozen=True)
class Resources:
    """`resources`: "pods", "pods/log", "pods/*", "*/scale", "*"; none means all of the group."""

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, info: RequestInfo) -> bool:
        if info.group != self.group or (self.names and info.name not in self.names):
            return False
        sub = f"/{info.subresource}" if info.subresource else ""
        named = {"*", f"{info.resource}{sub}"}
        if sub:
            named |= {f"{info.resource}/*", f"*{sub}"}
        return not self.resources or bool(named.intersection(self.resources))


@dataclass(frozen=True)
class Rule:
    decision: Decision
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[Resources, ...] = ()
    namespaces: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, user: User, info: RequestInfo) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and not set(self.groups).intersection(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return self._resource_matches(info)
        return not self.urls or (not info.is_resource and any(_url(url, info.path) for url in self.urls))

    def _resource_matches(self, info: RequestInfo) -> bool:
        if not info.is_resource or (self.namespaces and info.namespace not in self.namespaces):
            return False
        return not self.resources or any(one.matches(info) for one in self.resources)


def _url(pattern: str, path: str) -> bool:
    if pattern == "*":
        return True
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


class Policy:
    """The rules in their order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def decide(self, user: User, info: RequestInfo) -> Decision:
        return next((rule.decision for rule in self._rules if rule.matches(user, info)), NOTHING)


# Without a policy file: who did what, never what it said, one line per request.
# DEVIATION: upstream writes nothing without a policy.
DEFAULT = Policy([Rule(Decision(METADATA, frozenset((RECEIVED,))))])


def parse(document: Any) -> Policy:
    """Return the policy of a decoded file. Raises `ValueError` that names the field at fault."""
    if not isinstance(document, dict) or document.get("kind") != "Policy":
        raise ValueError("not an audit Policy")
    if document.get("apiVersion") != "audit.k8s.io/v1":
        raise ValueError("apiVersion: must be audit.k8s.io/v1")
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        raise ValueError("rules: loaded illegal policy with 0 rules")
    stages = _stages(document, "omitStages")
    bare = bool(document.get("omitManagedFields"))
    return Policy([_rule(rule, stages, bare, f"rules[{number}]") for number, rule in enumerate(rules)])


def _rule(rule: Any, stages: frozenset[str], bare: bool, path: str) -> Rule:
    if not isinstance(rule, dict):
        raise ValueError(f"{path}: must be an object")
    level = rule.get("level")
    if level not in LEVELS:
        raise ValueError(f'{path}.level: Unsupported value: "{level}": supported values: {_quoted(LEVELS)}')
    resources = tuple(_resources(one, f"{path}.resources") for one in rule.get("resources") or ())
    urls, namespaces = _texts(rule, "nonResourceURLs", path), _texts(rule, "namespaces", path)
    if urls and (resources or namespaces):
        raise ValueError(f"{path}.nonResourceURLs: rules cannot apply to both regular resources and "
                         "non-resource URLs")  # fmt: skip
    for number, url in enumerate(urls):
        if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
            raise ValueError(f"{path}.nonResourceURLs[{number}]: {url!r} must begin with '/' and may end in "
                             "one '*'")  # fmt: skip
    omit = stages | _stages(rule, f"{path}.omitStages")
    without = bool(rule.get("omitManagedFields", bare))
    return Rule(
        Decision(level, omit, without),
        _texts(rule, "users", path),
        _texts(rule, "userGroups", path),
        _texts(rule, "verbs", path),
        resources,
        namespaces,
        urls,
    )


def _resources(one: Any, path: str) -> Resources:
    if not isinstance(one, dict) or "/" in str(one.get("group") or ""):
        raise ValueError(f"{path}: must have a group without version")
    names, kinds = _texts(one, "resourceNames", path), _texts(one, "resources", path)
    if names and not kinds:
        raise ValueError(f"{path}.resourceNames: using resourceNames requires at least one resource")
    return Resources(str(one.get("group") or ""), kinds, names)


def _stages(owner: Mapping[str, Any], path: str) -> frozenset[str]:
    found = owner.get("omitStages") or []
    for stage in found:
        if stage not in STAGES:
            raise ValueError(f'{path}: Invalid value: "{stage}": allowed stages are {_quoted(STAGES)}')
    return frozenset(found)


def _texts(owner: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    found = owner.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{path}.{name}: must be a list of strings")
    return tuple(found)


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
