"""What is said of expressions that do not compile, as cel-go prints it."""

import pytest

from api.cel.environment import Environment
from api.cel.errors import CompileError
from api.cel.types import BOOL, DYN, INT, STRING, ObjectType, list_of

SELF = ObjectType("self", {"name": STRING, "sizes": list_of(INT)})
ENVIRONMENT = Environment({"object": DYN, "n": INT, "self": SELF})


def refuse(expression: str) -> str:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    return str(caught.value)


def test_an_error_is_shown_under_its_line():
    assert (
        refuse("1 +\n  x")
        == "ERROR: <input>:2:3: undeclared reference to 'x' (in container '')\n |   x\n | ..^"
    )


def test_errors_are_sorted_by_place():
    assert refuse("a + b") == (
        "ERROR: <input>:1:1: undeclared reference to 'a' (in container '')\n | a + b\n | ^\n"
        "ERROR: <input>:1:5: undeclared reference to 'b' (in container '')\n | a + b\n | ....^"
    )


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param(
            "1 + 'a'", "1:3: found no matching overload for '_+_' applied to '(int, string)'", id="op"
        ),
        pytest.param(
            "n == 'a'", "1:3: found no matching overload for '_==_' applied to '(int, string)'", id="eq"
        ),
        pytest.param(
            "n && true", "1:3: found no matching overload for '_&&_' applied to '(int, bool)'", id="and"
        ),
        pytest.param(
            "'a'.size(1)", "1:9: found no matching overload for 'size' applied to 'string.(int)'", id="m"
        ),
        pytest.param("foo(1)", "1:4: undeclared reference to 'foo' (in container '')", id="function"),
        pytest.param("self.nam", "1:5: undefined field 'nam'", id="field"),
        pytest.param("n.a", "1:2: type 'int' does not support field selection", id="selection"),
        pytest.param("[1, 'a']", "1:5: expected type 'int' but found 'string'", id="list"),
        pytest.param("{1: 1, 'a': 2}", "1:8: expected type 'int' but found 'string'", id="map"),
        pytest.param("n.all(x, true)", "1:1: expression of type 'int' cannot be range", id="range"),
        pytest.param("self.sizes.all(x, x)", "1:15: found no matching overload for '_&&_'", id="predicate"),
        pytest.param("[1].all(1, true)", "1:9: argument must be a simple name", id="variable"),
        pytest.param("[1].map(1, true)", "1:9: argument is not an identifier", id="map-variable"),
        pytest.param("has(n)", "1:5: invalid argument to has() macro", id="has"),
        pytest.param("1 +", "1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '('", id="end"),
        pytest.param("(1", "1:3: Syntax error: missing ')' at '<EOF>'", id="paren"),
        pytest.param("1 2", "1:3: Syntax error: extraneous input '2' expecting <EOF>", id="extra"),
        pytest.param("n # 1", "1:3: Syntax error: token recognition error at: '#'", id="token"),
        pytest.param("for", "1:1: reserved identifier: for", id="reserved"),
        pytest.param("9223372036854775808", "1:1: invalid int literal", id="int"),
        pytest.param("18446744073709551616u", "1:1: invalid uint literal", id="uint"),
        pytest.param(r"'\ud800'", "1:1: invalid unicode code point", id="escape"),
        pytest.param("Foo{a: 1}", "1:4: undeclared reference to 'Foo' (in container '')", id="struct"),
        pytest.param("(" * 300 + "1" + ")" * 300, "expression recursion limit exceeded: 250", id="nesting"),
        pytest.param("+".join("1" * 300), "expression recursion limit exceeded: 250", id="chain"),
        pytest.param("[" * 5000, "expression recursion limit exceeded: 250", id="deep-nonsense"),
        pytest.param("n.x.y", "1:2: type 'int' does not support field selection", id="one-error-per-cause"),
    ],
)
def test_messages(expression: str, message: str):
    assert message in refuse(expression)


def test_long_chains_of_logic_are_not_deep():
    assert ENVIRONMENT.compile(" && ".join(["true"] * 2000)).result_type == BOOL


def test_wide_characters_are_pictured_wide():
    assert refuse("'é' + n").endswith("\n | 'é' + n\n | .\uff0e..^")


def test_an_overlong_text_is_refused():
    assert "expression code point size exceeds limit: size: 100001, limit 100000" in refuse("1" * 100_001)


def test_the_result_type_is_checked():
    with pytest.raises(CompileError, match="must evaluate to bool"):
        ENVIRONMENT.compile("n", [BOOL])
    assert ENVIRONMENT.compile("object.spec", [BOOL]).result_type == DYN
