"""The syntax tree of expressions. Macros have nodes of their own; the checker writes types into the nodes.

Called by parser (makes them), checker (`type`, `slot`, `overloads`), compiler and estimator (read them).
"""

from collections.abc import Callable
from typing import Any

from api.cel.types import DYN, Type


class Node:
    """A part of an expression. `pos` is the offset of the character that messages point at."""

    __slots__ = ("pos", "type")

    def __init__(self, pos: int) -> None:
        self.pos = pos
        self.type: Type = DYN


class Literal(Node):
    """A constant; also a list or map of constants after folding."""

    __slots__ = ("value",)

    def __init__(self, pos: int, value: Any) -> None:
        super().__init__(pos)
        self.value = value


class Ident(Node):
    """A variable. `slot` is its place if a macro declares it, -1 for a variable of the environment."""

    __slots__ = ("name", "slot")

    def __init__(self, pos: int, name: str) -> None:
        super().__init__(pos)
        self.name = name
        self.slot = -1


class Select(Node):
    """`operand.field`, `operand.?field`, or `has(operand.field)`.

    If the whole path is the name of a type or a variable, `constant` or `variable` is set.
    """

    __slots__ = ("constant", "field", "operand", "optional", "test", "variable")

    def __init__(
        self, pos: int, operand: Node, field: str, optional: bool = False, test: bool = False
    ) -> None:
        super().__init__(pos)
        self.operand = operand
        self.field = field
        self.optional = optional
        self.test = test
        self.constant: Any = None
        self.variable = ""


class Call(Node):
    """A function or operator; `target` is the receiver. `overloads` are those that may apply.

    The checker moves a qualified name (`optional.none`) from target to function.
    """

    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, pos: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(pos)
        self.function = function
        self.args = args
        self.target = target
        self.overloads: tuple[Any, ...] = ()

    @property
    def operands(self) -> list[Node]:
        """The receiver, if there is one, and the arguments."""
        return self.args if self.target is None else [self.target, *self.args]


class Logic(Node):
    """`a && b && c` or `a || b || c`: balanced, so that long chains are not deep. `places` are the
    operators'.
    """

    __slots__ = ("function", "places", "terms")

    def __init__(self, function: str, terms: list[Node], places: list[int]) -> None:
        super().__init__(places[0])
        self.function = function
        self.terms = terms
        self.places = places


class ListLiteral(Node):
    """`[a, ?b]`: `optionals` holds the indices with a question mark."""

    __slots__ = ("items", "optionals")

    def __init__(self, pos: int, items: list[Node], optionals: frozenset[int]) -> None:
        super().__init__(pos)
        self.items = items
        self.optionals = optionals


class MapLiteral(Node):
    """`{key: value, ?key: value}`: entries are (key, value, has a question mark)."""

    __slots__ = ("entries",)

    def __init__(self, pos: int, entries: list[tuple[Node, Node, bool]]) -> None:
        super().__init__(pos)
        self.entries = entries


class StructLiteral(Node):
    """`Object.spec{replicas: 3}`: fields are (position, name, value, has a question mark)."""

    __slots__ = ("fields", "name")

    def __init__(self, pos: int, name: str, fields: list[tuple[int, str, Node, bool]]) -> None:
        super().__init__(pos)
        self.name = name
        self.fields = fields


class Loop(Node):
    """A macro over a list or map: `range.macro(v1, v2, args...)`. `slot` is the place of the first
    variable.
    """

    __slots__ = ("args", "macro", "range", "slot", "variables")

    def __init__(self, pos: int, macro: str, over: Node, variables: list[str], args: list[Node]) -> None:
        super().__init__(pos)
        self.macro = macro
        self.range = over
        self.variables = variables
        self.args = args
        self.slot = -1


class Bind(Node):
    """`cel.bind(name, value, body)`, and the same for `value.optMap(name, body)` and `optFlatMap`."""

    __slots__ = ("body", "macro", "name", "slot", "value")

    def __init__(self, pos: int, macro: str, name: str, value: Node, body: Node) -> None:
        super().__init__(pos)
        self.macro = macro
        self.name = name
        self.value = value
        self.body = body
        self.slot = -1


_CHILDREN: dict[type[Node], Callable[[Any], list[Node]]] = {
    Literal: lambda node: [],
    Ident: lambda node: [],
    Select: lambda node: [node.operand],
    Call: lambda node: node.operands,
    Logic: lambda node: node.terms,
    ListLiteral: lambda node: node.items,
    MapLiteral: lambda node: [part for key, value, _ in node.entries for part in (key, value)],
    StructLiteral: lambda node: [value for _, _, value, _ in node.fields],
    Loop: lambda node: [node.range, *node.args],
    Bind: lambda node: [node.value, node.body],
}


def children(node: Node) -> list[Node]:
    """Return the nodes directly below a node."""
    return _CHILDREN[node.__class__](node)


def qualified_name(node: Node) -> str:
    """Return `a.b.c` for a path of plain selections, "" for anything else."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        above = qualified_name(node.operand)
        return f"{above}.{node.field}" if above else ""
    return ""
