"""What of the devices is taken, by which claims: exclusively, or a share of their capacities.

Devices that were given for administration count as free. Owned by `inventory`; read by the search.
Source: pkg/scheduler/framework/plugins/dynamicresources allocateddevices.go (1.36).
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.dra.claims import results_of
from api.quantity import parse_quantity
from scheduler.devices.slices import DeviceId, PoolId


@dataclass(frozen=True)
class Held:
    """A device of an allocation; `share` names the share of one that several may use, with what it consumes
    in billionths.
    """

    device: DeviceId
    share: str = ""
    consumed: tuple[tuple[str, int], ...] = ()


def held_by(allocation: Mapping[str, Any] | None) -> tuple[Held, ...]:
    """Return what an allocation takes away from others."""
    return tuple(
        Held(
            DeviceId(result["driver"], result["pool"], result["device"]),
            result.get("shareID") or "",
            tuple(
                (name, parse_quantity(amount).nano)
                for name, amount in (result.get("consumedCapacity") or {}).items()
            )
            if result.get("shareID")
            else (),
        )
        for result in results_of(allocation)
        if not result.get("adminAccess")
    )


class _Use:
    """Who has a device: `shares` by owner and name."""

    __slots__ = ("owners", "shares")

    def __init__(self) -> None:
        self.owners: set[Hashable] = set()
        self.shares: dict[tuple[Hashable, str], tuple[tuple[str, int], ...]] = {}


class Usage:
    def __init__(self) -> None:
        self._pools: dict[PoolId, dict[str, _Use]] = {}
        self._held: dict[Hashable, tuple[Held, ...]] = {}

    def put(self, owner: Hashable, held: Iterable[Held]) -> set[PoolId]:
        """Note what an owner has now. Returns the pools where that is something else than before."""
        # Others write claims too, and might name a device twice.
        now = tuple({(each.device, each.share): each for each in held}.values())
        before = self._held.get(owner, ())
        if now == before:
            return set()
        for each in before:
            self._drop(owner, each)
        for each in now:
            self._take(owner, each)
        if now:
            self._held[owner] = now
        else:
            del self._held[owner]
        return {each.device[:2] for each in (*before, *now)}

    def owners(self) -> list[Any]:
        """Return those who have anything."""
        return list(self._held)

    def _take(self, owner: Hashable, held: Held) -> None:
        use = self._pools.setdefault(held.device[:2], {}).setdefault(held.device.name, _Use())
        if held.share:
            use.shares[owner, held.share] = held.consumed
        else:
            use.owners.add(owner)

    def _drop(self, owner: Hashable, held: Held) -> None:
        pool = self._pools[held.device[:2]]
        use = pool[held.device.name]
        if held.share:
            use.shares.pop((owner, held.share), None)
        else:
            use.owners.discard(owner)
        if not use.owners and not use.shares:
            del pool[held.device.name]
            if not pool:
                del self._pools[held.device[:2]]

    def is_exclusive(self, device: DeviceId) -> bool:
        """Say whether somebody has the device for himself."""
        use = self._pools.get(device[:2], {}).get(device.name)
        return use is not None and bool(use.owners)

    def is_used(self, device: DeviceId) -> bool:
        """Say whether anybody has the device, or a share of it."""
        return device.name in self._pools.get(device[:2], {})

    def consumed(self, device: DeviceId) -> dict[str, int]:
        """Return what all shares of a device consume together, in billionths."""
        use = self._pools.get(device[:2], {}).get(device.name)
        return _total(use) if use is not None else {}

    def in_pool(self, pool: PoolId) -> dict[str, tuple[bool, tuple[tuple[str, int], ...]]]:
        """Return, by name, of the used devices whether somebody has them for himself, and what their shares
        consume.
        """
        return {
            name: (bool(use.owners), tuple(sorted(_total(use).items())))
            for name, use in self._pools.get(pool, {}).items()
        }


def _total(use: _Use) -> dict[str, int]:
    total: dict[str, int] = {}
    for amounts in use.shares.values():
        for name, amount in amounts:
            total[name] = total.get(name, 0) + amount
    return total
