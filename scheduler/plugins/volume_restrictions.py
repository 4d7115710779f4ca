"""VolumeRestrictions: disks that pods may share only in certain ways, and claims that one pod may use.

Source: pkg/scheduler/framework/plugins/volumerestrictions (1.36).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS
from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints
from scheduler.snapshot import Mask
from scheduler.volumes.claims import not_found
from scheduler.volumes.uses import CLAIM, EBS, GCE, ISCSI, RBD, Use, uses_of

NO_DISK = "node(s) had no available disk"
TAKEN = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


def _unless_both_read(one: Use, other: Use) -> bool:
    return not (one.read_only and other.read_only)


def _same_image(one: Use, other: Use) -> bool:
    return _unless_both_read(one, other) and not set(one.monitors).isdisjoint(other.monitors)


# Of two uses of one disk: whether they cannot be on one node.
_CONFLICTS: Mapping[str, Callable[[Use, Use], bool]] = {
    GCE: _unless_both_read,
    EBS: lambda one, other: True,
    ISCSI: _unless_both_read,
    RBD: _same_image,
}


def conflicts(one: Use, other: Use) -> bool:
    """Say whether two pods that use volumes so cannot be on one node."""
    same = one.source in _CONFLICTS and one.identity == other.identity
    return same and _CONFLICTS[one.source](one, other)


def _frees_a_disk_or_claim(pod: Any, old: Any, new: Any) -> bool:
    mine, theirs = uses_of(pod), uses_of(old)
    return any(
        conflicts(one, other) or (one.source == CLAIM and other.source == CLAIM and one == other)
        for one in mine
        for other in theirs
    )


def _brings_a_claim(pod: Any, old: Any, new: Any) -> bool:
    return old is None and any(
        use.source == CLAIM and (use.namespace, use.name) == _names(new) for use in uses_of(pod)
    )


def _names(obj: Mapping[str, Any]) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


@dataclass(frozen=True)
class VolumeRestrictions:
    name: str = "VolumeRestrictions"
    hints: ClassVar[Hints] = {
        hints.POD_GONE: _frees_a_disk_or_claim,
        "PersistentVolumeClaim": _brings_a_claim,
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.volumes

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        uses = cycle.shape.volumes
        if not uses:
            return ()
        missing, taken = _taken(cycle)
        if missing:
            return (Reject(not_found(missing), cycle.snapshot.alive, final=True, of_pod=True),)
        refused = _without_disk(cycle)
        rejects = [Reject(NO_DISK, refused)] if refused.any() else []
        if taken:
            # Of a node only the first fault is told. Who holds the claim may be anywhere.
            rejects.append(Reject(TAKEN, cycle.snapshot.alive & ~refused))
        return rejects


def _taken(cycle: Cycle) -> tuple[str, bool]:
    """Return a claim that is not there ("" if all are), and whether one is held by the only pod it is for."""
    taken = False
    for use in cycle.shape.volumes:
        if use.source == CLAIM:
            claim = cycle.objects.get(PERSISTENTVOLUMECLAIMS, use.namespace, use.name)
            if claim is None:
                return use.name, False
            one_pod = "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
            taken = taken or (one_pod and bool(cycle.snapshot.volumes.users(use)))
    return "", taken


def _without_disk(cycle: Cycle) -> Mask:
    """Return the nodes where a pod uses a disk in a way that does not go with this pod's."""
    refused = np.zeros_like(cycle.snapshot.alive)
    for use in cycle.shape.volumes:
        if use.source in _CONFLICTS:
            users = cycle.snapshot.volumes.users(use)
            refused[[slot for slot, other in users if conflicts(use, other)]] = True
    return refused
