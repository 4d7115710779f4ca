"""Volumes that do not exist yet: where a class may make them, and where there is room for them.

Source: volumebinding/binder.go checkVolumeProvisions, hasEnoughCapacity (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.labels import NOTHING, Selector, from_label_selector
from api.quantity import value
from api.types.storage_v1 import CSIDRIVERS, CSISTORAGECAPACITIES, StorageClass
from scheduler.indexes import Index
from scheduler.objects import Objects
from scheduler.snapshot import Ints, Mask, Snapshot
from scheduler.volumes.topology import matching, selected, topology_terms

# The provisioner of classes whose volumes are made by hand.
BY_HAND = "kubernetes.io/no-provisioner"
_NONE = -1


@dataclass(frozen=True)
class Capacity:
    """What one CSIStorageCapacity says, in bytes: the largest volume that can be made for the nodes, and the
    room there is; _NONE if it does not say.
    """

    nodes: Selector
    largest: int
    room: int


@dataclass(frozen=True, eq=False)
class Reach:
    """The same by node: the most that any capacity of a class offers it."""

    largest: Ints
    room: Ints


def new_capacity(obj: Mapping[str, Any]) -> Capacity:
    topology = obj.get("nodeTopology")
    nodes = from_label_selector(topology) if topology is not None else NOTHING
    room, largest = _amount(obj, "capacity"), _amount(obj, "maximumVolumeSize")
    return Capacity(nodes, room if largest == _NONE else largest, room)


def _amount(obj: Mapping[str, Any], name: str) -> int:
    return value(obj[name]) if obj.get(name) is not None else _NONE


def volume_limit(obj: Mapping[str, Any]) -> int:
    """Return the largest volume that fits, -1 if nothing is said about that."""
    return new_capacity(obj).largest


_CAPACITIES: Index[Capacity] = Index(
    CSISTORAGECAPACITIES, lambda obj: (obj["storageClassName"],), new_capacity
)


def makes_volumes(storage_class: StorageClass) -> bool:
    return storage_class.get("provisioner", "") not in ("", BY_HAND)


def allowed(snapshot: Snapshot, storage_class: StorageClass) -> Mask:
    """Return the nodes for which a class may make volumes."""
    return matching(snapshot, topology_terms(storage_class.get("allowedTopologies")))


def counts_capacity(storage_class: StorageClass, objects: Objects) -> bool:
    """Say whether the class's driver tells how much room there is."""
    driver = objects.get(CSIDRIVERS, "", storage_class.get("provisioner", ""))
    return driver is not None and bool((driver.get("spec") or {}).get("storageCapacity"))


def asked_bytes(claim: Mapping[str, Any]) -> int | None:
    """Return what a claim asks for in whole bytes, None if it does not say."""
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return value(requests["storage"]) if "storage" in requests else None


class Rooms:
    """The reach of classes, computed anew when capacities or nodes have changed. Got by `Objects.derived`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._snapshot: Snapshot | None = None
        self._stamp = (-1, -1)
        self._known: dict[str, Reach] = {}

    def of(self, snapshot: Snapshot, storage_class: str) -> Reach:
        stamp = (snapshot.version, self._objects.touched(_CAPACITIES).now)
        if self._stamp != stamp or self._snapshot is not snapshot:
            self._known.clear()
            self._stamp, self._snapshot = stamp, snapshot
        if storage_class not in self._known:
            capacities = self._objects.find(_CAPACITIES, storage_class).values()
            self._known[storage_class] = _reach(snapshot, capacities)
        return self._known[storage_class]


def _reach(snapshot: Snapshot, capacities: Iterable[Capacity]) -> Reach:
    """Return what the capacities of one class come to on each node."""
    largest = np.full(len(snapshot.alive), _NONE, dtype=np.int64)
    room = largest.copy()
    near: dict[str, dict[str, list[Capacity]]] = {}
    for capacity in capacities:
        exact = capacity.nodes.exact
        if len(exact) == 1 and len(capacity.nodes.requirements) == 1:
            near.setdefault(exact[0][0], {}).setdefault(exact[0][1], []).append(capacity)
        else:
            nodes = selected(snapshot, capacity.nodes)
            largest[nodes] = np.maximum(largest[nodes], capacity.largest)
            room[nodes] = np.maximum(room[nodes], capacity.room)
    for key, by_value in near.items():
        domains = snapshot.domains(key)
        # The last row is for nodes without the label.
        table = np.full((domains.count + 1, 2), _NONE, dtype=np.int64)
        for label, listed in by_value.items():
            number = domains.find(label)
            if number >= 0:
                table[number] = max(c.largest for c in listed), max(c.room for c in listed)
        offered = table[domains.ids]
        largest, room = np.maximum(largest, offered[:, 0]), np.maximum(room, offered[:, 1])
    return Reach(largest, room)
