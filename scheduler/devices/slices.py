"""ResourceSlices, compiled: devices, what they are like, which nodes reach them.

Devices that differ in their name alone share one `Kind`, so that what a selector says of one is known of all.
Called by `inventory`. Source: staging/src/k8s.io/api/resource/v1/types.go (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import orjson

from api.core.node_selector import NodeSelector, new_node_selector
from api.dra.matching import qualified
from api.quantity import parse_quantity
from scheduler.devices.capacity import Capacity, new_capacity

# Driver and name of a pool.
PoolId: TypeAlias = tuple[str, str]
# The value of an attribute with the name of its type, so that `1` and `true` differ.
Attribute: TypeAlias = tuple[str, Any]

_NODE_FIELDS = frozenset(("name", "nodeName", "nodeSelector", "allNodes"))
# The types that constraints compare.
_COMPARED = ("string", "int", "bool", "version")
# Other effects, such as None, keep nobody away.
_EFFECTS = ("NoSchedule", "NoExecute")


class DeviceId(NamedTuple):
    driver: str
    pool: str
    name: str

    def __str__(self) -> str:
        return f"{self.driver}/{self.pool}/{self.name}"


@dataclass(frozen=True, eq=False)
class Kind:
    """What devices that are alike share. Compared by identity; `number` is unique in one `Kinds`."""

    number: int
    driver: str
    # As in the slice, without the name and the nodes: what selectors look at.
    spec: Mapping[str, Any]
    capacity: Mapping[str, Capacity]
    taints: tuple[Mapping[str, Any], ...]
    # (counter set, counter, amount in billionths)
    consumes: tuple[tuple[str, str, int], ...]
    # Whether several requests may have a share of it.
    shared: bool
    binding: tuple[str, ...]
    binding_failure: tuple[str, ...]
    binds_to_node: bool

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """What constraints compare, by fully qualified name."""
        return _attributes(self.spec.get("attributes") or {}, self.driver)


@dataclass(frozen=True)
class Reach:
    """The nodes of a slice or a device: one by name, those of a selector, all, or (none given) nobody.

    `raw` is the selector as JSON, in text so that equal ones are one.
    """

    name: str = ""
    everywhere: bool = False
    raw: bytes = b""

    def compiled(self) -> NodeSelector | None:
        return new_node_selector(orjson.loads(self.raw)) if self.raw else None


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    id: DeviceId
    kind: Kind
    reach: Reach


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """`reach` is None where each device has its own. `counters` are amounts in billionths by set and name."""

    name: str
    pool: PoolId
    generation: int
    # How many slices the pool has.
    count: int
    reach: Reach | None
    devices: tuple[Device, ...]
    counters: tuple[tuple[str, Mapping[str, int]], ...]


class Kinds:
    """The kinds seen so far."""

    def __init__(self) -> None:
        self._known: dict[bytes, Kind] = {}

    def of(self, device: Mapping[str, Any], driver: str) -> Kind:
        spec = {name: value for name, value in device.items() if name not in _NODE_FIELDS}
        key = orjson.dumps([driver, spec], option=orjson.OPT_SORT_KEYS)
        kind = self._known.get(key)
        if kind is None:
            kind = self._known[key] = _new_kind(len(self._known), spec, driver)
        return kind

    def __len__(self) -> int:
        return len(self._known)


def _new_kind(number: int, spec: Mapping[str, Any], driver: str) -> Kind:
    return Kind(
        number,
        driver,
        spec,
        {name: new_capacity(value) for name, value in (spec.get("capacity") or {}).items()},
        tuple(taint for taint in spec.get("taints") or () if taint.get("effect") in _EFFECTS),
        tuple(_consumptions(spec)),
        bool(spec.get("allowMultipleAllocations")),
        tuple(spec.get("bindingConditions") or ()),
        tuple(spec.get("bindingFailureConditions") or ()),
        bool(spec.get("bindsToNode")),
    )


def _attributes(attributes: Mapping[str, Mapping[str, Any]], driver: str) -> dict[str, Attribute]:
    """A name that bears the driver's domain comes before the same one without a domain."""
    found: dict[str, Attribute] = {}
    for name in sorted(attributes, key=lambda name: "/" in name):
        typed = next(((kind, attributes[name][kind]) for kind in _COMPARED if kind in attributes[name]), None)
        if typed is not None:
            found["/".join(qualified(name, driver))] = typed
    return found


def _consumptions(spec: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (item["counterSet"], name, parse_quantity(counter["value"]).nano)
        for item in spec.get("consumesCounters") or ()
        for name, counter in (item.get("counters") or {}).items()
    ]


def compile_slice(obj: Mapping[str, Any], kinds: Kinds) -> Slice:
    """Return a ResourceSlice, compiled."""
    spec = obj["spec"]
    pool, driver = spec["pool"], spec["driver"]
    own = None if spec.get("perDeviceNodeSelection") else _reach(spec)
    devices = tuple(
        Device(
            DeviceId(driver, pool["name"], device["name"]),
            kinds.of(device, driver),
            own if own is not None else _reach(device),
        )
        for device in spec.get("devices") or ()
    )
    counters = tuple(
        (item["name"], {name: parse_quantity(c["value"]).nano for name, c in item["counters"].items()})
        for item in spec.get("sharedCounters") or ()
    )
    return Slice(
        obj["metadata"]["name"],
        (driver, pool["name"]),
        pool.get("generation") or 0,
        pool["resourceSliceCount"],
        own,
        devices,
        counters,
    )


def _reach(holder: Mapping[str, Any]) -> Reach:
    if name := holder.get("nodeName"):
        return Reach(name=name)
    if holder.get("allNodes"):
        return Reach(everywhere=True)
    selector = holder.get("nodeSelector")
    return Reach(raw=orjson.dumps(selector, option=orjson.OPT_SORT_KEYS)) if selector else Reach()
