"""RBAC rules as values: does a rule cover a request, does a set of rules cover another rule. Pure.

Called by the RBAC authorizer, the Node authorizer, the escalation check and SelfSubjectRulesReview.
Source: pkg/apis/rbac/v1/evaluation_helpers.go, pkg/registry/rbac/validation (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.http.message import RequestInfo

ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule, compiled to sets."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    # Paths exactly, and prefixes (from `/foo/*`, without the star).
    paths: frozenset[str]
    prefixes: tuple[str, ...]

    def allows(self, info: RequestInfo) -> bool:
        """Tell whether the rule covers a request."""
        if info.verb not in self.verbs and ALL not in self.verbs:
            return False
        return self._allows_resource(info) if info.is_resource else self._allows_path(info.path)

    def _allows_resource(self, info: RequestInfo) -> bool:
        if info.group not in self.groups and ALL not in self.groups:
            return False
        resources = self.resources
        if ALL not in resources:
            resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            wild = f"*/{info.subresource}"
            if resource not in resources and not (info.subresource and wild in resources):
                return False
        return not self.names or info.name in self.names

    def _allows_path(self, path: str) -> bool:
        return ALL in self.paths or path in self.paths or any(path.startswith(p) for p in self.prefixes)


def compile_rule(rule: Mapping[str, Any]) -> Rule:
    """Return a PolicyRule ready to be asked."""
    urls = rule.get("nonResourceURLs") or ()
    return Rule(
        verbs=frozenset(rule.get("verbs") or ()),
        groups=frozenset(rule.get("apiGroups") or ()),
        resources=frozenset(rule.get("resources") or ()),
        names=frozenset(rule.get("resourceNames") or ()),
        paths=frozenset(urls),
        prefixes=tuple(url[:-1] for url in urls if url.endswith("*") and url != ALL),
    )


def compile_rules(rules: Iterable[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    return tuple(compile_rule(rule) for rule in rules or ())


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest right: one verb on one resource (and name), or on one path."""

    verb: str
    group: str = ""
    resource: str = ""
    name: str = ""
    path: str = ""


def atoms(rule: Rule) -> Iterable[Atom]:
    """Yield every single right that a rule gives."""
    for verb in sorted(rule.verbs):
        for url in (*sorted(rule.paths),):
            yield Atom(verb, path=url)
        for group in sorted(rule.groups):
            for resource in sorted(rule.resources):
                for name in sorted(rule.names) or ("",):
                    yield Atom(verb, group, resource, name)


def covers(owned: Iterable[Rule], atom: Atom) -> bool:
    """Tell whether one of the owned rules gives this right."""
    return any(_covers(rule, atom) for rule in owned)


def _covers(rule: Rule, atom: Atom) -> bool:
    if ALL not in rule.verbs and atom.verb not in rule.verbs:
        return False
    if atom.path:
        bare = atom.path.removesuffix("*")
        return (
            ALL in rule.paths
            or atom.path in rule.paths
            or any(bare.startswith(prefix) for prefix in rule.prefixes)
        )
    if ALL not in rule.groups and atom.group not in rule.groups:
        return False
    subresource = atom.resource.partition("/")[2]
    known = (
        ALL in rule.resources
        or atom.resource in rule.resources
        or bool(subresource and f"*/{subresource}" in rule.resources)
    )
    return known and (not rule.names or atom.name in rule.names)


def uncovered(owned: tuple[Rule, ...], wanted: Iterable[Rule]) -> list[Atom]:
    """Return the rights in `wanted` that `owned` does not give."""
    return [atom for rule in wanted for atom in atoms(rule) if not covers(owned, atom)]


def describe(missing: Iterable[Atom]) -> str:
    """Return missing rights as upstream prints them: `{APIGroups:["apps"], Resources:["deployments"],
    Verbs:["get"]}`."""
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for atom in missing:
        grouped.setdefault((atom.group, atom.resource, atom.name, atom.path), []).append(atom.verb)
    return "\n".join(_line(key, verbs) for key, verbs in sorted(grouped.items()))


def _line(key: tuple[str, str, str, str], verbs: list[str]) -> str:
    group, resource, name, path = key
    parts = []
    if path:
        parts.append(f'NonResourceURLs:["{path}"]')
    else:
        parts += [f'APIGroups:["{group}"]', f'Resources:["{resource}"]']
        if name:
            parts.append(f'ResourceNames:["{name}"]')
    quoted = " ".join(f'"{verb}"' for verb in sorted(set(verbs)))
    parts.append(f"Verbs:[{quoted}]")
    return "{" + ", ".join(parts) + "}"
