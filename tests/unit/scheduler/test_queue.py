"""The queue: order, back-off, what wakes whom."""

from typing import Any

import pytest

from scheduler.queue import SchedulingQueue, backoff_s
from tests.unit.scheduler.build import pod

FIT = frozenset(("NodeResourcesFit",))
FIT_EVENT = [("NodeResourcesFit", None)]


def popped(queue: SchedulingQueue, now: float = 0.0) -> str | None:
    entry = queue.pop(now)
    return entry.uid if entry is not None else None


def parked(plugins: frozenset[str] = FIT) -> SchedulingQueue:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    queue.pop(0.0)
    queue.park("a", plugins)
    return queue


def test_priority_then_arrival() -> None:
    queue = SchedulingQueue()
    for number, (name, priority) in enumerate([("late", 0), ("low", -5), ("high", 10), ("later", 0)]):
        queue.put(pod(name, priority=priority), float(number))
    assert [popped(queue, 9.0) for _ in range(5)] == ["high", "late", "later", "low", None]


def test_gated_pods_wait_for_their_gates() -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0, gated=True)
    assert popped(queue) is None
    assert queue.counts() == {"gated": 1}
    queue.put(pod("a"), 1.0)
    assert popped(queue, 1.0) == "a"


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [pytest.param(a, s, id=str(a)) for a, s in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (5000, 10)]],
)
def test_backoff(attempts: int, expected: float) -> None:
    assert backoff_s(attempts) == expected


def waiting(where: str) -> SchedulingQueue:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0, gated=where == "gated")
    if where != "gated":
        queue.pop(0.0) if where != "active" else None
    if where == "backoff":
        queue.retry("a", 0.0)
    elif where == "unschedulable":
        queue.park("a", FIT)
    return queue


@pytest.mark.parametrize("where", ["active", "backoff", "unschedulable"])
def test_a_pod_may_be_taken_with_another_one(where: str) -> None:
    queue = waiting(where)
    taken = queue.take("a", 0.5)
    assert taken is not None
    assert (taken.tried, taken.attempts, queue.counts()) == (0.5, 1 + (where != "active"), {"popped": 1})
    queue.stir(FIT_EVENT, 1.0)
    assert popped(queue, 50.0) is None
    queue.park("a", FIT)
    queue.stir(FIT_EVENT, 60.0)
    assert popped(queue, 60.0) == "a"


@pytest.mark.parametrize("where", ["gated", "popped", "nowhere"])
def test_some_pods_may_not_be_taken(where: str) -> None:
    assert waiting(where).take("a" if where != "nowhere" else "b", 0.0) is None


def test_one_pod_may_be_woken() -> None:
    queue = parked()
    queue.wake("b", 20.0)
    queue.wake("a", 20.0)
    assert popped(queue, 20.0) == "a"
    queue.wake("a", 40.0)
    assert popped(queue, 40.0) is None


def test_backoff_counts_from_the_attempt() -> None:
    queue = parked()
    queue.stir(FIT_EVENT, 0.25)
    assert (popped(queue, 0.9), queue.next_due()) == (None, 1.0)
    assert popped(queue, 1.0) == "a"


def test_who_has_waited_longer_is_active_at_once() -> None:
    queue = parked()
    queue.stir(FIT_EVENT, 7.0)
    assert popped(queue, 7.0) == "a"


@pytest.mark.parametrize(
    ("refused_by", "event", "wakes"),
    [
        pytest.param({"NodeResourcesFit"}, {"NodeResourcesFit"}, True, id="helps"),
        pytest.param({"NodeResourcesFit"}, {"NodeAffinity"}, False, id="helps-others"),
        pytest.param({"NodeResourcesFit", "NodePorts"}, {"NodePorts"}, True, id="helps-one-of-two"),
        pytest.param(set(), {"NodeAffinity"}, True, id="nobody-refused"),
    ],
)
def test_hints(refused_by: set[str], event: set[str], wakes: bool) -> None:
    queue = parked(frozenset(refused_by))
    queue.stir([(plugin, None) for plugin in event], 5.0)
    assert popped(queue, 5.0) == ("a" if wakes else None)


def test_a_closer_look_leaves_some_alone() -> None:
    queue = parked()
    queue.put(pod("b"), 0.0)
    queue.pop(0.0)
    queue.park("b", FIT)
    queue.stir([("NodeResourcesFit", lambda each: each["metadata"]["name"] == "b")], 5.0)
    assert (popped(queue, 5.0), popped(queue, 5.0)) == ("b", None)


def alike(count: int) -> SchedulingQueue:
    """Return a queue where so many pods of one group were refused, one after the other."""
    queue = SchedulingQueue()
    for number in range(count):
        queue.put(pod(f"p{number}"), 0.0, group="same")
        queue.pop(0.0)
        queue.park(f"p{number}", FIT)
    return queue


