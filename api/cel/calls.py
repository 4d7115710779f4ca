"""Calls of functions: the overload is chosen by the classes of the arguments. Called by the compiler.

Spec: github.com/google/cel-go common/decls (dispatch), interpreter/interpretable.go.
"""

from collections.abc import Callable, Container, Iterable
from typing import Any

from api.cel.code import COST, Code, Frame, Run, constant
from api.cel.cost import UNBOUNDED
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
    choose = _chooser(overloads)

    def evaluate(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        chosen = choose(values)
        if chosen is None:
            raise mismatch(name, values)
        result = chosen.run(*values)
        if chosen.cost is not None:
            # Where several overloads may run, the usual cost of 1 was counted beforehand.
            frame[COST] += chosen.cost(tuple(values), result) - (not single)
        return result

    return evaluate


def _chooser(overloads: tuple[Overload, ...]) -> Callable[[Iterable[Any]], Overload | None]:
    """Return what finds the first overload that takes some values; it is remembered by their classes."""
    forms = [(_accepted(overload), overload) for overload in overloads]
    known: dict[tuple[type, ...], Overload | None] = {}

    def choose(values: Iterable[Any]) -> Overload | None:
        classes = tuple(map(type, values))
        if classes not in known:
            known[classes] = next((overload for accepted, overload in forms if _fit(accepted, classes)), None)
        return known[classes]

    return choose


def _fit(accepted: list[Container[type]], classes: tuple[type, ...]) -> bool:
    return all(cls in wanted for cls, wanted in zip(classes, accepted, strict=True))


def sized_cost(overloads: tuple[Overload, ...]) -> Callable[[tuple[Any, ...], Any], int]:
    """Return the cost of an operator that may run as several overloads: that of the first that fits."""
    choose = _chooser(overloads)

    def cost(args: tuple[Any, ...], result: Any) -> int:
        chosen = choose(args)
        return 1 if chosen is None or chosen.cost is None else chosen.cost(args, result)

    return cost


def precompute(code: Code) -> Code:
    """Return the code of a call whose arguments are constants: its result is known, its cost stays."""
    frame: Frame = [0, UNBOUNDED, None]
    try:
        value = code.run(frame)
    except EvaluationError:
        return code
    return Code(lambda frame: value, code.cost + int(frame[COST]))


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
