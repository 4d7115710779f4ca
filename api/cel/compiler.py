"""The checked tree to functions. Called by the environment.

Every part becomes a function of the frame (`code.py`). What is constant is computed here, and operators
with a constant operand get a function of their own, since rules compare fields with constants.
Spec: github.com/google/cel-go interpreter/{planner,interpretable,optimizations,runtimecost}.go; Kubernetes
runs with optimisation on, so lists of constants and conversions of constants cost nothing.
"""

import operator
from collections.abc import Callable
from typing import Any

from api.cel import access, calls, lists
from api.cel.code import COST, Code, Frame, Run, constant
from api.cel.cost import CHARACTER, LIST_COST, MAP_COST, STRUCT_COST, traverse
from api.cel.errors import EvaluationError, no_such_overload
from api.cel.loops import Parts, loop
from api.cel.operators import BINARY, UNARY
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
)
from api.cel.types import ObjectType, is_optional
from api.cel.values import Optional, TypeValue, to_key

_FOLDED = frozenset(("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration"))
# Types whose values have no size: comparing them costs 1.
_FIXED = frozenset(("bool", "int", "uint", "double", "timestamp", "duration", "null"))
_SCALARS = frozenset((str, int, bool))
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


def compile_node(node: Node) -> Code:
    """Return the code of a checked tree."""
    return _COMPILE[node.__class__](node)


def _literal(node: Literal) -> Code:
    return constant(node.value)


def _ident(node: Ident) -> Code:
    if node.type.kind == "type" and node.slot < 0:
        return constant(TypeValue(node.name))
    if node.slot >= 0:
        return Code(access.read_slot(node.slot), 1)
    return Code(access.read_variable(node.name, access.converter(node.type)), 1)


def _is_attribute(node: Node) -> bool:
    """True for variables and paths below them, which cel-go resolves in one go."""
    match node:
        case Ident():
            return True
        case Select():
            return not node.test
        case Call(function="_[_]" | "_[?_]"):
            return True
        case Call(function="_?_:_"):
            return _is_attribute(node.args[1]) and _is_attribute(node.args[2])
    return False


def _select(node: Select) -> Code:
    if node.constant is not None:
        return constant(node.constant)
    if node.variable:
        return Code(access.read_variable(node.variable, access.converter(node.type)), 1)
    operand = compile_node(node.operand)
    attribute = _is_attribute(node.operand)
    above = node.operand.type
    optional = node.optional or is_optional(above)
    holder = above.params[0] if is_optional(above) else above
    field, convert, given = node.field, None, False
    if isinstance(holder, ObjectType):
        field, given = holder.json_names.get(field, field), holder.null_is_absent
        convert = access.converter(node.type.params[0] if optional and not node.test else node.type)
    if node.test:
        # Kubernetes counts the field, but nothing for the path.
        return Code(access.has_field(operand.run, field, given), operand.cost + (not attribute))
    cost = operand.cost + (1 if attribute else 2)
    if optional:
        return Code(access.read_optional_field(operand.run, field, convert, given), cost)
    read = access.read_given_field if given else access.read_field
    return Code(read(operand.run, field, convert), cost)


def _call(node: Call) -> Code:
    special = _SPECIAL.get(node.function)
    if special is not None:
        return special(node)
    codes = [compile_node(operand) for operand in node.operands]
    if node.function in _FOLDED and codes[0].constant and len(node.overloads) == 1:
        folded = calls.fold(node.overloads[0].run, codes[0].value)
        if folded is not None:
            return folded
    if node.function in ("or", "orValue") and len(codes) == 2:
        run = calls.lazy_or(node.function, codes[0], codes[1], node.function == "orValue")
        return Code(run, codes[0].cost + 1)
    code = calls.call(node.function, node.overloads, codes)
    return calls.precompute(code) if codes and all(arg.constant for arg in codes) else code


def _unary(node: Call) -> Code:
    operand = compile_node(node.args[0])
    run, apply = operand.run, UNARY[node.function]
    return Code(lambda frame: apply(run(frame)), operand.cost + 1)


