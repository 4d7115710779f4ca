"""Values while an expression runs: JSON's own, and what JSON lacks. Equality, order and types of values.

null bool int float str bytes list dict stand for themselves; `Uint`, `Timestamp`, `Duration`, `Optional`
and the values of libraries are classes. A map is a dict; numbers that are equal are one key in Python as in
CEL, but true would be 1, so a bool key is kept as one of two marks. Called by the compiler and all
libraries.
Spec: github.com/google/cel-go common/types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar

from api.cel.errors import EvaluationError, no_such_overload
from api.cel.times import Duration, Timestamp
from api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
)

INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1


class Uint(int):
    """An unsigned integer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Optional:
    """`optional.of(value)`, or `optional.none()` where `present` is False."""

    value: Any = None
    present: bool = False


ABSENT = Optional()


@dataclass(frozen=True, slots=True)
class TypeValue:
    """What `type(x)` is: a type by its name alone."""

    name: str


class Defaulting(dict[Any, Any]):
    """A map in which reading a key that is not there gives `default`; `in` and loops do not find it."""

    __slots__ = ("default",)

    def __init__(self, items: Mapping[Any, Any], default: Any) -> None:
        super().__init__(items)
        self.default = default

    def __missing__(self, key: Any) -> Any:
        return self.default


class Opaque:
    """A library's value; subclasses are frozen dataclasses and name their type."""

    __slots__ = ()
    cel_type: ClassVar[Type]


class _BoolKey:
    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


_TRUE, _FALSE = _BoolKey(True), _BoolKey(False)


def to_key(value: Any) -> Any:
    """Return what stands for a value as a key of a map; EvaluationError if it cannot be one."""
    cls = value.__class__
    if cls is str or cls is int or cls is Uint or cls is float:
        return value
    if cls is bool:
        return _TRUE if value else _FALSE
    raise EvaluationError(f"unsupported key type: {type_name(value)}")


def from_key(key: Any) -> Any:
    """Return the value that a key of a map stands for."""
    return key.value if key.__class__ is _BoolKey else key


TYPES: dict[type, Type] = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    Uint: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    Timestamp: TIMESTAMP,
    Duration: DURATION,
    list: LIST,
    dict: MAP,
    Defaulting: MAP,
    TypeValue: Type("type", "type"),
    Optional: Type("opaque", "optional_type"),
}
_RUNTIME_NAMES = {
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "null": "null_type",
}


def type_of(value: Any) -> Type:
    """Return a value's type, without parameters."""
    known = TYPES.get(value.__class__)
    if known is None:
        known = getattr(value, "cel_type", DYN)
    return known or DYN


def type_name(value: Any) -> str:
    """Return the name of a value's type, as `type(value)` has it."""
    found = type_of(value)
    return found.name or _RUNTIME_NAMES.get(found.kind, found.kind)


_SAME = frozenset((str, int, bool, float, Uint, bytes, Timestamp, Duration, TypeValue, type(None)))
_NUMBERS = frozenset((int, float, Uint))


def is_equal(first: Any, second: Any) -> bool:
    """Say whether two values are equal: numbers by amount, lists and maps by content, other types
    never mixed.
    """
    cls = first.__class__
    if cls is second.__class__:
        if cls in _SAME:
            return bool(first == second)
        if cls is list:
            return _equal_lists(first, second)
        if cls is dict:
            return _equal_maps(first, second)
        if cls is Optional:
            return first.present == second.present and is_equal(first.value, second.value)
        return bool(first == second)
    if cls in _NUMBERS and second.__class__ in _NUMBERS:
        return bool(first == second)
    if isinstance(first, dict) and isinstance(second, dict):
        return _equal_maps(first, second)
    return False


# Lists that are longer, of values of one of these classes, are left to Python.
_LONG = 8
_EXACT = frozenset((str, int, bool, bytes))


def _equal_lists(first: list[Any], second: list[Any]) -> bool:
    if len(first) != len(second):
        return False
    if len(first) > _LONG:
        classes = {*map(type, first), *map(type, second)}
        if len(classes) == 1 and classes <= _EXACT:
            return first == second
    return all(map(is_equal, first, second))


def _equal_maps(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    if len(first) != len(second):
        return False
    return all(key in second and is_equal(value, second[key]) for key, value in first.items())


_ORDERED = frozenset((str, int, bool, Uint, bytes, Timestamp, Duration))


def compare(first: Any, second: Any) -> int:
    """Return -1, 0 or 1; EvaluationError if the two have no order."""
    cls = first.__class__
    if cls is second.__class__ and cls in _ORDERED:
        return -1 if first < second else int(first > second)
    if cls in _NUMBERS and second.__class__ in _NUMBERS:
        if first != first or second != second:
            raise EvaluationError("NaN values cannot be ordered")
        return -1 if first < second else int(first > second)
    raise no_such_overload()


def contains(items: Any, value: Any) -> bool:
    """Say whether a list has an equal item, or a map the key (`value in items`)."""
    cls = items.__class__
    if cls is list:
        # No text equals anything but a text, in Python too.
        return value in items if value.__class__ is str else any(map(is_equal, items, repeat(value)))
    if cls is dict or cls is Defaulting:
        return value.__class__ in _KEYS and to_key(value) in items
    raise no_such_overload()


_KEYS = frozenset((str, int, Uint, float, bool))


def size(value: Any) -> int:
    """Return the number of characters, bytes, items or entries; 1 for what has no size (as costs count)."""
    cls = value.__class__
    if cls is str or cls is list or cls is dict or cls is bytes or cls is Defaulting:
        return len(value)
    counted = getattr(value, "cel_size", None)
    return 1 if counted is None else int(counted)


def to_plain(value: Any) -> Any:
    """Return a result in JSON's shape: optionals unwrapped (absent is None), keys and numbers plain."""
    cls = value.__class__
    if cls is dict or cls is Defaulting:
        return {from_key(key): to_plain(item) for key, item in value.items()}
    if cls is list:
        return [to_plain(item) for item in value]
    if cls is Uint:
        return int(value)
    return to_plain(value.value) if cls is Optional else value
