"""The cluster in columns: one slot per node, one array per property. Kept current by events, never rebuilt.

Owned by the scheduling loop: `set_node`, `remove_node`, `add_pod`, `remove_pod` are the only writers. Arrays
are longer than the number of nodes; unused slots have `alive` False. What plugins derive from node data
alone they keep under `version`, which grows with every change that can alter it (a heartbeat does not).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from api.podspec import amounts
from api.types.core_v1 import Node, Taint
from scheduler.changes import Changes
from scheduler.counts import Counts, PodRecord
from scheduler.domains import Domains
from scheduler.shape import Shape
from scheduler.volumes.usage import Usage

Mask: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
_FIRST_SLOTS = 64
_STATIC_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")


class Snapshot:
    def __init__(self) -> None:
        self.version = 0
        # Grows with every change of nodes or pods.
        self.revision = 0
        # Slots whose Node has changed, slots whose pods have.
        self.changed_nodes: Changes[int] = Changes()
        self.changed_pods: Changes[int] = Changes()
        self.size = 0
        self.names: list[str] = []
        self.index: dict[str, int] = {}
        self.nodes: list[Node | None] = []
        self.alive: Mask = np.zeros(_FIRST_SLOTS, dtype=bool)
        self.unschedulable: Mask = np.zeros(_FIRST_SLOTS, dtype=bool)
        self.allocatable: dict[str, Ints] = {name: _column() for name in _STATIC_RESOURCES}
        self.requested: dict[str, Ints] = {name: _column() for name in _STATIC_RESOURCES}
        # As scores count: pods without requests weigh something.
        self.scored_cpu: Ints = _column()
        self.scored_memory: Ints = _column()
        self.counts = Counts(_FIRST_SLOTS)
        # By slot, of the nodes that have any.
        self.taints: dict[int, list[Taint]] = {}
        self.image_nodes: dict[str, dict[int, int]] = {}
        self.ports: dict[int, Counter[tuple[str, str, int]]] = {}
        self.volumes = Usage()
        self.pods: dict[str, PodRecord] = {}
        # By slot, then uid.
        self.pods_at: list[dict[str, PodRecord]] = []
        self.namespace_labels: Mapping[str, Mapping[str, str]] = {}
        # Pods on nodes that are not (or no longer) known, by node: counted when the node comes.
        self._strays: dict[str, dict[str, tuple[Shape, bool]]] = {}
        self._stray_nodes: dict[str, str] = {}
        self._free: list[int] = []
        self._domains: dict[str, Domains] = {}

    # -- nodes

    def slots(self, where: slice | Ints | int) -> Iterable[int]:
        """Return the slots that `where` means: all that have ever been in use, or the given ones."""
        if isinstance(where, int):
            return (where,)
        return range(self.size) if isinstance(where, slice) else map(int, where)

    def taints_of(self, where: slice | Ints | int) -> Iterable[tuple[int, list[Taint]]]:
        """Return (slot, taints) of the nodes with taints among some or all slots."""
        if isinstance(where, slice):
            return self.taints.items()
        return [(slot, self.taints[slot]) for slot in self.slots(where) if slot in self.taints]

    @property
    def node_count(self) -> int:
        return len(self.index)

    def set_node(self, node: Node) -> bool:
        """Take in a new or changed node. Returns whether anything that matters to placement has changed."""
        name = node["metadata"]["name"]
        slot = self.index.get(name)
        before = self.nodes[slot] if slot is not None else None
        if before is not None and _same_for_placement(before, node):
            assert slot is not None
            self.nodes[slot] = node
            return False
        is_new = slot is None
        if slot is None:
            slot = self._take_slot(name)
        self._set_images(slot, before, node)
        self.nodes[slot] = node
        spec = node.get("spec") or {}
        self.unschedulable[slot] = bool(spec.get("unschedulable"))
        self.taints.pop(slot, None)
        if taints := spec.get("taints"):
            self.taints[slot] = taints
        offered = amounts((node.get("status") or {}).get("allocatable"))
        for resource in set(self.allocatable) | set(offered):
            self._columns(resource)[0][slot] = offered.get(resource, 0)
        labels = node["metadata"].get("labels") or {}
        for key, domains in self._domains.items():
            domains.set(slot, labels.get(key))
        self._touch(slot)
        if is_new:
            for uid, (shape, terminating) in self._strays.pop(name, {}).items():
                del self._stray_nodes[uid]
                self.add_pod(uid, name, shape, terminating)
        return True

    def _touch(self, slot: int) -> None:
        self.version += 1
        self.revision += 1
        self.changed_nodes.add(slot)

    def remove_node(self, name: str) -> None:
        """Forget a node. Pods that are still there are kept aside, in case it comes back."""
        slot = self.index.pop(name, None)
        if slot is None:
            return
        self._set_images(slot, self.nodes[slot], None)
        self.nodes[slot] = None
        self.taints.pop(slot, None)
        for domains in self._domains.values():
            domains.leave(slot)
        for record in list(self.pods_at[slot].values()):
            self.remove_pod(record.uid)
            self._set_aside(record.uid, name, record.shape, record.terminating)
        self.alive[slot] = False
        self.names[slot] = ""
        self._touch(slot)
        self._free.append(slot)

    def _set_aside(self, uid: str, node: str, shape: Shape, terminating: bool) -> None:
        self._strays.setdefault(node, {})[uid] = (shape, terminating)
        self._stray_nodes[uid] = node

    def _take_slot(self, name: str) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot = self.size
            self.size += 1
            self.names.append("")
            self.nodes.append(None)
            self.pods_at.append({})
            if slot >= len(self.alive):
                self._grow()
        self.names[slot] = name
        self.index[name] = slot
        self.alive[slot] = True
        return slot

    def _grow(self) -> None:
        extra = max(_FIRST_SLOTS, len(self.alive) // 16)
        for mask in ("alive", "unschedulable"):
            setattr(self, mask, np.concatenate([getattr(self, mask), np.zeros(extra, dtype=bool)]))
        for table in (self.allocatable, self.requested):
            for name in table:
                table[name] = _longer(table[name], extra)
        self.scored_cpu, self.scored_memory = (
            _longer(self.scored_cpu, extra),
            _longer(self.scored_memory, extra),
        )
        self.counts.grow(extra)
        for domains in self._domains.values():
            domains.grow(extra)

    def _columns(self, resource: str) -> tuple[Ints, Ints]:
        if resource not in self.allocatable:
            self.allocatable[resource] = _column(len(self.alive))
            self.requested[resource] = _column(len(self.alive))
        return self.allocatable[resource], self.requested[resource]

    def _set_images(self, slot: int, before: Node | None, after: Node | None) -> None:
        for name in _images(before):
            holders = self.image_nodes.get(name, {})
            holders.pop(slot, None)
            if not holders:
                self.image_nodes.pop(name, None)
        for name, size in _images(after).items():
            self.image_nodes.setdefault(name, {})[slot] = size

    def domains(self, key: str) -> Domains:
        """Return the topology domains of a node label."""
        found = self._domains.get(key)
        if found is None:
            found = self._domains[key] = Domains(len(self.alive), self._labelled(key))
        return found

    def _labelled(self, key: str) -> Iterator[tuple[int, str | None]]:
        for slot in self.index.values():
            node = self.nodes[slot]
            assert node is not None
            yield slot, (node["metadata"].get("labels") or {}).get(key)

    # -- pods

    def add_pod(self, uid: str, node: str, shape: Shape, terminating: bool = False) -> bool:
        """Count a pod on its node; one that is counted already is moved. Returns False for an unknown node:
        then the pod is counted when the node comes.
        """
        slot = self.index.get(node)
        self.remove_pod(uid)
        if slot is None:
            self._set_aside(uid, node, shape, terminating)
            return False
        self.revision += 1
        record = PodRecord(uid, slot, shape, terminating)
        self.pods[uid] = record
        self.pods_at[slot][uid] = record
        self._weigh(record, 1)
        if shape.ports:
            self.ports.setdefault(slot, Counter()).update(shape.ports)
        if shape.volumes:
            self.volumes.add(slot, shape.volumes, 1)
        self.counts.add(record, 1)
        return True

    def remove_pod(self, uid: str) -> PodRecord | None:
        record = self.pods.pop(uid, None)
        if record is None and (node := self._stray_nodes.pop(uid, None)) is not None:
            strays = self._strays[node]
            del strays[uid]
            if not strays:
                del self._strays[node]
        if record is not None:
            self.revision += 1
            del self.pods_at[record.slot][uid]
            self._weigh(record, -1)
            self.counts.add(record, -1)
            if record.shape.volumes:
                self.volumes.add(record.slot, record.shape.volumes, -1)
            if record.shape.ports:
                used = self.ports[record.slot]
                used.subtract(record.shape.ports)
                self.ports[record.slot] = +used
                if not self.ports[record.slot]:
                    del self.ports[record.slot]
        return record

    def set_namespace_labels(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        self.revision += 1
        self.namespace_labels = labels
        self.counts.set_namespace_labels(labels)

    def _weigh(self, record: PodRecord, sign: int) -> None:
        slot, shape = record.slot, record.shape
        self.changed_pods.add(slot)
        for resource, amount in shape.requests.items():
            self._columns(resource)[1][slot] += sign * amount
        self.requested["pods"][slot] += sign
        self.scored_cpu[slot] += sign * shape.scored_cpu
        self.scored_memory[slot] += sign * shape.scored_memory


def _column(length: int = _FIRST_SLOTS) -> Ints:
    return np.zeros(length, dtype=np.int64)


def _longer(column: Ints, extra: int) -> Ints:
    return np.concatenate([column, _column(extra)])


def _images(node: Node | None) -> dict[str, int]:
    if node is None:
        return {}
    images = (node.get("status") or {}).get("images") or []
    return {name: image.get("sizeBytes", 0) for image in images for name in image.get("names") or ()}


def _same_for_placement(one: Node, other: Node) -> bool:
    mine, theirs = one.get("status") or {}, other.get("status") or {}
    return (
        one["metadata"].get("labels") == other["metadata"].get("labels")
        and one["metadata"].get("annotations") == other["metadata"].get("annotations")
        and one.get("spec") == other.get("spec")
        and mine.get("allocatable") == theirs.get("allocatable")
        and mine.get("images") == theirs.get("images")
        and mine.get("declaredFeatures") == theirs.get("declaredFeatures")
    )
