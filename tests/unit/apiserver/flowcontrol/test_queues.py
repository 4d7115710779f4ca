"""Fair queues: whose turn is next."""

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.flowcontrol.queues import Queues


def drain(queues, count, seconds=lambda ticket: 0.01):
    """Run requests one at a time; return their owners."""
    order, now = [], 100.0
    for _ in range(count):
        ticket = queues.first()
        if ticket is None:
            break
        queues.start(ticket, now)
        now += seconds(ticket)
        queues.end(ticket, now)
        order.append(ticket.owner)
    return order


def test_a_flood_and_a_trickle_take_turns():
    queues = Queues(64, 1, 1000)
    for _ in range(500):
        queues.join("flood", 1, 1, 0.0)
    for _ in range(5):
        queues.join("trickle", 2, 1, 0.0)
    assert drain(queues, 10).count("trickle") == 5


def test_a_full_hand_refuses():
    queues = Queues(8, 2, 3)
    assert [queues.join("a", 5, 1, 0.0) is not None for _ in range(7)] == [True] * 6 + [False]
    assert queues.waiting == 6


def test_the_shortest_queue_of_the_hand_is_joined():
    queues = Queues(8, 4, 10)
    for _ in range(4):
        queues.join("a", 1234, 1, 0.0)
    assert [len(queue.waiting) for queue in queues.dump()] == [1, 1, 1, 1]


def test_who_leaves_is_not_started():
    queues = Queues(8, 1, 10)
    first, second = (queues.join(name, 3, 1, 0.0) for name in ("first", "second"))
    assert first is not None
    assert second is not None
    queues.leave(first)
    assert queues.first() is second
    queues.leave(second)
    assert queues.first() is None
    assert queues.dump() == []


def test_expensive_requests_are_charged_for_what_they_took():
    queues = Queues(64, 1, 1000)
    for _ in range(100):
        queues.join("slow", 1, 1, 0.0)
        queues.join("quick", 2, 1, 0.0)
    cost = {"slow": 0.1, "quick": 0.01}
    order = drain(queues, 99, lambda ticket: cost[ticket.owner])
    # Ten quick ones for each slow one.
    assert 8 <= order.count("slow") <= 11


def test_a_queue_that_had_more_waits_even_after_it_was_empty():
    queues = Queues(64, 1, 10)
    queues.join("greedy", 1, 1, 0.0)
    drain(queues, 1, lambda ticket: 60.0)
    queues.join("greedy", 1, 1, 0.0)
    queues.join("modest", 2, 1, 0.0)
    assert drain(queues, 2) == ["modest", "greedy"]


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.floats(0.001, 0.05), min_size=2, max_size=6),
    widths=st.lists(st.integers(1, 5), min_size=6, max_size=6),
    seats=st.integers(5, 12),
)
def test_busy_flows_get_equal_seat_time(costs, widths, seats):
    """Whatever requests cost: busy flows differ by no more than their requests under way."""
    queues = Queues(64, 1, 1000)
    got = dict.fromkeys(range(len(costs)), 0.0)
    for flow in got:
        for _ in range(seats):
            queues.join(flow, flow, widths[flow], 0.0)
    now, free, running = 0.0, seats, []
    for _ in range(1500):
        while (ticket := queues.first()) is not None and ticket.width <= free:
            queues.start(ticket, now)
            free -= ticket.width
            running.append((now + costs[ticket.owner], ticket.queue.index, ticket))
            queues.join(ticket.owner, ticket.owner, ticket.width, now)
        running.sort(key=lambda item: item[:2])
        now, _, ticket = running.pop(0)
        queues.end(ticket, now)
        free += ticket.width
        got[ticket.owner] += costs[ticket.owner] * ticket.width
    # A flow may have as many of its requests under way as there are seats before it is known what they cost.
    slack = 2 * seats * max(costs) + 2 * max(costs) * max(widths)
    assert max(got.values()) - min(got.values()) <= slack
