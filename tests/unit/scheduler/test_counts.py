"""Pods per node and per domain: whatever comes and goes, on few nodes or on many, the sums are right."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.counts import Vector
from scheduler.domains import Domains

SLOTS = 50
ZONES = Domains(SLOTS, [(slot, None if slot % 7 == 6 else f"zone-{slot % 3}") for slot in range(SLOTS)])


@pytest.mark.parametrize("nodes", [5, SLOTS], ids=["few-nodes", "many-nodes"])
@given(data=st.data())
def test_as_if_counted_anew(nodes: int, data: st.DataObject) -> None:
    vector, pods = Vector(SLOTS), Counter[int]()
    for slot in data.draw(st.lists(st.integers(0, nodes - 1), min_size=nodes, max_size=120)):
        if pods[slot] and data.draw(st.booleans()):
            vector.sums(ZONES)
        sign = -1 if pods[slot] > 1 else 1
        vector.add(slot, sign)
        pods[slot] += sign
    by_zone = Counter[int]()
    for slot, count in pods.items():
        by_zone[int(ZONES.ids[slot])] += count
    assert vector.total == pods.total()
    assert vector.values.tolist() == [pods[slot] for slot in range(SLOTS)]
    assert vector.sums(ZONES).tolist() == [by_zone[zone] for zone in (0, 1, 2, -1)]


@pytest.mark.parametrize("nodes", [1, SLOTS], ids=["few-nodes", "many-nodes"])
def test_more_slots(nodes: int) -> None:
    vector = Vector(SLOTS)
    for slot in range(nodes):
        vector.add(slot, 1)
    vector.grow(2)
    vector.add(SLOTS + 1, 1)
    assert vector.values.tolist() == [1] * nodes + [0] * (SLOTS - nodes) + [0, 1]
