"""The language itself: what expressions evaluate to, and what they cost."""

import math
from typing import Any

import pytest

from api.cel.cost import Budget
from api.cel.environment import Environment
from api.cel.errors import BudgetExceeded, CostExceeded, EvaluationError
from api.cel.times import Duration, Timestamp
from api.cel.types import BOOL, DYN, INT, MAP, STRING, list_of

OBJECT: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}},
    "spec": {
        "replicas": 3,
        "ratio": 0.5,
        "containers": [{"name": "a", "image": "x:1"}, {"name": "b", "ports": [80, 443]}],
        "empty": [],
        "nothing": None,
    },
}
ENVIRONMENT = Environment(
    {"object": DYN, "n": INT, "s": STRING, "flag": BOOL, "names": list_of(STRING), "labels": MAP},
    objects=("Object", "JSONPatch"),
)
BINDINGS = {
    "object": OBJECT,
    "n": 4,
    "s": "hello",
    "flag": True,
    "names": ["a", "b"],
    "labels": {"app": "web"},
}


def evaluate(expression: str) -> Any:
    return ENVIRONMENT.compile(expression).evaluate(BINDINGS, Budget(10**9))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("1 + 2 * 3 - 4", 3, id="precedence"),
        pytest.param("(1 + 2) * 3", 9, id="parentheses"),
        pytest.param("-7 / 2", -3, id="division-towards-zero"),
        pytest.param("-7 % 3", -1, id="modulo-has-the-sign-of-the-first"),
        pytest.param("7u % 4u", 3, id="uint-modulo"),
        pytest.param("2.5 * 2.0", 5.0, id="double"),
        pytest.param("1.0 / 0.0", math.inf, id="double-by-zero"),
        pytest.param("0x10", 16, id="hexadecimal"),
        pytest.param("-9223372036854775808", -(2**63), id="least-int"),
        pytest.param("--5", 5, id="two-minus"),
        pytest.param("!!flag", True, id="two-not"),
        pytest.param("'a' + \"b\"", "ab", id="text"),
        pytest.param(r"r'\n'", "\\n", id="raw"),
        pytest.param(r"'\x41\u00e9\101\n'", "AéA\n", id="escapes"),
        pytest.param("'''a'b\n'''", "a'b\n", id="triple"),
        pytest.param(r"b'\xffA'", b"\xffA", id="bytes"),
        pytest.param("b'é'", "é".encode(), id="bytes-of-text"),
        pytest.param("size('héé')", 3, id="code-points"),
        pytest.param("n > 3 ? 'many' : 'few'", "many", id="ternary"),
        pytest.param("n in [1, 4]", True, id="in-constants"),
        pytest.param("s in ['hello', 'x']", True, id="in-texts"),
        pytest.param("'app' in labels", True, id="in-map"),
        pytest.param("object.spec.ratio in [1, 2]", False, id="in-other-type"),
        pytest.param("[1, 2] + [3]", [1, 2, 3], id="lists-added"),
        pytest.param("{'a': 1}['a']", 1, id="map-index"),
        pytest.param("{'a': 1}.a", 1, id="map-field"),
        pytest.param("names[1]", "b", id="list-index"),
        pytest.param("names[dyn(1.0)]", "b", id="list-index-double"),
        pytest.param("object.spec.replicas == 3.0", True, id="numbers-are-equal-across-types"),
        pytest.param("object.spec.replicas == dyn(3u)", True, id="int-equals-uint"),
        pytest.param("object.spec.replicas < 3.5", True, id="cross-type-order"),
        pytest.param("dyn(1) == dyn(true)", False, id="a-number-is-no-bool"),
        pytest.param("[dyn(1)] == [dyn(true)]", False, id="nor-inside-a-list"),
        pytest.param("{dyn(1): 'a', dyn(true): 'b'}[dyn(true)]", "b", id="bool-keys-are-keys-of-their-own"),
        pytest.param("{dyn(true): 'b'}.map(k, k)", [True], id="bool-keys-come-back"),
        pytest.param("object.spec.nothing == null", True, id="null"),
        pytest.param("object.metadata == {'name': 'web'}", False, id="maps-differ"),
        pytest.param("dyn([1,2,3,4,5,6,7,8,9]) == dyn([1,2,3,4,5,6,7,8,9])", True, id="long-lists"),
        pytest.param("dyn([1,2,3,4,5,6,7,8,1]) == dyn([1,2,3,4,5,6,7,8,dyn(true)])", False, id="long-mixed"),
        pytest.param(
            "dyn([1,2,3,4,5,6,7,8,9]) == dyn([1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0])", True, id="long-numbers"
        ),
        pytest.param("dyn('a') == 1", False, id="other-types-are-never-equal"),
        pytest.param("'a' < 'b' && b'a' < b'b' && false < true", True, id="order"),
        pytest.param("type(1) == int && type('') == string && type([]) == list", True, id="types"),
        pytest.param("type(timestamp(0)) == google.protobuf.Timestamp", True, id="qualified-type"),
        pytest.param("has(object.spec.replicas) && !has(object.spec.foo)", True, id="has"),
        pytest.param("object.spec.foo == 1 || true", True, id="or-absorbs-an-error-on-the-left"),
        pytest.param("true || object.spec.foo == 1", True, id="or-absorbs-an-error-on-the-right"),
        pytest.param("object.spec.foo == 1 && false", False, id="and-absorbs"),
        pytest.param("Object{spec: Object.spec{replicas: 3}}", {"spec": {"replicas": 3}}, id="object"),
        pytest.param("[1, ?optional.none(), ?optional.of(2)]", [1, 2], id="optional-items"),
        pytest.param("{'a': 1, ?'b': object.?foo}", {"a": 1}, id="optional-entries"),
        pytest.param("Object{?spec: object.?foo}", {}, id="optional-fields"),
    ],
)
def test_values(expression: str, expected: Any):
    value = evaluate(expression)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("object.spec.containers.all(c, has(c.image))", False, id="all"),
        pytest.param("object.spec.empty.all(c, c.foo)", True, id="all-of-nothing"),
        pytest.param(
            "object.spec.containers.all(c, c.ports == [1])", False, id="all-absorbs-if-another-decides"
        ),
        pytest.param("object.spec.containers.exists(c, c.image == 'x:1')", True, id="exists"),
        pytest.param("object.spec.containers.exists(c, c.ports[0] == 80)", True, id="exists-absorbs"),
        pytest.param("object.spec.containers.exists_one(c, has(c.image))", True, id="exists-one"),
        pytest.param("[1, 2, 3].existsOne(i, i > 1)", False, id="exists-one-of-two"),
        pytest.param("object.spec.containers.map(c, c.name)", ["a", "b"], id="map"),
        pytest.param("[1, 2, 3].map(i, i > 1, i * 2)", [4, 6], id="map-filter"),
        pytest.param("[1, 2, 3].filter(i, i > 1)", [2, 3], id="filter"),
        pytest.param("labels.map(k, k)", ["app"], id="keys"),
        pytest.param("labels.all(k, v, k == 'app' && v == 'web')", True, id="two-variables-map"),
        pytest.param("names.exists(i, v, i == 1 && v == 'b')", True, id="two-variables-list"),
        pytest.param("names.existsOne(i, v, i == 1)", True, id="two-variables-one"),
        pytest.param("names.transformList(i, v, v + string(i))", ["a0", "b1"], id="transform-list"),
        pytest.param("names.transformList(i, v, i > 0, v)", ["b"], id="transform-list-filter"),
        pytest.param("labels.transformMap(k, v, v + '!')", {"app": "web!"}, id="transform-map"),
        pytest.param("names.transformMap(i, v, i > 0, v)", {1: "b"}, id="transform-map-filter"),
        pytest.param("names.transformMapEntry(i, v, {v: i})", {"a": 0, "b": 1}, id="transform-map-entry"),
        pytest.param("[[1, 2], [3]].map(x, x.map(y, y + 1))", [[2, 3], [4]], id="nested"),
        pytest.param("[1, 2].map(x, [3].map(x, x)[0] + x)", [4, 5], id="shadowing"),
        pytest.param("cel.bind(x, n + 1, x * x)", 25, id="bind"),
        pytest.param("object.?spec.?replicas.orValue(1)", 3, id="optional-path"),
        pytest.param("object.?foo.bar.orValue(1)", 1, id="optional-path-goes-on"),
        pytest.param("object.?foo.optMap(f, f + 1).orValue(7)", 7, id="opt-map-of-none"),
        pytest.param("object.spec.?replicas.optMap(r, r + 1)", 4, id="opt-map"),
        pytest.param("object.?spec.optFlatMap(s, s.?replicas).value()", 3, id="opt-flat-map"),
        pytest.param("names[?7].hasValue()", False, id="optional-index"),
        pytest.param("labels[?'app'].value()", "web", id="optional-key"),
        pytest.param("object.?spec.containers[0].name.value()", "a", id="index-of-optional"),
        pytest.param("optional.none().or(optional.of(1)).value()", 1, id="or"),
        pytest.param("optional.of(1).orValue(1 / 0)", 1, id="or-value-is-lazy"),
        pytest.param("optional.ofNonZeroValue('').hasValue()", False, id="non-zero"),
        pytest.param("has(object.?foo.bar)", False, id="has-of-optional"),
    ],
)
def test_macros_and_optionals(expression: str, expected: Any):
    assert evaluate(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("duration('1h30m')", Duration(5400 * 10**9), id="duration"),
        pytest.param("string(duration('-1.5s'))", "-1.5s", id="duration-text"),
        pytest.param("duration('90m').getHours()", 1, id="duration-hours"),
        pytest.param("timestamp('1970-01-01T01:00:00.5+01:00')", Timestamp(5 * 10**8), id="timestamp"),
        pytest.param(
            "string(timestamp('2011-08-18T19:03:37.01+01:00') + duration('1h'))",
            "2011-08-18T20:03:37.01+01:00",
            id="an-offset-is-kept",
        ),
        pytest.param(
            "string(duration('-1h') + timestamp('2011-08-18T00:30:00-02:30'))",
            "2011-08-17T23:30:00-02:30",
            id="and-added-to",
        ),
        pytest.param("string(timestamp(1))", "1970-01-01T00:00:01Z", id="timestamp-text"),
        pytest.param("int(timestamp('1970-01-01T00:01:00Z'))", 60, id="seconds"),
        pytest.param("timestamp(60) - timestamp(0)", Duration(60 * 10**9), id="difference"),
        pytest.param("timestamp(0) + duration('1s') == timestamp(1)", True, id="sum"),
        pytest.param("timestamp(0) < timestamp(1)", True, id="order"),
        pytest.param("timestamp('2024-02-29T23:00:00Z').getDayOfYear()", 59, id="day-of-year"),
        pytest.param("timestamp('2024-02-29T23:00:00Z').getMonth()", 1, id="month-from-0"),
        pytest.param("timestamp('2024-02-29T23:00:00Z').getDate('+02:00')", 1, id="zone"),
        pytest.param("timestamp('2024-02-29T23:00:00Z').getHours('Europe/Berlin')", 0, id="named-zone"),
        pytest.param("timestamp('2024-03-03T00:00:00Z').getDayOfWeek()", 0, id="sunday"),
        pytest.param("int('42') + int(3.9) + int(2u)", 47, id="int"),
        pytest.param("uint('42')", 42, id="uint"),
        pytest.param("double('1.5') + double(1)", 2.5, id="double"),
        pytest.param("bool('true')", True, id="bool"),
        pytest.param("string(1.0) + string(1e30) + string(true) + string(b'x')", "11e+30truex", id="string"),
        pytest.param("bytes('é')", "é".encode(), id="bytes"),
        pytest.param("'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')", True, id="text"),
        pytest.param("'abc'.matches('^a.c$') && matches('xay', 'a')", True, id="matches"),
        pytest.param("size([1]) + size({'a': 1}) + 'ab'.size() + b'abc'.size()", 7, id="sizes"),
    ],
)
def test_standard_functions(expression: str, expected: Any):
    assert evaluate(expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("object.spec.foo", "no such key: foo", id="field"),
        pytest.param("labels['x']", "no such key: x", id="key"),
        pytest.param("names[5]", "index out of bounds: 5", id="index"),
        pytest.param("1 / 0", "division by zero", id="division"),
        pytest.param("1 % 0", "modulus by zero", id="modulus"),
        pytest.param("9223372036854775807 + n", "integer overflow", id="overflow"),
        pytest.param("-dyn(-9223372036854775808)", "integer overflow", id="negation"),
        pytest.param("1u - 2u", "unsigned integer overflow", id="uint"),
        pytest.param("object.spec + 1", "no such overload", id="operator"),
        pytest.param("object.spec.replicas && true", "no such overload", id="logic"),
        pytest.param("dyn(1).startsWith('a')", "no such overload: startsWith(int, string)", id="call"),
        pytest.param("int('abc')", 'strconv.ParseInt: parsing "abc": invalid syntax', id="int"),
        pytest.param("int(1e99)", "integer overflow", id="double"),
        pytest.param("optional.none().value()", "optional.none() dereference", id="optional"),
        pytest.param("s.matches(s + '(')", "error parsing regexp: missing ): hello(", id="regexp"),
        pytest.param("timestamp(s)", 'parsing time "hello"', id="time"),
        pytest.param("{s: 1, 'hello': 2}", "Failed with repeated key: hello", id="repeated"),
        pytest.param("string(b'\\xff')", "invalid UTF-8 in bytes, cannot convert to string", id="utf-8"),
        pytest.param("object.spec.replicas.all(x, true)", "no such overload", id="range"),
        pytest.param("timestamp(0).getHours('Nowhere/x')", "unknown time zone Nowhere/x", id="zone"),
    ],
)
def test_errors(expression: str, message: str):
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value).startswith(message)