def test_of_those_who_are_alike_one_is_woken() -> None:
    queue = alike(3)
    queue.stir(FIT_EVENT, 5.0)
    assert (popped(queue, 5.0), popped(queue, 5.0)) == ("p0", None)
    queue.park("p0", FIT)
    queue.stir(FIT_EVENT, 9.0)
    assert (popped(queue, 9.0), popped(queue, 9.0)) == ("p1", None)


@pytest.mark.parametrize("how", ["placed", "bound", "deleted", "binding failed", "changed"])
def test_when_one_gets_on_the_next_is_woken(how: str) -> None:
    queue = alike(3)
    queue.stir(FIT_EVENT, 5.0)
    if how != "deleted":
        assert popped(queue, 5.0) == "p0"
    match how:
        case "placed":
            queue.got_on("p0", 5.0)
        case "bound" | "deleted":
            queue.remove("p0", 5.0)
        case "binding failed":
            queue.retry("p0", 5.0)
        case "changed":
            queue.put(pod("p0", labels={"a": "b"}), 5.0, group="other")
    assert popped(queue, 5.0) == "p1"
    assert popped(queue, 5.0) is None


def test_all_of_a_group_get_on_one_by_one() -> None:
    queue = alike(50)
    queue.stir(FIT_EVENT, 5.0)
    found = []
    while (uid := popped(queue, 5.0)) is not None:
        found.append(uid)
        queue.got_on(uid, 5.0)
        queue.remove(uid, 5.0)
    assert found == [f"p{number}" for number in range(50)]
    assert len(queue) == 0


def test_who_waits_alone_does_not_hold_up_others() -> None:
    queue = alike(2)
    queue.put(pod("p2"), 0.0, group="same")
    queue.pop(0.0)
    queue.park("p2", FIT, alone=True)
    queue.stir(FIT_EVENT, 5.0)
    assert [popped(queue, 5.0) for _ in range(3)] == ["p0", "p2", None]


def test_any_event_helps_all_when_asked_to() -> None:
    queue = parked()
    queue.stir_all(5.0)
    assert popped(queue, 5.0) == "a"


def test_five_minutes_at_the_latest() -> None:
    queue = parked()
    queue.flush(299.0)
    assert popped(queue, 299.0) is None
    queue.flush(300.0)
    assert popped(queue, 300.0) == "a"


def test_a_changed_pod_gets_another_try() -> None:
    queue = parked()
    queue.put(pod("a", status={"conditions": []}), 5.0)
    assert popped(queue, 5.0) is None
    queue.put(pod("a", labels={"new": "label"}), 6.0)
    assert popped(queue, 6.0) == "a"


def test_failed_bindings_back_off() -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    queue.pop(0.0)
    queue.retry("a", 0.1)
    assert (popped(queue, 0.5), popped(queue, 1.0)) == (None, "a")


@pytest.mark.parametrize("state", ["active", "popped", "parked", "backoff"])
def test_removed_pods_never_come_back(state: str) -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    steps: dict[str, Any] = {
        "popped": lambda: queue.pop(0.0),
        "parked": lambda: queue.park("a", FIT),
        "backoff": lambda: queue.stir(FIT_EVENT, 0.0),
    }
    for step in list(steps)[: ["active", *steps].index(state)]:
        steps[step]()
    queue.remove("a", 0.0)
    queue.stir_all(100.0)
    queue.flush(1000.0)
    assert (popped(queue, 1000.0), len(queue)) == (None, 0)


def test_a_pod_that_leaves_and_returns_is_popped_once() -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    queue.remove("a", 0.0)
    queue.put(pod("a"), 1.0)
    assert [popped(queue, 1.0), popped(queue, 1.0)] == ["a", None]


@pytest.mark.parametrize("anything", [True, False])
def test_what_happens_during_a_long_attempt_is_told_afterwards(anything: bool) -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    queue.pop(0.0)
    queue.listen()
    queue.stir_all(3.0) if anything else queue.stir(FIT_EVENT, 3.0)
    queue.park("a", FIT)
    assert queue.counts() == {"unschedulable": 1}
    queue.catch_up(4.0)
    assert popped(queue, 4.0) == "a"


def test_what_helps_nobody_who_waits_is_not_told_for_more() -> None:
    queue = SchedulingQueue()
    queue.put(pod("a"), 0.0)
    queue.pop(0.0)
    queue.listen()
    queue.stir([("NodeResourcesFit", lambda _: False)], 3.0)
    queue.park("a", FIT)
    queue.catch_up(4.0)
    assert popped(queue, 4.0) is None
    # From now on nothing is kept.
    queue.stir(FIT_EVENT, 5.0)
    queue.pop(5.0)
    queue.park("a", FIT)
    queue.catch_up(6.0)
    assert popped(queue, 60.0) is None
