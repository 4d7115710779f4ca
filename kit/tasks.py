"""Lifetimes of tasks and of processes.

Every task belongs to a `asyncio.TaskGroup` or to a `Tasks` set; nothing is started and forgotten.
`run` is the one way to start a component's main coroutine.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from kit import clock, log

T = TypeVar("T")
_log = log.get("kit.tasks")


class Tasks:
    """A set of background tasks with one owner: `spawn` adds, `close` cancels all and waits.

    A task that fails is logged at once, with its name; with `fatal` the failure is also kept and raised by
    `wait`.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        # Whether the end has begun: what is started from now on is cancelled, too.
        self.closed = False

    def spawn(self, coro: Coroutine[Any, Any, T], name: str, fatal: bool = False) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, fatal))
        return task

    def _ended(self, task: asyncio.Task[Any], fatal: bool) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("task failed", task=task.get_name(), error=repr(error), traceback=_format(error))
        if fatal and self._failure is None:
            self._failure = error
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    async def wait(self) -> None:
        """Wait until a fatal task fails, and raise what it raised; one may have failed already."""
        if self._failure is not None:
            raise self._failure
        self._failed = asyncio.get_running_loop().create_future()
        await self._failed

    async def close(self) -> None:
        """Cancel every task and wait until all have ended."""
        self.closed = True
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks))


def _format(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


async def retry(
    what: Callable[[], Awaitable[T]],
    *,
    on: tuple[type[Exception], ...],
    first_s: float = 0.1,
    limit_s: float = 5.0,
    name: str = "",
) -> T:
    """Call `what` until it returns, sleeping `first_s`, doubled up to `limit_s`, after each error in `on`."""
    delay = first_s
    while True:
        try:
            return await what()
        except on as error:
            _log.debug("retrying", what=name, error=repr(error), delay_s=delay)
            await clock.sleep(delay)
            delay = min(limit_s, delay * 2)


def collect_rarely() -> None:
    """Raise the garbage collector's thresholds: what is alive after start-up stays alive."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a component until it returns, fails, or SIGTERM or SIGINT asks it to stop (then its task is
    cancelled).

    Uses uvloop.
    """
    collect_rarely()
    # A thread that computes (`kit.apart`) gives the loop its turn after this long.
    sys.setswitchinterval(0.001)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signal(main))


async def _until_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main(), name="main")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        _log.info("stopped")