def test_a_missing_binding_is_an_error_only_where_it_is_used():
    program = ENVIRONMENT.compile("flag || n > 1")
    assert program.evaluate({"flag": True}, Budget(100)) is True
    with pytest.raises(EvaluationError, match=r"no such attribute\(s\): n"):
        program.evaluate({"flag": False}, Budget(100))


def test_references_name_variables_and_first_fields():
    program = ENVIRONMENT.compile("object.spec.replicas > n && names.all(x, x == object.kind)")
    assert program.references == {"object", "object.spec", "object.kind", "n", "names"}


def test_a_budget_is_shared_and_used_up():
    budget = Budget(5)
    program = ENVIRONMENT.compile("object.spec.replicas > 1")
    program.evaluate(BINDINGS, budget)
    assert budget.used == 4
    with pytest.raises(BudgetExceeded, match="running out of cost budget"):
        program.evaluate(BINDINGS, budget)


def test_one_evaluation_has_a_limit_that_nothing_absorbs():
    many = {"names": ["x"] * 2000}
    program = ENVIRONMENT.compile("names.all(a, names.all(b, a == b)) || true")
    with pytest.raises(CostExceeded, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate(many, Budget(10**9))


class Lazy(dict[str, Any]):
    """Bindings that are computed when they are asked for."""

    def __init__(self, program: Any, budget: Budget) -> None:
        super().__init__()
        self.program, self.budget = program, budget

    def __missing__(self, name: str) -> Any:
        return self.program.compute(BINDINGS, self.budget)


def test_bindings_may_be_computed_from_the_same_budget():
    budget = Budget(100)
    inner = ENVIRONMENT.compile("object.?spec.?foo")
    outer = Environment({"x": inner.result_type}).compile("x.orValue(7) == 7")
    assert outer.evaluate(Lazy(inner, budget), budget) is True
    assert budget.used == 3 + 3
    with pytest.raises(BudgetExceeded):
        outer.evaluate(Lazy(inner, budget := Budget(4)), budget)


def test_what_a_binding_costs_too_much_ends_the_evaluation():
    many = ENVIRONMENT.compile("names.all(a, names.all(b, a == b))")
    bindings = {"names": ["x"] * 2000}

    class Costly(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return many.compute(bindings, Budget(10**9))

    outer = Environment({"x": DYN}).compile("x || true")
    with pytest.raises(CostExceeded, match="operation cancelled"):
        outer.evaluate(Costly(), Budget(10**9))
