"""Whatever text and whatever object: a value or a CELError, nothing else."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.cel.cost import Budget
from api.cel.environment import Environment
from api.cel.errors import CELError, CompileError, CostExceeded, EvaluationError
from api.cel.library import catalog
from api.cel.schema_types import type_of_schema
from api.cel.types import DYN

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "when": {"type": "string", "format": "date-time"},
        "span": {"type": "string", "format": "duration"},
        "raw": {"type": "string", "format": "byte"},
        "ratio": {"type": "number"},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "days": {"type": "array", "items": {"type": "string", "format": "date"}},
    },
}
UNTYPED = Environment(dict.fromkeys(("a", "b", "c"), DYN), objects=("Object",))
TYPED = Environment({"self": type_of_schema(SCHEMA)})

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["1h", "2024-01-01T00:00:00Z", "10.0.0.1", "10.0.0.0/8", "1Gi", "1.2.3", "/a?b=c", "("]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TOKENS = """
a b c . ( ) [ ] { } , ? : + - * / % ! && || == < in has all map x 1 1.5 'x' b'y' true null [? .? # é
0x1F 9223372036854775808 'abc \\ size startsWith optional.of " ''' r' //
"""
WORDS = st.sampled_from(TOKENS.split())


def _run(environment: Environment, expression: str, bindings: dict[str, Any]) -> None:
    with suppress(CELError):
        environment.compile(expression).evaluate(bindings, Budget(100_000))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_random_text(text: str):
    _run(UNTYPED, text, {})


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=14))
def test_random_words(words: list[str]):
    _run(UNTYPED, " ".join(words), {"a": 1, "b": "x", "c": [1]})


def _calls() -> list[str]:
    """Return a call of every function and overload, with variables of unknown type for all arguments."""
    calls = []
    for name, overloads in catalog.FUNCTIONS.items():
        for overload in overloads:
            names = list("abc"[: len(overload.args)])
            if name[0].isalpha():
                receiver = f"{names.pop(0)}." if overload.member else ""
                calls.append(f"{receiver}{name}({', '.join(names)})")
    operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"]
    others = ["a[b]", "a[?b]", "a.x", "a.?x", "has(a.x)", "!a", "-a", "a ? b : c", "Object{x: a}.x"]
    macros = ["all", "exists", "exists_one", "map", "filter"]
    return [
        *dict.fromkeys(calls),
        *(f"a {operator} b" for operator in operators),
        *others,
        *(f"a.{macro}(x, x)" for macro in macros),
        "a.all(k, v, v == k)",
        "a.transformMap(k, v, k)",
        "a.transformMapEntry(k, v, {v: k})",
        "{a: b, c: a}",
        "a.optMap(x, x)",
        "a.map(x, {x: x})",
    ]


@pytest.mark.parametrize("expression", _calls())
@settings(max_examples=12, deadline=None)
@given(a=JSON, b=JSON, c=JSON)
def test_every_function_with_any_arguments(expression: str, a: Any, b: Any, c: Any):
    _run(UNTYPED, expression, {"a": a, "b": b, "c": c})


@pytest.mark.parametrize(
    "expression",
    [
        "self.when.getHours('Nowhere')",
        "self.span > duration('1s')",
        "self.raw == b'x'",
        "self.ratio / 2.0",
        "self.set == self.set",
        "self.set + self.set",
        "self == self",
        "self.days.all(d, d.getMonth() == 1)",
    ],
)
@settings(max_examples=12, deadline=None)
@given(value=JSON, field=JSON)
def test_objects_that_do_not_fit_their_schema(expression: str, value: Any, field: Any):
    _run(TYPED, expression, {"self": value})
    _run(TYPED, expression, {"self": dict.fromkeys(SCHEMA["properties"], field)})


def test_huge_numbers_in_objects_are_no_trouble():
    for expression in (
        "a + a",
        "double(a)",
        "string(a)",
        "a == 1.5",
        "'%d %f'.format([a, a])",
        "int(a)",
        "[a].sum()",
    ):
        _run(UNTYPED, expression, {"a": 10**5000})


def test_deeply_nested_values_end_in_an_error():
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    other: Any = []
    for _ in range(100_000):
        other = [other]
    with pytest.raises(EvaluationError):
        UNTYPED.compile("a == b").evaluate({"a": deep, "b": other}, Budget(1000))


def test_deeply_nested_results_end_in_an_error():
    deep: Any = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(EvaluationError, match="nested too deeply"):
        UNTYPED.compile("a").evaluate({"a": deep}, Budget(1000))


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("a.replace('', a).size()", id="replace"),
        pytest.param("b.join(a).size()", id="join"),
        pytest.param("b.all(x, (b + b + b).size() > 0)", id="lists-added-for-ever"),
        pytest.param("b.map(x, a + a).size()", id="texts-added-for-ever"),
    ],
)
def test_what_grows_is_stopped_before_it_is_large(expression: str):
    with pytest.raises(CostExceeded):
        UNTYPED.compile(expression).evaluate({"a": "x" * 300_000, "b": ["y"] * 100_000}, Budget(10**9))


def test_the_deepest_expression_that_parses_evaluates():
    assert UNTYPED.compile("(" * 120 + "1" + ")" * 120).evaluate({}, Budget(1000)) == 1
    assert UNTYPED.compile("+".join("1" * 240)).evaluate({}, Budget(1000)) == 240
    assert UNTYPED.compile("!(" * 120 + "true" + ")" * 120).evaluate({}, Budget(1000)) is True
    with pytest.raises(CompileError, match="expression recursion limit exceeded: 250"):
        UNTYPED.compile("[" * 251 + "]" * 251)
