"""Sums, extremes and places in lists; sets made of lists.

Spec: k8s.io/apiserver/pkg/cel/library/lists.go (1.36), github.com/google/cel-go ext/sets.go.
"""

from functools import reduce
from itertools import pairwise
from math import floor
from typing import Any

from api.cel.cost import CHARACTER, ONE, Estimate, Sized
from api.cel.declarations import Library, Overload
from api.cel.errors import EvaluationError
from api.cel.operators import add
from api.cel.times import Duration
from api.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT, A, list_of
from api.cel.values import Uint, compare, contains, from_key, is_equal, size

_ORDERED = (INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES)
_ZEROS: dict[Any, Any] = {INT: 0, UINT: Uint(0), DOUBLE: 0.0, DURATION: Duration(0)}
_LIST = list_of(A)


def _is_sorted(items: list[Any]) -> bool:
    return all(compare(first, second) <= 0 for first, second in pairwise(items))


def _extreme(name: str, sign: int) -> Any:
    def run(items: list[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        return reduce(lambda best, item: item if compare(item, best) * sign > 0 else best, items)

    return run


def _sum(zero: Any) -> Any:
    return lambda items: reduce(add, items) if items else zero


def _index_of(items: list[Any], value: Any) -> int:
    return next((place for place, item in enumerate(items) if is_equal(item, value)), -1)


def _last_index_of(items: list[Any], value: Any) -> int:
    return len(items) - 1 - found if (found := _index_of(items[::-1], value)) >= 0 else -1


def traversal(value: Any) -> int:
    """Return what it costs to look at everything in a value."""
    cls = value.__class__
    if cls is str or cls is bytes:
        return floor(len(value) * CHARACTER)
    if cls is list:
        return sum(map(traversal, value))
    if cls is dict:
        return sum(traversal(from_key(key)) + traversal(item) for key, item in value.items())
    return 1


def _cost(args: tuple[Any, ...], result: Any) -> int:
    return traversal(args[0])


def _bound(args: list[Sized]) -> Estimate:
    (items, *_) = args
    each = ONE if items.item is None else ONE.plus(items.item.scaled(CHARACTER))
    return Estimate(items.size.times(each))


def _contains_all(items: list[Any], wanted: list[Any]) -> bool:
    return all(contains(items, value) for value in wanted)


def _equivalent(first: list[Any], second: list[Any]) -> bool:
    return _contains_all(first, second) and _contains_all(second, first)


def _intersects(first: list[Any], second: list[Any]) -> bool:
    return any(contains(second, value) for value in first)


def _product_cost(factor: int) -> Any:
    return lambda args, result: 1 + factor * size(args[0]) * size(args[1])


def _product_bound(factor: int) -> Any:
    def bound(args: list[Sized]) -> Estimate:
        return Estimate(ONE.plus(args[0].size.times(args[1].size).scaled(factor)))

    return bound


def _sets(run: Any, factor: int) -> tuple[Overload, ...]:
    return (Overload((_LIST, _LIST), BOOL, run, False, _product_cost(factor), _product_bound(factor)),)


FUNCTIONS: Library = {
    "isSorted": tuple(Overload((list_of(of),), BOOL, _is_sorted, True, _cost, _bound) for of in _ORDERED),
    "sum": tuple(
        Overload((list_of(of),), of, _sum(zero), True, _cost, _bound) for of, zero in _ZEROS.items()
    ),
    "max": tuple(Overload((list_of(of),), of, _extreme("max", 1), True, _cost, _bound) for of in _ORDERED),
    "min": tuple(Overload((list_of(of),), of, _extreme("min", -1), True, _cost, _bound) for of in _ORDERED),
    "indexOf": (Overload((_LIST, A), INT, _index_of, True, _cost, _bound),),
    "lastIndexOf": (Overload((_LIST, A), INT, _last_index_of, True, _cost, _bound),),
    "sets.contains": _sets(_contains_all, 1),
    "sets.equivalent": _sets(_equivalent, 2),
    "sets.intersects": _sets(_intersects, 1),
}