def _binary(node: Call) -> Code:
    first, second = compile_node(node.args[0]), compile_node(node.args[1])
    listed = lists.operator_of(node.function, node.args[0].type, node.args[1].type)
    apply = listed or BINARY[node.function]
    fixed = first.cost + second.cost
    cost = _dynamic_cost(node)
    if cost is not None and not (
        second.constant and _is_short(second.value) and node.function in _COMPARISONS
    ):
        if listed is None and node.function in _COMPARISONS:
            return Code(_compared(node.function, first.run, second.run, cost), fixed)
        return Code(_charged(apply, first.run, second.run, cost), fixed)
    if second.constant and listed is None:
        return Code(_with_constant(node.function, first.run, second.value), fixed + 1)
    left, right = first.run, second.run
    return Code(lambda frame: apply(left(frame), right(frame)), fixed + 1)


def _dynamic_cost(node: Call) -> Callable[[tuple[Any, ...], Any], int] | None:
    """Return how the cost depends on the operands; None if it is 1 whatever they are."""
    sized = [overload.cost for overload in node.overloads if overload.cost is not None]
    if not sized:
        return None
    if node.function in _COMPARISONS and any(arg.type.kind in _FIXED for arg in node.args):
        return None
    return sized[0] if len(node.overloads) == 1 else calls.sized_cost(node.overloads)


def _is_short(value: Any) -> bool:
    # DEVIATION: comparing with a constant of up to ten characters costs 1 even if the other text is empty
    # (upstream: 0).
    return value.__class__ is str and 0 < traverse(len(value), CHARACTER) <= 1


def _compared(function: str, left: Run, right: Run, cost: Any) -> Run:
    """Return a comparison of operands of unknown types; of two numbers or two texts Python's own is right."""
    apply, native = BINARY[function], _COMPARISONS[function]

    def run(frame: Frame) -> Any:
        first, second = left(frame), right(frame)
        cls = first.__class__
        if cls is second.__class__:
            if cls is int:
                frame[COST] += 1
                return native(first, second)
            if cls is str:
                frame[COST] += traverse(min(len(first), len(second)))
                return native(first, second)
        result = apply(first, second)
        frame[COST] += cost((first, second), result)
        return result

    return run


def _charged(apply: Callable[[Any, Any], Any], left: Run, right: Run, cost: Any) -> Run:
    def run(frame: Frame) -> Any:
        first, second = left(frame), right(frame)
        result = apply(first, second)
        frame[COST] += cost((first, second), result)
        return result

    return run


def _with_constant(function: str, left: Run, value: Any) -> Run:
    """Return an operator whose second operand is known: if the classes agree, Python's own is right."""
    apply, native, cls = BINARY[function], _COMPARISONS.get(function), value.__class__
    if native is None or cls not in _SCALARS:
        return lambda frame: apply(left(frame), value)

    def run(frame: Frame) -> Any:
        found = left(frame)
        return native(found, value) if found.__class__ is cls else apply(found, value)

    return run


def _in(node: Call) -> Code:
    first, second = compile_node(node.args[0]), compile_node(node.args[1])
    if not second.constant or second.value.__class__ is not list:
        return _binary(node)
    left, items, apply = first.run, second.value, BINARY["@in"]
    classes = set(map(type, items))
    if classes != {str} and classes != {int}:
        return Code(lambda frame: apply(left(frame), items), first.cost)
    known, (cls,) = frozenset(items), classes

    def run(frame: Frame) -> bool:
        value = left(frame)
        return value in known if value.__class__ is cls else bool(apply(value, items))

    return Code(run, first.cost)


def _index(node: Call) -> Code:
    first, key = compile_node(node.args[0]), compile_node(node.args[1])
    left, right = first.run, key.run
    apply = access.find_item if node.function == "_[?_]" else access.read_item
    # A key that is itself a variable or path is resolved with the path, at no cost of its own.
    key_cost = 0 if _is_attribute(node.args[1]) else key.cost
    cost = first.cost + key_cost + (1 if _is_attribute(node.args[0]) else 2)
    if key.constant:
        value = key.value
        return Code(lambda frame: apply(left(frame), value), cost)
    return Code(lambda frame: apply(left(frame), right(frame)), cost)


def _conditional(node: Call) -> Code:
    condition, first, second = (compile_node(arg) for arg in node.args)
    free = _is_attribute(node)
    test, yes, no = condition.run, first.run, second.run
    yes_cost, no_cost = (0, 0) if free else (first.cost, second.cost)

    def run(frame: Frame) -> Any:
        found = test(frame)
        if found is True:
            frame[COST] += yes_cost
            return yes(frame)
        if found is False:
            frame[COST] += no_cost
            return no(frame)
        raise no_such_overload()

    return Code(run, condition.cost)


