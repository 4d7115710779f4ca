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
        pytest.param("has(input.a.b)", {"input": {"a": {}}}, 2, id="has"),
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
        "short": {"type": "string", "maxLength": 2},
        "long": {"type": "string"},
        "word": {"type": "string", "enum": ["a", "abc"]},
        "number": {"type": "integer"},
        "few": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 2}},
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
        pytest.param("self.pairs.all(k, k == 'a')", Range(3, 3 + 7 * 4), id="keys"),
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


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _map(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


NUMBER, TEXT, FLAG = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
EITHER = {"x-kubernetes-int-or-string": True}
SPAN, DAY = {"type": "string", "format": "duration"}, {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
THING = {"type": "object", "required": ["required"], "properties": {"required": TEXT, "optional": TEXT}}


def _limited(schema: dict[str, Any], most: int) -> dict[str, Any]:
    name = {"array": "maxItems", "object": "maxProperties", "string": "maxLength"}[schema["type"]]
    return {**schema, name: most}


@pytest.mark.parametrize(
    ("schema", "expression", "unlimited", "most", "limited"),
    [
        pytest.param(_list(NUMBER), "self.all(x, true)", 4718591, 10, 32, id="numbers"),
        pytest.param(_list(TEXT), "self.all(x, true)", 3145727, 20, 62, id="texts"),
        pytest.param(_list(FLAG), "self.all(x, true)", 1887437, 5, 17, id="flags"),
        pytest.param(_list(_list(NUMBER)), "self.all(x, true)", 3145727, 100, 302, id="lists"),
        pytest.param(_list(THING), "self.all(x, true)", 555128, 50, 152, id="objects"),
        pytest.param(_list(EITHER), "self.all(x, true)", 4718591, 10, 32, id="int-or-strings"),
        pytest.param(_list(SPAN), "self.all(x, true)", 2359295, 5, 17, id="durations"),
        pytest.param(_list(DAY), "self.all(x, true)", 725936, 15, 47, id="dates"),
        pytest.param(_list(MOMENT), "self.all(x, true)", 428963, 25, 77, id="moments"),
        pytest.param(_map(NUMBER), "self.all(x, true)", 1348169, 10, 32, id="map-of-numbers"),
        pytest.param(_map(TEXT), "self.all(x, true)", 1179647, 3, 11, id="map-of-texts"),
        pytest.param(_map(FLAG), "self.all(x, true)", 943718, 100, 302, id="map-of-flags"),
        pytest.param(_map(EITHER), "self.all(x, true)", 1348169, 15, 47, id="map-of-int-or-strings"),
        pytest.param(_map(THING), "self.all(x, true)", 428963, 20, 62, id="map-of-objects"),
        pytest.param(_map(_map(NUMBER)), "self.all(x, true)", 1179647, 10, 32, id="map-of-maps"),
        pytest.param(_map(_list(NUMBER)), "self.all(x, true)", 1179647, 25, 77, id="map-of-lists"),
        pytest.param(_map(SPAN), "self.all(x, true)", 1048577, 5, 17, id="map-of-durations"),
        pytest.param(_map(DAY), "self.all(x, true)", 524288, 10, 32, id="map-of-dates"),
        pytest.param(_map(MOMENT), "self.all(x, true)", 349526, 25, 77, id="map-of-moments"),
        pytest.param(_map(NUMBER), "has(self.x)", 1, 100, 1, id="has"),
        pytest.param(TEXT, "self.contains('test')", 314574, 10, 5, id="contains"),
        pytest.param(TEXT, "self.startsWith('test')", 2, 15, 2, id="starts-with"),
        pytest.param(TEXT, 'size(self + "hello") > size("hello")', 314578, 4, 7, id="concatenation"),
        pytest.param(TEXT, 'self.matches("x")', 314574, 50, 22, id="matches"),
        pytest.param(TEXT, '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7, id="matches-nothing"),
        pytest.param(TEXT, 'self.matches("")', 1, 100, 1, id="empty-pattern"),
        pytest.param(TEXT, 'self == "x"', 2, 0, 1, id="no-length"),
        pytest.param(TEXT, "self.find('[0-9]+') == ''", 629147, 10, 11, id="find"),
        pytest.param(_list(NUMBER), "self[1] == 0.0", 2, 5000, 2, id="index"),
        pytest.param(_list(TEXT), "self[1] == self[1]", 314577, 8, 314577, id="index-texts"),
        pytest.param(_list(EITHER), "self[0] == 5", 3, 10, 3, id="index-int-or-string"),
        pytest.param(_list(THING), "self[0] == null", 2, 422, 2, id="index-object"),
        pytest.param(_list(_list(NUMBER)), "self[0][0] == -1.0", 3, 51, 3, id="index-of-index"),
        pytest.param(_list(_map(NUMBER)), "self.all(x, x.y == 25.2)", 6291452, 12, 74, id="field-of-map"),
        pytest.param(_list(_map(NUMBER)), "self[0].x > 2.0", 4, 3000, 4, id="field-of-index"),
        pytest.param(_list(SPAN), "self[0].getHours() == 2", 4, 525, 4, id="duration"),
        pytest.param(_list(MOMENT), "self[2].getMinutes() == 45", 4, 99, 4, id="moment"),
        pytest.param(_map(NUMBER), 'self["x"] == 0.0', 2, 0, 2, id="map-index"),
        pytest.param(_map(TEXT), "self.all(x, x.contains(self[x]))", 2752507, 10, 72, id="keys"),
        pytest.param(_list(NUMBER), "self.all(x, x == 0.0)", 6291454, 3 * 1024 * 2048, 25165826, id="huge"),
        pytest.param(_list(_map(THING)), 'self.all(x, x["y"].required == "z")', 7340027, 10, 72, id="nested"),
        pytest.param(_list(TEXT), "self.join(' ') == 'aa bb'", 329853068905, 0, 1, id="join"),
    ],
)
def test_estimates_of_schemas_are_upstreams(
    schema: dict[str, Any], expression: str, unlimited: int, most: int, limited: int
):
    assert _estimate(expression, schema).high == unlimited
    assert _estimate(expression, _limited(schema, most)).high == limited


@pytest.mark.parametrize(("loops", "expected"), [(2, 352), (3, 3552)])
def test_nested_loops_multiply(loops: int, expected: int):
    rule = "self.all(x, " * loops + "true" + ")" * loops
    assert _estimate(rule, _list(NUMBER)).high > 10_000_000
    assert _estimate(rule, _limited(_list(NUMBER), 10)).high == expected
