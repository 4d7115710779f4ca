"""Volumes that exist already for claims that have none: on every node the smallest one that will do.

Of several claims the smallest chooses first, and no volume is given to two of them. A volume that names a
claim is kept for it: where that volume cannot be reached, the claim finds none.
Source: k8s.io/component-helpers/storage/volume FindMatchingVolume, volumebinding/binder.go
findMatchingVolumes (1.36). DEVIATION: of volumes of the same size upstream takes any, here it is the first by
name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.labels import Selector, from_label_selector
from api.types.core_v1 import PersistentVolumeClaim
from scheduler.objects import Objects
from scheduler.snapshot import Ints, Snapshot
from scheduler.volumes.claims import class_of, requested
from scheduler.volumes.shelves import Shelf, Shelves, Volume, is_filesystem
from scheduler.volumes.topology import Terms, matching

NONE = -1
# Sorts behind all ranks.
_NO_RANK = 2**62


@dataclass(frozen=True, eq=False)
class Choice:
    """What a claim gets: `volumes` are their numbers per node, NONE where there is none."""

    claim: PersistentVolumeClaim
    volumes: Ints
    shelves: Shelves

    def on(self, slot: int) -> Volume | None:
        """Return what the claim gets on one node."""
        number = int(self.volumes[slot])
        return None if number == NONE else self.shelves.numbered(number)


def match(snapshot: Snapshot, objects: Objects, claims: Sequence[PersistentVolumeClaim]) -> list[Choice]:
    """Return what each claim gets on each node, in the order in which they choose."""
    if not claims:
        return []
    shelves = objects.derived(Shelves)
    shelves.refresh()
    found: list[Choice] = []
    for claim in sorted(claims, key=requested):
        best = _best(snapshot, shelves, claim, len(found) + 1)
        found.append(Choice(claim, _choose(best, found), shelves))
    return found


def _choose(best: Ints, earlier: Sequence[Choice]) -> Ints:
    """Return the best on each node that no earlier claim of the pod has taken there."""
    chosen: Ints = np.full(len(best), NONE, dtype=np.int64)
    for volumes in best.T:
        free = (chosen == NONE) & (volumes != NONE)
        for other in earlier:
            free &= volumes != other.volumes
        chosen[free] = volumes[free]
    return chosen


def _best(snapshot: Snapshot, shelves: Shelves, claim: PersistentVolumeClaim, depth: int) -> Ints:
    """Return the numbers of the best `depth` volumes within reach of each node: (slots, depth)."""
    spec, size = claim["spec"], requested(claim)
    modes, selector = frozenset(spec.get("accessModes") or ()), _label_selector(spec)
    attributes = spec.get("volumeAttributesClassName") or ""
    kept = _kept(shelves, claim)
    if kept is not None:
        return _spread(snapshot, [kept], np.array([shelves.serial(kept)]), depth)
    kind = shelves.of(class_of(claim), is_filesystem(spec), attributes)
    fitting = [shelf for shelf in kind if modes <= shelf.modes]
    if len(fitting) == 1 and fitting[0].label and selector is None:
        return _by_label(snapshot, fitting[0], size, depth)
    return _look_through(snapshot, fitting, selector, size, depth)


def _label_selector(spec: Mapping[str, Any]) -> Selector | None:
    selector = spec.get("selector")
    return from_label_selector(selector) if selector is not None else None


def _kept(shelves: Shelves, claim: Mapping[str, Any]) -> Volume | None:
    """Return the volume that is kept for a claim, if it will do."""
    metadata, spec, size = claim["metadata"], claim["spec"], requested(claim)
    kind = class_of(claim), is_filesystem(spec), spec.get("volumeAttributesClassName") or ""
    fitting = [
        volume
        for volume in shelves.kept(metadata["namespace"], metadata["name"])
        # One that was for a claim of the same name before this one is not for it.
        if volume.claim is not None
        and volume.claim[2] in ("", metadata.get("uid", ""))
        and volume.capacity >= size
        and (volume.storage_class, volume.filesystem, volume.attributes) == kind
    ]
    return min(fitting, key=lambda volume: volume.order, default=None)


def _by_label(snapshot: Snapshot, shelf: Shelf, size: int, depth: int) -> Ints:
    """Find the best where one node label tells who can reach what: a shelf of local volumes."""
    domains = snapshot.domains(shelf.label)
    serials, places = shelf.places(size, domains)
    order = np.argsort(places, kind="stable")
    places, serials = places[order], serials[order]
    # How many volumes before each one are in the same domain.
    before = np.arange(len(places)) - np.searchsorted(places, places)
    wanted = (places >= 0) & (before < depth)
    # The last row is for nodes without the label.
    table = np.full((domains.count + 1, depth), NONE, dtype=np.int64)
    table[places[wanted], before[wanted]] = serials[wanted]
    found: Ints = table[domains.ids]
    return found


def _look_through(
    snapshot: Snapshot, shelves: Sequence[Shelf], selector: Selector | None, size: int, depth: int
) -> Ints:
    """Find the best among volumes of different shelves, or with certain labels."""
    offer = [
        (volume.order, volume, int(serial))
        for shelf in shelves
        for volume, serial in zip(*shelf.fitting(size), strict=True)
        if selector is None or selector.matches(volume.labels)
    ]
    offer.sort(key=lambda each: each[0])
    serials = np.array([serial for _, _, serial in offer], dtype=np.int64)
    return _spread(snapshot, [volume for _, volume, _ in offer], serials, depth)


def _spread(snapshot: Snapshot, offer: Sequence[Volume], serials: Ints, depth: int) -> Ints:
    """Return the numbers of the first `depth` of an offer that each node can reach."""
    groups: dict[Terms, list[int]] = {}
    for rank, volume in enumerate(offer):
        groups.setdefault(volume.reachable, []).append(rank)
    columns = [np.full((len(snapshot.alive), depth), _NO_RANK, dtype=np.int64)]
    for terms, ranks in groups.items():
        column = columns[0].copy()
        column[matching(snapshot, terms), : len(ranks)] = ranks[:depth]
        columns.append(column)
    best = np.sort(np.concatenate(columns, axis=1), axis=1)[:, :depth]
    numbers = np.append(serials, NONE)
    found: Ints = numbers[np.minimum(best, len(serials))]
    return found
