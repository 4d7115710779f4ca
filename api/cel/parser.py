"""Text to syntax tree: the grammar of CEL by recursive descent. Called by the environment.

    expr   = or ["?" or ":" expr]      or  = and {"||" and}     and = rel {"&&" rel}
    rel    = sum {relop sum}    sum = product {("+"|"-") product}    product = unary {("*"|"/"|"%") unary}
    unary  = {"!"} member | {"-"} member
    member = primary {"." ["?"] name ["(" args ")"] | "[" ["?"] expr "]"}
    primary = literal | name ["(" args ")"] | path "{" fields "}" | "(" expr ")"
            | "[" items "]" | "{" entries "}"

Spec: github.com/google/cel-go parser/parser.go, parser/gen/CEL.g4; messages follow ANTLR's.
"""

from collections.abc import Callable
from typing import NoReturn

from api.cel import complaints, lexer
from api.cel.errors import CompileError
from api.cel.lexer import Token, tokenize
from api.cel.macros import expand
from api.cel.source import Report
from api.cel.syntax import (
    Call,
    Ident,
    ListLiteral,
    Literal,
    Logic,
    MapLiteral,
    Node,
    Select,
    StructLiteral,
    qualified_name,
)
from api.cel.values import Uint

# How deep an expression may nest; cel-go's default.
MAX_DEPTH = 250
# How many characters (code points) an expression may have; cel-go's default.
MAX_SIZE = 100_000

# fmt: off
_RESERVED = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "package", "namespace", "return", "var", "void", "while",
))
# fmt: on
# How strongly operators bind, and the functions that they call.
_OR, _AND, _RELATION, _SUM, _PRODUCT = 1, 2, 3, 4, 5
_OPERATORS = {
    "||": (_OR, "_||_"),
    "&&": (_AND, "_&&_"),
    **{kind: (_RELATION, f"_{kind}_") for kind in ("==", "!=", "<", "<=", ">", ">=")},
    "in": (_RELATION, "@in"),
    **{kind: (_SUM, f"_{kind}_") for kind in "+-"},
    **{kind: (_PRODUCT, f"_{kind}_") for kind in "*/%"},
}
_NO_OPERATOR = (0, "")


class _Stop(Exception):
    """A syntax error was reported; nothing after it can be read."""


def parse(text: str, report: Report) -> Node | None:
    """Return the tree of an expression, or None if its errors are in the report."""
    if len(text) > MAX_SIZE:
        raise CompileError(
            "ERROR: <input>:-1:0: expression code point size exceeds limit: "
            f"size: {len(text)}, limit {MAX_SIZE}"
        )
    parser = _Parser(text, report)
    try:
        node = parser.expression()
        if parser.token.kind != "end":
            parser.fail(complaints.no_end_of_text(parser.token, parser.after))
    except _Stop:
        return None
    return node


def _chain(function: str, left: Node, right: Node, pos: int) -> Logic:
    """Return `left && right`; more of the same makes one long node, not a deep one."""
    if isinstance(left, Logic) and left.function == function:
        return Logic(function, [*left.terms, right], [*left.places, pos])
    return Logic(function, [left, right], [pos])


