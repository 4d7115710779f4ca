"""VolumeBinding: the pod's claims must have, or be able to get, volumes that its node can reach.

Source: pkg/scheduler/framework/plugins/volumebinding (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from scheduler import hints
from scheduler.allocation import curve_scores
from scheduler.framework import Cycle, Reject, Step
from scheduler.hints import Hints
from scheduler.snapshot import Ints, Mask
from scheduler.volumes.binding import Progress, advance, begin, give_back
from scheduler.volumes.claims import sort_out
from scheduler.volumes.migration import ANNOTATION
from scheduler.volumes.placing import Places, dynamic_fill, find_places, static_fill
from scheduler.volumes.provisioning import volume_limit
from scheduler.volumes.scoring import by_class, fill_scores
from scheduler.volumes.uses import claims_of

UNREACHABLE = "node(s) didn't match PersistentVolume's node affinity"
UNMATCHED = "node(s) didn't find available persistent volumes to bind"
CROWDED = "node(s) did not have enough free storage"
_PROGRESS = "VolumeBinding/progress"
LOST = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


def _uses_claim(pod: Any, old: Any, new: Any) -> bool:
    if new is None or new["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    return new["metadata"]["name"] in claims_of(pod)


def _is_there(pod: Any, old: Any, new: Any) -> bool:
    return new is not None


def _allows_other_nodes(pod: Any, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return new is not None
    return bool(old.get("allowedTopologies") != new.get("allowedTopologies"))


def _hands_over(pod: Any, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return new is not None
    return _annotation(old) != _annotation(new)


def _annotation(csinode: Mapping[str, Any]) -> str:
    text: str = (csinode["metadata"].get("annotations") or {}).get(ANNOTATION) or ""
    return text


def _counts_no_more(pod: Any, old: Any, new: Any) -> bool:
    """DEVIATION: upstream wakes only pods with inline volumes of the driver, which never lacked room."""
    return _counts(old) and not _counts(new)


def _counts(driver: Mapping[str, Any] | None) -> bool:
    return driver is not None and bool((driver.get("spec") or {}).get("storageCapacity"))


def _has_more_room(pod: Any, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return new is not None
    return volume_limit(new) > volume_limit(old)


def _had_claims(pod: Any, old: Any, new: Any) -> bool:
    """A pod that is not bound after all gives back the volumes that it would have had. DEVIATION: upstream
    lets others wait for them until they are tried again anyway.
    """
    return bool(claims_of(old))


@dataclass
class _Found:
    """What is known about a pod in one cycle, as long as `stamp` is true."""

    stamp: tuple[int, ...]
    rejects: tuple[Reject, ...]
    places: Places | None = None


@dataclass(frozen=True)
class VolumeBinding:
    """`bind_timeout_s`: how long claims may take to be bound. `shape`: points of a curve (per cent of the
    storage in use, score 0-100); without any, storage does not score.
    """

    name: str = "VolumeBinding"
    bind_timeout_s: int = 600
    shape: tuple[tuple[int, int], ...] = ()
    hints: ClassVar[Hints] = {
        "StorageClass": _allows_other_nodes,
        "PersistentVolumeClaim": _uses_claim,
        "PersistentVolume": _is_there,
        hints.NODE_CHANGED: hints.labels_differ,
        "CSINode": _hands_over,
        "CSIDriver": _counts_no_more,
        "CSIStorageCapacity": _has_more_room,
        hints.POD_GONE: _had_claims,
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.volumes

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        if not cycle.shape.volumes:
            return ()
        return self._found(cycle).rejects

    def score_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.volumes

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        if not self.shape or not cycle.shape.volumes:
            return None
        places = self._found(cycle).places
        if places is None or not (places.choices or places.makings):
            return None
        scores = curve_scores(self.shape)
        static = by_class(static_fill(places)).values()
        has_static = np.any([asked > 0 for asked, _ in static], axis=0)
        slots = len(feasible)
        dynamic = by_class((name, asked, np.zeros_like(asked)) for name, asked, _ in dynamic_fill(places))
        rooms = {name: room for name, _, room in dynamic_fill(places)}
        made = [(asked, rooms[name]) for name, (asked, _) in dynamic.items()]
        chosen: Ints = np.where(
            has_static, fill_scores(scores, static, slots), fill_scores(scores, made, slots)
        )
        return chosen

    def reserve(self, cycle: Cycle, node: str) -> str | None:
        if not cycle.shape.volumes:
            return None
        found, slot = self._found(cycle), cycle.snapshot.index[node]
        fault = next((reject.reason for reject in found.rejects if reject.nodes[slot]), None)
        if fault is not None:
            # Another pod was faster, if nodes are chosen for several pods before anything is reserved.
            return fault
        if found.places is not None:
            bindings = found.places.bindings(slot, cycle.objects)
            cycle.state[_PROGRESS] = begin(bindings, node, cycle.objects)
        return None

    def unreserve(self, cycle: Cycle, node: str) -> None:
        progress = self._progress(cycle)
        if progress is not None:
            give_back(progress, cycle.objects)

    def pre_bind(self, cycle: Cycle, node: str) -> Step:
        progress = self._progress(cycle)
        if progress is None or not (progress.bindings.pairings or progress.bindings.provisions):
            return ()
        slot = cycle.snapshot.index.get(node)
        there = cycle.snapshot.nodes[slot] if slot is not None else None
        return advance(progress, there, cycle.objects, self.bind_timeout_s)

    def _progress(self, cycle: Cycle) -> Progress | None:
        found: Progress | None = cycle.state.get(_PROGRESS)
        return found

    def _found(self, cycle: Cycle) -> _Found:
        """Return what is known about the pod: preemption asks many times in a cycle."""
        objects = cycle.objects
        stamp = (
            cycle.snapshot.version,
            objects.version(PERSISTENTVOLUMECLAIMS),
            objects.version(PERSISTENTVOLUMES),
        )
        found: _Found | None = cycle.state.get(self.name)
        if found is None or found.stamp != stamp:
            found = cycle.state[self.name] = self._find(cycle, stamp)
        return found

    def _find(self, cycle: Cycle, stamp: tuple[int, ...]) -> _Found:
        claims = sort_out(cycle.pod, cycle.shape.volumes, cycle.objects)
        if isinstance(claims, str):
            return _Found(stamp, (Reject(claims, cycle.snapshot.alive, final=True, of_pod=True),))
        if not claims.bound and not claims.waiting:
            return _Found(stamp, ())
        places = find_places(cycle.snapshot, cycle.objects, claims)
        return _Found(stamp, tuple(_rejects(places)), places)


def _rejects(places: Places) -> Iterator[Reject]:
    for reason, nodes in (
        (UNREACHABLE, places.unreachable),
        (UNMATCHED, places.unmatched),
        (CROWDED, places.crowded),
        (LOST, places.lost),
    ):
        if nodes.any():
            yield Reject(reason, nodes, final=True)
