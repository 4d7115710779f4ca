"""What an expression may cost, before any value is known: from the sizes that types allow. Called by
programs.

A custom resource whose rules could cost too much is refused when it is defined. The costs are those of the
loops that cel-go expands macros to, without the optimisations of run time.
Spec: github.com/google/cel-go checker/cost.go; k8s.io/apiserver/pkg/cel/library/cost.go (1.36).
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

from api.cel.cost import ANY_SIZE, FREE, LIST_COST, MAP_COST, ONE, STRUCT_COST, Estimate, Range, Sized
from api.cel.schema_types import SIZE_OF_KEYS
from api.cel.syntax import (
    Bind,
    Call,
    Ident,
    ListLiteral,
    Literal,
    Logic,
    Loop,
    MapLiteral,
    Node,
    Select,
    StructLiteral,
    children,
)
from api.cel.types import Type
from api.cel.values import size

# Values of these types count as one, if nothing else is known.
_UNSIZED = frozenset(("bool", "int", "uint", "double", "timestamp", "duration", "null", "opaque"))
# Types of operands whose fields cost a step; fields of what is dyn are not counted.
_SELECTED = frozenset(("map", "object"))


class Estimated(NamedTuple):
    """The cost of evaluating a part, and the size of its value."""

    cost: Range
    size: Range


def estimate(node: Node) -> Range:
    """Return the least and the most that evaluating a checked tree may cost."""
    return _visit(node).cost


def _visit(node: Node) -> Estimated:
    return _VISITS[node.__class__](node)


def _size_of_type(of: Type) -> Range:
    if of.max_size is not None:
        return Range(0, of.max_size)
    return _size_of_kind(of)


def _size_of_kind(of: Type) -> Range:
    return ONE if of.kind in _UNSIZED else ANY_SIZE


def _fixed(count: int) -> Range:
    return Range(count, count)


def _total(costs: "list[Range]") -> Range:
    return reduce(Range.plus, costs, FREE)


def _literal(node: Literal) -> Estimated:
    return Estimated(FREE, _fixed(size(node.value)))


def _ident(node: Ident) -> Estimated:
    return Estimated(ONE, _size_of_type(node.type))


def _select(node: Select) -> Estimated:
    if node.constant is not None or node.variable:
        return Estimated(ONE, ONE)
    cost, above = _visit(node.operand).cost, node.operand.type
    if not node.test and above.kind in _SELECTED:
        cost = cost.plus(ONE)
    # Upstream does not find the schema of a map's value that is read as a field, only of one read by index.
    hidden = above.kind == "map" and above.params[0].max_size == SIZE_OF_KEYS
    return Estimated(cost, _size_of_kind(node.type) if hidden else _size_of_type(node.type))


def _call(node: Call) -> Estimated:
    parts = [_visit(operand) for operand in node.operands]
    if node.function == "_?_:_":
        test, first, second = parts
        return Estimated(test.cost.plus(first.cost.union(second.cost)), first.size.union(second.size))
    sized = [_sized(operand, part) for operand, part in zip(node.operands, parts, strict=True)]
    bounds = [
        overload.bound(sized) if overload.bound is not None else Estimate(ONE) for overload in node.overloads
    ]
    cost = reduce(Range.union, (bound.cost for bound in bounds))
    sizes = [bound.size for bound in bounds if bound.size is not None]
    result = reduce(Range.union, sizes) if sizes else _size_of_type(node.type)
    return Estimated(_total([part.cost for part in parts]).plus(cost), result)


def _sized(node: Node, part: Estimated) -> Sized:
    of = node.type
    if of.kind != "list":
        return Sized(part.size)
    item = of.params[0]
    texts = item.kind in ("string", "bytes")
    return Sized(part.size, _size_of_type(item) if texts else None, True)


def _logic(node: Logic) -> Estimated:
    costs = [_visit(term).cost for term in node.terms]
    return Estimated(Range(costs[0].low, _total(costs).high), ONE)


def _list(node: ListLiteral) -> Estimated:
    return _literal_of(node, LIST_COST, len(node.items))


def _map(node: MapLiteral) -> Estimated:
    return _literal_of(node, MAP_COST, len(node.entries))


def _struct(node: StructLiteral) -> Estimated:
    return _literal_of(node, STRUCT_COST, 1)


def _literal_of(node: Node, base: int, count: int) -> Estimated:
    costs = [_visit(part).cost for part in children(node)]
    return Estimated(_total(costs).plus(_fixed(base)), _fixed(count))


class _Step(NamedTuple):
    """What a loop costs: once, and with every item; `counts` if the result has as many items."""

    once: int
    each: Range
    counts: bool = False


def _loop(node: Loop) -> Estimated:
    over = _visit(node.range)
    args = [_visit(arg).cost for arg in node.args]
    step = _STEPS[node.macro](args)
    cost = over.cost.plus(_fixed(step.once)).plus(over.size.times(step.each))
    return Estimated(cost, over.size if step.counts else ONE)


def _all(args: list[Range]) -> _Step:
    return _Step(1, Range(3, args[0].plus(_fixed(3)).high))


def _exists(args: list[Range]) -> _Step:
    return _Step(1, Range(4, args[0].plus(_fixed(4)).high))


def _exists_one(args: list[Range]) -> _Step:
    return _Step(2, args[0].plus(Range(1, 2)))


def _filter(args: list[Range]) -> _Step:
    return _Step(LIST_COST + 1, args[0].plus(Range(1, 13)), True)


def _gather(args: list[Range]) -> _Step:
    return _Step(LIST_COST + 1, _if_tested(args, _fixed(12)), True)


def _insert(args: list[Range]) -> _Step:
    return _Step(MAP_COST + 1, _if_tested(args, _fixed(3)), True)


def _insert_entry(args: list[Range]) -> _Step:
    return _Step(MAP_COST + 1, _if_tested(args, _fixed(2)), True)


def _if_tested(args: list[Range], gathering: Range) -> Range:
    """Return the cost of a step that transforms an item, if the test before it says so."""
    *tests, transform = args
    taken = transform.plus(gathering)
    return tests[0].plus(taken.union(ONE)) if tests else taken


_STEPS: dict[str, Callable[[list[Range]], _Step]] = {
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _gather,
    "transformList": _gather,
    "transformMap": _insert,
    "transformMapEntry": _insert_entry,
}


def _bind(node: Bind) -> Estimated:
    value, body = _visit(node.value), _visit(node.body)
    if node.macro == "bind":
        # The macro expands to a loop over an empty list.
        return Estimated(value.cost.plus(body.cost).plus(_fixed(LIST_COST)), body.size)
    present = value.cost.plus(body.cost).plus(_fixed(2))
    return Estimated(value.cost.plus(ONE).plus(present.union(ONE)), body.size)


_VISITS: dict[type[Node], Callable[[Any], Estimated]] = {
    Literal: _literal,
    Ident: _ident,
    Select: _select,
    Call: _call,
    Logic: _logic,
    ListLiteral: _list,
    MapLiteral: _map,
    StructLiteral: _struct,
    Loop: _loop,
    Bind: _bind,
}
