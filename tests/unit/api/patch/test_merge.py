"""Merge patch: the cases of RFC 7386's appendix, and that a difference applied gives the new object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.patch.merge import apply_merge, create_merge

SCALARS = st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), SCALARS, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from("abcd"), inner | SCALARS | st.lists(SCALARS, max_size=2), max_size=3
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("old", "patch", "expected"),
    [
        pytest.param({"a": "b"}, {"a": "c"}, {"a": "c"}, id="replace"),
        pytest.param({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}, id="add"),
        pytest.param({"a": "b"}, {"a": None}, {}, id="remove"),
        pytest.param({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}, id="remove one of two"),
        pytest.param({"a": ["b"]}, {"a": "c"}, {"a": "c"}, id="list by scalar"),
        pytest.param({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}, id="scalar by list"),
        pytest.param({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}, id="nested"),
        pytest.param({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}, id="lists are values"),
        pytest.param({"e": None}, {"a": 1}, {"e": None, "a": 1}, id="nulls of the object stay"),
        pytest.param(
            {"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}, id="nulls of the patch go"
        ),
    ],
)
def test_merge(old, patch, expected):
    before = repr((old, patch))
    assert apply_merge(old, patch) == expected
    assert repr((old, patch)) == before


@given(OBJECTS, OBJECTS)
def test_the_difference_leads_to_the_new_object(old, new):
    assert repr(sorted_shape(apply_merge(old, create_merge(old, new)))) == repr(sorted_shape(new))


@given(OBJECTS, OBJECTS)
def test_a_patch_applied_twice_changes_nothing_more(old, patch):
    once = apply_merge(old, patch)
    assert apply_merge(once, patch) == once


def sorted_shape(value):
    return {key: sorted_shape(value[key]) for key in sorted(value)} if isinstance(value, dict) else value
