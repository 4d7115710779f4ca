"""JSON patch: the operations of RFC 6902, its appendix's cases, and upstream's limits."""

import pytest

from api import errors
from api.patch.json import MAX_OPERATIONS, apply_patch


@pytest.mark.parametrize(
    ("old", "operations", "expected"),
    [
        pytest.param(
            {"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}, id="add a member"
        ),
        pytest.param(
            {"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}, id="insert"
        ),
        pytest.param({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}, id="append"),
        pytest.param({"a": 1}, [{"op": "remove", "path": "/a"}], {}, id="remove a member"),
        pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}, id="remove an element"),
        pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}, id="count from the end"),
        pytest.param(
            {"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}, id="replace by null"
        ),
        pytest.param(
            {"a": {"b": 1}, "c": {}},
            [{"op": "move", "from": "/a/b", "path": "/c/d"}],
            {"a": {}, "c": {"d": 1}},
            id="move",
        ),
        pytest.param(
            {"a": {"b": 1}},
            [{"op": "copy", "from": "/a", "path": "/c"}],
            {"a": {"b": 1}, "c": {"b": 1}},
            id="copy",
        ),
        pytest.param(
            {"a/b": 1, "m~n": 2},
            [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}],
            {},
            id="escapes",
        ),
        pytest.param({"a": 1}, [{"op": "test", "path": "/a", "value": 1}], {"a": 1}, id="a test that holds"),
        pytest.param({}, [{"op": "test", "path": "/a", "value": None}], {}, id="absent is null in tests"),
        pytest.param(
            {"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="the whole document"
        ),
        pytest.param({"": {"a": 1}}, [{"op": "remove", "path": "//a"}], {"": {}}, id="an empty name"),
    ],
)
def test_operations(old, operations, expected):
    assert apply_patch(old, operations) == expected


def test_the_given_object_stays():
    old, value = {"a": {"b": [1]}}, {"x": [1]}
    new = apply_patch(
        old, [{"op": "add", "path": "/a/b/-", "value": 2}, {"op": "add", "path": "/c", "value": value}]
    )
    new["c"]["x"].append(2)
    assert (old, value) == ({"a": {"b": [1]}}, {"x": [1]})


@pytest.mark.parametrize(
    ("operations", "kind", "cause"),
    [
        pytest.param({"op": "add"}, errors.BadRequest, "", id="not a list"),
        pytest.param([1], errors.BadRequest, "", id="not an operation"),
        pytest.param(
            [{"op": "test", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1),
            errors.RequestEntityTooLarge,
            "",
            id="too many",
        ),
        pytest.param(
            [{"op": "test", "path": "/a", "value": 2}],
            errors.Invalid,
            "testing value /a failed",
            id="test fails",
        ),
        pytest.param(
            [{"op": "test", "path": "/a", "value": True}],
            errors.Invalid,
            "testing value /a failed",
            id="1 is not true",
        ),
        pytest.param(
            [{"op": "remove", "path": ""}], errors.Invalid, "missing path", id="remove the document"
        ),
        pytest.param(
            [{"op": "remove", "path": "/x"}], errors.Invalid, "nonexistent key: x", id="remove nothing"
        ),
        pytest.param(
            [{"op": "replace", "path": "/x", "value": 1}],
            errors.Invalid,
            "missing path: /x",
            id="replace nothing",
        ),
        pytest.param(
            [{"op": "add", "path": "/x/y", "value": 1}], errors.Invalid, "missing path: /x/y", id="no parent"
        ),
        pytest.param(
            [{"op": "add", "path": "/l/2", "value": 1}], errors.Invalid, "invalid index", id="beyond the end"
        ),
        pytest.param(
            [{"op": "add", "path": "/l/01", "value": 1}], errors.Invalid, "missing key", id="not an index"
        ),
        pytest.param([{"op": "add", "path": "/a"}], errors.Invalid, "missing value", id="no value"),
        pytest.param(
            [{"op": "jump", "path": "/a"}], errors.Invalid, "Unexpected kind: jump", id="unknown operation"
        ),
        pytest.param([{"op": "replace", "path": "", "value": 1}], errors.BadRequest, "", id="no object left"),
        pytest.param(
            [{"op": "copy", "from": "/l", "path": "/l/-"}] * 30,
            errors.Invalid,
            "accumulated size",
            id="copy bomb",
        ),
        pytest.param(
            [{"op": "copy", "from": "", "path": "/c"}] * 300, errors.Invalid, "max depth", id="too deep"
        ),
        pytest.param(
            [{"op": "move", "from": "/o", "path": "/o/p"}], errors.Invalid, "is within", id="into itself"
        ),
    ],
)
def test_refusals(operations, kind, cause):
    with pytest.raises(kind) as caught:
        apply_patch({"a": 1, "l": [1], "o": {}}, operations)
    if cause:
        assert caught.value.message == "the server rejected our request due to an error in our request"
        assert cause in caught.value.details["causes"][0]["message"]
