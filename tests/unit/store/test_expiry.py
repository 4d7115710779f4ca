import asyncio

import pytest

from store.expiry import Expiries


@pytest.mark.looptime
async def test_each_in_its_time(looptime):
    ended: list[tuple[str, int, float]] = []
    loop = asyncio.get_running_loop()
    expiries = Expiries(lambda key, revision: ended.append((key, revision, round(loop.time(), 2))))
    expiries.add("/b", 2, 20)
    expiries.add("/a", 3, 10)
    expiries.add("/c", 4, 20)
    await asyncio.sleep(30)
    expiries.add("/d", 5, 0)
    await asyncio.sleep(1)
    assert ended == [("/a", 3, 10), ("/b", 2, 20), ("/c", 4, 20), ("/d", 5, 30)]


@pytest.mark.looptime
async def test_closed_ends_nothing():
    ended: list[str] = []
    expiries = Expiries(lambda key, revision: ended.append(key))
    expiries.add("/a", 1, 1)
    expiries.close()
    await asyncio.sleep(5)
    assert ended == []
