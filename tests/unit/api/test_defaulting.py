"""The tables in which defaults are said."""

import pytest

from api.defaulting import defaulting, each, fresh, struct, unchanged

inner = defaulting(empty={"size": 1})


@pytest.mark.parametrize(
    ("function", "given", "made"),
    [
        pytest.param(defaulting(absent={"a": 1}), {}, {"a": 1}, id="absent"),
        pytest.param(defaulting(absent={"a": 1}), {"a": 0}, {"a": 0}, id="zero-is-there"),
        pytest.param(defaulting(empty={"a": 1}), {"a": 0}, {"a": 1}, id="zero-is-empty"),
        pytest.param(defaulting(nested={"a": inner}), {"a": {}}, {"a": {"size": 1}}, id="nested"),
        pytest.param(defaulting(nested={"a": inner}), {}, {}, id="a-pointer-stays-nil"),
        pytest.param(
            defaulting(nested={"a": struct(inner)}), {}, {"a": {"size": 1}}, id="a-struct-is-always-there"
        ),
        pytest.param(
            defaulting(nested={"a": each(inner)}),
            {"a": [{"size": 2}, {}]},
            {"a": [{"size": 2}, {"size": 1}]},
            id="list",
        ),
        pytest.param(
            defaulting(empty={"a": 1}, rule=lambda obj: {"b": obj["a"] + 1}),
            {},
            {"a": 1, "b": 2},
            id="a-rule-sees-what-was-filled",
        ),
        pytest.param(unchanged, {"a": 1}, {"a": 1}, id="unchanged"),
    ],
)
def test_fill(function, given, made):
    before = dict(given)
    assert function(given) == made
    assert given == before
    assert function(made) == made


def test_what_is_whole_is_returned_itself():
    whole = {"a": [{"size": 1}], "b": {"size": 2}}
    function = defaulting(nested={"a": each(inner), "b": inner})
    assert function(whole) is whole


def test_branches_that_do_not_change_are_shared():
    obj = {"a": {}, "b": {"size": 2}}
    made = defaulting(nested={"a": inner, "b": inner})(obj)
    assert made["b"] is obj["b"]


def test_defaults_are_never_shared():
    default = {"list": [1], "map": {"a": {}}}
    function = defaulting(absent=default)
    first, second = function({}), function({})
    first["map"]["a"]["x"] = 1
    first["list"].append(2)
    assert second == default == fresh(default)
