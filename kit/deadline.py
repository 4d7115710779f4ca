"""A limit for synchronous Python code that is not this project's own, as functions of users.

`run_within` interrupts by a signal of the process's own timer, between two steps of the interpreter. It
cannot interrupt: one long call into C that does not look at signals (a huge numpy operation, some libraries'
I/O); code that catches `BaseException` and goes on for ever; anything outside of the main thread, where it
sets no limit. A debugger's prompt counts as running: set no limit to use one.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
# Waiting counts less than computing, or a busy machine would make every function look slow.
WAITING = 5


class TooLong(Exception):
    """The code was interrupted. Its traceback (`__cause__`) ends where that happened."""


class _Interrupt(BaseException):
    """Not an `Exception`, so that code which catches those does not catch it."""


class _Timer:
    """The one timer of the process, borrowed for the time of a call: who had set it gets it back."""

    def __init__(self) -> None:
        # Above 0, a signal may interrupt what runs.
        self.limit_s = 0.0
        self._cpu = self._wall = 0.0
        self._handler: Any = signal.SIG_DFL
        self._before = (0.0, 0.0)

    def start(self, limit_s: float) -> None:
        self._handler = signal.signal(signal.SIGALRM, self._on_signal) or signal.SIG_DFL
        self._cpu, self._wall = time.thread_time(), time.monotonic()
        self.limit_s = limit_s
        # Again and again, for code that swallows the first.
        self._before = signal.setitimer(signal.ITIMER_REAL, limit_s, limit_s / 2)

    def stop(self) -> None:
        if not self.limit_s:
            return
        self.limit_s = 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        left, interval = self._before
        if left:
            passed = time.monotonic() - self._wall
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 0.001), interval)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        limit_s = self.limit_s
        if not limit_s:
            return
        computed = time.thread_time() - self._cpu
        if computed >= limit_s or time.monotonic() - self._wall >= WAITING * limit_s:
            raise _Interrupt


_timer = _Timer()


def run_within(limit_s: float, what: Callable[[], T]) -> T:
    """Return `what()`. Raises `TooLong` when it has computed for `limit_s`, or taken `WAITING` times as long.

    No limit if `limit_s` is 0, or outside of the main thread. Must not be called within `what`.
    """
    if limit_s <= 0 or threading.current_thread() is not threading.main_thread():
        return what()
    assert not _timer.limit_s, "there is one timer"
    try:
        try:
            _timer.start(limit_s)
            return what()
        finally:
            _timer.stop()
    except _Interrupt as interrupt:
        # It may have come in the moment before the timer stood still.
        _timer.stop()
        raise TooLong(f"interrupted after {limit_s:g} s") from interrupt
