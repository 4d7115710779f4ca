"""Volumes that are there to be taken, sorted so that the smallest within reach of each node is found without
looking at all of them. Kept current by the log of volumes that have changed.

A shelf holds free volumes that differ in size, labels and place alone. Volumes that name a claim lie apart.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.quantity import parse_quantity
from api.resource import Key
from api.types.core_v1 import PERSISTENTVOLUMES
from scheduler.domains import Domains
from scheduler.indexes import Index
from scheduler.objects import Objects
from scheduler.snapshot import Ints
from scheduler.volumes.claims import class_of
from scheduler.volumes.topology import Terms, labelled, node_terms


@dataclass(frozen=True)
class Volume:
    """A PersistentVolume compiled. `capacity` is in billionths of a byte; `claim` is whom it is kept for:
    namespace, name and uid ("" if any).
    """

    name: str
    storage_class: str
    capacity: int
    claim: tuple[str, str, str] | None
    available: bool
    going: bool
    modes: frozenset[str]
    filesystem: bool
    attributes: str
    labels: Mapping[str, str]
    reachable: Terms

    @property
    def order(self) -> tuple[int, str]:
        """Sort the best first."""
        return self.capacity, self.name

    @property
    def place(self) -> tuple[str, str]:
        """Return the label and the one value of it that nodes within reach have, if that is all it takes."""
        near = labelled(self.reachable)
        return (near.key, next(iter(near.values))) if near is not None and len(near.values) == 1 else ("", "")


def new_volume(obj: Mapping[str, Any]) -> Volume:
    spec, reference = obj["spec"], obj["spec"].get("claimRef")
    return Volume(
        name=obj["metadata"]["name"],
        storage_class=class_of(obj),
        capacity=parse_quantity((spec.get("capacity") or {}).get("storage", "0")).nano,
        claim=_referred(reference) if reference else None,
        available=(obj.get("status") or {}).get("phase") == "Available",
        going="deletionTimestamp" in obj["metadata"],
        modes=frozenset(spec.get("accessModes") or ()),
        filesystem=is_filesystem(spec),
        attributes=spec.get("volumeAttributesClassName") or "",
        labels=obj["metadata"].get("labels") or {},
        reachable=node_terms((spec.get("nodeAffinity") or {}).get("required")),
    )


def _referred(reference: Mapping[str, str]) -> tuple[str, str, str]:
    return reference.get("namespace", ""), reference.get("name", ""), reference.get("uid", "")


def is_filesystem(spec: Mapping[str, Any]) -> bool:
    """Say whether a claim, or a volume, is to be mounted; otherwise it is a raw device."""
    return (spec.get("volumeMode") or "Filesystem") == "Filesystem"


# More volumes than this are sorted in together.
_FEW = 16
VOLUMES: Index[Volume] = Index(PERSISTENTVOLUMES, lambda obj: (obj["metadata"]["name"],), new_volume)


class Shelf:
    """`label`: the node label that tells for each of its volumes which nodes can reach it, by one value; ""
    if it takes more than that.
    """

    def __init__(self, modes: frozenset[str], label: str) -> None:
        self.modes, self.label = modes, label
        # In order, with numbers that no other volume has.
        self._volumes: list[Volume] = []
        self._orders: list[tuple[int, str]] = []
        self._serials: Ints = np.zeros(0, dtype=np.int64)
        # The domains of their places, as of a version.
        self._domains: Ints = self._serials
        self._source: tuple[Domains, int] | None = None

    def fill(self, more: Sequence[tuple[Volume, int]]) -> None:
        """Add volumes with their numbers."""
        if len(more) <= _FEW:
            for each in more:
                self._add(*each)
            return
        both = [*zip(self._volumes, self._serials.tolist(), strict=True), *more]
        both.sort(key=lambda each: each[0].order)
        self._volumes = [volume for volume, _ in both]
        self._orders = [volume.order for volume in self._volumes]
        self._serials = np.array([serial for _, serial in both], dtype=np.int64)
        self._source = None

    def _add(self, volume: Volume, serial: int) -> None:
        at = bisect_left(self._orders, volume.order)
        self._volumes.insert(at, volume)
        self._orders.insert(at, volume.order)
        self._serials = np.insert(self._serials, at, serial)
        if self._source is not None:
            domains = self._source[0]
            self._domains = np.insert(self._domains, at, domains.find(volume.place[1]))

    def remove(self, volume: Volume) -> None:
        at = bisect_left(self._orders, volume.order)
        del self._volumes[at], self._orders[at]
        self._serials = np.delete(self._serials, at)
        if self._source is not None:
            self._domains = np.delete(self._domains, at)

    def __bool__(self) -> bool:
        return bool(self._volumes)

    def fitting(self, capacity: int) -> tuple[Sequence[Volume], Ints]:
        """Return the volumes that are large enough, the best first, and their numbers."""
        start = self._start(capacity)
        return self._volumes[start:], self._serials[start:]

    def _start(self, capacity: int) -> int:
        return bisect_left(self._orders, (capacity, ""))

    def places(self, capacity: int, domains: Domains) -> tuple[Ints, Ints]:
        """Return the numbers of the volumes that are large enough, the best first, and in which domains of
        the shelf's label they can be reached (negative: in none).
        """
        if self._source != (domains, domains.version):
            self._domains = np.array([domains.find(each.place[1]) for each in self._volumes], dtype=np.int64)
            self._source = domains, domains.version
        start = self._start(capacity)
        return self._serials[start:], self._domains[start:]


class Shelves:
    """Got by `Objects.derived`. `refresh` first, then read."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._place = -1
        self._last = 0
        self._forget()

    def _forget(self) -> None:
        self._shelves: dict[tuple[str, bool, str], dict[tuple[frozenset[str], str], Shelf]] = {}
        self._kept: dict[tuple[str, str], dict[str, Volume]] = {}
        self._known: dict[str, tuple[Volume, int]] = {}
        self._by_serial: dict[int, Volume] = {}

    def refresh(self) -> None:
        """Take in what has happened since the last time."""
        log = self._objects.touched(VOLUMES)
        if log.now == self._place:
            return
        names: Iterable[Any] | None = log.since(self._place) if self._place >= 0 else None
        if names is None:
            self._forget()
            names = [each["metadata"]["name"] for each in self._objects.list(PERSISTENTVOLUMES)]
        self._place = log.now
        free: dict[Shelf, list[tuple[Volume, int]]] = {}
        for name in set(names):
            self._put(name, self._objects.find(VOLUMES, name).get(Key("", name)), free)
        for shelf, more in free.items():
            shelf.fill(more)

    def _put(self, name: str, volume: Volume | None, free: dict[Shelf, list[tuple[Volume, int]]]) -> None:
        """Note a volume as it is now; `free` are those that shelves are to be filled with."""
        known = self._known.pop(name, None)
        if known is not None:
            self._take_down(*known)
        if volume is None or volume.going or (volume.claim is None and not volume.available):
            return
        self._last += 1
        self._known[name] = volume, self._last
        self._by_serial[self._last] = volume
        if volume.claim is not None:
            self._kept.setdefault(volume.claim[:2], {})[name] = volume
        else:
            free.setdefault(self._shelf_of(volume), []).append((volume, self._last))

    def _take_down(self, volume: Volume, serial: int) -> None:
        del self._by_serial[serial]
        if volume.claim is None:
            self._shelf_of(volume).remove(volume)
            return
        kept = self._kept[volume.claim[:2]]
        del kept[volume.name]
        if not kept:
            del self._kept[volume.claim[:2]]

    def _shelf_of(self, volume: Volume) -> Shelf:
        kind = volume.storage_class, volume.filesystem, volume.attributes
        modes, label = volume.modes, volume.place[0]
        return self._shelves.setdefault(kind, {}).setdefault((modes, label), Shelf(modes, label))

    def of(self, storage_class: str, filesystem: bool, attributes: str) -> Iterable[Shelf]:
        """Return the shelves with volumes of a kind."""
        return [
            shelf
            for shelf in self._shelves.get((storage_class, filesystem, attributes), {}).values()
            if shelf
        ]

    def kept(self, namespace: str, name: str) -> Iterable[Volume]:
        """Return the volumes that name a claim."""
        return self._kept.get((namespace, name), {}).values()

    def serial(self, volume: Volume) -> int:
        """Return the number of a volume."""
        return self._known[volume.name][1]

    def numbered(self, serial: int) -> Volume:
        """Return the volume of a number."""
        return self._by_serial[serial]
