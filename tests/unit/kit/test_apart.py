"""Work apart from the event loop, and the watchdog that sees work that is not."""

import asyncio
import threading
import time

import pytest

from kit.apart import HEAVY_BYTES, apart
from kit.watchdog import Watchdog


@pytest.mark.parametrize(
    ("weight", "same"),
    [pytest.param(HEAVY_BYTES - 1, True, id="light"), pytest.param(HEAVY_BYTES, False, id="heavy")],
)
async def test_only_heavy_work_goes_to_a_thread(weight, same):
    thread = await apart(weight, threading.current_thread)
    assert (thread is threading.current_thread()) is same


async def test_errors_come_back():
    with pytest.raises(ValueError, match="invalid literal"):
        await apart(HEAVY_BYTES, int, "x")


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_the_watchdog_sees_a_turn_that_is_too_long_and_no_sum_of_short_ones():
    told: list[float] = []
    dog = Watchdog(0.01, told.append)
    watching = asyncio.ensure_future(dog.watch())
    for _ in range(30):
        burn(0.005)
        await asyncio.sleep(0)
    assert told == []
    burn(0.08)
    await asyncio.sleep(0.03)
    assert len(told) == 1
    assert told[0] > 0.05
    await apart(HEAVY_BYTES, burn, 0.08)
    await asyncio.sleep(0.03)
    assert len(told) == 1
    watching.cancel()
