"""Shared checks of the revision."""

import asyncio

import pytest

from apiserver.watchcache.gate import Gate
from store.backend import Unavailable


async def run(gate):
    return asyncio.get_running_loop().create_task(gate.run())


async def test_requests_share_a_check_that_began_after_them():
    calls: list[int] = []
    release = asyncio.Event()

    async def check():
        number = len(calls) + 1
        calls.append(number)
        await release.wait()
        return number

    gate = Gate(check)
    task = await run(gate)
    first = asyncio.ensure_future(gate.current())
    await asyncio.sleep(0.01)
    later = [asyncio.ensure_future(gate.current()) for _ in range(20)]
    await asyncio.sleep(0)
    release.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 20
    assert calls == [1, 2]
    task.cancel()


async def test_errors_reach_those_who_wait():
    async def check():
        raise Unavailable("gone")

    gate = Gate(check)
    task = await run(gate)
    with pytest.raises(Unavailable):
        await gate.current()
    with pytest.raises(Unavailable):
        await gate.current()
    task.cancel()
