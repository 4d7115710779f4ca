"""Steps of something that mostly sleeps: taken one after the other while it is woken; asleep, it has no task.

wake / wake_in -> step, step, ... until nobody has woken it meanwhile -> asleep
"""

import asyncio
from collections.abc import Awaitable, Callable

from kit.tasks import Tasks


class Turns:
    """Owned by what takes the steps. `step` catches its own errors; `asleep` is called after the last one of
    a row.
    """

    __slots__ = ("_asleep", "_awake", "_name", "_running", "_step", "_tasks", "_timer", "ended", "started")

    def __init__(
        self, tasks: Tasks, name: str, step: Callable[[], Awaitable[None]], asleep: Callable[[], None]
    ) -> None:
        self._tasks, self._name, self._step, self._asleep = tasks, name, step, asleep
        self._awake = False
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # No step is taken before it is started, nor after it has ended.
        self.started = self.ended = False

    def start(self) -> None:
        self.started = True
        self.wake()

    def wake(self) -> None:
        """Take a step soon; at any time, also during one."""
        self._awake = True
        if self.started and not self.ended and self._running is None and not self._tasks.closed:
            self._running = self._tasks.spawn(self._run(), self._name)

    def wake_in(self, seconds: float) -> None:
        """Wake later, unless something else does so before; every step forgets it."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, seconds)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self.wake)

    async def _run(self) -> None:
        while self._awake and not self.ended:
            self._awake = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            await self._step()
        self._running = None
        self._asleep()
