"""Shapes: copies share nothing, equality is JSON's, hashes are stable."""

import pytest

from api.codec import shapes
from api.resource import Obj


def test_a_copy_shares_nothing():
    obj: Obj = {"a": [{"b": 1}], "big": 2**70}
    copied = shapes.copy(obj)
    copied["a"][0]["b"] = 2
    assert obj == {"a": [{"b": 1}], "big": 2**70}


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, True, id="order of keys"),
        pytest.param({"a": 1}, {"a": True}, False, id="1 is not true"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, False, id="order of elements"),
        pytest.param({}, {"a": None}, False, id="null is there"),
    ],
)
def test_equal(left, right, same):
    assert shapes.equal(left, right) is same


def test_hash_does_not_depend_on_the_order_of_keys():
    assert shapes.stable_hash({"a": 1, "b": 2}) == shapes.stable_hash({"b": 2, "a": 1})
    assert shapes.stable_hash({"a": 1}) != shapes.stable_hash({"a": 2})
