"""NodeResourcesFit: the pod's requests must fit; nodes are scored by what is taken of them.

Source: pkg/scheduler/framework/plugins/noderesources/fit.go (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from api.core.pod_resources import is_extended
from api.types.resource_v1 import DEVICECLASSES
from scheduler import allocation, hints
from scheduler.allocation import LEAST_ALLOCATED, Strategy
from scheduler.devices.extended import backed as backed_by_devices
from scheduler.framework import Cycle, Reject
from scheduler.hints import Hints
from scheduler.kept import Where, at
from scheduler.snapshot import Ints, Mask

# What is wrong with a node is a number: bit 0, too many pods; bits 2i+1 and 2i+2, too little of the pod's
# resource i now, and ever.
_CROWDED = 1
_FAULTLESS: Ints = np.zeros((), dtype=np.int64)
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NodeResourcesFit:
    """Of extended resources those named in `ignored` are not looked at, nor those of `ignored_groups`, which
    are the names' first parts.
    """

    name: str = "NodeResourcesFit"
    ignored: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()
    strategy: Strategy = LEAST_ALLOCATED
    hints: ClassVar[Hints] = {
        hints.POD_GONE: None, hints.NODE_CHANGED: hints.allocatable_differs, hints.POD_CHANGED: None,
        DEVICECLASSES.kind: None,
    }  # fmt: skip

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        wanted, backed = self.demands(cycle), _backed(cycle)
        key = f"{self.name}/{' '.join(sorted(backed))}" if backed else self.name
        faults = cycle.local(key, lambda where: _faults(cycle, wanted, backed, where), cycle.shape.size)
        return tuple(_explain(wanted, faults)) if np.count_nonzero(faults) else ()

    def demands(self, cycle: Cycle) -> Mapping[str, int]:
        """Return what a node must have for the pod, by resource."""
        wanted = cycle.shape.requests
        if not self.ignored and not self.ignored_groups:
            return wanted
        return {name: amount for name, amount in wanted.items() if not self._ignores(name)}

    def _ignores(self, name: str) -> bool:
        return is_extended(name) and (name in self.ignored or name.partition("/")[0] in self.ignored_groups)

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        return cycle.local(
            self.name + "/score",
            lambda where: allocation.score(cycle, where, self.strategy),
            cycle.shape.size,
        )

    def filter_at(self, cycle: Cycle, slots: Ints) -> Sequence[Reject]:
        wanted = self.demands(cycle)
        faults = _faults(cycle, wanted, _backed(cycle), slots)
        return tuple(_explain(wanted, faults)) if faults.any() else ()

    def score_at(self, cycle: Cycle, slots: Ints) -> Ints:
        return allocation.score(cycle, slots, self.strategy)


def _backed(cycle: Cycle) -> frozenset[str]:
    """Return the resources that devices stand for: DynamicResources looks at nodes that do not offer them."""
    if any("/" in name for name in cycle.shape.requests):
        return frozenset(backed_by_devices(cycle.shape.requests, cycle.objects))
    return _NONE


def _faults(cycle: Cycle, wanted: Mapping[str, int], backed: frozenset[str], where: Where) -> Ints:
    """Usually there are none at all, so that is found out first."""
    bad = _is_short(cycle, wanted, backed, where)
    if isinstance(where, int):
        return _name_faults(cycle, wanted, backed, where) if bad else _FAULTLESS
    faults = np.zeros(len(bad), dtype=np.int64)
    if np.count_nonzero(bad):
        slots = np.flatnonzero(bad)
        some = slots if isinstance(where, slice) else where[slots]
        faults[slots] = _name_faults(cycle, wanted, backed, some)
    return faults


def _is_short(cycle: Cycle, wanted: Mapping[str, int], backed: frozenset[str], where: Where) -> Mask:
    snapshot, copies = cycle.snapshot, cycle.copies
    bad: Mask = at(snapshot.requested["pods"], where) + copies > at(snapshot.allocatable["pods"], where)
    for resource, amount in wanted.items():
        offered = snapshot.allocatable.get(resource)
        if offered is None:
            if resource in backed:
                continue
            return snapshot.alive[where]
        offers = at(offered, where)
        short = at(snapshot.requested[resource], where) + amount * copies > offers
        bad |= short & (offers > 0) if resource in backed else short
    bad &= at(snapshot.alive, where)
    return bad


def _name_faults(cycle: Cycle, wanted: Mapping[str, int], backed: frozenset[str], slots: Where) -> Ints:
    snapshot, copies = cycle.snapshot, cycle.copies
    crowded = snapshot.requested["pods"][slots] + copies > snapshot.allocatable["pods"][slots]
    faults: Ints = crowded * np.int64(_CROWDED)
    for number, (resource, amount) in enumerate(wanted.items()):
        offered = snapshot.allocatable.get(resource)
        if offered is None:
            faults |= 0 if resource in backed else 2 << 2 * number | 4 << 2 * number
            continue
        short = snapshot.requested[resource][slots] + amount * copies > offered[slots]
        counts = offered[slots] > 0 if resource in backed else True
        faults |= (short & counts) * np.int64(2 << 2 * number)
        faults |= ((offered[slots] < amount) & counts) * np.int64(4 << 2 * number)
    return faults


def _explain(wanted: Mapping[str, int], faults: Ints) -> Iterator[Reject]:
    yield Reject("Too many pods", faults & _CROWDED != 0)
    for number, resource in enumerate(wanted):
        short, never = faults & (2 << 2 * number) != 0, faults & (4 << 2 * number) != 0
        yield Reject(f"Insufficient {resource}", short & ~never)
        yield Reject(f"Insufficient {resource}", never, final=True)
