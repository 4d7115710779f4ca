"""The standard functions: sizes, texts, conversions, times, types.

Spec: github.com/google/cel-go common/stdlib/standard.go, common/types; cel-spec langdef.md.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from api.cel.cost import PATTERN_CHARACTER, UNBOUNDED, Estimate, Range, Sized, traverse
from api.cel.declarations import Bound, Library, Overload, first_traversal
from api.cel.errors import EvaluationError
from api.cel.library.pattern import compile_pattern
from api.cel.times import (
    Duration,
    Timestamp,
    format_duration,
    format_timestamp,
    new_timestamp,
    parse_duration,
    parse_timestamp,
)
from api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    B,
    Type,
    list_of,
    map_of,
    type_type,
)
from api.cel.values import INT_MAX, INT_MIN, UINT_MAX, TypeValue, Uint, type_name

_NANO = 10**9
_TEXT_COST, _ = first_traversal()


def _prefix_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[1].size.scaled(0.1))


def _prefix(run: Callable[[str, str], bool]) -> tuple[Overload, ...]:
    return (Overload((STRING, STRING), BOOL, run, True, _TEXT_COST, _prefix_bound),)


def _contains(text: str, part: str) -> bool:
    return part in text


def _contains_cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(len(args[0])) * traverse(len(args[1]))


def _contains_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[0].size.scaled(0.1).times(args[1].size.scaled(0.1)))


def _matches(text: str, pattern: str) -> bool:
    return bool(compile_pattern(pattern).search(text))


def pattern_cost(args: tuple[Any, ...], result: Any) -> int:
    """Return the cost of looking for a regular expression."""
    return traverse(1 + len(args[0])) * traverse(len(args[1]), PATTERN_CHARACTER)


def pattern_bound(args: list[Sized]) -> Estimate:
    """Bound the cost of looking for a regular expression; the results are no longer than the text."""
    text = args[0].size.plus(Range(1, 1)).scaled(0.1)
    return Estimate(text.times(args[1].size.scaled(PATTERN_CHARACTER)), Range(0, args[0].size.high))


def to_int(value: Any) -> int:
    """Convert to int as `int()` does."""
    if value.__class__ is float:
        if math.isnan(value) or not INT_MIN < value < INT_MAX:
            raise EvaluationError("integer overflow")
        return int(value)
    if value.__class__ is str:
        return _parse_int(value, "int", INT_MIN, INT_MAX)
    if value.__class__ is Timestamp:
        return int(value.nanos // _NANO)
    if value > INT_MAX or value < INT_MIN:
        raise EvaluationError("integer overflow")
    return int(value)


def to_uint(value: Any) -> Uint:
    """Convert to uint as `uint()` does."""
    if value.__class__ is str:
        return Uint(_parse_int(value, "uint", 0, UINT_MAX))
    if value.__class__ is float and math.isnan(value):
        raise EvaluationError("unsigned integer overflow")
    if not 0 <= value <= UINT_MAX or (value.__class__ is float and value >= UINT_MAX):
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


def _parse_int(text: str, kind: str, least: int, most: int) -> int:
    digits = text[1:] if text[:1] in ("+", "-") and kind == "int" else text
    function = "ParseInt" if kind == "int" else "ParseUint"
    if not (digits.isascii() and digits.isdigit()):
        raise EvaluationError(f'strconv.{function}: parsing "{text}": invalid syntax')
    # Python refuses to read thousands of digits; what is that long does not fit anyway.
    value = int(text) if len(digits.lstrip("0")) <= 20 else most + 1
    if not least <= value <= most:
        raise EvaluationError(f'strconv.{function}: parsing "{text}": value out of range')
    return value


def to_double(value: Any) -> float:
    """Convert to double as `double()` does."""
    if value.__class__ is not str:
        return _to_float(value)
    try:
        if "_" in value or value != value.strip():
            raise ValueError
        return float(value)
    except ValueError:
        raise EvaluationError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise EvaluationError("double overflow") from None


def format_int(value: int) -> str:
    """Return the digits of a number; EvaluationError for one that JSON may hold, but no int can."""
    if not INT_MIN <= value <= UINT_MAX:
        raise EvaluationError("integer overflow")
    return str(int(value))


def format_double(value: float) -> str:
    """Return the shortest text of a number as Go's `%g` has it: exponents from seven digits on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    plain = format_plain(value)
    digits = plain.lstrip("-").replace(".", "").strip("0")
    exponent = Decimal(plain).adjusted()
    if not digits or -4 <= exponent < 6:
        return plain
    sign, rest = ("-" if value < 0 else ""), f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{rest}e{exponent:+03d}"


