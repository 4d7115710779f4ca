"""Reading variables, fields and items, out of plain JSON. Called by the compiler.

A field whose type has a form of its own in JSON (`date-time`, `byte`) is converted when it is read.
Spec: github.com/google/cel-go interpreter/attributes.go; k8s.io/apiserver/pkg/cel/common/values.go (1.36).
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from api.cel.code import BINDINGS, Frame, Run
from api.cel.errors import EvaluationError, no_such_key, no_such_overload
from api.cel.operators import index
from api.cel.times import parse_date, parse_duration, parse_timestamp
from api.cel.types import ObjectType, Type, is_optional
from api.cel.values import ABSENT, Defaulting, Optional

Convert = Callable[[Any], Any]


def read_variable(name: str, convert: Convert | None) -> Run:
    """Return the code of a variable of the environment."""

    def run(frame: Frame) -> Any:
        try:
            return frame[BINDINGS][name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None

    return _converted(run, convert)


def read_slot(slot: int) -> Run:
    """Return the code of a macro's variable."""
    return lambda frame: frame[slot]


def read_field(operand: Run, field: str, convert: Convert | None) -> Run:
    """Return the code of `operand.field`."""

    def run(frame: Frame) -> Any:
        value = operand(frame)
        if value.__class__ is dict and field in value:
            return value[field]
        return _other_field(value, field)

    return _converted(run, convert)


def read_given_field(operand: Run, field: str, convert: Convert | None) -> Run:
    """Return the code of `operand.field` where null is as good as nothing."""

    def run(frame: Frame) -> Any:
        value = operand(frame)
        found = value.get(field) if value.__class__ is dict else _other_field(value, field)
        if found is None:
            raise no_such_key(field)
        return found

    return _converted(run, convert)


def _other_field(value: Any, field: str) -> Any:
    if isinstance(value, Mapping):
        try:
            return value[field]
        except KeyError:
            raise no_such_key(field) from None
    if value.__class__ is Optional:
        return find_field(value, field)
    raise no_such_overload()


def _converted(run: Run, convert: Convert | None) -> Run:
    return run if convert is None else lambda frame: convert(run(frame))


def has_field(operand: Run, field: str, given: bool = False) -> Run:
    """Return the code of `has(operand.field)`; `given`: null is as good as nothing."""

    def run(frame: Frame) -> bool:
        value = operand(frame)
        if value.__class__ is Optional:
            if not value.present:
                return False
            value = value.value
        if isinstance(value, Mapping):
            found = field in value or value.__class__ is Defaulting
            return found and not (given and value[field] is None)
        raise no_such_overload()

    return run


def read_optional_field(operand: Run, field: str, convert: Convert | None, given: bool = False) -> Run:
    """Return the code of `operand.?field`, and of `operand.field` where the operand is optional."""

    def run(frame: Frame) -> Optional:
        found = find_field(operand(frame), field)
        if given and found.value is None:
            return ABSENT
        return Optional(convert(found.value), True) if convert is not None and found.present else found

    return run


def find_field(value: Any, field: str) -> Optional:
    """Return a field of an object, or of what an optional holds, as an optional."""
    if value.__class__ is Optional:
        if not value.present:
            return ABSENT
        value = value.value
    if not isinstance(value, Mapping):
        raise no_such_overload()
    there = field in value or value.__class__ is Defaulting
    return Optional(value[field], True) if there else ABSENT


_COLLECTIONS = frozenset((dict, list, Defaulting))


def find_item(items: Any, key: Any) -> Optional:
    """Return `items[?key]`: absent if there is no such key or index."""
    if items.__class__ is Optional:
        if not items.present:
            return ABSENT
        items = items.value
    if items.__class__ not in _COLLECTIONS:
        raise no_such_overload()
    try:
        return Optional(index(items, key), True)
    except EvaluationError:
        return ABSENT


def read_item(items: Any, key: Any) -> Any:
    """Return `items[key]`; an optional stays one."""
    return find_item(items, key) if items.__class__ is Optional else index(items, key)


def converter(of: Type) -> Convert | None:
    """Return what turns a JSON value of a type into the value that expressions see; None if it is that
    already.
    """
    if of.form:
        return _FORMS[of.form]
    if isinstance(of, ObjectType) or not of.params:
        return None
    inner = converter(of.params[-1])
    if inner is None:
        return None
    if is_optional(of):
        return _optional_converter(inner)
    return _list_converter(inner) if of.kind == "list" else _map_converter(inner)


def _optional_converter(inner: Convert) -> Convert:
    def convert(value: Any) -> Any:
        present = value.__class__ is Optional and value.present
        return Optional(inner(value.value), True) if present else value

    return convert


def _list_converter(inner: Convert) -> Convert:
    return lambda value: [inner(item) for item in value] if value.__class__ is list else value


def _map_converter(inner: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if value.__class__ is not dict:
            return value
        return {key: inner(item) for key, item in value.items()}

    return convert


def _of_text(parse: Callable[[str], Any]) -> Convert:
    return lambda value: parse(value) if value.__class__ is str else value


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvaluationError(f"illegal base64 data: {error}") from error


def _to_float(value: Any) -> Any:
    if value.__class__ is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        raise EvaluationError("number out of range") from None


_FORMS: dict[str, Convert] = {
    "date-time": _of_text(parse_timestamp),
    "date": _of_text(parse_date),
    "duration": _of_text(parse_duration),
    "byte": _of_text(_decode),
    "number": _to_float,
}
