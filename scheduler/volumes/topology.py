"""Where in the cluster: node selectors of volumes, classes and capacities, answered for all nodes at once
from columns of node labels. Nothing is kept: an answer costs some microseconds for thousands of nodes.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity, storage/volume CheckNodeAffinity,
pkg/apis/core/v1/helper MatchTopologySelectorTerms (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from api.core.node_selector import new_term
from api.labels import IN, Requirement, Selector
from scheduler.snapshot import Mask, Snapshot

# Selectors of node labels of which one must match. None: any node will do.
Terms: TypeAlias = tuple[Selector, ...] | None

_EQUAL = (IN, "=", "==")


@dataclass(frozen=True)
class Labelled:
    """The common case: nodes with one of these values of one label."""

    key: str
    values: frozenset[str]


def node_terms(required: Mapping[str, Any] | None) -> Terms:
    """Return a `NodeSelector` compiled.

    Fields are not looked at: upstream asks about the labels of a node without a name, so a term of fields
    alone lets every node pass. A term of nothing lets none pass.
    """
    if required is None:
        return None
    terms = [new_term(term) for term in required.get("nodeSelectorTerms") or ()]
    return tuple(term.labels for term in terms if term.labels.requirements or term.fields.requirements)


def topology_terms(allowed: Iterable[Mapping[str, Any]] | None) -> Terms:
    """Return the `allowedTopologies` of a StorageClass compiled. Without any, all nodes are allowed."""
    if not allowed:
        return None
    return tuple(
        Selector(tuple(Requirement(each["key"], IN, frozenset(each["values"])) for each in expressions))
        for term in allowed
        if (expressions := term.get("matchLabelExpressions"))
    )


def labelled(terms: Terms) -> Labelled | None:
    """Return what the terms come down to in the common case, None in others."""
    if terms is None or len(terms) != 1 or len(terms[0].requirements) != 1:
        return None
    requirement = terms[0].requirements[0]
    return Labelled(requirement.key, requirement.values) if requirement.operator in _EQUAL else None


def matches(terms: Terms, labels: Mapping[str, str]) -> bool:
    """Say whether one node's labels match."""
    return terms is None or any(selector.matches(labels) for selector in terms)


def matching(snapshot: Snapshot, terms: Terms) -> Mask:
    """Return the nodes whose labels match."""
    if terms is None:
        return snapshot.alive
    found = np.zeros(len(snapshot.alive), dtype=bool)
    for selector in terms:
        found |= selected(snapshot, selector)
    return found


def selected(snapshot: Snapshot, selector: Selector) -> Mask:
    """Return the nodes whose labels a selector matches."""
    found = np.zeros_like(snapshot.alive) if selector.nothing else snapshot.alive
    for requirement in selector.requirements:
        found = found & _satisfying(snapshot, requirement)
    return found


def _satisfying(snapshot: Snapshot, requirement: Requirement) -> Mask:
    domains = snapshot.domains(requirement.key)
    ids = domains.ids
    match requirement.operator:
        case "in" | "=" | "==":
            return with_values(snapshot, requirement.key, requirement.values)
        case "notin" | "!=":
            return ~with_values(snapshot, requirement.key, requirement.values)
        case "exists":
            there: Mask = ids >= 0
            return there
        case "!":
            missing: Mask = ids < 0
            return missing
    verdicts = [requirement.matches({requirement.key: domains.name(n)}) for n in range(domains.count)]
    # The last one is for nodes without the label.
    table = np.array([*verdicts, False])
    found: Mask = table[ids]
    return found


def with_values(snapshot: Snapshot, key: str, values: frozenset[str]) -> Mask:
    """Return the nodes that have one of these values of a label."""
    domains = snapshot.domains(key)
    numbers = [number for value in values if (number := domains.find(value)) >= 0]
    if not numbers:
        return np.zeros_like(snapshot.alive)
    found: Mask = domains.ids == numbers[0] if len(numbers) == 1 else np.isin(domains.ids, numbers)
    return found
