"""NodeVolumeLimits: a node can attach so many volumes of a CSI driver, and no more.

Source: pkg/scheduler/framework/plugins/nodevolumelimits/csi.go (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from api.owners import is_controlled_by
from scheduler import hints
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints
from scheduler.snapshot import Ints, Mask
from scheduler.volumes.attached import UNLIMITED, Attached, Disk, Volume, new_driver, volume_of
from scheduler.volumes.claims import claims, not_found, not_owned
from scheduler.volumes.migration import BY_SOURCE
from scheduler.volumes.placing import migrated
from scheduler.volumes.uses import EPHEMERAL, claims_of, uses_of

TOO_MANY = "node(s) exceed max volume count"


def _had_volumes(pod: Any, old: Any, new: Any) -> bool:
    return any(use.is_claim or use.source in BY_SOURCE for use in uses_of(old))


def _brings_a_claim(pod: Any, old: Any, new: Any) -> bool:
    if old is not None or new["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    return new["metadata"]["name"] in claims_of(pod)


def _takes_more(pod: Any, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return new is not None
    before = new_driver(old).limits
    return any(count > before.get(name, count) for name, count in new_driver(new).limits.items())


def _is_detached(pod: Any, old: Any, new: Any) -> bool:
    if new is not None:
        return False
    attacher = old["spec"].get("attacher")
    return any(
        use.is_claim or (use.source in BY_SOURCE and BY_SOURCE[use.source].driver == attacher)
        for use in uses_of(pod)
    )


@dataclass(frozen=True)
class NodeVolumeLimits:
    name: str = "NodeVolumeLimits"
    hints: ClassVar[Hints] = {
        "CSINode": _takes_more,
        hints.POD_GONE: _had_volumes,
        "PersistentVolumeClaim": _brings_a_claim,
        "VolumeAttachment": _is_detached,
    }

    def filter_is_static(self, cycle: Cycle) -> bool:
        return not cycle.shape.volumes

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        if not cycle.shape.volumes:
            return ()
        fault = _fault(cycle)
        if fault is not None:
            # VolumeBinding says it better; this is told if it is not asked.
            return (Reject(fault, cycle.snapshot.alive, final=True),)
        attached = cycle.objects.derived(Attached)
        attached.refresh(cycle.snapshot)
        refused = np.zeros_like(cycle.snapshot.alive)
        for driver, wanted in _wanted(cycle).items():
            limits = attached.limits.get(driver)
            if limits is not None:
                refused |= _crowded(cycle, attached, driver, limits, wanted)
        return (Reject(TOO_MANY, refused),) if refused.any() else ()


def _fault(cycle: Cycle) -> str | None:
    for use, claim in claims(cycle.shape.volumes, cycle.objects):
        if claim is None:
            return f"looking up PVC {use.namespace}/{use.name}: {not_found(use.name)}"
        if use.source == EPHEMERAL and not is_controlled_by(claim, cycle.pod):
            return not_owned(cycle.pod, use)
    return None


def _wanted(cycle: Cycle) -> Mapping[str, list[Volume]]:
    """Return the volumes that the pod brings, each once, by driver."""
    found: dict[str, list[Volume]] = {}
    for volume in dict.fromkeys(_volumes(cycle)):
        found.setdefault(volume.disk[0], []).append(volume)
    return found


def _volumes(cycle: Cycle) -> Iterator[Volume]:
    for use in cycle.shape.volumes:
        volume = volume_of(use, cycle.objects)
        if volume is not None:
            yield volume


def _crowded(cycle: Cycle, attached: Attached, driver: str, limits: Ints, wanted: Sequence[Volume]) -> Mask:
    """Return the nodes that cannot take the volumes of one driver besides what they have.

    What another pod there uses already is not new. As upstream, what is only still attached there counts
    twice until it is detached.
    """
    coming: dict[Disk, Mask] = {}
    for volume in wanted:
        comes = cycle.snapshot.alive
        if volume.plugin:
            comes = migrated(cycle.snapshot, cycle.objects, volume.plugin)
        coming[volume.disk] = coming.get(volume.disk, False) | comes
    new = np.zeros(len(limits), dtype=np.int64)
    for disk, comes in coming.items():
        new += comes
        new[[slot for slot in attached.holders(disk) if comes[slot]]] -= 1
    used = attached.used.get(driver, 0)
    crowded: Mask = (limits != UNLIMITED) & (new > 0) & (used + new > limits)
    return crowded
