"""A document to values by a shape, as Go's strict decoder reads it. Pure.

Wrong types are refused, unknown fields are collected, nulls are left out.
Source: sigs.k8s.io/json decode.go, apimachinery pkg/apis/meta/v1 Duration (1.36).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from api.cel.errors import EvaluationError
from api.cel.times import parse_duration
from api.codec.json import DecodeError, go_kind
from api.codec.typed import conform


class Scalar(Enum):
    """Shapes without parts, by the names of Go's types. A duration becomes seconds."""

    TEXT = "string"
    BOOL = "bool"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float32"
    DURATION = "v1.Duration"
    BYTES = "[]uint8"
    # Kept as it is.
    ANY = "runtime.RawExtension"


@dataclass(frozen=True)
class Struct:
    """Fields by name; `name` is the Go type's."""

    name: str
    fields: "Mapping[str, Shape]"


@dataclass(frozen=True)
class Many:
    """A list of values of one shape."""

    of: "Shape"


@dataclass(frozen=True)
class Core:
    """A built-in type of the API: `NodeAffinity` of core/v1."""

    name: str


Shape: TypeAlias = Scalar | Struct | Many | Core
_BITS = {Scalar.INT32: 31, Scalar.INT64: 63}
_NANOS = 1e9


@dataclass(frozen=True)
class _Place:
    """Where a value stands: the struct that has the field, the fields up to it, the same with indices."""

    struct: str = ""
    fields: str = ""
    path: str = ""

    def child(self, struct: str, name: str) -> "_Place":
        return _Place(struct, _join(self.fields, name), _join(self.path, name))

    def index(self, number: int) -> "_Place":
        return _Place(self.struct, self.fields, f"{self.path}[{number}]")

    def refuse(self, shown: str, kind: str) -> DecodeError:
        if not self.fields:
            return DecodeError(f"json: cannot unmarshal {shown} into Go value of type {kind}")
        return DecodeError(
            f"json: cannot unmarshal {shown} into Go struct field {self.struct}.{self.fields} of type {kind}"
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@dataclass
class Decoded:
    """What was read, and the paths of fields that the shape does not have."""

    value: Any = None
    unknown: list[str] = field(default_factory=list)


def decode(value: Any, shape: Shape) -> Decoded:
    """Return a document in a shape. Raises DecodeError in Go's words for a value of a wrong type."""
    decoded = Decoded()
    decoded.value = _read(value, shape, _Place(), decoded.unknown)
    return decoded


def _read(value: Any, shape: Shape, place: _Place, unknown: list[str]) -> Any:
    match shape:
        case Struct():
            return _struct(value, shape, place, unknown)
        case Many(of=inner):
            if not isinstance(value, list):
                raise place.refuse(go_kind(value), _go_type(shape))
            return [
                _read(_zero(inner) if item is None else item, inner, place.index(number), unknown)
                for number, item in enumerate(value)
            ]
        case Core(name=name):
            if not isinstance(value, dict):
                raise place.refuse(go_kind(value), _go_type(shape))
            found = conform(value, f"io.k8s.api.core.v1.{name}")
            unknown += [f"{place.path}.{path}" for path in found.unknown]
            return found.obj
    return _scalar(value, shape, place)


def _struct(value: Any, shape: Struct, place: _Place, unknown: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise place.refuse(go_kind(value), _go_type(shape))
    found: dict[str, Any] = {}
    for key, item in value.items():
        inner, at = shape.fields.get(key), place.child(shape.name, key)
        if inner is None:
            unknown.append(at.path)
        elif item is not None:
            found[key] = _read(item, inner, at, unknown)
    return found


def _scalar(value: Any, shape: Scalar, place: _Place) -> Any:
    match shape:
        case Scalar.ANY:
            return value
        case Scalar.DURATION:
            return _duration(value)
        case Scalar.BYTES:
            return _bytes(value, place)
        case Scalar.INT32 | Scalar.INT64:
            return _integer(value, shape, place)
        case Scalar.FLOAT:
            fine = isinstance(value, int | float) and not isinstance(value, bool)
        case Scalar.TEXT | Scalar.BOOL:
            fine = isinstance(value, str if shape is Scalar.TEXT else bool)
    if not fine:
        raise place.refuse(go_kind(value), shape.value)
    return value


def _integer(value: Any, shape: Scalar, place: _Place) -> int:
    limit = 1 << _BITS[shape]
    if isinstance(value, bool) or not isinstance(value, int):
        shown = f"number {value}" if isinstance(value, float) else go_kind(value)
        raise place.refuse(shown, shape.value)
    if not -limit <= value < limit:
        raise place.refuse(f"number {value}", shape.value)
    return value


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise _Place().refuse(go_kind(value), "string")
    try:
        return parse_duration(value).nanos / _NANOS
    except EvaluationError as error:
        if value.removeprefix("-").isdecimal():
            raise DecodeError(f'time: missing unit in duration "{value}"') from error
        raise DecodeError(str(error)) from error


def _bytes(value: Any, place: _Place) -> bytes:
    if not isinstance(value, str):
        raise place.refuse(go_kind(value), Scalar.BYTES.value)
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error as error:
        raise DecodeError(f"illegal base64 data in {place.path}") from error


def _go_type(shape: Shape) -> str:
    match shape:
        case Many(of=inner):
            return f"[]{_go_type(inner)}"
        case Struct(name=name) | Core(name=name):
            return f"v1.{name}"
    return shape.value


def _zero(shape: Shape) -> Any:
    """Return what a null in a list becomes."""
    match shape:
        case Many():
            return []
        case Struct() | Core():
            return {}
        case Scalar.TEXT | Scalar.BYTES:
            return ""
        case Scalar.BOOL:
            return False
        case Scalar.DURATION:
            return "0"
    return 0
