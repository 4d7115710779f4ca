"""How long the event loop is held up by one turn: in CPU time of its thread, so that a busy machine does not
count as a busy loop.

A component spawns `watch`; tests give it a shorter interval and look at `worst_s`.
"""

import time
from collections.abc import Callable

from kit import clock, log

_log = log.get("kit.watchdog")
# A turn that takes longer is told in the log: requests wait for it.
LIMIT_S = 0.05
INTERVAL_S = 0.05


class Watchdog:
    """`worst_s`: the longest turn so far, in CPU seconds of the loop's thread."""

    def __init__(self, interval_s: float = INTERVAL_S, report: Callable[[float], None] | None = None) -> None:
        self._interval_s = interval_s
        self._report = report or _tell
        self.worst_s = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        before = time.thread_time()
        begun = clock.monotonic()
        while True:
            await clock.sleep(self._interval_s)
            now, cpu = clock.monotonic(), time.thread_time()
            # What was late cannot have been more than one turn; what was in time was many.
            late_s = now - begun - self._interval_s
            turn_s = min(cpu - before, max(0.0, late_s))
            if turn_s > self.worst_s:
                self.worst_s = turn_s
            if turn_s > LIMIT_S:
                self._report(turn_s)
            before, begun = time.thread_time(), clock.monotonic()


def _tell(seconds: float) -> None:
    _log.warning("the event loop was held up", seconds=round(seconds, 3))
