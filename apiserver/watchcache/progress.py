"""How far the caches have come: one revision for all of them, and who waits for it."""

import asyncio


class Progress:
    """`revision`: every write up to it is in the caches. Moved by the feed alone."""

    def __init__(self) -> None:
        self.revision = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    async def wait(self, revision: int) -> None:
        """Wait until the caches are complete up to `revision`."""
        if self.revision >= revision:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((revision, future))
        await future

    def rewind(self, revision: int) -> None:
        """The store went back in time: the caches are complete up to an earlier revision now."""
        self.revision = 0
        self.advance(revision)

    def advance(self, revision: int) -> None:
        if revision <= self.revision:
            return
        self.revision = revision
        if self._waiters:
            due = [future for wanted, future in self._waiters if wanted <= revision]
            self._waiters = [pair for pair in self._waiters if pair[0] > revision]
            for future in due:
                if not future.done():
                    future.set_result(None)
