"""Leases for keys with a time to live: keys that end at about the same time share one.

Spec: k8s.io/apiserver/pkg/storage/etcd3 leaseManager (1.36): a lease is granted a little longer than asked
for (5 %, at most 60 s) and reused for as long as that covers, for at most 1,000 keys.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kit import clock

REUSE_SHARE = 0.05
REUSE_MAX_S = 60
MAX_KEYS = 1000


@dataclass
class _Lease:
    id: int
    # In the loop's time, as reckoned from before the grant: the server's is never earlier.
    expires: float
    keys: int = 0


def reuse_s(ttl_s: int) -> int:
    """Return how many seconds longer than `ttl_s` a lease is granted, so that it can be shared."""
    return min(int(ttl_s * REUSE_SHARE), REUSE_MAX_S)


class Leases:
    """Gives out lease ids. `grant` asks the server for one of so many seconds and returns its id."""

    def __init__(self, grant: Callable[[int], Awaitable[int]]) -> None:
        self._grant = grant
        self._current: dict[int, _Lease] = {}
        self._lock = asyncio.Lock()

    async def lease_for(self, ttl_s: int) -> int:
        """Return a lease that lasts at least `ttl_s` seconds from now. Raises what `grant` raises."""
        async with self._lock:
            lease = self._current.get(ttl_s)
            if lease is None or lease.keys >= MAX_KEYS or lease.expires < clock.monotonic() + ttl_s:
                granted_s = ttl_s + reuse_s(ttl_s)
                expires = clock.monotonic() + granted_s
                lease = self._current[ttl_s] = _Lease(await self._grant(granted_s), expires)
            lease.keys += 1
            return lease.id

    def forget(self, lease_id: int) -> None:
        """Never give out this lease again: the server no longer has it."""
        self._current = {ttl: lease for ttl, lease in self._current.items() if lease.id != lease_id}
