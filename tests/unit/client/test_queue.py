"""The work queue in virtual time."""

import asyncio

import looptime  # noqa: F401 - the marker's plugin
import pytest

from client.queue import WorkQueue, backoff_s
from kit import clock

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        pytest.param(1, 0.005, id="first"),
        pytest.param(4, 0.04, id="doubles"),
        pytest.param(30, 1000.0, id="limited"),
        pytest.param(5000, 1000.0, id="no-overflow"),
    ],
)
async def test_backoff(failures: int, expected: float) -> None:
    assert backoff_s(failures) == expected


async def test_a_key_is_queued_once_and_worked_on_by_one() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_delays_and_the_earliest_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    start = clock.monotonic()
    queue.add_after("late", 5)
    queue.add_after("early", 3)
    queue.add_after("late", 1)
    queue.add_after("late", 9)
    assert await queue.get() == "late"
    assert clock.monotonic() - start == pytest.approx(1, abs=0.01)
    assert await queue.get() == "early"
    assert clock.monotonic() - start == pytest.approx(3, abs=0.01)


async def test_failures_back_off_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    assert [queue.add_backoff("a") for _ in range(3)] == [0.005, 0.01, 0.02]
    queue.forget("a")
    assert queue.add_backoff("a") == 0.005
    queue.close()


async def test_a_cancelled_reader_passes_the_key_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await clock.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_trouble_with_a_low_limit_makes_later_trouble_wait_no_longer() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(100):
        last = queue.add_backoff("a", 5.0)
    assert last == 5.0
    assert queue.add_backoff("a") < 12.0
    queue.close()
