"""Pools as one node sees them: the newest generation of slices, whole, with the devices the node reaches.

    no slice for the node                       no pool
    a newer generation elsewhere                no pool: the driver is about to replace it
    fewer slices than the pool is to have       incomplete: nothing is taken from it
    a device or counter set twice, a counter    invalid: likewise
    that is not there

Pure. Called by `inventory`. Source: dynamic-resource-allocation/structured/internal/experimental
pools_experimental.go GatherPools (1.36).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scheduler.devices.slices import Device, PoolId, Reach, Slice

INCOMPLETE, INVALID = "incomplete", "invalid"


@dataclass(frozen=True, eq=False)
class Pool:
    """`devices` are those that the node reaches, `others` matter for the counters alone."""

    id: PoolId
    # Why nothing may be taken from it: INCOMPLETE or INVALID.
    fault: str = ""
    devices: tuple[Device, ...] = ()
    others: tuple[Device, ...] = ()
    # (counter set, counter) -> amount in billionths
    counters: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def order(self) -> tuple[bool, PoolId]:
        """Pools with devices for which a pod must wait come last, else names decide."""
        return any(device.kind.binding for device in self.devices), self.id

    @cached_property
    def content(self) -> tuple[Any, ...]:
        """What of the pool matters to a search, without names: equal for pools that are alike."""
        kinds = tuple(tuple(d.kind.number for d in devices) for devices in (self.devices, self.others))
        return self.id[0], self.fault, kinds, tuple(self.counters.items())


def gather(slices: Iterable[Slice], reaches: Callable[[Reach], bool]) -> Pool | None:
    """Return a pool of these slices (all of it that are known, of all generations) for one node; None if it
    has nothing for the node.
    """
    everything = sorted(slices, key=lambda each: each.name)
    for_node = [each for each in everything if _concerns(each, reaches)]
    if not for_node:
        return None
    newest = max(each.generation for each in for_node)
    current = [each for each in for_node if each.generation == newest]
    pool, wanted = current[0].pool, current[0].count
    if len(current) == wanted:
        return _build(pool, current, current, reaches)
    if any(each.generation > newest for each in everything):
        return None
    whole = [each for each in everything if each.generation == newest]
    return _build(pool, current, whole, reaches) if len(whole) == wanted else Pool(pool, INCOMPLETE)


def _concerns(each: Slice, reaches: Callable[[Reach], bool]) -> bool:
    if each.counters:
        # Whoever uses the pool needs its counters; but those on another node are that node's.
        return each.reach is None or not each.reach.name or reaches(each.reach)
    if each.reach is not None:
        return reaches(each.reach)
    return any(reaches(device.reach) for device in each.devices)


def _build(
    pool: PoolId, current: Sequence[Slice], whole: Sequence[Slice], reaches: Callable[[Reach], bool]
) -> Pool:
    names = Counter(device.id.name for each in current for device in each.devices)
    sets = Counter(name for each in current for name, _ in each.counters)
    counters = {
        (name, counter): amount
        for each in current
        for name, amounts in each.counters
        for counter, amount in amounts.items()
    }
    devices = [device for each in whole for device in each.devices]
    consumed = {(name, counter) for device in devices for name, counter, _ in device.kind.consumes}
    if any(count > 1 for count in (*names.values(), *sets.values())) or not consumed <= counters.keys():
        return Pool(pool, INVALID)
    here = {id(device) for each in current for device in each.devices if reaches(device.reach)}
    return Pool(
        pool,
        "",
        tuple(device for device in devices if id(device) in here),
        tuple(device for device in devices if id(device) not in here),
        counters,
    )
