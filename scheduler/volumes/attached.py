"""How many volumes of each CSI driver are in use on each node, and how many may be.

A volume counts once, whoever uses it on the node; one that is still attached counts although its pod has
gone. Claims without a volume count by the driver of their class. Kept current by reading the logs of what has
changed: nodes are counted anew one by one.
Source: pkg/scheduler/framework/plugins/nodevolumelimits/csi.go (1.36). DEVIATION: upstream decides nothing
about a node where a pod's ephemeral volume has a claim that is not the pod's; here the claim counts.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from api.resource import Key, key_of
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PersistentVolumeClaim
from api.types.storage_v1 import CSINODES, STORAGECLASSES, VOLUMEATTACHMENTS
from scheduler.changes import Changes
from scheduler.indexes import Index
from scheduler.objects import Objects
from scheduler.snapshot import Ints, Snapshot
from scheduler.volumes.claims import class_of, volume_name
from scheduler.volumes.migration import BY_NAME, BY_SOURCE, disk_handle, migrated_plugins, plugin_of
from scheduler.volumes.shelves import VOLUMES
from scheduler.volumes.uses import Use

UNLIMITED = -1
T = TypeVar("T")
_NOWHERE: frozenset[int] = frozenset()
# (driver, handle)
Disk = tuple[str, str]


@dataclass(frozen=True)
class Volume:
    """What is attached for a use; `plugin`: only where this built-in plugin has been handed over."""

    disk: Disk
    plugin: str = ""


@dataclass(frozen=True)
class Driver:
    """What one CSINode says: how many volumes each driver may attach, and which plugins are handed over."""

    limits: Mapping[str, int]
    plugins: frozenset[str]


def new_driver(csinode: Mapping[str, Any]) -> Driver:
    drivers: list[Any] = (csinode.get("spec") or {}).get("drivers") or []
    counts = {driver["name"]: (driver.get("allocatable") or {}).get("count") for driver in drivers}
    limits = {name: count for name, count in counts.items() if count is not None}
    return Driver(limits, migrated_plugins(csinode))


def _attached_to(attachment: Mapping[str, Any]) -> Iterable[str]:
    return (attachment["spec"]["nodeName"],)


CLAIMS: Index[None] = Index(PERSISTENTVOLUMECLAIMS, lambda obj: (key_of(obj),), lambda obj: None)
DRIVERS: Index[Driver] = Index(CSINODES, lambda obj: (obj["metadata"]["name"],), new_driver)
ATTACHED: Index[Any] = Index(VOLUMEATTACHMENTS, _attached_to, lambda obj: obj["spec"])
_FOLLOWED: tuple[Index[Any], ...] = (CLAIMS, VOLUMES, DRIVERS, ATTACHED)


def volume_of(use: Use, objects: Objects) -> Volume | None:
    """Return what is attached to a node for a use, None if nothing that counts."""
    if not use.is_claim:
        plugin = BY_SOURCE.get(use.source)
        if plugin is None:
            return None
        return Volume((plugin.driver, disk_handle(plugin, use.name)), plugin.name)
    claim = objects.get(PERSISTENTVOLUMECLAIMS, use.namespace, use.name)
    return _of_claim(claim, objects) if claim is not None else None


def _of_claim(claim: PersistentVolumeClaim, objects: Objects) -> Volume | None:
    name = volume_name(claim)
    volume = objects.get(PERSISTENTVOLUMES, "", name) if name else None
    if volume is None:
        return _of_class(claim, objects)
    csi = volume["spec"].get("csi")
    if csi is not None:
        return Volume((csi["driver"], csi["volumeHandle"]))
    plugin = plugin_of(volume["spec"])
    if plugin is None:
        return None
    disk = volume["spec"][plugin.source][plugin.disk]
    labels = volume["metadata"].get("labels")
    return Volume((plugin.driver, disk_handle(plugin, disk, labels)), plugin.name)


def _of_class(claim: PersistentVolumeClaim, objects: Objects) -> Volume | None:
    """Return what a claim without a volume will have; the handle cannot be that of any volume."""
    storage_class = objects.get(STORAGECLASSES, "", class_of(claim)) if class_of(claim) else None
    if storage_class is None:
        return None
    handle = f"claim {key_of(claim)}"
    plugin = BY_NAME.get(storage_class["provisioner"])
    if plugin is not None:
        return Volume((plugin.driver, handle), plugin.name)
    return Volume((storage_class["provisioner"], handle))


class _Places(Generic[T]):
    """What there is at slots, and at which slots a thing is."""

    def __init__(self) -> None:
        self._at: dict[int, frozenset[T]] = {}
        self._where: dict[T, set[int]] = {}

    def put(self, slot: int, things: frozenset[T]) -> None:
        for gone in self._at.pop(slot, frozenset()) - things:
            self._where[gone].discard(slot)
            if not self._where[gone]:
                del self._where[gone]
        for thing in things:
            self._where.setdefault(thing, set()).add(slot)
        if things:
            self._at[slot] = things

    def of(self, thing: T) -> Collection[int]:
        return self._where.get(thing, _NOWHERE)


class Attached:
    """Got by `Objects.derived`. `refresh` first, then read."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._snapshot: Snapshot | None = None
        self._logged: tuple[int, ...] = ()
        self._classes = -1
        self._forget()

    def _forget(self) -> None:
        # By driver, arrays over slots.
        self.limits: dict[str, Ints] = {}
        self.used: dict[str, Ints] = {}
        # What the pods on a node use.
        self._disks: _Places[Disk] = _Places()
        # The volumes whose objects were asked for when a node was counted.
        self._asked: _Places[str] = _Places()

    def holders(self, disk: Disk) -> Collection[int]:
        """Return the slots where pods use a disk."""
        return self._disks.of(disk)

    def refresh(self, snapshot: Snapshot) -> None:
        """Take in what has happened since the last time."""
        logged = (
            snapshot.volumes.changed.now,
            snapshot.changed_nodes.now,
            *(self._objects.touched(index).now for index in _FOLLOWED),
        )
        classes = self._objects.version(STORAGECLASSES)
        same = self._snapshot is snapshot and self._classes == classes
        if same and self._logged == logged:
            return
        slots = self._stale(snapshot) if same else None
        columns = (*self.limits.values(), *self.used.values())
        if slots is None or any(len(column) != len(snapshot.alive) for column in columns):
            self._forget()
            slots = set(snapshot.index.values())
        self._snapshot, self._logged, self._classes = snapshot, logged, classes
        for slot in slots:
            self._count(slot, snapshot)

    def _stale(self, snapshot: Snapshot) -> set[int] | None:
        """Return the slots to count anew, None for all."""
        found: set[int] = set()
        logs: list[Changes[Any]] = [
            snapshot.volumes.changed,
            snapshot.changed_nodes,
            *(self._objects.touched(index) for index in _FOLLOWED),
        ]
        resolve: list[Callable[[Snapshot, Any], Iterable[int]]] = [
            _itself, _itself, _users, lambda _, volume: self._asked.of(volume), _named, _named,
        ]  # fmt: skip
        for log, place, slots_of in zip(logs, self._logged, resolve, strict=True):
            entries = log.since(place)
            if entries is None:
                return None
            for entry in set(entries):
                found.update(slots_of(snapshot, entry))
        return found

    def _count(self, slot: int, snapshot: Snapshot) -> None:
        node = snapshot.names[slot]
        driver = self._objects.find(DRIVERS, node).get(Key("", node))
        _set(self.limits, slot, driver.limits if driver else {}, len(snapshot.alive), UNLIMITED)
        asked: set[str] = set()
        disks = frozenset(self._disks_at(slot, snapshot, driver, asked))
        left = frozenset(self._left_at(node, asked))
        self._disks.put(slot, disks)
        self._asked.put(slot, frozenset(asked - {""}))
        counts = Counter(name for name, _ in disks | left)
        _set(self.used, slot, counts, len(snapshot.alive), 0)

    def _disks_at(
        self, slot: int, snapshot: Snapshot, driver: Driver | None, asked: set[str]
    ) -> Iterator[Disk]:
        """Yield what the pods on a node use."""
        plugins = driver.plugins if driver is not None else frozenset()
        for use in snapshot.volumes.at(slot):
            if use.is_claim:
                asked.add(_volume_of_claim(use, self._objects))
            volume = volume_of(use, self._objects)
            if volume is not None and (not volume.plugin or volume.plugin in plugins):
                yield volume.disk

    def _left_at(self, node: str, asked: set[str]) -> Iterator[Disk]:
        """Yield the CSI volumes that are attached to a node, or on their way to it or from it."""
        for spec in self._objects.find(ATTACHED, node).values():
            name = (spec.get("source") or {}).get("persistentVolumeName") or ""
            asked.add(name)
            volume = self._objects.get(PERSISTENTVOLUMES, "", name)
            csi = volume["spec"].get("csi") if volume is not None else None
            if csi is not None:
                yield spec["attacher"], csi["volumeHandle"]


def _itself(_: Snapshot, slot: int) -> Iterable[int]:
    return (slot,)


def _users(snapshot: Snapshot, claim: Key) -> Iterable[int]:
    return {slot for slot, _ in snapshot.volumes.users_of_claim(claim)}


def _named(snapshot: Snapshot, node: str) -> Iterable[int]:
    slot = snapshot.index.get(node)
    return () if slot is None else (slot,)


def _volume_of_claim(use: Use, objects: Objects) -> str:
    claim = objects.get(PERSISTENTVOLUMECLAIMS, use.namespace, use.name)
    return volume_name(claim) if claim is not None else ""


def _set(table: dict[str, Ints], slot: int, amounts: Mapping[str, int], slots: int, empty: int) -> None:
    """Set one slot of all columns; columns without an amount for it get `empty`."""
    for name in amounts.keys() - table.keys():
        table[name] = np.full(slots, empty, dtype=np.int64)
    for name, column in table.items():
        column[slot] = amounts.get(name, empty)
