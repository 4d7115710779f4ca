"""A work queue of keys: each key at most once in the queue, never worked on by two at a time.

    add -> [dirty, queued] -get-> [processing] -done-> gone, or queued again if added meanwhile

Source: k8s.io/client-go/util/workqueue (1.36).
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from kit import clock

K = TypeVar("K", bound=Hashable)

# Upstream's ItemExponentialFailureRateLimiter.
FIRST_BACKOFF_S = 0.005
LIMIT_BACKOFF_S = 1000.0


def backoff_s(failures: int, first_s: float = FIRST_BACKOFF_S, limit_s: float = LIMIT_BACKOFF_S) -> float:
    """Return how long to wait after the given number of failures in a row (1 or more)."""
    return limit_s if failures > 40 else min(limit_s, first_s * 2.0 ** (failures - 1))


class WorkQueue(Generic[K]):
    """A queue for the tasks of one event loop. First in, first out; delayed keys join when due."""

    def __init__(self, on_wait: Callable[[float], None] | None = None) -> None:
        # Keys to be worked on; a key that is being processed may be dirty again.
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._ready: deque[K] = deque()
        # The loop time at which each queued key was added, for `on_wait(seconds in the queue)`.
        self._since: dict[K, float] = {}
        self._on_wait = on_wait
        self._failures: dict[K, int] = {}
        # Delayed adds: the heap may hold outdated entries; `_due` has the time that counts.
        self._delayed: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._serial = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._getters: deque[asyncio.Future[None]] = deque()
        self.adds = 0
        self.retries = 0

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Queue `key` unless it already waits; a key in processing is queued when it is done."""
        if key in self._dirty:
            return
        self.adds += 1
        self._dirty.add(key)
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Queue `key` after `seconds`; of several delays for one key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        at = clock.monotonic() + seconds
        if self._due.get(key, at + 1.0) <= at:
            return
        self._due[key] = at
        self._serial += 1
        heapq.heappush(self._delayed, (at, self._serial, key))
        self._arm()

    def add_backoff(self, key: K, limit_s: float = LIMIT_BACKOFF_S) -> float:
        """Count a failure of `key` and queue it after its back-off, which is returned in seconds.

        Failures are counted up to the limit only: trouble with a low limit makes no later trouble wait long.
        """
        failures = self._failures.get(key, 0)
        if not failures or backoff_s(failures) < limit_s:
            failures += 1
        self._failures[key] = failures
        delay = backoff_s(failures, limit_s=limit_s)
        self.retries += 1
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Set the failures of `key` back to none."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """Return the next key, now in processing: the caller must call `done`."""
        while not self._ready:
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()
                raise
        return self._take()

    def done(self, key: K) -> None:
        """End the processing of `key`; it is queued again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._push(key)

    def close(self) -> None:
        """Drop the timer of delayed keys."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take(self) -> K:
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        since = self._since.pop(key, None)
        if self._on_wait is not None and since is not None:
            self._on_wait(clock.monotonic() - since)
        return key

    def _push(self, key: K) -> None:
        self._ready.append(key)
        if self._on_wait is not None:
            self._since[key] = clock.monotonic()
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        at = self._delayed[0][0]
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now + 0.0005:
            at, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == at:
                del self._due[key]
                self.add(key)
        if self._delayed:
            self._arm()
