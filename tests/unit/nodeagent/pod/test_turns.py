"""Steps on a virtual clock: when they are taken, and that nothing is left between them."""

import asyncio

import pytest

from kit.tasks import Tasks
from nodeagent.pod.turns import Turns

pytestmark = pytest.mark.looptime(start=0)


class Stepper:
    """Notes when steps are taken; each lasts a second. `then` is called within the step of that number."""

    def __init__(self, **then):
        self.tasks, self.steps, self.sleeps, self.then = Tasks(), [], 0, then
        self.turns = Turns(self.tasks, "test", self.step, self.asleep)

    async def step(self):
        self.steps.append(asyncio.get_running_loop().time())
        self.then.get(f"s{len(self.steps)}", lambda: None)()
        await asyncio.sleep(1)

    def asleep(self):
        self.sleeps += 1


async def test_nothing_happens_before_the_start():
    one = Stepper()
    one.turns.wake()
    await asyncio.sleep(5)
    one.turns.start()
    await asyncio.sleep(5)
    assert (one.steps, one.sleeps) == ([5], 1)


async def test_wakes_during_a_step_make_one_more():
    one = Stepper()
    one.turns.start()
    await asyncio.sleep(0.5)
    one.turns.wake()
    one.turns.wake()
    await asyncio.sleep(5)
    assert (one.steps, one.sleeps) == ([0, 1], 1)
    assert not one.tasks._tasks


async def test_the_earliest_time_counts_and_a_step_forgets_it():
    one = Stepper()

    def choose():
        for seconds in (30, 10, 20):
            one.turns.wake_in(seconds)

    one.then["s1"] = choose
    one.turns.start()
    await asyncio.sleep(100)
    assert one.steps == [0, 10]
    one.turns.wake_in(50)
    one.turns.wake()
    await asyncio.sleep(100)
    assert one.steps == [0, 10, 100]


async def test_after_the_end_nothing_wakes_it():
    one = Stepper()
    one.then["s2"] = lambda: setattr(one.turns, "ended", True)
    one.turns.start()
    await asyncio.sleep(0.5)
    one.turns.wake()
    await asyncio.sleep(5)
    one.turns.wake()
    await asyncio.sleep(5)
    assert (one.steps, one.sleeps) == ([0, 1], 1)


async def test_with_its_tasks_it_ends_for_good():
    one = Stepper()
    one.turns.start()
    one.turns.wake_in(2)
    await one.tasks.close()
    await asyncio.sleep(5)
    assert one.steps == []
