"""Operators at run time: each takes operands of any types and raises EvaluationError if they do not fit.

Called by the compiler. Spec: github.com/google/cel-go common/types, common/types/overflow.go.
"""

import math
from collections.abc import Callable
from typing import Any

from api.cel.errors import EvaluationError, no_such_key, no_such_overload
from api.cel.times import Duration, Timestamp, new_duration, new_timestamp
from api.cel.values import INT_MAX, INT_MIN, UINT_MAX, Defaulting, Uint, compare, contains, is_equal, to_key


def _whole(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def _unsigned(value: int) -> Uint:
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def add(first: Any, second: Any) -> Any:
    """Return `first + second`."""
    cls, other = first.__class__, second.__class__
    if cls is other:
        if cls is int:
            return _whole(first + second)
        if cls is str or cls is float or cls is list or cls is bytes:
            return first + second
        if cls is Uint:
            return _unsigned(int(first) + int(second))
        if cls is Duration:
            return new_duration(first.nanos + second.nanos)
    if cls is Timestamp and other is Duration:
        return new_timestamp(first.nanos + second.nanos, first.offset)
    if cls is Duration and other is Timestamp:
        return new_timestamp(first.nanos + second.nanos, second.offset)
    raise no_such_overload()


def subtract(first: Any, second: Any) -> Any:
    """Return `first - second`."""
    cls, other = first.__class__, second.__class__
    if cls is other:
        if cls is int:
            return _whole(first - second)
        if cls is float:
            return first - second
        if cls is Uint:
            return _unsigned(int(first) - int(second))
        if cls is Duration or cls is Timestamp:
            return new_duration(first.nanos - second.nanos)
    if cls is Timestamp and other is Duration:
        return new_timestamp(first.nanos - second.nanos, first.offset)
    raise no_such_overload()


def multiply(first: Any, second: Any) -> Any:
    """Return `first * second`."""
    cls = first.__class__
    if cls is second.__class__:
        if cls is int:
            return _whole(first * second)
        if cls is float:
            return first * second
        if cls is Uint:
            return _unsigned(int(first) * int(second))
    raise no_such_overload()


def divide(first: Any, second: Any) -> Any:
    """Return `first / second`; whole numbers are cut towards zero."""
    cls = first.__class__
    if cls is not second.__class__:
        raise no_such_overload()
    if cls is float:
        return _divide_floats(first, second)
    if cls is not int and cls is not Uint:
        raise no_such_overload()
    if second == 0:
        raise EvaluationError("division by zero")
    quotient = abs(int(first)) // abs(int(second))
    if cls is Uint:
        return Uint(quotient)
    return _whole(quotient if (first < 0) == (second < 0) else -quotient)


def _divide_floats(first: float, second: float) -> float:
    if second != 0:
        return first / second
    if first == 0 or math.isnan(first):
        return math.nan
    return math.inf if (first > 0) == (math.copysign(1, second) > 0) else -math.inf


def modulo(first: Any, second: Any) -> Any:
    """Return `first % second`; the result has the sign of the first."""
    cls = first.__class__
    if cls is not second.__class__ or (cls is not int and cls is not Uint):
        raise no_such_overload()
    if second == 0:
        raise EvaluationError("modulus by zero")
    if cls is Uint:
        return Uint(int(first) % int(second))
    rest = abs(first) % abs(second)
    return -rest if first < 0 else rest


def negate(value: Any) -> Any:
    """Return `-value`."""
    if value.__class__ is int:
        return _whole(-value)
    if value.__class__ is float:
        return -value
    if value.__class__ is Duration:
        return new_duration(-value.nanos)
    raise no_such_overload()


def invert(value: Any) -> bool:
    """Return `!value`."""
    if value is True:
        return False
    if value is False:
        return True
    raise no_such_overload()


def index(items: Any, key: Any) -> Any:
    """Return `items[key]`; EvaluationError if there is none."""
    if items.__class__ is dict:
        try:
            return items[to_key(key)]
        except KeyError:
            raise no_such_key(key) from None
    if items.__class__ is Defaulting:
        return items[to_key(key)]
    if items.__class__ is not list:
        raise no_such_overload()
    place = _place(key)
    if not 0 <= place < len(items):
        raise EvaluationError(f"index out of bounds: {place}")
    return items[place]


def _place(key: Any) -> int:
    cls = key.__class__
    if cls is int or cls is Uint:
        return int(key)
    if cls is float and key.is_integer():
        return int(key)
    raise EvaluationError(f"unsupported index type '{cls.__name__}' in list")


def not_equal(first: Any, second: Any) -> bool:
    """Return `first != second`."""
    return not is_equal(first, second)


def is_in(value: Any, items: Any) -> bool:
    """Return `value in items`."""
    return contains(items, value)


def less(first: Any, second: Any) -> bool:
    """Return `first < second`."""
    return compare(first, second) < 0


def less_or_equal(first: Any, second: Any) -> bool:
    """Return `first <= second`."""
    return compare(first, second) <= 0


def greater(first: Any, second: Any) -> bool:
    """Return `first > second`."""
    return compare(first, second) > 0


def greater_or_equal(first: Any, second: Any) -> bool:
    """Return `first >= second`."""
    return compare(first, second) >= 0


UNARY: dict[str, Callable[[Any], Any]] = {"!_": invert, "-_": negate}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "_+_": add,
    "_-_": subtract,
    "_*_": multiply,
    "_/_": divide,
    "_%_": modulo,
    "_==_": is_equal,
    "_!=_": not_equal,
    "_<_": less,
    "_<=_": less_or_equal,
    "_>_": greater,
    "_>=_": greater_or_equal,
    "@in": is_in,
    "_[_]": index,
}
