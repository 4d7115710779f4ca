"""Several processes of one component that share its port: `--workers N`.

    parent --fork--> worker 0 .. N-1          before any event loop, thread or connection exists
    worker ends   -> it is forked again, after a delay if it lived for a moment only
    SIGTERM, SIGINT to the parent -> SIGTERM to all; the parent ends when the last has
    parent killed -> the kernel kills the workers

Called by the command line for components whose settings have `workers`.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from kit import clock, log

_log = log.get("kit.workers")
_PR_SET_PDEATHSIG = 1
# A worker that lived for less is started again only after this long.
_SHORT_LIFE_S = 1.0


def run_workers(count: int, work: Callable[[int], None]) -> None:
    """Call `work(number)` in `count` forked processes, until told to stop; returns in the parent only."""
    _Parent(count, work).run()


class _Parent:
    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._count, self._work = count, work
        self._born: dict[int, tuple[int, float]] = {}
        self._stopping = False
        self._pid = os.getpid()

    def run(self) -> None:
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, self._stop)
        for number in range(self._count):
            self._start(number)
        while self._born:
            pid, status = os.wait()
            number, since = self._born.pop(pid, (-1, 0.0))
            if number < 0 or self._stopping:
                continue
            _log.warning("worker ended", worker=number, code=os.waitstatus_to_exitcode(status))
            if clock.monotonic() - since < _SHORT_LIFE_S:
                clock.block(_SHORT_LIFE_S)
            # The signal may have come while waiting.
            if not self._stopping:
                self._start(number)

    def _start(self, number: int) -> None:
        pid = os.fork()
        if pid:
            self._born[pid] = (number, clock.monotonic())
            if self._stopping:
                os.kill(pid, signal.SIGTERM)
            return
        code = 1
        try:
            self._become_worker()
            self._work(number)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        finally:
            # Never back into the parent's loop, whatever was raised.
            if sys.exc_info()[0] is not None:
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become_worker(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._pid:
            os._exit(1)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in list(self._born):
            os.kill(pid, signal.SIGTERM)
