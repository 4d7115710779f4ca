"""Admission policies with their bindings, and which of them a request is for. Pure.

    Hook    a policy and its bindings
    Match   what a policy or a binding is about: rules, excluded rules, selectors
    Plan    what remains of a Match once operation, resource and subresource are known

Built when a policy or binding has changed; plans are kept until then. Called by `dispatch.py`.
Source: k8s.io/apiserver/pkg/admission/plugin/policy/{generic/policy_source,matching/matching}.go (1.36).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from api.admissionregistration.compiled import CompiledPolicy, compile_policy
from api.labels import NOTHING, Selector, from_label_selector
from api.resource import Obj, Resource
from apiserver.admission.rules import is_exempt, matches

Equivalents: TypeAlias = Callable[[Resource[Any]], Iterable[Resource[Any]]]
# A rule that matches: the names it is about (None: all), and the resource by which it matched.
_Candidate: TypeAlias = tuple[frozenset[str] | None, Resource[Any]]


@dataclass(frozen=True)
class Plan:
    """The rules that may match, in order, and those that exclude."""

    candidates: tuple[_Candidate, ...]
    excluded: tuple[_Candidate, ...]

    def seen_as(self, name: str) -> Resource[Any] | None:
        """Return the resource by which an object of this name matches; None if it does not."""
        if _first(self.excluded, name) is not None:
            return None
        return _first(self.candidates, name)


def _first(candidates: Iterable[_Candidate], name: str) -> Resource[Any] | None:
    return next((seen for names, seen in candidates if names is None or name in names), None)


class Match:
    """MatchResources of a policy or binding; without rules everything matches."""

    def __init__(self, resources: Obj) -> None:
        self._rules: Sequence[Obj] = resources.get("resourceRules") or ()
        self._excluded: Sequence[Obj] = resources.get("excludeResourceRules") or ()
        self._exact = resources.get("matchPolicy") == "Exact"
        self.namespaces = _selector(resources.get("namespaceSelector"))
        self.objects = _selector(resources.get("objectSelector"))

    def plan(
        self, operation: str, resource: Resource[Any], subresource: str, equivalents: Equivalents
    ) -> Plan | None:
        """Return what remains to be looked at in a request; None if nothing can match."""
        others = () if self._exact else tuple(equivalents(resource))

        def candidates(rules: Sequence[Obj]) -> tuple[_Candidate, ...]:
            # Only if no rule is about the resource itself, its other versions are tried.
            pairs = [(rule, resource) for rule in rules]
            pairs += [(rule, other) for rule in rules for other in others]
            return tuple(
                (_names_of(rule), seen) for rule, seen in pairs if matches(rule, operation, seen, subresource)
            )

        found = candidates(self._rules) if self._rules else ((None, resource),)
        return Plan(found, candidates(self._excluded)) if found else None


def _names_of(rule: Obj) -> frozenset[str] | None:
    return frozenset(rule["resourceNames"]) if rule.get("resourceNames") else None


def _selector(selector: Any) -> Selector:
    try:
        return from_label_selector(selector if selector is not None else {})
    except ValueError:
        # Only an older server may have stored it.
        return NOTHING


class Bound:
    """A binding of a policy."""

    def __init__(self, binding: Obj) -> None:
        self.name: str = binding["metadata"]["name"]
        self.spec: Obj = binding.get("spec") or {}
        self.match = Match(self.spec.get("matchResources") or {})
        self.actions: Sequence[str] = self.spec.get("validationActions") or ()


class Hook:
    """A policy with its bindings, in the order of their names."""

    def __init__(self, policy: Obj, bindings: Iterable[Obj]) -> None:
        self.policy = policy
        self.name: str = policy["metadata"]["name"]
        self.spec: Obj = policy.get("spec") or {}
        self.match = Match(self.spec.get("matchConstraints") or {})
        self.bindings = tuple(Bound(binding) for binding in sorted(bindings, key=_name))
        self.fails_open = self.spec.get("failurePolicy") == "Ignore"

    @cached_property
    def compiled(self) -> CompiledPolicy:
        """The expressions, compiled when first needed."""
        return compile_policy(self.policy)

    @property
    def is_compiled(self) -> bool:
        return "compiled" in self.__dict__

    def compiled_as(self, before: "Hook") -> None:
        """Take over the expressions that another hook of the same spec has compiled."""
        if before.is_compiled:
            self.__dict__["compiled"] = before.compiled


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def hooks_of(policies: Iterable[Obj], bindings: Iterable[Obj]) -> tuple[Hook, ...]:
    """Return the policies that have bindings, in the order of their names."""
    by_policy: dict[str, list[Obj]] = {}
    for binding in bindings:
        by_policy.setdefault((binding.get("spec") or {}).get("policyName") or "", []).append(binding)
    return tuple(
        Hook(policy, by_policy[_name(policy)])
        for policy in sorted(policies, key=_name)
        if _name(policy) in by_policy
    )


@dataclass(frozen=True)
class Planned:
    """A policy that may be about requests of a kind, with the bindings that may be."""

    hook: Hook
    plan: Plan
    bindings: tuple[tuple[Bound, Plan], ...]


def planned(
    hooks: Iterable[Hook],
    operation: str,
    resource: Resource[Any],
    subresource: str,
    equivalents: Equivalents,
) -> tuple[Planned, ...]:
    """Return the policies that may be about an operation on a resource or its subresource."""
    if is_exempt(resource):
        return ()
    found = []
    for hook in hooks:
        plan = hook.match.plan(operation, resource, subresource, equivalents)
        if plan is None:
            continue
        bindings = tuple(
            (bound, inner)
            for bound in hook.bindings
            if (inner := bound.match.plan(operation, resource, subresource, equivalents)) is not None
        )
        if bindings:
            found.append(Planned(hook, plan, bindings))
    return tuple(found)
