"""`text.format(args)`: clauses such as `%s`, `%d`, `%.2f`. Spec: github.com/google/cel-go
ext/formatting.go.
"""

import re
from collections.abc import Callable
from typing import Any

from api.cel.errors import EvaluationError
from api.cel.library.standard import format_int, format_plain
from api.cel.times import Duration, Timestamp, format_duration, format_timestamp
from api.cel.values import TypeValue, Uint, from_key, type_name

_CLAUSE = re.compile(r"%(?:%|(?:\.(\d*))?(.?))", re.DOTALL)
_DEFAULT_PRECISION = 6
# Nobody needs more decimals, and each costs.
_MOST_DECIMALS = 1000


def format_text(text: str, args: list[Any]) -> str:
    """Return the text with its clauses replaced by the arguments in order; EvaluationError if they do
    not fit.
    """
    left = iter(args)

    def replace(match: re.Match[str]) -> str:
        if match.group() == "%%":
            return "%"
        digits, letter = match.groups()
        write = _CLAUSES.get(letter)
        if write is None:
            raise _wrong(f'unrecognized formatting clause "{letter}"')
        try:
            value = next(left)
        except StopIteration:
            raise EvaluationError(f"index {len(args)} out of range") from None
        return write(value, _precision(digits))

    return _CLAUSE.sub(replace, text)


def _precision(digits: str | None) -> int:
    if digits is None:
        return _DEFAULT_PRECISION
    if not digits or len(digits) > 4 or int(digits) > _MOST_DECIMALS:
        raise _wrong("error while parsing precision: could not convert precision to integer")
    return int(digits)


def _wrong(reason: str) -> EvaluationError:
    return EvaluationError(f"could not parse formatting clause: {reason}")


def _refuse(clause: str, allowed: str, value: Any) -> EvaluationError:
    return EvaluationError(
        f"error during formatting: {clause} clause can only be used on {allowed}, "
        f"was given {type_name(value)}"
    )


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_WRITABLE = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"


def _text(value: Any, precision: int = 0) -> str:
    write = _TEXTS.get(value.__class__)
    if write is None:
        raise _refuse("string", _WRITABLE, value)
    return write(value)


def _map_text(value: dict[Any, Any]) -> str:
    entries = sorted((_text(from_key(key)), _text(item)) for key, item in value.items())
    return "{" + ", ".join(f"{key}: {item}" for key, item in entries) + "}"


_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: format_int,
    Uint: format_int,
    float: lambda value: _SPECIAL.get(str(value)) or format_plain(value),
    bytes: lambda value: value.decode(errors="replace"),
    type(None): lambda value: "null",
    list: lambda value: f"[{', '.join(map(_text, value))}]",
    dict: _map_text,
    Timestamp: format_timestamp,
    Duration: format_duration,
    TypeValue: lambda value: value.name,
}


def _decimal(value: Any, precision: int) -> str:
    if value.__class__ is int or value.__class__ is Uint:
        return format_int(value)
    if value.__class__ is float and str(value) in _SPECIAL:
        return _SPECIAL[str(value)]
    raise _refuse("decimal", "integers", value)


def _number(letter: str) -> Callable[[Any, int], str]:
    name = "fixed-point" if letter == "f" else "scientific"

    def write(value: Any, precision: int) -> str:
        if value.__class__ not in (float, int, Uint):
            raise _refuse(name, "doubles", value)
        try:
            number = float(value)
        except OverflowError:
            raise EvaluationError("number out of range") from None
        return _SPECIAL.get(str(number)) or format(number, f".{precision}{letter}")

    return write


def _binary(value: Any, precision: int) -> str:
    if value.__class__ in (int, Uint, bool):
        return format(int(value), "b")
    raise _refuse("binary", "integers and bools", value)


def _octal(value: Any, precision: int) -> str:
    if value.__class__ in (int, Uint):
        return format(int(value), "o")
    raise _refuse("octal", "integers", value)


def _hexadecimal(value: Any, precision: int) -> str:
    if value.__class__ in (int, Uint):
        return format(int(value), "x")
    if value.__class__ is str:
        return value.encode().hex()
    if value.__class__ is bytes:
        return value.hex()
    raise _refuse("hex", "integers, byte buffers, and strings", value)


_CLAUSES: dict[str, Callable[[Any, int], str]] = {
    "s": _text,
    "d": _decimal,
    "f": _number("f"),
    "e": _number("e"),
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, precision: _hexadecimal(value, precision).upper(),
}