def _logic(node: Logic) -> Code:
    """`&&` and `||`: a term that decides hides what is wrong with the others."""
    first, *rest = [compile_node(term) for term in node.terms]
    decisive = node.function == "_||_"
    start, others = first.run, [(code.run, code.cost) for code in rest]

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        try:
            found = start(frame)
            if found is decisive:
                return bool(found)
            if found.__class__ is not bool:
                error = no_such_overload()
        except EvaluationError as raised:
            error = _absorbed(raised)
        for term, cost in others:
            frame[COST] += cost
            try:
                found = term(frame)
            except EvaluationError as raised:
                error = error or _absorbed(raised)
                continue
            if found is decisive:
                return bool(found)
            if found.__class__ is not bool:
                error = error or no_such_overload()
        if error is not None:
            raise error
        return not decisive

    return Code(run, first.cost)


def _absorbed(error: EvaluationError) -> EvaluationError:
    """Return an error that another term may hide; raises one that ends the evaluation."""
    if error.final:
        raise error
    return error


def _list(node: ListLiteral) -> Code:
    codes = [compile_node(item) for item in node.items]
    if not node.optionals and all(code.constant for code in codes):
        return constant([code.value for code in codes])
    runs = [code.run for code in codes]
    cost = sum(code.cost for code in codes) + LIST_COST
    if not node.optionals:
        return Code(lambda frame: [run(frame) for run in runs], cost)
    marked = [(run, number in node.optionals) for number, run in enumerate(runs)]

    def run(frame: Frame) -> list[Any]:
        made = []
        for item, optional in marked:
            value = item(frame)
            if not optional:
                made.append(value)
            elif _unwrapped(value).present:
                made.append(value.value)
        return made

    return Code(run, cost)


def _unwrapped(value: Any) -> Optional:
    if value.__class__ is not Optional:
        raise no_such_overload()
    found: Optional = value
    return found


def _map(node: MapLiteral) -> Code:
    entries = [(compile_node(key), compile_node(value), optional) for key, value, optional in node.entries]
    runs = [(key.run, value.run, optional) for key, value, optional in entries]

    def run(frame: Frame) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key_of, value_of, optional in runs:
            key = key_of(frame)
            mark = to_key(key)
            if mark in made:
                raise EvaluationError(f"Failed with repeated key: {key}")
            value = value_of(frame)
            if not optional:
                made[mark] = value
            elif _unwrapped(value).present:
                made[mark] = value.value
        return made

    if entries and all(key.constant and value.constant and not optional for key, value, optional in entries):
        folded = calls.fold(run, [])
        if folded is not None:
            return folded
    if not entries:
        return constant({})
    return Code(run, sum(key.cost + value.cost for key, value, _ in entries) + MAP_COST)


def _struct(node: StructLiteral) -> Code:
    fields = [(name, compile_node(value), optional) for _, name, value, optional in node.fields]
    runs = [(name, value.run, optional) for name, value, optional in fields]

    def run(frame: Frame) -> dict[str, Any]:
        made = {}
        for name, value_of, optional in runs:
            value = value_of(frame)
            if not optional:
                made[name] = value
            elif _unwrapped(value).present:
                made[name] = value.value
        return made

    return Code(run, sum(value.cost for _, value, _ in fields) + STRUCT_COST)


def _loop(node: Loop) -> Code:
    parts = Parts(
        compile_node(node.range), [compile_node(arg) for arg in node.args], node.slot, len(node.variables)
    )
    return loop(node.macro, parts)


def _bind(node: Bind) -> Code:
    value, body = compile_node(node.value), compile_node(node.body)
    find, run_body, slot = value.run, body.run, node.slot
    if node.macro == "bind":

        def run(frame: Frame) -> Any:
            frame[slot] = find(frame)
            return run_body(frame)

        return Code(run, value.cost + body.cost)
    wrap = node.macro == "optMap"
    # The macro asks whether there is a value, evaluates the optional again, and unwraps and wraps.
    unwrap = value.cost + 1 + wrap

    def run_optional(frame: Frame) -> Optional:
        found = _unwrapped(find(frame))
        if not found.present:
            return found
        frame[slot] = found.value
        frame[COST] += unwrap + body.cost
        result = run_body(frame)
        return Optional(result, True) if wrap else _unwrapped(result)

    return Code(run_optional, value.cost + 1)


_SPECIAL: dict[str, Callable[[Call], Code]] = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
    "@in": _in,
    "_[_]": _index,
    "_[?_]": _index,
    "_?_:_": _conditional,
}
_COMPILE: dict[type[Node], Callable[[Any], Code]] = {
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
