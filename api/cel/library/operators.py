"""The types that operators take. How they run is in `api.cel.operators`.

Spec: github.com/google/cel-go common/stdlib/standard.go (with cross-type numeric comparisons, as Kubernetes
has).
"""

from typing import Any

from api.cel import operators
from api.cel.cost import ONE, Estimate, Range, Sized, traverse
from api.cel.declarations import Library, Overload
from api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    B,
    Type,
    list_of,
    map_of,
    optional_of,
)
from api.cel.values import size

_LONG_LIST = 100
_LISTS, _MAPS = list_of(A), map_of(A, B)


def _same(name: str, kinds: tuple[Type, ...]) -> tuple[Overload, ...]:
    run = operators.BINARY[name]
    return tuple(Overload((kind, kind), kind, run) for kind in kinds)


def _smaller_cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(min(size(args[0]), size(args[1])))


def smaller_bound(args: list[Sized]) -> Estimate:
    """Bound an operation that ends with the shorter operand."""
    most = min(args[0].size.high, args[1].size.high)
    return Estimate(Range(min(most, 1), most).scaled(0.1))


def _sum_cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(size(args[0]) + size(args[1]))


def _sum_bound(args: list[Sized]) -> Estimate:
    total = args[0].size.plus(args[1].size)
    return Estimate(total.scaled(0.1), total)


def _list_cost(args: tuple[Any, ...], result: Any) -> int:
    # DEVIATION: upstream takes 1, since it does not copy. Long lists are charged like texts, or one
    # expression
    # could copy them for minutes.
    count = size(args[0]) + size(args[1])
    return traverse(count) if count > _LONG_LIST else 1


def _list_bound(args: list[Sized]) -> Estimate:
    return Estimate(ONE, args[0].size.plus(args[1].size))


def _search_cost(args: tuple[Any, ...], result: Any) -> int:
    return size(args[1])


def _search_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[1].size)


def _comparisons(name: str) -> tuple[Overload, ...]:
    run = operators.BINARY[name]
    numbers = (INT, UINT, DOUBLE)
    crossed = [(first, second) for first in numbers for second in numbers]
    fixed = [(kind, kind) for kind in (BOOL, TIMESTAMP, DURATION)]
    texts = [
        Overload((kind, kind), BOOL, run, cost=_smaller_cost, bound=smaller_bound) for kind in (STRING, BYTES)
    ]
    return (*(Overload(pair, BOOL, run) for pair in crossed + fixed), *texts)


def _equality(name: str) -> tuple[Overload, ...]:
    return (Overload((A, A), BOOL, operators.BINARY[name], cost=_smaller_cost, bound=smaller_bound),)


def _add() -> tuple[Overload, ...]:
    run = operators.add
    return (
        *_same("_+_", (INT, UINT, DOUBLE, DURATION)),
        *(Overload((kind, kind), kind, run, cost=_sum_cost, bound=_sum_bound) for kind in (STRING, BYTES)),
        Overload((_LISTS, _LISTS), _LISTS, run, cost=_list_cost, bound=_list_bound),
        Overload((DURATION, TIMESTAMP), TIMESTAMP, run),
        Overload((TIMESTAMP, DURATION), TIMESTAMP, run),
    )


def _subtract() -> tuple[Overload, ...]:
    return (
        *_same("_-_", (INT, UINT, DOUBLE, DURATION)),
        Overload((TIMESTAMP, TIMESTAMP), DURATION, operators.subtract),
        Overload((TIMESTAMP, DURATION), TIMESTAMP, operators.subtract),
    )


def _index(result: Type, run: Any) -> tuple[Overload, ...]:
    return (Overload((_LISTS, INT), result, run), Overload((_MAPS, A), _result(result), run))


def _result(result: Type) -> Type:
    return B if result is A else optional_of(B)


def _no_run(*args: Any) -> Any:
    raise AssertionError("the compiler builds this operator itself")


FUNCTIONS: Library = {
    "!_": (Overload((BOOL,), BOOL, operators.invert),),
    "-_": tuple(Overload((kind,), kind, operators.negate) for kind in (INT, DOUBLE, DURATION)),
    "_&&_": (Overload((BOOL, BOOL), BOOL, _no_run),),
    "_||_": (Overload((BOOL, BOOL), BOOL, _no_run),),
    "_?_:_": (Overload((BOOL, A, A), A, _no_run),),
    "_+_": _add(),
    "_-_": _subtract(),
    "_*_": _same("_*_", (INT, UINT, DOUBLE)),
    "_/_": _same("_/_", (INT, UINT, DOUBLE)),
    "_%_": _same("_%_", (INT, UINT)),
    "_==_": _equality("_==_"),
    "_!=_": _equality("_!=_"),
    "_<_": _comparisons("_<_"),
    "_<=_": _comparisons("_<=_"),
    "_>_": _comparisons("_>_"),
    "_>=_": _comparisons("_>=_"),
    "@in": (
        Overload((A, list_of(A)), BOOL, operators.is_in, cost=_search_cost, bound=_search_bound),
        Overload((A, map_of(A, B)), BOOL, operators.is_in),
    ),
    "_[_]": _index(A, operators.index),
    "_[?_]": (
        *_index(optional_of(A), _no_run),
        Overload((optional_of(_LISTS), INT), optional_of(A), _no_run),
        Overload((optional_of(_MAPS), A), optional_of(B), _no_run),
    ),
}
# Operators on optionals: `optional[key]` reaches into what may be absent.
FUNCTIONS["_[_]"] += (
    Overload((optional_of(_LISTS), INT), optional_of(A), _no_run),
    Overload((optional_of(_MAPS), A), optional_of(B), _no_run),
)
