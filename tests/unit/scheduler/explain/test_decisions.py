"""Which decisions are kept, for how long, and how much of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.attempt import MakeRoom, Outcome, Placed, Refused
from scheduler.decide import schedule
from scheduler.explain.decisions import PREEMPTING, SCHEDULED, UNSCHEDULABLE, Decisions, Record
from scheduler.explain.packed import SlotChange
from scheduler.framework import Placement
from scheduler.preempt import Preemption
from scheduler.queue import Entry
from tests.unit.scheduler.build import PROFILE, World, node, pod

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUESTS = {"cpu": "100m", "memory": "100Mi"}


def world(nodes: int = 3) -> World:
    return World([node(f"n{number}") for number in range(nodes)])


def outcome(where: World, each: Any) -> Outcome:
    cycle = where.cycle(each)
    found = schedule(cycle, PROFILE, each["metadata"]["name"])
    if isinstance(found, Placement):
        return Placed(cycle, PROFILE, found.node)
    return Refused(cycle, found.message)


def note(decisions: Decisions, where: World, name: str, minute: int = 0, **more: Any) -> Record:
    each = pod(name, requests=more.pop("requests", REQUESTS), **more)
    return decisions.note(outcome(where, each), 1, START + timedelta(minutes=minute))


def test_a_placement_is_told_whole() -> None:
    decisions, where = Decisions(), world()
    record = note(decisions, where, "web")
    assert decisions.of("default", "web") == [record]
    assert (record.outcome, record.node in where.snapshot.index, record.message) == (SCHEDULED, True, "")
    detail = record.detail()
    assert detail is not None
    assert len(detail.best(9)) == 3
    assert decisions.of("default", "other") == ()
    assert decisions.of("other", "web") == ()


def test_refused_again_for_the_same_reasons_is_one_decision() -> None:
    decisions, where = Decisions(), world()
    big: Any = {"requests": {"cpu": "64"}}
    for minute in range(3):
        record = note(decisions, where, "big", minute, **big)
    assert decisions.of("default", "big") == [record]
    assert (record.outcome, record.times, record.since) == (UNSCHEDULABLE, 3, START)
    assert record.at == START + timedelta(minutes=2)
    assert "3 Insufficient cpu" in record.message
    where.snapshot.remove_node("n0")
    other = note(decisions, where, "big", 3, **big)
    assert (other.times, other.since) == (1, other.at)
    assert decisions.of("default", "big") == [record, other]
    assert len(decisions) == 2


def test_another_pod_of_the_same_name_is_another_decision() -> None:
    decisions, where = Decisions(), world()
    first = note(decisions, where, "big", requests={"cpu": "64"})
    each = pod("big", requests={"cpu": "64"})
    each["metadata"]["uid"] = "another"
    second = decisions.note(outcome(where, each), 1, START)
    assert decisions.of("default", "big") == [first, second]
    assert second.times == 1


def test_room_that_is_made() -> None:
    decisions, where = Decisions(), world()
    cycle = where.cycle(pod("vip"))
    schedule(cycle, PROFILE, "vip")
    plan = Preemption("n1", (pod("low", "n1", namespace="other"),), 0)
    record = decisions.note(MakeRoom(cycle, plan, "0/3 nodes"), 2, START)
    assert (record.outcome, record.node, record.victims) == (PREEMPTING, "n1", ("other/low",))
    assert record.attempts == 2


def test_no_nodes_at_all() -> None:
    decisions = Decisions()
    record = note(decisions, World([]), "web")
    assert record.message == "no nodes available to schedule pods"
    detail = record.detail()
    assert detail is not None
    assert (detail.best(3), detail.counts()) == ([], {})


def test_the_oldest_go_and_before_that_lose_their_details() -> None:
    where = world(50)
    decisions = Decisions(budget_bytes=20_000, limit=30)
    for number in range(40):
        where.place(pod(f"full-{number}", f"n{number % 5}", requests={"cpu": "500m"}))
        note(decisions, where, f"p{number}")
        assert decisions.nbytes <= 20_000
    assert len(decisions) == 30
    assert decisions.of("default", "p9") == ()
    old, young = decisions.of("default", "p10")[0], decisions.of("default", "p39")[0]
    assert (old.detail(), young.summary) == (None, None)
    assert young.detail() is not None
    summary = old.summary
    assert summary is not None
    assert summary.winner is not None
    assert summary.runner_up is not None
    assert summary.winner.node == old.node != summary.runner_up.node
    assert summary.winner.total >= summary.runner_up.total > 0
    assert (summary.feasible, len(summary.winner.scores)) == (50, len(summary.plugins))


def test_a_summary_says_what_the_details_said() -> None:
    where = world(9)
    for number in range(4):
        where.place(pod(f"full-{number}", f"n{number}", requests={"cpu": "3500m" if number else "1"}))
    decisions = Decisions()
    record = note(decisions, where, "web", requests={"cpu": "1"})
    detail = record.detail()
    assert detail is not None
    best, counts = detail.best(2, record.slot), detail.counts()
    small = Decisions(budget_bytes=0)
    summary = note(small, where, "web", requests={"cpu": "1"}).summary
    assert summary is not None
    assert [summary.winner, summary.runner_up] == best
    assert dict(summary.counts) == counts
    assert (summary.feasible, small.nbytes) == (6, 0)


def test_memory_is_given_back() -> None:
    where = world(20)
    decisions = Decisions(limit=3)
    for number in range(10):
        record = note(decisions, where, f"p{number}")
        if number % 2:
            decisions.follow(record, entry(f"f{number}"), record.node, record.slot, (), START)
        where.snapshot.set_node(node(f"more{number}"))
    sizes = {len(each.names) for each in [d.detail() for d in decisions._all.values()] if each}
    assert len(sizes) == 2
    assert decisions.nbytes < 3 * 5_000
    assert len(decisions._users) <= 5


def entry(name: str) -> Entry:
    return Entry(name, pod(name, requests=REQUESTS), 0.0, attempts=1)


def test_a_batch_follows_its_first() -> None:
    where = world()
    decisions = Decisions()
    record = base = note(decisions, where, "p0")
    before = decisions.nbytes
    detail = base.detail()
    assert detail is not None
    first, lowered = detail.scored(base.slot), [1] * len(detail.plugins)
    for number in range(1, 4):
        slot = (base.slot + number) % 3
        change = SlotChange(record.slot, lowered)
        record = decisions.follow(record, entry(f"p{number}"), f"n{slot}", slot, [change], START)
    assert decisions.nbytes - before < 3 * 1_000
    assert (record.outcome, record.name, record.node) == (SCHEDULED, "p3", f"n{base.slot}")
    again, last = base.detail(), record.detail()
    assert again is not None
    assert again.scored(base.slot) == first
    assert last is not None
    assert {each.total for each in last.best(3)} == {sum(weight for _, weight in last.plugins)}


def test_a_batch_that_is_read_while_its_first_is_gone() -> None:
    where = world()
    decisions = Decisions(budget_bytes=4_000)
    record = note(decisions, where, "p0")
    for number in range(1, 9):
        record = decisions.follow(record, entry(f"p{number}"), "n1", 1, [SlotChange(1, [number, 5])], START)
    summary, last = decisions.of("default", "p1")[0].summary, record.detail()
    assert summary is not None
    assert summary.winner is not None
    assert summary.winner.scores == (1, 5)
    assert last is not None
    assert last.scored(1).scores == (8, 5)


def test_two_that_follow_the_same_do_not_mix() -> None:
    where, decisions = world(), Decisions()
    base = note(decisions, where, "p0")
    one = decisions.follow(base, entry("p1"), "n1", 1, [SlotChange(1, [7, 7])], START)
    two = decisions.follow(one, entry("p2"), "n1", 1, [SlotChange(2, [8, 8])], START)
    three = decisions.follow(one, entry("p3"), "n1", 1, [SlotChange(2, [9, 9])], START)
    scores = []
    for record in (two, three, one):
        detail = record.detail()
        assert detail is not None
        scores.append([detail.scored(1).scores, detail.scored(2).scores])
    assert scores[:2] == [[(7, 7), (8, 8)], [(7, 7), (9, 9)]]
    assert scores[2][0] == (7, 7)
    assert scores[2][1] not in ((8, 8), (9, 9))


def test_following_one_without_details() -> None:
    where, decisions = world(), Decisions(budget_bytes=0)
    base = note(decisions, where, "p0")
    record = decisions.follow(base, entry("p1"), "n2", 2, [SlotChange(base.slot, [1, 1])], START)
    assert (record.detail(), record.node, record.outcome) == (None, "n2", SCHEDULED)


@pytest.mark.parametrize("times", [3, 12])
def test_a_name_that_is_used_again_and_again(times: int) -> None:
    where, decisions = world(), Decisions()
    records = [note(decisions, where, "job", minute) for minute in range(times)]
    assert decisions.of("default", "job") == records[-8:]
