"""Calls of functions: the overload is chosen by the classes of the arguments. Called by the compiler.

Spec: github.com/google/cel-go common/decls (dispatch), interpreter/interpretable.go.
"""

from collections.abc import Callable, Container
from typing import Any

from api.cel.code import COST, Code, Frame, Run, constant
from api.cel.declarations import Overload
from api.cel.errors import EvaluationError
from api.cel.types import Type
from api.cel.values import TYPES, Optional, type_name

_CLASSES: dict[str, frozenset[type]] = {
    kind: frozenset(cls for cls, of in TYPES.items() if of.kind == kind)
    for kind in {of.kind for of in TYPES.values()} - {"opaque"}
}


class _OpaqueClasses:
    """The classes whose values have a library's type."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __contains__(self, cls: object) -> bool:
        of = getattr(cls, "cel_type", None)
        return of is not None and bool(of.name == self.name)


def classes_of(of: Type) -> Container[type] | None:
    """Return the classes of a type's values; None if all pass."""
    if of.is_any or of.kind == "param":
        return None
    if of.kind in ("opaque", "object"):
        return frozenset((Optional,)) if of.name == "optional_type" else _OpaqueClasses(of.name)
    return _CLASSES[of.kind]


class _Everything:
    def __contains__(self, cls: object) -> bool:
        return True


def _accepted(overload: Overload) -> list[Container[type]]:
    return [_Everything() if (classes := classes_of(of)) is None else classes for of in overload.args]


def mismatch(name: str, args: "tuple[Any, ...] | list[Any]") -> EvaluationError:
    """Return the error of a call that no overload takes."""
    return EvaluationError(f"no such overload: {name}({', '.join(type_name(arg) for arg in args)})")


def call(name: str, overloads: tuple[Overload, ...], codes: list[Code]) -> Code:
    """Return the code of a call. Arguments are evaluated in order, then the first overload that fits runs."""
    fixed = sum(code.cost for code in codes) + 1
    if len(overloads) == 1:
        overload = overloads[0]
        fixed -= overload.cost is not None
        if len(codes) == 1:
            return Code(_unary(name, overload, codes[0].run), fixed)
        if len(codes) == 2:
            return Code(_binary(name, overload, codes[0].run, codes[1].run), fixed)
    return Code(_any(name, overloads, [code.run for code in codes], fixed), fixed)


def _unary(name: str, overload: Overload, arg: Run) -> Run:
    (classes,) = _accepted(overload)
    run, cost = overload.run, overload.cost

    def evaluate(frame: Frame) -> Any:
        value = arg(frame)
        if value.__class__ not in classes:
            raise mismatch(name, (value,))
        result = run(value)
        if cost is not None:
            frame[COST] += cost((value,), result)
        return result

    return evaluate


def _binary(name: str, overload: Overload, first: Run, second: Run) -> Run:
    classes, other = _accepted(overload)
    run, cost = overload.run, overload.cost

    def evaluate(frame: Frame) -> Any:
        one, two = first(frame), second(frame)
        if one.__class__ not in classes or two.__class__ not in other:
            raise mismatch(name, (one, two))
        result = run(one, two)
        if cost is not None:
            frame[COST] += cost((one, two), result)
        return result

    return evaluate


def _any(name: str, overloads: tuple[Overload, ...], args: list[Run], fixed: int) -> Run:
    single = len(overloads) == 1
    forms = [(_accepted(overload), overload.run, overload.cost) for overload in overloads]

    def evaluate(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        for accepted, run, cost in forms:
            if all(value.__class__ in classes for value, classes in zip(values, accepted, strict=True)):
                result = run(*values)
                if cost is not None:
                    # Where several overloads may run, the usual cost of 1 was counted beforehand.
                    frame[COST] += cost(tuple(values), result) - (not single)
                return result
        raise mismatch(name, values)

    return evaluate


def sized_cost(overloads: tuple[Overload, ...]) -> Callable[[tuple[Any, ...], Any], int]:
    """Return the cost of an operator that may run as several overloads: that of the first that fits."""
    forms = [(_accepted(overload), overload.cost) for overload in overloads]

    def cost(args: tuple[Any, ...], result: Any) -> int:
        for accepted, of in forms:
            if all(value.__class__ in classes for value, classes in zip(args, accepted, strict=True)):
                return 1 if of is None else of(args, result)
        return 1

    return cost


def lazy_or(name: str, maybe: Code, other: Code, unwrap: bool) -> Run:
    """Return the code of `maybe.or(other)` and `maybe.orValue(other)`: the other is run only if it is
    needed.
    """
    first, second = maybe.run, other.run

    def evaluate(frame: Frame) -> Any:
        value = first(frame)
        if value.__class__ is not Optional:
            raise mismatch(name, (value,))
        if value.present:
            return value.value if unwrap else value
        frame[COST] += other.cost
        found = second(frame)
        if not unwrap and found.__class__ is not Optional:
            raise mismatch(name, (value, found))
        return found

    return evaluate


def fold(run: Callable[..., Any], value: Any) -> Code | None:
    """Return the constant that a function makes of a constant; None if it fails, which is for run time
    to say.
    """
    try:
        return constant(run(value))
    except EvaluationError:
        return None
