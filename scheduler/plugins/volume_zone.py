"""VolumeZone: a volume whose labels say in which zone or region it is can be used only there.

Nodes without any such label are taken to be everywhere: a cluster in one zone may label none.
Source: pkg/scheduler/framework/plugins/volumezone (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.types.core_v1 import PERSISTENTVOLUMES, PersistentVolumeClaim
from api.types.storage_v1 import STORAGECLASSES
from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints
from scheduler.objects import Objects
from scheduler.snapshot import Mask, Snapshot
from scheduler.volumes.claims import WAITS, claims, class_of, not_found, volume_name
from scheduler.volumes.migration import BETA_REGION, BETA_ZONE, BETWEEN_ZONES, REGION, ZONE
from scheduler.volumes.topology import with_values
from scheduler.volumes.uses import CLAIM, uses_of

CONFLICT = "node(s) had no available volume zone"
# Labels of long ago, and the ones that replace them on nodes.
_TODAY = {BETA_ZONE: ZONE, BETA_REGION: REGION}
_KEYS = (BETA_ZONE, BETA_REGION, ZONE, REGION)


def _is_class_that_waits(pod: Any, old: Any, new: Any) -> bool:
    return old is None and new.get("volumeBindingMode") == WAITS


def _uses_claim(pod: Any, old: Any, new: Any) -> bool:
    if new is None:
        return False
    names = new["metadata"]["namespace"], new["metadata"]["name"]
    return any(use.source == CLAIM and (use.namespace, use.name) == names for use in uses_of(pod))


def _is_elsewhere(pod: Any, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return new is not None
    return list(zones(old)) != list(zones(new))


@dataclass(frozen=True)
class VolumeZone:
    name: str = "VolumeZone"
    hints: ClassVar[Hints] = {
        "StorageClass": _is_class_that_waits,
        "PersistentVolumeClaim": _uses_claim,
        "PersistentVolume": _is_elsewhere,
        hints.NODE_CHANGED: hints.labels_differ,
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.volumes

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        uses = [use for use in cycle.shape.volumes if use.source == CLAIM]
        if not uses:
            return ()
        wanted: list[tuple[str, frozenset[str]]] = []
        for use, claim in claims(uses, cycle.objects):
            found = not_found(use.name) if claim is None else _zones_of(claim, cycle.objects)
            if isinstance(found, str):
                return (Reject(found, cycle.snapshot.alive, final=True, of_pod=True),)
            wanted += found
        if not wanted:
            return ()
        somewhere = there = _somewhere(cycle.snapshot)
        for key, values in wanted:
            there = there & _is_there(cycle.snapshot, key, values)
        return (Reject(CONFLICT, somewhere & ~there, final=True),)


def _zones_of(claim: PersistentVolumeClaim, objects: Objects) -> Sequence[tuple[str, frozenset[str]]] | str:
    """Return the labels that a claim's volume demands, or why the pod can run nowhere."""
    name = volume_name(claim)
    if not name:
        return _without_volume(claim, objects) or ()
    volume = objects.get(PERSISTENTVOLUMES, "", name)
    return f'persistentvolume "{name}" not found' if volume is None else tuple(zones(volume))


def _without_volume(claim: PersistentVolumeClaim, objects: Objects) -> str | None:
    name = class_of(claim)
    if not name:
        return "PersistentVolumeClaim had no pv name and storageClass name"
    found = objects.get(STORAGECLASSES, "", name)
    if found is None:
        return f'storageclass.storage.k8s.io "{name}" not found'
    mode = found.get("volumeBindingMode")
    if mode is None:
        return f'VolumeBindingMode not set for StorageClass "{name}"'
    return None if mode == WAITS else "PersistentVolume had no name"


def zones(volume: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the zone and region labels of a volume with the values that will do: it may be in several."""
    labels = volume["metadata"].get("labels") or {}
    for key in _KEYS:
        if key in labels:
            values = frozenset(part.strip() for part in labels[key].split(BETWEEN_ZONES))
            # A label with nothing between its marks says nothing.
            if "" not in values:
                yield key, values


def _somewhere(snapshot: Snapshot) -> Mask:
    """Return the nodes that say where they are."""
    found = np.zeros_like(snapshot.alive)
    for key in _KEYS:
        found |= snapshot.domains(key).ids >= 0
    return found


def _is_there(snapshot: Snapshot, key: str, values: frozenset[str]) -> Mask:
    found = with_values(snapshot, key, values)
    if key in _TODAY:
        without = snapshot.domains(key).ids < 0
        found = found | (without & with_values(snapshot, _TODAY[key], values))
    return found
