"""What is to be done about one object, given what is known of its owners. Pure.

Source: pkg/controller/garbagecollector garbagecollector.go `attemptToDeleteItem` (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from controllers.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, Node

OwnerState: TypeAlias = Literal["solid", "dangling", "waiting"]


@dataclass(frozen=True)
class Keep:
    """It has an owner that stays, or none at all."""


@dataclass(frozen=True)
class DropOwners:
    """Another owner stays: take away the references to those that are gone or wait for their dependents."""

    uids: frozenset[str]


@dataclass(frozen=True)
class Unblock:
    """A circle of foreground deletions: its references must not block any more, then it is deleted."""


@dataclass(frozen=True)
class Remove:
    propagation: Literal["Background", "Foreground", "Orphan"]


Action: TypeAlias = Keep | DropOwners | Unblock | Remove


def decide(graph: Graph, node: Node, states: Mapping[str, OwnerState], metadata: Mapping[str, Any]) -> Action:
    """`states` holds every owner's by uid; `metadata` is the object's own, as the server has it now."""
    if not states:
        return Keep()
    by_state: dict[OwnerState, set[str]] = {"solid": set(), "dangling": set(), "waiting": set()}
    for uid, state in states.items():
        by_state[state].add(uid)
    if by_state["solid"]:
        lost = by_state["dangling"] | by_state["waiting"]
        return DropOwners(frozenset(lost)) if lost else Keep()
    dependents = [graph.nodes[uid] for uid in node.dependents if uid in graph.nodes]
    if by_state["waiting"] and dependents:
        if any(dependent.waits_for_dependents for dependent in dependents) and _blocks(metadata):
            return Unblock()
        return Remove("Foreground")
    finalizers = metadata.get("finalizers") or ()
    if ORPHAN in finalizers:
        return Remove("Orphan")
    return Remove("Foreground" if FOREGROUND in finalizers else "Background")


def _blocks(metadata: Mapping[str, Any]) -> bool:
    return any(ref.get("blockOwnerDeletion") for ref in metadata.get("ownerReferences") or ())
