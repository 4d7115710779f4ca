"""What expressions cost when they run, and what they are estimated to cost before: cel-go's numbers."""

from typing import Any

import pytest

from api.cel.cost import UNBOUNDED, Budget, Range
from api.cel.environment import Environment
from api.cel.schema_types import type_of_schema
from api.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, list_of, map_of

ENVIRONMENT = Environment(
    {
        "input": DYN,
        "text": STRING,
        "other": STRING,
        "items": list_of(INT),
        "more": list_of(INT),
        "map": map_of(STRING, map_of(STRING, INT)),
        "time": TIMESTAMP,
        "a": BOOL,
        "b": BOOL,
        "x": INT,
    }
)


@pytest.mark.parametrize(
    ("expression", "bindings", "expected"),
    [
        pytest.param("input.key", {"input": {"key": 1}}, 2, id="field"),
        pytest.param("input['ke' + 'y']", {"input": {"key": 1}}, 3, id="computed-key"),
        pytest.param("items[3 - 3]", {"items": [1]}, 3, id="computed-index"),
        pytest.param("has(input.a.b)", {"input": {"a": {}}}, 1, id="has"),
        pytest.param("input.all(x, true)", {"input": []}, 2, id="all-of-nothing"),
        pytest.param("[1, x].all(i, true)", {"x": 1}, 1 + 10 + 2 * 3 + 1, id="all-of-literal"),
        pytest.param("text.matches('[0-9]')", {"text": "a" * 500}, 103, id="matches"),
        pytest.param("'123'.matches('[0-9]')", {}, 2, id="matches-constant"),
        pytest.param("a || b", {"a": False, "b": False}, 2, id="or"),
        pytest.param("a || b", {"a": True, "b": False}, 1, id="short-circuit"),
        pytest.param("1 < x", {"x": 2}, 2, id="order"),
        pytest.param("text == other", {"text": "a" * 20, "other": "a" * 30}, 4, id="text-equality"),
        pytest.param("string(bytes(text))", {"text": "a" * 500}, 101, id="copies"),
        pytest.param("text.contains(other)", {"text": "a" * 500, "other": "b" * 500}, 2502, id="contains"),
        pytest.param("text.startsWith(other)", {"text": "idc", "other": "b" * 500}, 3, id="starts-with"),
        pytest.param("text.size() + size(text)", {"text": "500"}, 5, id="size"),
        pytest.param("(x > 2 ? items : more).all(y, true)", {"x": 1, "more": [1]}, 6, id="ternary-of-paths"),
        pytest.param("a ? 1 + x : 2", {"a": True, "x": 1}, 3, id="ternary-branch"),
        pytest.param("map.all(k, map[k].n > 3)", {"map": {"v": {"n": 4}}}, 9, id="map-of-maps"),
        pytest.param("(items + more).all(x, true)", {"items": [], "more": []}, 4, id="lists-added"),
        pytest.param(
            "'abcdefg'.contains(text + other)", {"text": "val1", "other": "val2222222"}, 6, id="sum"
        ),
        pytest.param("(1 > 2 ? 5 : 3) > 1", {}, 2, id="ternary-operand"),
        pytest.param("[{'k': x}, {'k': x}].all(i, true)", {"x": 1}, 2 + 60 + 10 + 6 + 1, id="literals"),
        pytest.param("text in ['a', 'b']", {"text": "a"}, 1, id="in-constants"),
        pytest.param("x in items", {"x": 9, "items": [1, 2, 3]}, 5, id="in"),
        pytest.param("duration('1h') < duration('2h')", {}, 1, id="constants-are-folded"),
    ],
)
def test_run_time(expression: str, bindings: dict[str, Any], expected: int):
    budget = Budget(10**9)
    ENVIRONMENT.compile(expression).evaluate(bindings, budget)
    assert budget.used == expected


def _estimate(expression: str, schema: dict[str, Any]) -> Range:
    return Environment({"self": type_of_schema(schema)}).compile(expression).estimate()


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "short": {"type": "string", "maxLength": 10},
        "long": {"type": "string"},
        "word": {"type": "string", "enum": ["a", "abc"]},
        "number": {"type": "integer"},
        "few": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
        "many": {"type": "array", "items": {"type": "integer"}},
        "pairs": {"type": "object", "maxProperties": 7, "additionalProperties": {"type": "integer"}},
    },
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("true", Range(0, 0), id="constant"),
        pytest.param("self.number > 1", Range(3, 3), id="number"),
        pytest.param("self.short == 'abc'", Range(3, 3), id="text"),
        pytest.param("self.few.all(x, x == 'a')", Range(3, 3 + 5 * 5), id="all"),
        pytest.param("self.pairs.all(k, k == 'a')", Range(3, 3 + 7 * 5), id="keys"),
        pytest.param("self.few.map(x, x).size()", Range(14, 14 + 5 * 13), id="map"),
        pytest.param("self.few.filter(x, true).all(y, true)", Range(14, 14 + 5 * 13 + 5 * 3), id="size-kept"),
        pytest.param("self.few.exists_one(x, true)", Range(4, 4 + 5 * 2), id="exists-one"),
        pytest.param("has(self.number) && self.number > 1", Range(1, 4), id="logic"),
        pytest.param("true ? self.number : 1", Range(0, 2), id="ternary"),
        pytest.param("self.short + self.short == self.long", Range(7, 10), id="sum"),
        pytest.param("[1, self.number]", Range(12, 12), id="list"),
        pytest.param("self.short.contains('a')", Range(2, 3), id="contains"),
        pytest.param("self.long.startsWith('a')", Range(3, 3), id="prefix"),
        pytest.param("self.word == self.long", Range(5, 5), id="enum"),
    ],
)
def test_estimates(expression: str, expected: Range):
    assert _estimate(expression, SCHEMA) == expected


def test_lists_without_a_limit_are_as_long_as_a_request():
    assert _estimate("self.many.all(x, x > 0)", SCHEMA).high > 5_000_000
    assert _estimate("self.many.all(x, self.many.all(y, x != y))", SCHEMA).high > 10**12


def test_what_has_no_size_is_unbounded():
    program = Environment({"self": DYN}).compile("self.all(x, self.all(y, x == y))")
    assert program.estimate().high == UNBOUNDED
