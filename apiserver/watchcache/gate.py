"""Consistent reads: one check of the store's revision shared by all requests that wait at that moment.

A request may only use a check that began after the request arrived; so at most two checks are under way or
due: the present one, and the
next one, which all later arrivals share.
"""

import asyncio
from collections.abc import Awaitable, Callable

from store.backend import StoreError


class Gate:
    def __init__(self, check: Callable[[], Awaitable[int]]) -> None:
        self._check = check
        self._waiting: list[asyncio.Future[int]] = []
        self._wake = asyncio.Event()

    async def current(self) -> int:
        """Return a revision that no write acknowledged before this call exceeds. Raises the store's
        errors."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Serve `current` until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list[asyncio.Future[int]]) -> None:
        try:
            revision = await self._check()
        except asyncio.CancelledError:
            for future in batch:
                future.cancel()
            raise
        except StoreError as error:
            for future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for future in batch:
            if not future.done():
                future.set_result(revision)
