"""Our engine beside Google's C++ one (cel-expr-python): the same expressions have the same outcome.

The other engine lacks most of Kubernetes' libraries and words errors differently, so values are compared, and
whether there is one.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings
from hypothesis import given, settings
from hypothesis import strategies as st

from api.cel.cost import Budget
from api.cel.environment import Environment
from api.cel.errors import CELError, CompileError
from api.cel.times import Duration, Timestamp
from api.cel.types import BOOL, DOUBLE, DYN, INT, STRING, list_of

OBJECT = {
    "count": 3,
    "ratio": 2.5,
    "name": "web-1",
    "on": True,
    "none": None,
    "tags": ["a", "b", "b"],
    "numbers": [3, 1, 2],
    "labels": {"app": "web", "tier": "front"},
    "containers": [{"name": "a", "image": "x:1"}, {"name": "b"}],
}
BINDINGS = {
    "o": OBJECT,
    "n": 3,
    "m": -2,
    "d": 2.5,
    "s": "héllo",
    "t": "",
    "p": True,
    "q": False,
    "xs": [3, 1, 2],
}
OURS = Environment(
    {
        **dict.fromkeys(("n", "m"), INT),
        **dict.fromkeys(("s", "t"), STRING),
        **dict.fromkeys(("p", "q"), BOOL),
        "o": DYN,
        "d": DOUBLE,
        "xs": list_of(INT),
    }
)
THEIRS = cel.NewEnv(
    variables={
        **dict.fromkeys(("n", "m"), cel.Type.INT),
        **dict.fromkeys(("s", "t"), cel.Type.STRING),
        **dict.fromkeys(("p", "q"), cel.Type.BOOL),
        "o": cel.Type.DYN,
        "d": cel.Type.DOUBLE,
        "xs": cel.Type.List(cel.Type.INT),
    },
    extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings()],
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _plain(value: Any) -> Any:
    match value:
        case Timestamp():
            return EPOCH + timedelta(microseconds=value.nanos // 1000)
        case Duration():
            return timedelta(microseconds=value.nanos // 1000)
        case float() if math.isnan(value):
            return "NaN"
        case bytearray():
            return bytes(value)
        case list():
            return [_plain(item) for item in value]
    return value


def ours(expression: str) -> tuple[str, Any]:
    try:
        return "value", _plain(OURS.compile(expression).evaluate(BINDINGS, Budget(10**9)))
    except CELError:
        return "error", None


def theirs(expression: str) -> tuple[str, Any]:
    try:
        value = THEIRS.compile(expression).eval(data=BINDINGS)
        if str(value.type()) == "ERROR":
            return "error", None
        return "value", _plain(value.plain_value())
    except RuntimeError:
        return "error", None


def same(one: tuple[str, Any], two: tuple[str, Any]) -> bool:
    return one == two and type(one[1]) is type(two[1])


CORPUS = """
1 + 2 * 3 - 4 / 2 % 3
-7 / 2
-7 % 3
7u / 2u
9223372036854775807 + 1
-9223372036854775808 - n
9223372036854775807 * 2
1u - 2u
1.5e3 / 0.0
0.0 / 0.0 == 0.0 / 0.0
-0.0 == 0.0
1 / 0
'a' + 'b' == "ab"
b'a' + b'\\xff'
r'\\n' + '\\n\\t\\x41\\u00e9\\U0001F600\\101'
'''a'b''' + \"\"\"c"d\"\"\"
'héllo'.size()
size(b'héllo')
'a' < 'b' && 'a' <= 'a' && 'b' > 'a'
'é' > 'z'
b'a' < b'b'
true > false
dyn(1) < 2.5
dyn(1) == 1.0
dyn(1) == dyn(1u)
dyn(1) == dyn(true)
dyn('1') == dyn(1)
[1, 2] == [1, 2]
[1, 2] != [2, 1]
{'a': 1} == {'a': 1}
{1: 'a'}[1]
{1: 'a'}[dyn(1.0)]
{'a': 1}.a
{'a': 1}.b
{'a': 1, 'a': 2}
has({'a': 1}.a)
has(o.none)
has(o.nope)
o.none == null
o.nope
o.count + 1
o.count + 1.0
o.ratio * 2.0
o.name.startsWith('web')
o.name.matches('^web-[0-9]+$')
o.name.matches('(')
o.labels['app'] + o.labels.tier
'app' in o.labels
'x' in o.tags
3 in o.numbers
dyn(3.0) in o.numbers
o.numbers[0] + o.numbers[2]
o.numbers[3]
o.numbers[-1]
o.numbers['a']
o.containers.all(c, has(c.image))
o.containers.all(c, c.image != '')
o.containers.exists(c, c.image == 'x:1')
o.containers.exists(c, c.nope == 1)
o.containers.exists_one(c, has(c.image))
o.containers.map(c, c.name)
o.containers.filter(c, has(c.image)).map(c, c.image)
o.labels.all(k, k.size() > 2)
o.labels.map(k, k).size()
[1, 2, 3].map(x, x > 1, x * 2)
[[1, 2], [3]].map(x, x.filter(y, y > 1))
[].all(x, x)
o.count.all(x, true)
p && q || p
o.nope || p
p || o.nope
o.nope && q
q && o.nope
o.nope || q
o.count || p
p ? 1 : 2
o.count ? 1 : 2
p ? 'a' : o.nope
!p
!o.count
-n
-o.name
int('42') + int(3.9) + int(-3.9)
int('x')
int(1e19)
uint('42') == 42u
uint(-1)
double('1.5') + double(1)
string(1) + string(true) + string(2.5) + string(b'x')
string(1e20)
string(123456.0)
string(1234567.0)
string(0.0001)
string(0.00001)
string(b'\\xff')
bool('true') && !bool('false')
bool('yes')
bytes('é')
type(1) == int
type(1) == string
type(o) == map
timestamp('2024-02-29T12:30:45.123Z')
timestamp('2024-02-30T12:30:45Z')
timestamp('2024-02-29T12:30:45+02:00').getHours()
timestamp('2024-02-29T23:30:45Z').getDayOfYear()
timestamp('2024-02-29T23:30:45Z').getDate('America/New_York')
timestamp('2024-02-29T23:30:45Z').getHours('+05:30')
timestamp('2024-02-29T23:30:45Z').getDayOfWeek()
timestamp('2024-02-29T23:30:45.678Z').getMilliseconds()
timestamp('2024-02-29T23:30:45Z').getFullYear() + timestamp('2024-02-29T23:30:45Z').getMonth()
timestamp('2024-01-01T00:00:00Z') + duration('36h')
timestamp('2024-01-01T00:00:00Z') - timestamp('2023-01-01T00:00:00Z')
timestamp('9999-12-31T23:59:59Z') + duration('1s')
timestamp(1) < timestamp(2)
duration('1h30m') + duration('-90m')
duration('90m').getHours()
duration('x')
string(duration('90m'))
string(timestamp(0))
int(timestamp('1970-01-01T00:01:00Z'))
s.charAt(1) + s.substring(2) + s.substring(0, 1)
s.substring(9)
s.indexOf('l') + s.lastIndexOf('l')
s.indexOf('') + s.lastIndexOf('')
s.indexOf('l', 3)
s.upperAscii() + 'ABC'.lowerAscii()
' a\\t'.trim()
'a,b,c'.split(',')
'a,b,c'.split(',', 2)
'abc'.split('')
'a,b'.split(',', 0)
'aaa'.replace('a', 'b')
'aaa'.replace('a', 'b', 2)
'ab'.replace('', '-')
['a', 'b'].join('-')
o.tags.join()
'%s is %d'.format([dyn('x'), dyn(3)])
'%.2f'.format([2.5])
'%x %X %o %b'.format([255, 255, 8, 5])
'%s'.format([[1, 2]])
'%d'.format(['x'])
'%q'.format([1])
strings.quote('a"\\n')
optional.of(1).value()
optional.none().value()
optional.none().orValue(5)
optional.of(1).or(optional.of(2)).value()
o.?nope.orValue('x')
o.?labels.?app.orValue('x')
o.labels[?'app'].value()
o.numbers[?7].hasValue()
o.?count.optMap(x, x + 1).value()
o.?nope.optMap(x, x + 1).hasValue()
optional.ofNonZeroValue(0).hasValue()
[1, ?o.?nope, ?o.?count].size()
{'a': 1, ?'b': o.?nope}.size()
cel.bind(x, n + 1, x * x)
"""


@pytest.mark.parametrize("expression", [line for line in CORPUS.splitlines() if line])
def test_corpus(expression: str):
    assert same(ours(expression), theirs(expression)), (expression, ours(expression), theirs(expression))


def _operation(operators: list[str], operand: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda left, op, right: f"({left} {op} {right})", operand, st.sampled_from(operators), operand
    )


INTS = st.sampled_from(["n", "m", "0", "1", "-1", "7", "9223372036854775807", "o.count", "o.nope", "xs[1]"])
TEXTS = st.sampled_from(["s", "t", "'a'", "'hé'", "o.name", "o.tags[0]", "o.labels.app", "o.nope"])
DOUBLES = st.sampled_from(["d", "0.0", "-1.5", "1e300", "o.ratio"])
FLAGS = st.sampled_from(["p", "q", "true", "false", "o.on", "o.nope", "has(o.name)"])
LISTS = st.sampled_from(["xs", "[1, 2]", "o.numbers", "[n, m]", "[1].filter(x, false)"])


def _expressions() -> st.SearchStrategy[str]:
    ints = st.recursive(
        INTS,
        lambda inner: st.one_of(
            _operation(["+", "-", "*", "/", "%"], inner),
            st.builds("(-{})".format, inner),
            st.builds("({} ? {} : {})".format, FLAGS, inner, inner),
            st.builds("size({})".format, st.one_of(TEXTS, LISTS)),
            st.builds("{}.filter(x, x > {}).size()".format, LISTS, inner),
        ),
        max_leaves=6,
    )
    texts = st.recursive(
        TEXTS,
        lambda inner: st.one_of(
            _operation(["+"], inner),
            st.builds("{}.substring({})".format, inner, INTS),
            st.builds("{}.replace({}, {})".format, inner, inner, inner),
            st.builds("string({})".format, ints),
        ),
        max_leaves=4,
    )
    comparisons = st.one_of(
        *(
            _operation(["==", "!=", "<", "<=", ">", ">="], operand)
            for operand in (
                ints,
                texts,
                DOUBLES,
                st.builds("dyn({})".format, st.one_of(ints, DOUBLES, texts)),
            )
        ),
        st.builds("({} in {})".format, ints, LISTS),
        st.builds("{}.exists(x, x == {})".format, LISTS, ints),
        st.builds("{}.all(x, x / {} > 0)".format, LISTS, ints),
        st.builds("{}.contains({})".format, texts, texts),
    )
    logic = st.recursive(
        st.one_of(FLAGS, comparisons),
        lambda inner: st.one_of(_operation(["&&", "||"], inner), st.builds("!{}".format, inner)),
        max_leaves=6,
    )
    lists = st.one_of(_operation(["+"], LISTS), st.builds("{}.map(x, x + {})".format, LISTS, ints))
    return st.one_of(ints, texts, logic, lists)


@settings(max_examples=400, deadline=None)
@given(_expressions())
def test_random_expressions(expression: str):
    assert same(ours(expression), theirs(expression)), (expression, ours(expression), theirs(expression))


def _complaint(engine: Callable[[str], Any], expression: str) -> str:
    try:
        engine(expression)
    except (CompileError, RuntimeError) as error:
        return str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
    return ""


COMPLAINTS = r"""
1 +;(1;1);1 2;n n;[1,;[1 2];{1};{1:};{1:2;{a b};o.;o.(;o..a;o.1;o.true;&& n;n &&;n & n;n = 1;n=1;n == == 1;n +
'abc;"abc;'''abc;@;n @ 1;#;o[1;f(;f(1,;f(1,);f(,);0x;1..2;12a;{}{};'\z';'\u12';n.é;é;(n;n);for;a;a + b;a(1)
o.a(1);n + s;n == s;-s;!n;n < s;s in s;s.x(n);n ? 1 : 2;p ? 1 : 's';xs[s];xs.all(x, x);s - s;xs.map(x, y)
xs.exists(x, x > 'a');xs.exists_one(x, x);'é' + 1;9223372036854775808;18446744073709551616u
"""


@pytest.mark.parametrize(
    "expression", ["", *(text for line in COMPLAINTS.splitlines() if line for text in line.split(";"))]
)
def test_complaints(expression: str):
    """The other engine's grammar is made by ANTLR too, so the words for bad syntax agree."""
    assert _complaint(OURS.compile, expression) == _complaint(THEIRS.compile, expression) != ""
