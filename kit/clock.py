"""The only place that reads the clock or sleeps.

Everybody calls `now`, `monotonic` and `sleep`; a test or a simulation puts another `Clock` in place with
`use`. `monotonic` and `sleep` follow the running event loop's own time, so a loop with virtual time needs
nothing else.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time. Implementations answer in UTC and are cheap to call."""

    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A wall clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self.current = start

    def now(self) -> datetime:
        return self.current


_clock: Clock = SystemClock()


def now() -> datetime:
    """Return the present moment in UTC, with microseconds."""
    return _clock.now()


def monotonic() -> float:
    """Return seconds that never go back; inside a running loop this is the loop's time."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


async def sleep(seconds: float) -> None:
    """Wait `seconds` of loop time; zero or less yields once."""
    await asyncio.sleep(max(0.0, seconds))


def block(seconds: float) -> None:
    """Wait `seconds` without an event loop: for command-line code only."""
    time.sleep(seconds)


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Replace the wall clock within the block."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before
