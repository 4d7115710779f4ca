"""On which nodes a pod can have its claims, for all nodes at once.

A bound claim's volume must be within reach. A claim that waits gets the best volume that exists, else one
must be made: where its class may, and where there is room. Where a volume is being made, its claim stays.
Source: volumebinding/binder.go FindPodVolumes (1.36).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from api.types.core_v1 import PERSISTENTVOLUMES, PersistentVolume, PersistentVolumeClaim
from api.types.storage_v1 import STORAGECLASSES, StorageClass
from scheduler.objects import Objects
from scheduler.snapshot import Ints, Mask, Snapshot
from scheduler.volumes.binding import Bindings, Pairing
from scheduler.volumes.claims import SELECTED_NODE, PodClaims, annotation, class_of, volume_name
from scheduler.volumes.matching import NONE, Choice, match
from scheduler.volumes.migration import HANDED_OVER, driver_topology, plugin_of
from scheduler.volumes.provisioning import Reach, Rooms, allowed, asked_bytes, counts_capacity, makes_volumes
from scheduler.volumes.topology import matching, node_terms

_NANO = 10**9


@dataclass(frozen=True, eq=False)
class Making:
    """A claim for which a volume would be made on some nodes; `reach` if its driver counts capacity."""

    claim: PersistentVolumeClaim
    nodes: Mask
    reach: Reach | None


@dataclass(frozen=True, eq=False)
class Places:
    """Nodes that will not do, by reason, and what would be done on the others."""

    unreachable: Mask
    lost: Mask
    unmatched: Mask
    crowded: Mask
    choices: Sequence[Choice] = ()
    makings: Sequence[Making] = ()

    def bindings(self, slot: int, objects: Objects) -> Bindings:
        """Return what is to be done if the pod goes to this node."""
        pairings = []
        for choice in self.choices:
            chosen = choice.on(slot)
            if chosen is not None:
                volume = objects.get(PERSISTENTVOLUMES, "", chosen.name)
                assert volume is not None, "choices are made of what is there"
                pairings.append(Pairing(choice.claim, volume))
        provisions = tuple(making.claim for making in self.makings if making.nodes[slot])
        return Bindings(tuple(pairings), provisions)


def find_places(snapshot: Snapshot, objects: Objects, claims: PodClaims) -> Places:
    """Say where the claims can be had."""
    unreachable, lost = _bound(snapshot, objects, claims.bound)
    nowhere = np.zeros_like(snapshot.alive)
    if not claims.waiting:
        return Places(unreachable, lost, nowhere, nowhere)
    fixed = [claim for claim in claims.waiting if annotation(claim, SELECTED_NODE) is not None]
    unmatched = snapshot.alive & ~_where_selected(snapshot, fixed)
    live = snapshot.alive & ~unmatched
    free = [claim for claim in claims.waiting if annotation(claim, SELECTED_NODE) is None]
    choices = match(snapshot, objects, free)
    needs = [(claim, live) for claim in fixed]
    needs += [(choice.claim, live & (choice.volumes == NONE)) for choice in choices]
    makings = list(_makings(snapshot, objects, needs))
    crowded = nowhere.copy()
    for making, storage_class in makings:
        barred = live & making.nodes
        if storage_class is not None:
            barred = barred & ~allowed(snapshot, storage_class)
        unmatched |= barred
        live = live & ~barred
        if making.reach is not None:
            full = live & making.nodes & (making.reach.largest < (asked_bytes(making.claim) or 0))
            crowded |= full
            live = live & ~full
    return Places(unreachable, lost, unmatched, crowded, choices, [making for making, _ in makings])


def _where_selected(snapshot: Snapshot, claims: Sequence[PersistentVolumeClaim]) -> Mask:
    """Return the nodes for which the volumes of these claims are being made."""
    found = snapshot.alive
    for claim in claims:
        slot = snapshot.index.get(annotation(claim, SELECTED_NODE) or "")
        only = np.zeros_like(snapshot.alive)
        if slot is not None:
            only[slot] = True
        found = found & only
    return found


def _makings(
    snapshot: Snapshot, objects: Objects, needs: Sequence[tuple[PersistentVolumeClaim, Mask]]
) -> Iterator[tuple[Making, StorageClass | None]]:
    """Yield the claims that need a volume made anywhere, with the class that can make it."""
    for claim, nodes in needs:
        if not nodes.any():
            continue
        name = class_of(claim)
        found = objects.get(STORAGECLASSES, "", name)
        storage_class = found if found is not None and makes_volumes(found) else None
        counts = storage_class is not None and counts_capacity(storage_class, objects)
        limited = counts and asked_bytes(claim) is not None
        reach = objects.derived(Rooms).of(snapshot, name) if limited else None
        yield Making(claim, nodes, reach), storage_class


def _bound(
    snapshot: Snapshot, objects: Objects, claims: Sequence[PersistentVolumeClaim]
) -> tuple[Mask, Mask]:
    """Return the nodes that cannot reach a volume, and those that lack one that has gone; of a node only the
    first fault is told.
    """
    unreachable, live = np.zeros_like(snapshot.alive), snapshot.alive
    for claim in claims:
        volume = objects.get(PERSISTENTVOLUMES, "", volume_name(claim))
        if volume is None:
            return unreachable, live
        near = reaching(snapshot, objects, volume)
        unreachable |= live & ~near
        live = live & near
    return unreachable, np.zeros_like(snapshot.alive)


def reaching(snapshot: Snapshot, objects: Objects, volume: PersistentVolume) -> Mask:
    """Return the nodes where a volume can be used."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    near = matching(snapshot, node_terms(required))
    plugin = plugin_of(volume["spec"])
    if plugin is None:
        return near
    there = matching(snapshot, node_terms(driver_topology(volume, plugin)))
    return np.where(migrated(snapshot, objects, plugin.name), there, near)


def migrated(snapshot: Snapshot, objects: Objects, plugin: str) -> Mask:
    """Return the nodes that have handed a built-in plugin over to its driver."""
    found = np.zeros_like(snapshot.alive)
    slots = [snapshot.index.get(name) for name in objects.find(HANDED_OVER, plugin).values()]
    found[[slot for slot in slots if slot is not None]] = True
    return found


def static_fill(places: Places) -> Iterator[tuple[str, Ints, Ints]]:
    """Yield (class, bytes asked, bytes offered) of claims that get volumes which exist, per node."""
    for choice in places.choices:
        numbers, where = np.unique(choice.volumes, return_inverse=True)
        sizes = [0 if n == NONE else choice.shelves.numbered(int(n)).capacity for n in numbers]
        offered = np.array([-(-size // _NANO) for size in sizes], dtype=np.int64)
        asked = (choice.volumes != NONE) * np.int64(asked_bytes(choice.claim) or 0)
        yield class_of(choice.claim), asked, offered[where]


def dynamic_fill(places: Places) -> Iterator[tuple[str, Ints, Ints]]:
    """The same of claims for which volumes would be made where the room is known."""
    for making in places.makings:
        if making.reach is not None:
            known = making.nodes & (making.reach.room >= 0)
            asked = known * np.int64(asked_bytes(making.claim) or 0)
            yield class_of(making.claim), asked, making.reach.room
