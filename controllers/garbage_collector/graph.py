"""Who owns whom: the graph of all objects by uid, kept from events. Pure.

A node is virtual as long as it is only known from somebody's owner reference. Events return what to look at:

    Look(uid)     an object that may have lost its last owner, or whose foreground deletion may go on
    Orphan(uid)   an owner that is to be deleted without its dependents

Source: pkg/controller/garbagecollector graph_builder.go (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from api.resource import Key, Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Owner(NamedTuple):
    """One owner reference."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool


@dataclass(slots=True, eq=False)
class Node:
    uid: str
    # None for virtual nodes until it is known where the object would be.
    resource: Resource[Any] | None
    key: Key
    owners: tuple[Owner, ...] = ()
    dependents: set[str] = field(default_factory=set)
    virtual: bool = False
    # What its kind is called in the owner references that mention it (virtual nodes).
    api_version: str = ""
    kind: str = ""
    is_going: bool = False
    # It has the finalizer of foreground deletion and is being deleted.
    waits_for_dependents: bool = False


class Look(NamedTuple):
    uid: str


class Orphan(NamedTuple):
    uid: str


Work: TypeAlias = Look | Orphan


class Graph:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def observe(
        self, resource: Resource[Any], old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> list[Work]:
        """Take in one change; return what it makes necessary."""
        if new is None:
            return self._removed(old["metadata"]["uid"]) if old is not None else []
        metadata = new["metadata"]
        uid = metadata["uid"]
        owners = owners_of(new)
        key = Key(metadata.get("namespace") or "", metadata["name"])
        node = self.nodes.get(uid)
        work: list[Work] = []
        if node is None:
            if not owners and "deletionTimestamp" not in metadata and not self._matters(uid):
                # Most objects have no owner and own nothing: they need no node until somebody refers to them.
                return []
            node = self.nodes[uid] = Node(uid, resource, key)
        node.resource, node.key = resource, key
        node.virtual = False
        work += self._set_owners(node, owners)
        work += self._set_state(node, metadata)
        return work

    def _matters(self, uid: str) -> bool:
        return uid in self.nodes

    def _set_owners(self, node: Node, owners: tuple[Owner, ...]) -> list[Work]:
        if node.owners == owners:
            return []
        work: list[Work] = []
        after = {owner.uid: owner for owner in owners}
        before = {owner.uid: owner for owner in node.owners}
        node.owners = owners
        for uid, owner in before.items():
            holder = self.nodes.get(uid)
            still_blocks = uid in after and after[uid].blocks
            if holder is not None and holder.waits_for_dependents and owner.blocks and not still_blocks:
                work.append(Look(uid))
            if uid not in after and holder is not None:
                holder.dependents.discard(node.uid)
                self._tidy(holder)
        for uid, owner in after.items():
            if uid not in before:
                work += self._add_dependent(node, owner)
        if before:
            work.append(Look(node.uid))
        return work

    def _add_dependent(self, node: Node, owner: Owner) -> list[Work]:
        holder = self.nodes.get(owner.uid)
        if holder is not None:
            holder.dependents.add(node.uid)
            return [Look(node.uid)] if holder.waits_for_dependents else []
        # Not seen yet: perhaps it exists and has not been listed, perhaps it is gone. Somebody must look.
        key = Key(node.key.namespace, owner.name)
        self.nodes[owner.uid] = Node(
            owner.uid,
            None,
            key,
            dependents={node.uid},
            virtual=True,
            api_version=owner.api_version,
            kind=owner.kind,
        )
        return [Look(owner.uid)]

    def _set_state(self, node: Node, metadata: Mapping[str, Any]) -> list[Work]:
        is_going = "deletionTimestamp" in metadata
        finalizers = metadata.get("finalizers") or ()
        waits = is_going and FOREGROUND in finalizers
        began = waits and not node.waits_for_dependents
        node.is_going, node.waits_for_dependents = is_going, waits
        if is_going and ORPHAN in finalizers:
            return [Orphan(node.uid)]
        if began:
            return [*(Look(uid) for uid in node.dependents), Look(node.uid)]
        return []

    def _removed(self, uid: str) -> list[Work]:
        node = self.nodes.pop(uid, None)
        if node is None:
            return []
        work: list[Work] = [Look(dependent) for dependent in node.dependents]
        for owner in node.owners:
            holder = self.nodes.get(owner.uid)
            if holder is not None:
                holder.dependents.discard(uid)
                if holder.waits_for_dependents:
                    work.append(Look(holder.uid))
                self._tidy(holder)
        return work

    def forget(self, uid: str) -> list[Work]:
        """Drop a virtual node whose object has been found not to exist; its dependents must be looked at."""
        node = self.nodes.get(uid)
        return self._removed(uid) if node is not None and node.virtual else []

    def _tidy(self, node: Node) -> None:
        """Drop a node that nobody refers to and that refers to nobody."""
        if not node.dependents and not node.owners and not node.is_going:
            self.nodes.pop(node.uid, None)


def owners_of(obj: Mapping[str, Any]) -> tuple[Owner, ...]:
    return tuple(
        Owner(ref["uid"], ref["apiVersion"], ref["kind"], ref["name"], bool(ref.get("blockOwnerDeletion")))
        for ref in obj["metadata"].get("ownerReferences") or ()
    )


def blocking(graph: Graph, node: Node) -> Iterable[Node]:
    """Return the dependents that a foreground deletion of `node` waits for."""
    for uid in node.dependents:
        dependent = graph.nodes.get(uid)
        if dependent is not None and any(o.uid == node.uid and o.blocks for o in dependent.owners):
            yield dependent
