"""Makes claims and services agree again, at start and from time to time.

They differ after a server was killed between the two writes, and for services that are older than claims.
Source: pkg/registry/core/service/ipallocator/controller/repairip.go (1.36).
"""

from collections.abc import Mapping
from datetime import timedelta

from api.errors import StatusError
from api.resource import Key
from api.types.core_v1 import SERVICES
from apiserver.allocators.claims import Claims, NumbersOf
from apiserver.allocators.pool import Taken
from apiserver.registry import Registry
from kit import clock, log
from store.backend import StoreError

_log = log.get("apiserver.allocators")
INTERVAL_S = 180.0
# A claim this young may belong to a service that is about to be written.
GRACE = timedelta(seconds=60)


async def maintain(registry: Registry, claims: Mapping[NumbersOf, Claims]) -> None:
    """Repair again and again, until cancelled."""
    while True:
        try:
            await repair(registry, claims)
        except (StatusError, StoreError) as error:
            _log.warning("claims not repaired", error=str(error))
        await clock.sleep(INTERVAL_S)


async def repair(registry: Registry, claims: Mapping[NumbersOf, Claims]) -> None:
    """Claim what services have and nobody claims; give up what is claimed for those that do not have it."""
    everything = clock.now() + timedelta(days=1)
    for numbers_of, kind in claims.items():
        known = dict(await kind.claimed(everything))
        held: set[tuple[str, Key]] = set()
        for service in list(registry.cached_list(SERVICES)):
            owner = Key(service["metadata"]["namespace"], service["metadata"]["name"])
            for number in numbers_of(service):
                held.add((number, owner))
                if known.get(number) != owner:
                    await _claim(kind, number, owner)
        for number, owner in await kind.claimed(clock.now() - GRACE):
            if (number, owner) not in held:
                await kind.give(number, owner)


async def _claim(kind: Claims, number: str, owner: Key) -> None:
    try:
        await kind.take(number, owner)
    except Taken:
        _log.error("two services have one number", number=number, service=str(owner))
