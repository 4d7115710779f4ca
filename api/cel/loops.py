"""Macros over lists and maps at run time. Called by the compiler.

`all` and `exists` absorb errors if another item decides. Each step is charged before it runs, so nothing
loops beyond its limit. The costs are those of the loops that cel-go expands these macros to.
Spec: github.com/google/cel-go parser/macro.go, ext/comprehensions.go, interpreter/runtimecost.go.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from api.cel.code import COST, LIMIT, Code, Frame, Run
from api.cel.errors import CostExceeded, EvaluationError, no_such_overload
from api.cel.values import Defaulting, from_key, to_key

# What one step costs beside the parts written in it: the condition of the loop, and reading what was
# gathered.
_STEP = {"all": 3, "exists": 4}
# Of that the condition, which is also asked once more if there are items left when one has decided.
_CONDITION = {"all": 2, "exists": 3}
# Gathering one item: a list of one item is made and added.
_GATHER = 12
_INSERT = {"transformMap": 2, "transformMapEntry": 1}
_END = object()


class Parts(NamedTuple):
    """The compiled parts of a loop: what it is over, its arguments, the place of its first variable."""

    over: Code
    args: list[Code]
    slot: int
    variables: int


def loop(macro: str, parts: Parts) -> Code:
    """Return the code of a macro."""
    iterate = _ITERATE[parts.variables]
    run = _MACROS[macro](macro, parts, iterate)
    # What is read at the end; `exists_one` also compares.
    return Code(run, parts.over.cost + (2 if macro == "exists_one" else 1))


# Returns items or keys; with two variables pairs of index and item, or of key and value.
Iterate = Callable[[Any], "Iterable[Any]"]


def _one(items: Any) -> Iterable[Any]:
    if items.__class__ is list:
        return items
    if items.__class__ is dict or items.__class__ is Defaulting:
        return map(from_key, items)
    raise no_such_overload()


def _two(items: Any) -> Iterable[Any]:
    if items.__class__ is list:
        return enumerate(items)
    if items.__class__ is dict or items.__class__ is Defaulting:
        return ((from_key(key), value) for key, value in items.items())
    raise no_such_overload()


_ITERATE: dict[int, Iterate] = {1: _one, 2: _two}


def _place(parts: Parts) -> Any:
    """Return where in a frame an item goes, or a pair."""
    return parts.slot if parts.variables == 1 else slice(parts.slot, parts.slot + 2)


def _quantifier(macro: str, parts: Parts, iterate: Iterate) -> Run:
    """Return the code of `all` and `exists`: the first item that decides ends the loop."""
    over, (predicate, cost, *_) = parts.over.run, parts.args[0]
    place, step, again = _place(parts), cost + _STEP[macro], _CONDITION[macro]
    decisive: bool = macro == "exists"

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        items = iter(iterate(over(frame)))
        for item in items:
            frame[COST] += step
            if frame[COST] > frame[LIMIT]:
                raise CostExceeded
            frame[place] = item
            try:
                found = predicate(frame)
            except EvaluationError as raised:
                if raised.final:
                    raise
                error = raised
                continue
            if found is decisive:
                frame[COST] += 0 if next(items, _END) is _END else again
                return bool(found)
            if found.__class__ is not bool:
                error = no_such_overload()
        if error is not None:
            raise error
        return not decisive

    return run


def _steps(parts: Parts, iterate: Iterate, step: int) -> Callable[[Frame], "Iterable[Any]"]:
    """Return what runs through the items: it charges a step, sets the variables and yields what they are."""
    over, place = parts.over.run, _place(parts)

    def steps(frame: Frame) -> Iterable[Any]:
        for item in iterate(over(frame)):
            frame[COST] += step
            if frame[COST] > frame[LIMIT]:
                raise CostExceeded
            frame[place] = item
            yield item

    return steps


def _test(predicate: Run, frame: Frame) -> bool:
    found = predicate(frame)
    if found.__class__ is not bool:
        raise no_such_overload()
    return bool(found)


def _exists_one(macro: str, parts: Parts, iterate: Iterate) -> Run:
    predicate, cost, *_ = parts.args[0]
    steps = _steps(parts, iterate, cost + 1)

    def run(frame: Frame) -> bool:
        count = 0
        for _ in steps(frame):
            if _test(predicate, frame):
                frame[COST] += 1
                count += 1
        return count == 1

    return run


def _filter(macro: str, parts: Parts, iterate: Iterate) -> Run:
    predicate, cost, *_ = parts.args[0]
    steps = _steps(parts, iterate, cost + 1)

    def run(frame: Frame) -> list[Any]:
        kept = []
        for item in steps(frame):
            if _test(predicate, frame):
                frame[COST] += _GATHER
                kept.append(item)
        return kept

    return run


def _map(macro: str, parts: Parts, iterate: Iterate) -> Run:
    """Return the code of `map` and `transformList`, with or without a test."""
    *tests, (transform, cost, *_) = parts.args
    if not tests:
        every = _steps(parts, iterate, cost + _GATHER)
        return lambda frame: [transform(frame) for _ in every(frame)]
    predicate = tests[0].run
    steps = _steps(parts, iterate, tests[0].cost + 1)

    def run(frame: Frame) -> list[Any]:
        made = []
        for _ in steps(frame):
            if _test(predicate, frame):
                frame[COST] += cost + _GATHER - 1
                made.append(transform(frame))
        return made

    return run


def _transform_map(macro: str, parts: Parts, iterate: Iterate) -> Run:
    """Return the code of `transformMap` and `transformMapEntry`, with or without a test."""
    *tests, (transform, cost, *_) = parts.args
    predicate = tests[0].run if tests else None
    steps = _steps(parts, iterate, tests[0].cost + 1 if tests else 1)
    by_entry, insert = macro == "transformMapEntry", cost + _INSERT[macro]

    def run(frame: Frame) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, _ in steps(frame):
            if predicate is not None and not _test(predicate, frame):
                continue
            frame[COST] += insert
            value = transform(frame)
            if by_entry:
                _insert_all(made, value)
            else:
                made[to_key(key)] = value
        return made

    return run


def _insert_all(made: dict[Any, Any], entry: Any) -> None:
    if entry.__class__ is not dict:
        raise no_such_overload()
    for key, value in entry.items():
        if key in made:
            raise EvaluationError(f"insert failed: key {from_key(key)} already exists")
        made[key] = value


_MACROS: dict[str, Callable[[str, Parts, Iterate], Run]] = {
    "all": _quantifier,
    "exists": _quantifier,
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _map,
    "transformList": _map,
    "transformMap": _transform_map,
    "transformMapEntry": _transform_map,
}
