"""Numbers for services."""

import pytest

from api.resource import Key
from apiserver.allocators.cluster_ip import ClusterIPs
from apiserver.allocators.node_port import NodePorts, parse_range
from apiserver.allocators.pool import Exhausted, OutOfRange, Pool, Taken

A, B = Key("ns", "a"), Key("ns", "b")


def pool(size=4, static=0):
    return Pool(10, size, static, lambda low, high: low)


def test_numbers_are_handed_out_once_until_none_is_left():
    numbers = pool()
    assert [numbers.allocate(A) for _ in range(4)] == [10, 11, 12, 13]
    with pytest.raises(Exhausted):
        numbers.allocate(B)
    numbers.release(12, A)
    assert numbers.allocate(B) == 12


def test_low_numbers_come_last():
    numbers = pool(size=4, static=2)
    assert [numbers.allocate(A) for _ in range(4)] == [12, 13, 10, 11]


def test_reservations_exclude_others_and_owners():
    numbers = pool()
    numbers.reserve(11, A)
    numbers.reserve(11, A)
    with pytest.raises(Taken):
        numbers.reserve(11, B)
    numbers.learn(A, [11])
    with pytest.raises(Taken):
        numbers.reserve(11, B)
    numbers.learn(A, [])
    numbers.reserve(11, B)
    with pytest.raises(OutOfRange):
        numbers.reserve(14, A)


def test_what_is_stored_is_learned_and_forgotten():
    numbers = pool()
    numbers.learn(A, [10, 11, 99])
    assert numbers.used == 2
    assert numbers.allocate(B) == 12
    numbers.learn(A, [11])
    assert numbers.used == 1


def test_cluster_addresses():
    addresses = ClusterIPs("10.0.0.0/24")
    assert addresses.pool.size == 254
    given = addresses.allocate(A)
    assert given.startswith("10.0.0.")
    with pytest.raises(Taken):
        addresses.reserve(given, B)
    for bad in ("10.0.0.0", "10.0.0.255", "10.0.1.1", "frog"):
        with pytest.raises(OutOfRange):
            addresses.reserve(bad, A)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30000-32767", (30000, 2768)), ("30000+10", (30000, 11)), ("80", (80, 1))],
)
def test_port_ranges(text, expected):
    assert parse_range(text) == expected
    assert NodePorts(text).first == expected[0]


@pytest.mark.parametrize("text", ["0-10", "10-1", "x", "65000+1000"])
def test_bad_port_ranges(text):
    with pytest.raises(ValueError, match=r"."):
        parse_range(text)
