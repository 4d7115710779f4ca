"""The rarer cases: arithmetic at its limits, texts and formats, optionals and maps of unknown types."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from api.cel.cost import Budget, Range
from api.cel.environment import Environment
from api.cel.errors import CELError, CompileError, EvaluationError
from api.cel.library.jsonpatch import constructed_type
from api.cel.library.quantity import QuantityValue
from api.cel.schema_types import type_of_definition, type_of_schema
from api.cel.times import Duration, Timestamp
from api.cel.types import BOOL, DYN, INT, STRING, UINT, ObjectType, Type, list_of, map_of, optional_of
from api.quantity import parse_quantity

ENVIRONMENT = Environment(
    {
        **dict.fromkeys(("a", "b"), DYN),
        "o": optional_of(map_of(STRING, DYN)),
        "maybe": optional_of(INT),
        "n": INT,
        "xs": list_of(INT),
    },
    objects=("Object",),
)


def evaluate(expression: str, **bindings: Any) -> Any:
    return ENVIRONMENT.compile(expression).evaluate(bindings, Budget(10**9))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("3u + 2u * 2u - 6u / 4u", 6, id="uint"),
        pytest.param("5.5 - 0.5 + -(1.0)", 4.0, id="double"),
        pytest.param("-1.0 / 0.0", -math.inf, id="negative-infinity"),
        pytest.param("-duration('1s') + duration('3s') - duration('1s')", Duration(10**9), id="durations"),
        pytest.param("duration('1s') + timestamp(0) - duration('1s')", Timestamp(0), id="moments"),
        pytest.param("b'a' + b'b'", b"ab", id="bytes"),
        pytest.param("int(true ? 5u : 1u) + int(-2)", 3, id="int-of-uint"),
        pytest.param("uint(3.7) + uint(dyn(2u))", 5, id="uint-of-double"),
        pytest.param("bool('0') || bool('t')", True, id="bool-of-text"),
        pytest.param("bool(true)", True, id="bool-of-bool"),
        pytest.param("string('x') + string(3u) + string(0.0) + string(-1.5e-7)", "x30-1.5e-07", id="texts"),
        pytest.param("string(-0.0) + string(1e6) + string(123456.5)", "-01e+06123456.5", id="double-texts"),
        pytest.param(
            "string(0.0 / 0.0) + string(1.0 / 0.0) + string(-1.0 / 0.0)", "NaN+Inf-Inf", id="no-numbers"
        ),
        pytest.param("timestamp(timestamp(1)) == timestamp(1)", True, id="moment-of-moment"),
        pytest.param("duration(duration('1s')) == duration(1000000000)", True, id="span-of-span"),
        pytest.param("bytes(b'x')", b"x", id="bytes-of-bytes"),
        pytest.param(
            "duration('0') == duration('+0s') && duration('.5s') == duration('500ms')", True, id="spans"
        ),
        pytest.param("duration('1.5h').getMinutes() + duration('-90s').getMinutes()", 89, id="span-parts"),
        pytest.param("timestamp('2024-01-02t03:04:05,5z').getMilliseconds()", 500, id="loose-time"),
        pytest.param("timestamp('2024-01-02T03:04:05Z').getHours('-02:00')", 1, id="negative-offset"),
        pytest.param("timestamp('2024-01-02T03:04:05Z').getMinutes('')", 4, id="no-zone-is-utc"),
        pytest.param("{true: 1}[true] + {1u: 2}[1u] + {'a': 3}['a']", 6, id="keys"),
        pytest.param("{1: 'a'}.exists(k, k == 1) && !{'a': 1}.exists(k, v, v > 1)", True, id="map-loops"),
        pytest.param("true in {true: 1} && !(false in {true: 1})", True, id="bool-in-map"),
        pytest.param("[1] in [[1], [2]] && !(dyn([]) in {'a': 1})", True, id="list-in"),
        pytest.param("xs.map(x, x > 1, [x]).size() + n", 3, id="nested-list"),
        pytest.param("a.transformMap(k, v, v > 1, v * 2)", {"y": 4}, id="transform-some"),
        pytest.param("a.transformMapEntry(k, v, v > 1, {k + k: v})", {"yy": 2}, id="transform-some-entries"),
        pytest.param("a.filter(k, a[k] > 1)", ["y"], id="filter-keys"),
        pytest.param("a.exists_one(k, v, v == 2)", True, id="one-of-map"),
        pytest.param("o.x.orValue(0) + o.?y.orValue(0)", 3, id="fields-of-optional"),
        pytest.param("o[?'x'].orValue(0) + o['z'].orValue(5)", 6, id="keys-of-optional"),
        pytest.param("has(o.x) && !has(o.z)", True, id="has-of-optional"),
        pytest.param("maybe.optFlatMap(m, optional.of(m + 1)).value()", 8, id="opt-flat-map"),
        pytest.param(
            "maybe == optional.of(7) && maybe != optional.none()", True, id="optionals-are-compared"
        ),
        pytest.param("[?maybe, ?optional.none()]", [7], id="optional-items"),
        pytest.param("{?'a': maybe, 'b': 1}", {"a": 7, "b": 1}, id="optional-entry"),
        pytest.param("optional.ofNonZeroValue(timestamp(0)).hasValue()", True, id="non-zero-moment"),
        pytest.param("optional.ofNonZeroValue(null).hasValue()", False, id="null-is-zero"),
        pytest.param("type(maybe) == optional_type && type(null) == null_type", True, id="types"),
        pytest.param("type(type(1)) == type", True, id="type-of-type"),
        pytest.param("type(duration('1s')) == google.protobuf.Duration", True, id="type-of-span"),
        pytest.param("Object{a: Object.b{c: 1}}.a.c", 1, id="field-of-constructed"),
        pytest.param("'tacocat'.indexOf('a', 2) + 'tacocat'.indexOf('z', 99)", 4, id="index-from"),
        pytest.param("'abc'.indexOf('', 2) + 'abc'.lastIndexOf('', 1)", 3, id="index-of-nothing"),
        pytest.param("'tacocat'.lastIndexOf('c', 4)", 4, id="last-index-from"),
        pytest.param("'abc'.split('', 9) + 'abc'.split('', 2)", ["a", "b", "c", "a", "bc"], id="split-chars"),
        pytest.param(
            "'%s %s'.format([dyn({'b': dyn(1), 'a': dyn([dyn(true), null])}), dyn(b'x')])",
            "{a: [true, null], b: 1} x",
            id="format-texts",
        ),
        pytest.param(
            "'%s %s %s'.format([dyn(2.5), dyn(timestamp(0)), dyn(int)])",
            "2.5 1970-01-01T00:00:00Z int",
            id="format-more",
        ),
        pytest.param("'%d%% %d'.format([dyn(5u), dyn(0.0 / 0.0)])", "5% NaN", id="format-decimals"),
        pytest.param(
            "'%f %.1e %e'.format([dyn(1), dyn(1234.5), dyn(1.0 / 0.0)])",
            "1.000000 1.2e+03 Infinity",
            id="format-doubles",
        ),
        pytest.param(
            "'%b %b %o %x %X'.format([dyn(true), dyn(5), dyn(8), dyn(b'z'), dyn('z')])",
            "1 101 10 7a 7A",
            id="format-bases",
        ),
        pytest.param("sets.equivalent(dyn([1, 2]), [2.0, 1.0].map(x, dyn(x)))", True, id="sets-of-numbers"),
        pytest.param(
            "isURL('custom:opaque') && !isURL(':x') && url('//h/p').getHost() == 'h'", True, id="urls"
        ),
        pytest.param("url('http://h/p?a=%zz&b=c;d&e').getQuery().size()", 1, id="bad-queries-are-left-out"),
        pytest.param(
            "format.byte().validate('').hasValue() && !format.byte().validate('aGk=').hasValue()",
            True,
            id="byte",
        ),
        pytest.param(
            "!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()", True, id="uuid"
        ),
        pytest.param(
            "semver('1.0.0') != semver('1.0.1') && dyn(semver('1.0.0')) != 1", True, id="versions-differ"
        ),
        pytest.param("isSemver('99999999999999999999.0.0') || isSemver('1.0.0+')", False, id="no-versions"),
        pytest.param("{quantity('1'): 1}.size() > 0 || true", True, id="no-key"),
    ],
)
def test_values(expression: str, expected: Any):
    bindings: dict[str, Any] = {
        "a": {"x": 1, "y": 2},
        "o": _optional({"x": 1, "y": 2}),
        "maybe": _optional(7),
    }
    assert evaluate(expression, **bindings, n=1, xs=[1, 2, 3]) == expected


def _optional(value: Any) -> Any:
    return Environment({"v": DYN}).compile("optional.of(v)").compute({"v": value}, Budget(10))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("18446744073709551615u + 1u", "unsigned integer overflow", id="uint"),
        pytest.param("9223372036854775807 * 2", "integer overflow", id="product"),
        pytest.param("-9223372036854775808 / -1", "integer overflow", id="quotient"),
        pytest.param("1u / 0u", "division by zero", id="uint-division"),
        pytest.param("5u % 0u", "modulus by zero", id="uint-modulus"),
        pytest.param("duration('2562047h') + duration('2562047h')", "duration overflow", id="duration"),
        pytest.param("timestamp('9999-12-31T23:59:59Z') + duration('1s')", "timestamp overflow", id="moment"),
        pytest.param(
            "timestamp('0001-01-01T00:00:00Z').getHours('-12:00')", "timestamp overflow", id="local"
        ),
        pytest.param("timestamp(253402300800)", "timestamp overflow", id="late"),
        pytest.param(
            "duration('99999999999999999999999999h' + '')", "time: invalid duration", id="long-span"
        ),
        pytest.param("timestamp('2024-13-01T00:00:00Z' + '')", "parsing time", id="month"),
        pytest.param("int('99999999999999999999')", "strconv.ParseInt", id="int-range"),
        pytest.param("int(18446744073709551615u)", "integer overflow", id="int-of-uint"),
        pytest.param("uint('-1')", "strconv.ParseUint", id="uint-text"),
        pytest.param("uint(-1)", "unsigned integer overflow", id="uint-of-int"),
        pytest.param("uint(0.0 / 0.0)", "unsigned integer overflow", id="uint-of-nan"),
        pytest.param("uint(1e30)", "unsigned integer overflow", id="uint-of-double"),
        pytest.param("double('1_0')", "strconv.ParseFloat", id="double"),
        pytest.param("bool('maybe')", "strconv.ParseBool", id="bool"),
        pytest.param("dyn('a') - 1", "no such overload", id="minus"),
        pytest.param("dyn('a') * dyn('b')", "no such overload", id="times"),
        pytest.param("dyn('a') / dyn('b')", "no such overload", id="over"),
        pytest.param("dyn(1.5) % dyn(1.0)", "no such overload", id="modulo"),
        pytest.param("-dyn('a')", "no such overload", id="negative"),
        pytest.param("!dyn('a')", "no such overload", id="not"),
        pytest.param("dyn('a') < 1", "no such overload", id="order"),
        pytest.param("dyn(0.0 / 0.0) < 1", "NaN values cannot be ordered", id="nan"),
        pytest.param("1 in dyn('a')", "no such overload", id="in"),
        pytest.param("dyn('a')[0]", "no such overload", id="index"),
        pytest.param("xs[dyn('a')]", "unsupported index type 'str' in list", id="index-type"),
        pytest.param("xs[dyn(0.5)]", "unsupported index type", id="index-half"),
        pytest.param("{a: 1}", "unsupported key type: list", id="key-type"),
        pytest.param("dyn('a') ? 1 : 2", "no such overload", id="condition"),
        pytest.param("dyn(1) || dyn(2)", "no such overload", id="or"),
        pytest.param("false || dyn(2)", "no such overload", id="or-last"),
        pytest.param("dyn(1).x", "no such overload", id="field"),
        pytest.param("has(dyn(1).x)", "no such overload", id="has"),
        pytest.param("dyn(1).?x", "no such overload", id="optional-field"),
        pytest.param("dyn(1)[?0]", "no such overload", id="optional-index"),
        pytest.param("[?dyn(1)]", "no such overload", id="optional-item"),
        pytest.param("{?'a': dyn(1)}", "no such overload", id="optional-entry"),
        pytest.param("Object{?a: dyn(1)}", "no such overload", id="optional-struct"),
        pytest.param("dyn(1).optMap(x, x)", "no such overload", id="opt-map"),
        pytest.param("maybe.optFlatMap(x, dyn(1))", "no such overload", id="opt-flat-map"),
        pytest.param("dyn(1).orValue(2)", "no such overload: orValue(int)", id="or-value"),
        pytest.param("optional.none().or(dyn(1))", "no such overload: or(optional_type, int)", id="or-other"),
        pytest.param("dyn(1).all(x, true)", "no such overload", id="all"),
        pytest.param("dyn(1).all(k, v, true)", "no such overload", id="all-pairs"),
        pytest.param("xs.filter(x, dyn(1))", "no such overload", id="filter"),
        pytest.param("xs.all(x, dyn(1))", "no such overload", id="predicate"),
        pytest.param("xs.transformMapEntry(k, v, dyn(1))", "no such overload", id="entry"),
        pytest.param(
            "xs.transformMapEntry(k, v, {'x': v})", "insert failed: key x already exists", id="twice"
        ),
        pytest.param("string(dyn([1]))", "no such overload: string(list)", id="string"),
        pytest.param("size(dyn(1))", "no such overload: size(int)", id="size"),
        pytest.param("'abc'.indexOf('a', -1)", "index out of range: -1", id="index-of"),
        pytest.param("'abc'.lastIndexOf('a', -1)", "index out of range: -1", id="last-index-of"),
        pytest.param("'abc'.substring(1, 9)", "index out of range: 9", id="substring"),
        pytest.param("'%s'.format([quantity('1')])", "error during formatting: string clause", id="format"),
        pytest.param("'%f'.format(['x'])", "error during formatting: fixed-point clause", id="format-f"),
        pytest.param("'%b'.format(['x'])", "error during formatting: binary clause", id="format-b"),
        pytest.param("'%o'.format(['x'])", "error during formatting: octal clause", id="format-o"),
        pytest.param("'%x'.format([1.5])", "error during formatting: hex clause", id="format-x"),
        pytest.param(
            "'%.s'.format(['x'])", "could not parse formatting clause: error while parsing", id="format-."
        ),
        pytest.param("semver('1.0.0-a..b')", "Prerelease is empty", id="pre-release"),
        pytest.param("semver('1.0.0+a..b')", "Build meta data is empty", id="build"),
        pytest.param("semver('')", "Version string empty", id="empty-version"),
        pytest.param("semver('1.0.x')", "Invalid character(s) found in version", id="bad-version"),
        pytest.param(
            "url('')", 'URL parse error during conversion from string: parse "": empty url', id="url"
        ),
        pytest.param("url(':x')", "URL parse error", id="scheme"),
    ],
)
def test_errors(expression: str, message: str):
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, a=[1], b=2, maybe=_optional(7), xs=[1, 2])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("[?1]", "1:3: expected type 'optional_type(int)' but found 'int'", id="item"),
        pytest.param(
            "n.optMap(x, x)", "1:9: found no matching overload for 'hasValue' applied to 'int.()'", id="map"
        ),
        pytest.param("o.optMap(1, x)", "1:10: optMap() variable name must be a simple identifier", id="name"),
        pytest.param(
            "cel.bind(1, 2, 3)", "1:10: cel.bind() variable names must be simple identifiers", id="bind"
        ),
        pytest.param("xs.all(i, i, true)", "1:11: duplicate variable name: i", id="names"),
        pytest.param(
            "xs.exists_one(x, x)",
            "1:14: found no matching overload for '_?_:_' applied to '(int, int, int)'",
            id="one",
        ),
        pytest.param(
            "xs.transformList(i, v, 1, v)", "1:17: found no matching overload for '_?_:_'", id="test"
        ),
        pytest.param("n ? null : 'x'", "applied to '(int, null, string)'", id="null"),
        pytest.param("b'\\u0041'", "1:1: unable to unescape string", id="bytes"),
        pytest.param("'\\U00110000'", "1:1: invalid unicode code point", id="code-point"),
        pytest.param("f(,n)", "1:3: Syntax error: extraneous input ','", id="comma"),
        pytest.param("o[n n]", "1:5: Syntax error: extraneous input 'n' expecting ']'", id="bracket"),
    ],
)
def test_complaints(expression: str, message: str):
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    assert message in str(caught.value)


class _Lazy(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return {"x": 5}[key]

    def __iter__(self) -> Any:
        return iter("x")

    def __len__(self) -> int:
        return 1


def test_a_binding_may_be_any_mapping():
    assert evaluate("a.x + a.?x.value() + (has(a.y) ? 1 : 0)", a=_Lazy()) == 10
    with pytest.raises(EvaluationError, match="no such key: y"):
        evaluate("a.y", a=_Lazy())


def test_an_optional_may_have_no_value():
    empty = Environment({}).compile("optional.none()").compute({}, Budget(1))
    assert (
        evaluate(
            "has(o.x) || o.?x.hasValue() || o[?'x'].hasValue() || maybe.hasValue()", o=empty, maybe=empty
        )
        is False
    )
    assert evaluate("maybe.optMap(m, m).orValue(3)", maybe=empty) == 3


def test_results_are_plain():
    assert type(evaluate("[5u][0]")) is int
    assert evaluate("[optional.of(5u)]") == [5]
    assert evaluate("{true: [1u]}") == {True: [1]}


def test_types_are_values():
    assert len({INT, Type("int"), INT.bounded(5), UINT}) == 2
    assert INT != "int"
    assert repr(map_of(STRING, list_of(DYN))) == "<map(string, list(dyn))>"
    assert str(Type("error")) == "!error!"
    assert dict(constructed_type("Object.x").fields) == {}
    assert len(constructed_type("Object.x").fields) == 0


def test_null_passes_as_what_may_be_absent():
    environment = Environment({"t": Type("timestamp"), "x": ObjectType("x", {})})
    assert environment.compile("t == null || null == x").result_type == BOOL
    assert str(environment.compile("true ? null : x").result_type) == "x"
    assert str(environment.compile("[[null], [x]]").result_type) == "list(list(x))"
    assert str(environment.compile("[{'a': dyn(1)}, {'a': 1}]").result_type) == "list(map(string, dyn))"


def test_quantities_are_equal_by_amount():
    one, same = (QuantityValue(parse_quantity(text)) for text in ("1Ki", "1024"))
    assert one == same
    assert len({one, same}) == 1


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "array"}, "dyn", id="no-items"),
        pytest.param({"type": "array", "items": {}}, "dyn", id="unknown-items"),
        pytest.param({"type": "object", "additionalProperties": {}}, "dyn", id="unknown-values"),
        pytest.param({"type": "object", "additionalProperties": True}, "selfType", id="any-values"),
        pytest.param({"type": "boolean"}, "bool", id="bool"),
        pytest.param({"type": "string", "enum": ["a"]}, "string", id="enum"),
        pytest.param({"format": "int-or-string", "type": "string"}, "dyn", id="int-or-string"),
    ],
)
def test_schemas_without_a_type(schema: dict[str, Any], expected: str):
    assert str(type_of_schema(schema)) == expected


def test_fields_of_built_in_kinds_can_be_listed():
    pod = type_of_definition("io.k8s.api.core.v1.Pod")
    assert isinstance(pod, ObjectType)
    assert set(pod.fields) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert len(pod.fields) == 5
    with pytest.raises(KeyError):
        type_of_definition("no.such.Kind")


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "raw": {"type": "string", "format": "byte", "maxLength": 8},
        "flags": {"type": "array", "items": {"type": "boolean"}},
        "spans": {"type": "object", "additionalProperties": {"type": "string", "format": "duration"}},
        "sets": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        },
        "named": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {"type": "string"},
                "x-kubernetes-list-type": "set",
            },
        },
        "keyed": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
        },
    },
}
TYPED = Environment({"self": type_of_schema(SCHEMA), "old": type_of_schema(SCHEMA)})


@pytest.mark.parametrize(
    ("expression", "one", "two", "expected"),
    [
        pytest.param(
            "self.sets == old.sets", {"sets": [["a", "b"]]}, {"sets": [["b", "a"]]}, True, id="sets"
        ),
        pytest.param("self.sets == old.sets", {"sets": [["a"]]}, {"sets": []}, False, id="fewer"),
        pytest.param("self.sets == old.sets", {"sets": [1]}, {"sets": [1]}, True, id="no-set"),
        pytest.param(
            "self.named == old.named",
            {"named": {"x": ["a", "b"]}},
            {"named": {"x": ["b", "a"]}},
            True,
            id="map",
        ),
        pytest.param(
            "self.named == old.named", {"named": {"x": []}}, {"named": {"y": []}}, False, id="names"
        ),
        pytest.param(
            "self.keyed == old.keyed", {"keyed": [1]}, {"keyed": [{"k": "a"}]}, False, id="no-object"
        ),
        pytest.param(
            "self.keyed == old.keyed",
            {"keyed": [{"k": ["x"]}]},
            {"keyed": [{"k": ["x"]}]},
            True,
            id="odd-key",
        ),
        pytest.param(
            "self.keyed == old.keyed", {"keyed": [{"k": {"x": True}}]}, {"keyed": []}, False, id="length"
        ),
        pytest.param("self == old", {"keyed": []}, {"sets": []}, False, id="fields"),
        pytest.param(
            "self.spans == old.spans", {"spans": {"x": "60s"}}, {"spans": {"x": "1m"}}, True, id="converted"
        ),
        pytest.param("self.raw == b'hi'", {"raw": "aGk="}, {}, True, id="bytes"),
        pytest.param("'raw' in self.spans", {"spans": {"x": "1s"}}, {}, False, id="in"),
    ],
)
def test_typed_values(expression: str, one: dict[str, Any], two: dict[str, Any], expected: bool):
    assert TYPED.compile(expression).evaluate({"self": one, "old": two}, Budget(1000)) is expected


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("self.raw == b''", {"raw": "%"}, id="base64"),
        pytest.param("self.named['x'] + self.named['x'] == []", {"named": {"x": 1}}, id="no-list"),
        pytest.param("self.spans.all(k, v, v > duration('1s'))", {"spans": 3}, id="no-map"),
        pytest.param("self.keyed + self.keyed == []", {"keyed": "x"}, id="no-keyed-list"),
    ],
)
def test_values_that_do_not_fit_their_schema(expression: str, value: dict[str, Any]):
    with pytest.raises(CELError):
        TYPED.compile(expression).evaluate({"self": value}, Budget(1000))


def test_estimates_of_macros_without_loops():
    estimate = Environment({"n": INT, "o": optional_of(INT)}).compile
    assert estimate("cel.bind(x, n + 1, x * x)").estimate() == Range(2 + 3 + 10, 15)
    assert estimate("o.optMap(x, x + 1)").estimate() == Range(1 + 1 + 1, 1 + 1 + 1 + 2 + 2)
    assert estimate("type(n) == google.protobuf.Duration").estimate() == Range(4, 4)
    assert estimate("{'a': n}.transformMapEntry(k, v, {v: k}).size()").estimate() == Range(97, 97)