def format_plain(value: float) -> str:
    """Return the shortest text of a finite number without an exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_string(value: Any) -> str:
    """Convert to string as `string()` does."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return format_int(value)
        case float():
            return format_double(value)
        case bytes():
            return _decode(value)
        case Timestamp():
            return format_timestamp(value)
    assert isinstance(value, Duration)
    return format_duration(value)


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


def to_bool(value: Any) -> bool:
    """Convert to bool as `bool()` does."""
    if value.__class__ is bool:
        return bool(value)
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise EvaluationError(f'strconv.ParseBool: parsing "{value}": invalid syntax')


def _to_bytes(value: Any) -> bytes:
    return value if value.__class__ is bytes else value.encode()


def _to_timestamp(value: Any) -> Timestamp:
    if value.__class__ is str:
        return parse_timestamp(value)
    return new_timestamp(value * _NANO) if value.__class__ is int else value


def _to_duration(value: Any) -> Duration:
    if value.__class__ is str:
        return parse_duration(value)
    return Duration(value) if value.__class__ is int else value


def _itself(value: Any) -> Any:
    return value


def _type(value: Any) -> TypeValue:
    return _named(type_name(value))


@cache
def _named(name: str) -> TypeValue:
    return TypeValue(name)


def _copy_bound(kind: Type) -> Bound:
    def bound(args: list[Sized]) -> Estimate:
        # A character has one to four bytes.
        low, high = args[0].size
        size = Range(low, min(high * 4, UNBOUNDED)) if kind is STRING else Range(low // 4, high)
        return Estimate(args[0].size.scaled(0.1), size)

    return bound


def _conversion(result: Type, run: Callable[[Any], Any], kinds: tuple[Type, ...]) -> tuple[Overload, ...]:
    """Return the forms of a conversion; those that copy a text's characters cost as much."""
    return tuple(
        Overload((kind,), result, run, False, _TEXT_COST, _copy_bound(kind))
        if {kind, result} == {STRING, BYTES}
        else Overload((kind,), result, run)
        for kind in kinds
    )


def _size() -> tuple[Overload, ...]:
    kinds = (STRING, BYTES, list_of(A), map_of(A, B))
    return tuple(Overload((kind,), INT, len, member) for member in (False, True) for kind in kinds)


FUNCTIONS: Library = {
    "size": _size(),
    "contains": (Overload((STRING, STRING), BOOL, _contains, True, _contains_cost, _contains_bound),),
    "startsWith": _prefix(str.startswith),
    "endsWith": _prefix(str.endswith),
    "matches": tuple(
        Overload((STRING, STRING), BOOL, _matches, member, pattern_cost, pattern_bound)
        for member in (False, True)
    ),
    "int": _conversion(INT, to_int, (INT, DOUBLE, STRING, TIMESTAMP, UINT)),
    "uint": _conversion(UINT, to_uint, (UINT, DOUBLE, INT, STRING)),
    "double": _conversion(DOUBLE, to_double, (DOUBLE, INT, STRING, UINT)),
    "bool": _conversion(BOOL, to_bool, (BOOL, STRING)),
    "string": _conversion(STRING, to_string, (STRING, BOOL, BYTES, DOUBLE, DURATION, INT, TIMESTAMP, UINT)),
    "bytes": _conversion(BYTES, _to_bytes, (BYTES, STRING)),
    "timestamp": _conversion(TIMESTAMP, _to_timestamp, (TIMESTAMP, INT, STRING)),
    "duration": _conversion(DURATION, _to_duration, (DURATION, INT, STRING)),
    "dyn": (Overload((A,), DYN, _itself),),
    "type": (Overload((A,), type_type(A), _type),),
}
