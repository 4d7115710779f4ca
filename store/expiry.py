"""Keys with a time to live, for backends that have no leases of their own (memory, sqlite).

The entry belongs to one write: a later write of the key makes it void, because the deletion asks for that
revision.
"""

import asyncio
import heapq
from collections.abc import Callable


class Expiries:
    """Calls `expire(key, revision)` when a key's time is over. Lives on one event loop."""

    def __init__(self, expire: Callable[[str, int], None]) -> None:
        self._expire = expire
        self._heap: list[tuple[float, str, int]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: str, revision: int, seconds: float) -> None:
        """Let `key`, as written at `revision`, end in `seconds`."""
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._heap, (due, key, revision))
        if self._heap[0][2] == revision:
            self._arm()

    def close(self) -> None:
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._heap[0][0], self._fire) if self._heap else None

    def _fire(self) -> None:
        now = asyncio.get_running_loop().time()
        # A timer may fire a hair early: the loop's clock has a resolution.
        while self._heap and self._heap[0][0] <= now + 0.001:
            _, key, revision = heapq.heappop(self._heap)
            self._expire(key, revision)
        self._timer = None
        self._arm()
