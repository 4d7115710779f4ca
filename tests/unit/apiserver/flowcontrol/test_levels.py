"""Seats, lending and borrowing among levels."""

from hypothesis import given
from hypothesis import strategies as st

from apiserver.flowcontrol.digest import LevelSpec
from apiserver.flowcontrol.levels import NO_QUEUE, QUEUE_FULL, Level, Pool, share_out
from apiserver.flowcontrol.queues import Ticket


def build(seats, **specs):
    pool = Pool()
    levels = {name: Level(LevelSpec(name, "", False, *numbers), pool) for name, numbers in specs.items()}
    share_out(levels.values(), seats, pool)
    return pool, levels


def fill(level, limit=1000):
    count = 0
    while count < limit and level.take(1):
        count += 1
    return count


def test_seats_are_divided_by_shares():
    _, levels = build(100, high=(30, 0, 0), low=(70, 0, 0))
    assert (levels["high"].nominal, levels["low"].nominal) == (30, 70)
    assert (fill(levels["high"]), fill(levels["low"])) == (30, 70)


def test_idle_seats_are_borrowed_but_for_those_that_are_kept():
    _, levels = build(100, high=(50, 40), low=(50, 90))
    assert fill(levels["low"]) == 50 + 20
    assert fill(levels["high"]) == 30


def test_a_borrowing_limit_holds():
    _, levels = build(100, high=(50, 100), low=(50, 0, 10))
    assert fill(levels["low"]) == 55


def test_the_owner_of_lent_seats_comes_first():
    pool, levels = build(10, high=(5, 100, None, 8, 1, 10), low=(5, 0, None, 8, 1, 10))
    high, low = levels["high"], levels["low"]
    assert fill(low) == 10
    greedy = low.queue("low", 1, 1, 0.0)
    owner = high.queue("high", 1, 1, 0.0)
    low.release(1, None, 1.0)
    assert pool.admit(1.0) == [owner]
    low.release(1, None, 2.0)
    assert pool.admit(2.0) == [greedy]
    assert not pool.waiting


def test_who_comes_later_waits_behind():
    pool, levels = build(2, only=(1, 0, 0, 8, 1, 10))
    level = levels["only"]
    assert fill(level) == 2
    wide = level.queue("wide", 1, 2, 0.0)
    level.release(1, None, 1.0)
    # One seat is free, but the request that waits wants two: nobody may overtake it.
    assert pool.admit(1.0) == []
    assert not level.take(1)
    level.release(1, None, 2.0)
    assert pool.admit(2.0) == [wide]


def test_refusals():
    _, levels = build(1, reject=(1, 0, 0), queue=(0, 0, 0, 1, 1, 1))
    assert fill(levels["reject"]) == 1
    assert levels["reject"].queue("x", 1, 1, 0.0) == NO_QUEUE
    assert not isinstance(levels["queue"].queue("x", 1, 1, 0.0), str)
    assert levels["queue"].queue("x", 1, 1, 0.0) == QUEUE_FULL


def test_exempt_has_no_limit_and_takes_nobody_s_seats():
    pool = Pool()
    exempt = Level(LevelSpec("exempt", "", True, 0, 0), pool)
    low = Level(LevelSpec("low", "", False, 10, 0), pool)
    share_out([exempt, low], 5, pool)
    assert fill(exempt, 100) == 100
    assert fill(low) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.booleans()), max_size=120))
def test_the_pool_never_leaks(steps):
    """Whatever is taken, queued and given back: no more seats than there are, and all come back."""
    pool, levels = build(12, a=(1, 50, None, 4, 1, 5), b=(2, 90, 100, 4, 1, 5), c=(1, 0, 0, 4, 1, 5))
    free = pool.free
    held: list[tuple[Level, int, Ticket | None]] = []
    for number, (name, width, end) in enumerate(steps):
        level = levels[name]
        if end and held:
            held_level, held_width, ticket = held.pop(0)
            held_level.release(held_width, ticket, float(number))
            held.extend(
                (levels[started.owner], started.width, started) for started in pool.admit(float(number))
            )
        elif level.take(width):
            held.append((level, width, None))
        else:
            level.queue(name, number, width, float(number))
        assert sum(one.used for one in levels.values()) <= 12
        assert all(one.used <= one.most for one in levels.values())
        assert pool.free >= 0
    while held:
        level, width, ticket = held.pop()
        level.release(width, ticket, 1e6)
        held.extend((levels[started.owner], started.width, started) for started in pool.admit(1e6))
    assert [level.used for level in levels.values()] == [0, 0, 0]
    assert not pool.waiting
    assert pool.free == free


def test_who_waits_when_queues_are_taken_away_is_still_served():
    pool, levels = build(1, only=(1, 0, 0, 8, 1, 10))
    level = levels["only"]
    assert fill(level) == 1
    ticket = level.queue("first", 1, 1, 0.0)
    level.configure(LevelSpec("only", "", False, 1, 0))
    assert level.queue("second", 1, 1, 0.0) == NO_QUEUE
    level.release(1, None, 1.0)
    assert pool.admit(1.0) == [ticket]
    level.configure(LevelSpec("only", "", False, 1, 0))
    assert level.queues is None
    level.configure(LevelSpec("only", "", False, 1, 0, None, 2, 1, 5))
    assert not isinstance(level.queue("third", 1, 1, 2.0), str)
    # What began in queues that are gone ends without trace in the new ones.
    assert not isinstance(ticket, str)
    level.release(1, ticket, 3.0)
    assert [one.owner for one in pool.admit(3.0)] == ["third"]


def test_shares_of_a_new_level_are_taken_from_all():
    pool, levels = build(100, a=(1, 0, 0))
    assert levels["a"].limit == 100
    levels["b"] = Level(LevelSpec("b", "", False, 3, 50), pool)
    share_out(levels.values(), 100, pool)
    assert (levels["a"].nominal, levels["b"].nominal) == (25, 75)
    assert (levels["b"].kept, levels["b"].limit, pool.free) == (37, 75, 38)