class _Parser:
    def __init__(self, text: str, report: Report) -> None:
        self.report = report
        self.tokens = tokenize(text, report)
        self.place = 0
        self.token: Token = self.tokens[0]
        self.depth = 0

    @property
    def after(self) -> Token:
        """The token after the next one."""
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def fail(self, message: str) -> NoReturn:
        self.report.add(self.token.pos, f"Syntax error: {message}")
        raise _Stop

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.place += 1
            self.token = self.tokens[self.place]
        return token

    def accept(self, kind: str) -> bool:
        if self.token.kind != kind:
            return False
        self.advance()
        return True

    def expect(self, kind: str) -> Token:
        if self.token.kind != kind:
            self.fail(complaints.no_token(self.token, self.after, kind))
        return self.advance()

    def deeper(self, levels: int = 1) -> None:
        self.depth += levels
        if self.depth > MAX_DEPTH:
            self.report.add(self.token.pos, f"expression recursion limit exceeded: {MAX_DEPTH}")
            raise _Stop

    def expression(self) -> Node:
        self.deeper()
        condition = self.binary(_OR)
        if self.token.kind == "?":
            pos = self.advance().pos
            first = self.binary(_OR)
            self.expect(":")
            condition = Call(pos, "_?_:_", [condition, first, self.expression()])
        self.depth -= 1
        return condition

    def binary(self, least: int) -> Node:
        """Read operators that bind at least so strongly, left to right; a chain's length counts as depth."""
        left = self.unary()
        before = self.depth
        while True:
            strength, function = _OPERATORS.get(self.token.kind, _NO_OPERATOR)
            if strength < least:
                break
            pos = self.advance().pos
            right = self.binary(strength + 1)
            if strength <= _AND:
                left = _chain(function, left, right, pos)
            else:
                self.deeper()
                left = Call(pos, function, [left, right])
        self.depth = before
        return left

    def unary(self) -> Node:
        kind = self.token.kind
        if kind not in ("!", "-"):
            return self.postfix(self.primary())
        pos, count = self.token.pos, 0
        while self.token.kind == kind:
            count += 1
            self.advance()
        negative = kind == "-" and count % 2 == 1
        if negative and self.token.kind in ("int", "float"):
            return self.postfix(self.number(self.advance(), pos, "-"))
        operand = self.postfix(self.primary())
        if count % 2 == 0:
            return operand
        return Call(pos, "-_" if negative else "!_", [operand])

    def postfix(self, node: Node) -> Node:
        before = self.depth
        while True:
            kind = self.token.kind
            if kind == ".":
                node = self.selection(node)
            elif kind == "[":
                pos = self.advance().pos
                function = "_[?_]" if self.accept("?") else "_[_]"
                if self.token.kind not in complaints.STARTS:
                    self.fail(complaints.no_expression(self.token, self.after, "'\\u003F'"))
                node = Call(pos, function, [node, self.expression()])
                self.expect("]")
            elif kind == "{" and (name := qualified_name(node)):
                node = self.struct(name)
            else:
                break
            self.deeper()
        self.depth = before
        return node

    def selection(self, node: Node) -> Node:
        pos = self.advance().pos
        if self.accept("?"):
            return Select(pos, node, self.expect("ident").text, optional=True)
        name = self.expect("ident").text
        if self.token.kind != "(":
            return Select(pos, node, name)
        start = self.advance().pos
        return expand(Call(start, name, self.arguments(), node), self.report)

    def arguments(self) -> list[Node]:
        if self.token.kind not in complaints.STARTS and self.token.kind != ")":
            self.fail(complaints.no_expression(self.token, self.after, "')'"))
        return self.sequence(")", self.expression)

    def sequence(self, end: str, read: Callable[[], Node]) -> list[Node]:
        """Read comma-separated parts up to `end`; only parentheses take no comma after the last one."""
        parts: list[Node] = []
        comma = False
        while self.token.kind != end and not (comma and end != ")" and self.token.kind == "end"):
            parts.append(read())
            comma = self.accept(",")
            if not comma:
                break
            if end == ")" and self.token.kind == end:
                self.fail(complaints.no_expression(self.token, self.after))
        if self.token.kind != end:
            self.fail(complaints.no_end(self.token, self.after, end, comma))
        self.advance()
        return parts

    def primary(self) -> Node:
        read = _PRIMARIES.get(self.token.kind)
        if read is None:
            self.fail(complaints.no_expression(self.token, self.after))
        return read(self, self.advance())

    def group(self, token: Token) -> Node:
        node = self.expression()
        self.expect(")")
        return node

    def name(self, token: Token) -> Node:
        if token.text in _RESERVED:
            self.report.add(token.pos, f"reserved identifier: {token.text}")
        if self.token.kind != "(":
            return Ident(token.pos, token.text)
        start = self.advance().pos
        return expand(Call(start, token.text, self.arguments()), self.report)

    def text(self, token: Token) -> Node:
        try:
            if token.kind == "string":
                return Literal(token.pos, lexer.string_value(token.text))
            return Literal(token.pos, lexer.bytes_value(token.text))
        except ValueError as error:
            self.report.add(token.pos, str(error))
            return Literal(token.pos, "")

    def number(self, token: Token, pos: int = -1, sign: str = "") -> Node:
        pos = token.pos if pos < 0 else pos
        text = sign + token.text
        if token.kind == "float":
            return Literal(pos, float(text))
        digits = text.rstrip("uU")
        # No literal that fits is longer; and Python refuses to read very long ones.
        value = int(digits, 16 if "x" in digits else 10) if len(digits) <= 80 else 1 << 64
        if token.kind == "uint":
            if value >= 1 << 64:
                self.report.add(pos, "invalid uint literal")
            return Literal(pos, Uint(value))
        if not -(1 << 63) <= value < 1 << 63:
            self.report.add(pos, "invalid int literal")
        return Literal(pos, value)

    def list(self, token: Token) -> Node:
        optionals = []
        items: list[Node] = []

        def item() -> Node:
            if self.accept("?"):
                optionals.append(len(items))
            items.append(self.expression())
            return items[-1]

        self.sequence("]", item)
        return ListLiteral(token.pos, items, frozenset(optionals))

    def map(self, token: Token) -> Node:
        entries: list[tuple[Node, Node, bool]] = []

        def entry() -> Node:
            optional = self.accept("?")
            key = self.expression()
            self.expect(":")
            value = self.expression()
            entries.append((key, value, optional))
            return value

        self.sequence("}", entry)
        return MapLiteral(token.pos, entries)

    def struct(self, name: str) -> Node:
        pos = self.advance().pos
        fields: list[tuple[int, str, Node, bool]] = []

        def field() -> Node:
            optional = self.accept("?")
            key = self.expect("ident").text
            at = self.expect(":").pos
            value = self.expression()
            fields.append((at, key, value, optional))
            return value

        self.sequence("}", field)
        return StructLiteral(pos, name, fields)


_PRIMARIES: dict[str, Callable[[_Parser, Token], Node]] = {
    "ident": _Parser.name,
    "string": _Parser.text,
    "bytes": _Parser.text,
    "int": _Parser.number,
    "uint": _Parser.number,
    "float": _Parser.number,
    "true": lambda parser, token: Literal(token.pos, True),
    "false": lambda parser, token: Literal(token.pos, False),
    "null": lambda parser, token: Literal(token.pos, None),
    "(": _Parser.group,
    "[": _Parser.list,
    "{": _Parser.map,
    ".": lambda parser, token: parser.name(parser.expect("ident")),
}
