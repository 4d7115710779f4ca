"""The type checker: writes types, places of variables and overloads into the tree, reports what does not fit.

What cannot be known is dyn and passes. Called by the environment after parsing.
Spec: github.com/google/cel-go checker/checker.go, checker/errors.go.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from api.cel.declarations import Library, Overload
from api.cel.errors import EvaluationError
from api.cel.library.jsonpatch import constructed_type
from api.cel.library.pattern import compile_pattern
from api.cel.source import Report
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
    qualified_name,
)
from api.cel.times import parse_duration, parse_timestamp
from api.cel.types import (
    BOOL,
    DYN,
    ERROR,
    INT,
    ObjectType,
    Type,
    is_assignable,
    is_optional,
    list_of,
    map_of,
    most_general,
    optional_of,
    substitute,
    type_type,
)
from api.cel.values import TYPES, TypeValue

_LITERALS: dict[str, Callable[[str], Any]] = {
    "matches": compile_pattern,
    "find": compile_pattern,
    "findAll": compile_pattern,
    "duration": parse_duration,
    "timestamp": parse_timestamp,
}
_RANGES = frozenset(("list", "map", "dyn", "error"))


class Scope:
    """The names that are known at a place: those of the environment, and of the macros around it."""

    __slots__ = ("locals", "next_slot")

    def __init__(self, local: dict[str, tuple[Type, int]], next_slot: int) -> None:
        self.locals = local
        self.next_slot = next_slot

    def inner(self, names: Mapping[str, Type]) -> "Scope":
        """Return the scope inside a macro that declares these names in consecutive slots."""
        made = {name: (kind, self.next_slot + n) for n, (name, kind) in enumerate(names.items())}
        return Scope({**self.locals, **made}, self.next_slot + len(names))


class Checker:
    """Checks one expression. `first_slot` is where the places of macros' variables begin in a frame."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        type_names: Mapping[str, Type],
        functions: Library,
        objects: frozenset[str],
        report: Report,
    ) -> None:
        self.variables = variables
        self.type_names = type_names
        self.functions = functions
        self.objects = objects
        self.report = report
        # How many places the deepest nest of macros needs, and the names of variables and their first fields.
        self.slots = 0
        self.references: set[str] = set()

    def check(self, node: Node, scope: Scope) -> Type:
        """Return the type of a node, having written it into the node."""
        found = _CHECKS[node.__class__](self, node, scope)
        node.type = found
        return found

    def _literal(self, node: Literal, scope: Scope) -> Type:
        return TYPES[node.value.__class__]

    def _ident(self, node: Ident, scope: Scope) -> Type:
        local = scope.locals.get(node.name)
        if local is not None:
            kind, node.slot = local
            return kind
        known = self.variables.get(node.name)
        if known is not None:
            self.references.add(node.name)
            return known
        named = self.type_names.get(node.name)
        if named is not None:
            return type_type(named)
        self._undeclared(node.pos, node.name)
        return ERROR

    def _undeclared(self, pos: int, name: str) -> None:
        self.report.add(pos, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select, scope: Scope) -> Type:
        name = qualified_name(node)
        if name.partition(".")[0] in scope.locals:
            name = ""
        if name in self.variables:
            node.variable = name
            self.references.add(name)
            return self.variables[name]
        if name in self.type_names:
            node.constant = TypeValue(name)
            return type_type(self.type_names[name])
        target = self.check(node.operand, scope)
        optional = node.optional or is_optional(target)
        if is_optional(target):
            target = target.params[0]
        if isinstance(node.operand, Ident) and node.operand.slot < 0:
            self.references.add(f"{node.operand.name}.{node.field}")
        found = self._field(target, node)
        if node.test:
            return BOOL
        return optional_of(found) if optional and not is_optional(found) else found

    def _field(self, target: Type, node: Select) -> Type:
        if target.is_any or target.kind == "param":
            return DYN
        if target.kind == "map":
            return target.params[1]
        if isinstance(target, ObjectType):
            found = target.fields.get(node.field)
            if found is not None:
                return found
            self.report.add(node.pos, f"undefined field '{node.field}'")
            return ERROR
        self.report.add(node.pos, f"type '{target}' does not support field selection")
        return ERROR

    def _call(self, node: Call, scope: Scope) -> Type:
        types = []
        # A loop, not a comprehension: that would be one more frame per level of a deep expression.
        for arg in node.args:
            types.append(self.check(arg, scope))  # noqa: PERF401
        if node.target is not None:
            name = qualified_name(node.target)
            full = f"{name}.{node.function}"
            if name and full in self.functions and name.partition(".")[0] not in scope.locals:
                node.function, node.target = full, None
            else:
                types.insert(0, self.check(node.target, scope))
        overloads = self.functions.get(node.function)
        if overloads is None:
            self._undeclared(node.pos, node.function)
            return ERROR
        if node.function in _LITERALS:
            self._check_literal(node)
        return self._resolve(node, overloads, types)

    def _check_literal(self, node: Call) -> None:
        """Report a constant that its function can never take: a bad pattern, duration or timestamp."""
        arg = node.args[-1] if node.args else node
        if isinstance(arg, Literal) and arg.value.__class__ is str:
            try:
                _LITERALS[node.function](arg.value)
            except EvaluationError:
                self.report.add(arg.pos, f"invalid {node.function} argument")

    def _resolve(self, node: Call, overloads: tuple[Overload, ...], types: list[Type]) -> Type:
        member = node.target is not None
        fitting: list[Overload] = []
        result: Type | None = None
        for overload in overloads:
            if overload.member is not member or len(overload.args) != len(types):
                continue
            bound: dict[str, Type] = {}
            if all(is_assignable(*pair, bound) for pair in zip(overload.args, types, strict=True)):
                fitting.append(overload)
                found = substitute(overload.result, bound)
                result = found if result is None or result == found else DYN
        node.overloads = tuple(fitting)
        if result is not None:
            # What is added to a set stays a set; how large it is then is no longer known.
            kept = node.function == "_+_" and types[0].list_type
            return result.listed(types[0].list_type, types[0].list_keys) if kept else result
        self._no_overload(node.pos, node.function, types, member)
        return ERROR

    def _no_overload(self, pos: int, function: str, types: list[Type], member: bool) -> None:
        shown = [str(kind) for kind in types]
        receiver = f"{shown.pop(0)}." if member else ""
        self.report.add(
            pos, f"found no matching overload for '{function}' applied to '{receiver}({', '.join(shown)})'"
        )

    def _logic(self, node: Logic, scope: Scope) -> Type:
        types = [self.check(term, scope) for term in node.terms]
        for place, pair in zip(node.places, pairwise(types), strict=True):
            if not all(kind.kind in _TRUTH for kind in pair):
                self._no_overload(place, node.function, list(pair), False)
        return BOOL

    def _list(self, node: ListLiteral, scope: Scope) -> Type:
        element: Type | None = None
        for number, item in enumerate(node.items):
            found = self._entry(item, number in node.optionals, scope)
            element = self._join(item.pos, element, found)
        return list_of(element or DYN)

    def _entry(self, node: Node, optional: bool, scope: Scope) -> Type:
        """Return the type of an element; one with a question mark is an optional, which is unwrapped."""
        found = self.check(node, scope)
        if not optional or found.is_any:
            return found
        if is_optional(found):
            return found.params[0]
        self.report.add(node.pos, f"expected type 'optional_type({found})' but found '{found}'")
        return found

    def _join(self, pos: int, known: Type | None, found: Type) -> Type:
        if known is None:
            return found
        if is_assignable(known, found, {}) or is_assignable(found, known, {}):
            return most_general(known, found)
        self.report.add(pos, f"expected type '{known}' but found '{found}'")
        return known

    def _map(self, node: MapLiteral, scope: Scope) -> Type:
        key_type: Type | None = None
        value_type: Type | None = None
        for key, value, optional in node.entries:
            key_type = self._join(key.pos, key_type, self.check(key, scope))
            value_type = self._join(value.pos, value_type, self._entry(value, optional, scope))
        return map_of(key_type or DYN, value_type or DYN)

    def _struct(self, node: StructLiteral, scope: Scope) -> Type:
        types = [self._entry(value, optional, scope) for _, _, value, optional in node.fields]
        if node.name.partition(".")[0] not in self.objects:
            self._undeclared(node.pos, node.name)
            return ERROR
        made = constructed_type(node.name)
        for (pos, name, _, _), found in zip(node.fields, types, strict=True):
            wanted = made.fields.get(name)
            if wanted is None:
                self.report.add(pos, f"undefined field '{name}'")
            elif not is_assignable(wanted, found, {}):
                self.report.add(
                    pos, f"expected type of field '{name}' is '{wanted}' but provided type is '{found}'"
                )
        return made

    def _loop(self, node: Loop, scope: Scope) -> Type:
        over = self.check(node.range, scope)
        if over.kind not in _RANGES:
            self.report.add(
                node.range.pos,
                f"expression of type '{over}' cannot be range of a comprehension"
                " (must be list, map, or dynamic)",
            )
        inner = scope.inner(dict(zip(node.variables, _loop_types(over, len(node.variables)), strict=False)))
        node.slot = scope.next_slot
        self.slots = max(self.slots, inner.next_slot)
        types = [self.check(arg, inner) for arg in node.args]
        return self._loop_result(node, over, types)

    def _loop_result(self, node: Loop, over: Type, types: list[Type]) -> Type:
        macro = node.macro
        if macro in ("all", "exists"):
            self._require_bool(node, "_&&_" if macro == "all" else "_||_", [BOOL, types[0]], 1)
            return BOOL
        step, result = self._loop_step(macro, over, types)
        if macro in ("exists_one", "filter") or len(types) == 2:
            # These macros test before they take a step.
            self._require_bool(node, "_?_:_", [types[0], step, step], 0)
        return result

    def _loop_step(self, macro: str, over: Type, types: list[Type]) -> tuple[Type, Type]:
        """Return the type of what the macro gathers, and of its result."""
        if macro == "exists_one":
            return INT, BOOL
        if macro == "filter":
            made = list_of(_loop_types(over, 1)[0])
        elif macro in ("map", "transformList"):
            made = list_of(types[-1])
        elif macro == "transformMap":
            made = map_of(_loop_types(over, 2)[0], types[-1])
        else:
            made = types[-1] if types[-1].kind == "map" else map_of(DYN, DYN)
        return made, made

    def _require_bool(self, node: Loop, function: str, types: list[Type], place: int) -> None:
        if types[place].kind not in _TRUTH:
            self._no_overload(node.pos, function, types, False)

    def _bind(self, node: Bind, scope: Scope) -> Type:
        found = self.check(node.value, scope)
        if node.macro != "bind":
            if not (is_optional(found) or found.is_any):
                self._no_overload(node.pos, "hasValue", [found], True)
                found = ERROR
            found = found.params[0] if is_optional(found) else DYN
        inner = scope.inner({node.name: found})
        node.slot = scope.next_slot
        self.slots = max(self.slots, inner.next_slot)
        body = self.check(node.body, inner)
        if node.macro == "optMap":
            return optional_of(body)
        return body


_TRUTH = frozenset(("bool", "dyn", "error"))
_CHECKS: dict[type[Node], Callable[[Checker, Any, Scope], Type]] = {
    Literal: Checker._literal,
    Ident: Checker._ident,
    Select: Checker._select,
    Call: Checker._call,
    Logic: Checker._logic,
    ListLiteral: Checker._list,
    MapLiteral: Checker._map,
    StructLiteral: Checker._struct,
    Loop: Checker._loop,
    Bind: Checker._bind,
}


def _loop_types(over: Type, count: int) -> tuple[Type, ...]:
    """Return the types of a loop's variables: items, or keys; with two variables index and item, or
    key and value.
    """
    if over.kind == "list":
        return (INT, over.params[0])[2 - count :]
    if over.kind == "map":
        return over.params[:count]
    return (DYN,) * count
