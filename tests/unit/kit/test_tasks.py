"""Lifetimes of tasks."""

import asyncio

import pytest

from kit.tasks import Tasks


async def _fail() -> None:
    raise ValueError("at once")


async def test_a_fatal_failure_before_anybody_waits_is_not_lost():
    tasks = Tasks()
    tasks.spawn(_fail(), "early", fatal=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="at once"):
        await asyncio.wait_for(tasks.wait(), 1)
    await tasks.close()


async def test_a_failure_that_is_not_fatal_ends_nobody_else():
    tasks = Tasks()
    tasks.spawn(_fail(), "small")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tasks.wait(), 0.05)
    await tasks.close()
