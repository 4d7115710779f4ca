"""Node selectors, compiled: which nodes they match by labels and by name.

Called by the scheduler for node affinity, volumes and devices. Terms are alternatives; within one, all must
hold.
Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.labels import EXISTS, GREATER, IN, LESS, NOT_EXISTS, NOT_IN, Requirement, Selector

_OPERATORS = {
    "In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS, "Gt": GREATER, "Lt": LESS,
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One term: labels and fields must match both. An empty term matches nothing."""

    labels: Selector
    fields: Selector

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        if not self.labels.requirements and not self.fields.requirements:
            return False
        return self.labels.matches(labels) and self.fields.matches({"metadata.name": name})


def new_term(term: Mapping[str, Any]) -> Term:
    """Return a `NodeSelectorTerm`, or the preference of a preferred one, compiled."""
    return Term(_selector(term.get("matchExpressions")), _selector(term.get("matchFields")))


def _selector(expressions: Any) -> Selector:
    return Selector(
        tuple(
            Requirement(e["key"], _OPERATORS[e["operator"]], frozenset(e.get("values") or ()))
            for e in expressions or ()
        )
    )


@dataclass(frozen=True)
class NodeSelector:
    """Without terms it matches nothing."""

    terms: tuple[Term, ...]

    @property
    def names(self) -> frozenset[str] | None:
        """The only nodes that can match, where each term names one; None if they may be any."""
        found: set[str] = set()
        for term in self.terms:
            named = dict(term.fields.exact).get("metadata.name")
            if named is None:
                return None
            found.add(named)
        return frozenset(found)

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Say whether the node of this name, with these labels, is one of those selected."""
        return any(term.matches(name, labels) for term in self.terms)


def new_node_selector(selector: Mapping[str, Any]) -> NodeSelector:
    """Return a `NodeSelector` (`nodeSelectorTerms`), compiled."""
    return NodeSelector(tuple(new_term(term) for term in selector.get("nodeSelectorTerms") or ()))
