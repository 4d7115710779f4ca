"""Macros: calls that become nodes of their own. Called by the parser with every call that it has read.

A call whose name or number of arguments is no macro's stays a call; the checker then finds no such function.
Spec: github.com/google/cel-go parser/macro.go, ext/comprehensions.go, ext/bindings.go, cel/library.go
(optionals).
"""

from api.cel.source import Report
from api.cel.syntax import Bind, Call, Ident, Literal, Loop, Node, Select

# Name and number of arguments of a loop macro, to the number of variables among them.
_LOOPS = {
    ("all", 2): 1,
    ("exists", 2): 1,
    ("exists_one", 2): 1,
    ("existsOne", 2): 1,
    ("map", 2): 1,
    ("map", 3): 1,
    ("filter", 2): 1,
    ("all", 3): 2,
    ("exists", 3): 2,
    ("exists_one", 3): 2,
    ("existsOne", 3): 2,
    ("transformList", 3): 2,
    ("transformList", 4): 2,
    ("transformMap", 3): 2,
    ("transformMap", 4): 2,
    ("transformMapEntry", 3): 2,
    ("transformMapEntry", 4): 2,
}
_NAMES = {"existsOne": "exists_one"}


def expand(call: Call, report: Report) -> Node:
    """Return what a call means: a macro's node, or the call itself."""
    count = len(call.args)
    if call.target is None:
        return _has(call, report) if call.function == "has" and count == 1 else call
    variables = _LOOPS.get((call.function, count))
    if variables is not None:
        return _loop(call, variables, report)
    if call.function in ("optMap", "optFlatMap") and count == 2:
        return _bind(call, call.target, call.args, report)
    if (
        call.function == "bind"
        and count == 3
        and isinstance(call.target, Ident)
        and call.target.name == "cel"
    ):
        return _bind(call, call.args[1], [call.args[0], call.args[2]], report)
    return call


def _has(call: Call, report: Report) -> Node:
    operand = call.args[0]
    if isinstance(operand, Select) and not operand.test:
        return Select(call.pos, operand.operand, operand.field, operand.optional, test=True)
    report.add(operand.pos, "invalid argument to has() macro")
    return Literal(call.pos, False)


def _loop(call: Call, count: int, report: Report) -> Node:
    names = []
    for arg in call.args[:count]:
        if not isinstance(arg, Ident):
            simple = call.function in ("map", "filter")
            report.add(
                arg.pos, "argument is not an identifier" if simple else "argument must be a simple name"
            )
            return Literal(call.pos, False)
        names.append(arg.name)
    if len(set(names)) < count:
        report.add(call.args[1].pos, f"duplicate variable name: {names[1]}")
    assert call.target is not None
    macro = _NAMES.get(call.function, call.function)
    return Loop(call.pos, macro, call.target, names, call.args[count:])


def _bind(call: Call, value: Node, args: list[Node], report: Report) -> Node:
    name, body = args
    if not isinstance(name, Ident):
        wording = "cel.bind() variable names must be simple identifiers"
        if call.function != "bind":
            wording = f"{call.function}() variable name must be a simple identifier"
        report.add(name.pos, wording)
        return Literal(call.pos, False)
    return Bind(call.pos, call.function, name.name, value, body)
