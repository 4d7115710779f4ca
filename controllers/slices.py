"""How endpoints are laid out in EndpointSlices: the fewest changes that bring them to what is wanted.

Pure; called by endpointslice-controller and endpointslice-mirroring-controller.
Source: k8s.io/endpointslice reconciler.go `reconcileByPortMapping` (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.resource import Obj
from api.types.discovery_v1 import ENDPOINTSLICES, EndpointSlice
from controllers.framework.plan import Change, Create, Update, delete

MAX_ENDPOINTS = 100
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"


@dataclass(frozen=True)
class Group:
    """Endpoints of one address type that share the same ports."""

    address_type: str
    ports: list[Obj]
    endpoints: list[Obj]


@dataclass(frozen=True)
class Frame:
    """What all slices of one service have in common."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    owner: Mapping[str, Any]


@dataclass
class _Slot:
    """One slice on the way: an existing one (`found`) or a new one."""

    address_type: str
    ports: list[Obj]
    endpoints: list[Obj]
    found: EndpointSlice | None = None
    changed: bool = False
    free: bool = field(init=False, default=False)


def layout(frame: Frame, existing: Iterable[EndpointSlice], groups: Sequence[Group]) -> list[Change]:
    """Return the changes that make `existing` hold exactly `groups`, with at least one slice per service."""
    slots = [_slot(found) for found in existing if "deletionTimestamp" not in found["metadata"]]
    for group in groups:
        _place(slots, group)
    used = {(group.address_type, _text(group.ports)) for group in groups if group.endpoints}
    for slot in slots:
        if (slot.address_type, _text(slot.ports)) not in used or not slot.endpoints:
            slot.free = True
    _keep_one(slots, groups)
    _recycle(slots)
    return [change for slot in slots for change in _change(slot, frame)]


def _slot(found: EndpointSlice) -> _Slot:
    ports: list[Any] = found.get("ports") or []
    endpoints: list[Any] = found.get("endpoints") or []
    return _Slot(found["addressType"], ports, list(endpoints), found)


def _place(slots: list[_Slot], group: Group) -> None:
    """Update what is there, drop what is not wanted, then fill changed slices, one that fits, new ones."""
    wanted = {_identity(endpoint): endpoint for endpoint in group.endpoints}
    mine = [s for s in slots if s.address_type == group.address_type and s.ports == group.ports]
    for slot in mine:
        kept = [
            wanted.pop(_identity(endpoint)) for endpoint in slot.endpoints if _identity(endpoint) in wanted
        ]
        if kept != slot.endpoints:
            slot.endpoints, slot.changed = kept, True
    left = list(wanted.values())
    for slot in sorted((s for s in mine if s.changed), key=lambda s: -len(s.endpoints)):
        left = _fill(slot, left)
    if left:
        fitting = [s for s in mine if not s.changed and len(s.endpoints) + len(left) <= MAX_ENDPOINTS]
        if fitting:
            left = _fill(max(fitting, key=lambda s: len(s.endpoints)), left)
    while left:
        slot = _Slot(group.address_type, group.ports, [], changed=True)
        slots.append(slot)
        left = _fill(slot, left)


def _fill(slot: _Slot, left: list[Obj]) -> list[Obj]:
    room = MAX_ENDPOINTS - len(slot.endpoints)
    if left and room > 0:
        slot.endpoints = [*slot.endpoints, *left[:room]]
        slot.changed = True
    return left[max(0, room) :]


def _keep_one(slots: list[_Slot], groups: Sequence[Group]) -> None:
    """See to it that each address type has a slice, if need be an empty one without ports."""
    for address_type in dict.fromkeys(group.address_type for group in groups):
        mine = [slot for slot in slots if slot.address_type == address_type]
        if any(not slot.free for slot in mine):
            continue
        if not mine:
            slots.append(_Slot(address_type, [], [], changed=True))
            continue
        empty = mine[0]
        empty.free = False
        if empty.ports or empty.endpoints:
            empty.ports, empty.endpoints, empty.changed = [], [], True


def _recycle(slots: list[_Slot]) -> None:
    """Let a new slice take the place of one that is to be deleted."""
    for new in [slot for slot in slots if slot.found is None and not slot.free]:
        for old in slots:
            if old.free and old.found is not None and old.address_type == new.address_type:
                new.found, old.found = old.found, None
                break


def _change(slot: _Slot, frame: Frame) -> list[Change]:
    if slot.free:
        return [delete(ENDPOINTSLICES, slot.found)] if slot.found is not None else []
    if slot.found is None:
        return [Create(ENDPOINTSLICES, _new(slot, frame), frame.namespace)]
    if not slot.changed and (slot.found["metadata"].get("labels") or {}) == frame.labels:
        return []
    metadata = {**slot.found["metadata"], "labels": dict(frame.labels)}
    wanted = {**slot.found, "metadata": metadata, "endpoints": slot.endpoints, "ports": slot.ports}
    return [Update(ENDPOINTSLICES, wanted)]


def _new(slot: _Slot, frame: Frame) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{frame.name}-",
            "labels": dict(frame.labels),
            "ownerReferences": [dict(frame.owner)],
        },
        "addressType": slot.address_type,
        "endpoints": slot.endpoints,
        "ports": slot.ports,
    }


def _text(ports: Sequence[Mapping[str, Any]]) -> str:
    return str([sorted(port.items()) for port in ports])


def _identity(endpoint: Mapping[str, Any]) -> str:
    """What makes an endpoint the same one: its addresses and what it stands for."""
    target = endpoint.get("targetRef") or {}
    return f"{endpoint['addresses']}{target.get('uid', '')}{endpoint.get('hostname', '')}"
