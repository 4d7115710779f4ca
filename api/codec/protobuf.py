"""Kubernetes protobuf -> objects: what typed Go clients (kubectl since 1.32 among them) send as request
bodies.

    body    = "k8s\\0" + Unknown{1: TypeMeta{1: apiVersion, 2: kind}, 2: the message}
    table   = api/schema/protobuf.json: message name -> {field number: "<JSON name> <code>"}
    code    = s string | b bool | i integer | y bytes | f double | <message name>, after
              [] repeated | {} map from string | items: message with one repeated field | ? left out when
              zero; an empty JSON name: the message's fields belong to its parent

Answers are JSON: such clients accept it. A field number that the table does not know is refused, never
dropped. Called by the reading of request bodies.
Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf (1.36).
"""

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from api.codec.json import DecodeError
from api.resource import Obj
from api.schemas import schema_of_kind

MAGIC = b"k8s\0"
_TABLE = Path(__file__).resolve().parent.parent / "schema" / "protobuf.json"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Options and other kinds that every group version has.
_META_KINDS = frozenset(("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "Status"))

Value: TypeAlias = int | bytes


@cache
def _table() -> dict[str, dict[str, tuple[str, str]]]:
    raw: dict[str, dict[str, str]] = orjson.loads(_TABLE.read_bytes())
    return {name: {number: _split(text) for number, text in fields.items()} for name, fields in raw.items()}


def _split(text: str) -> tuple[str, str]:
    name, _, code = text.partition(" ")
    return name, code


def loads(body: bytes) -> Obj:
    """Return the object in a request body. Raises `DecodeError`."""
    if not body.startswith(MAGIC):
        raise DecodeError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        version, kind, raw = _envelope(body)
        group, _, short = version.rpartition("/")
        name = schema_of_kind(group, short, kind)
        if name not in _table():
            name = _META + kind if kind in _META_KINDS else ""
        if not name:
            raise DecodeError(f'no kind "{kind}" is registered for version "{version}" in protobuf')
        return {"kind": kind, "apiVersion": version, **_message(name, raw)}
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"malformed protobuf message: {error}") from error


def _envelope(body: bytes) -> tuple[str, str, bytes]:
    outer = dict(_fields(body[len(MAGIC) :]))
    meta = dict(_fields(_bytes(outer.get(1, b""))))
    return _bytes(meta.get(1, b"")).decode(), _bytes(meta.get(2, b"")).decode(), _bytes(outer.get(2, b""))


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message in their order. Raises `IndexError` or `ValueError` if it is cut off."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError("unexpected end or wire type")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if not byte & 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _message(name: str, data: bytes) -> Obj:
    """Return a message as the JSON object that the same Go value gives."""
    fields = _table()[name]
    made: Obj = {}
    for number, value in _fields(data):
        known = fields.get(str(number))
        if known is None:
            raise DecodeError(f"field {number} of {name} is not known to this server; send JSON")
        field, code = known
        if code.startswith("[]"):
            made.setdefault(field, []).append(_value(code[2:], value))
        elif code.startswith("{}"):
            key, item = _entry(code[2:], value)
            made.setdefault(field, {})[key] = item
        elif not field:
            made |= _message(code, _bytes(value))
        else:
            found = _value(code.removeprefix("?"), value)
            if found is not None and (found or not code.startswith("?")):
                made[field] = found
    return made


def _entry(code: str, value: Value) -> tuple[str, Any]:
    parts = dict(_fields(_bytes(value)))
    return _bytes(parts.get(1, b"")).decode(), _value(code, parts.get(2, 0 if code in ("i", "b") else b""))


def _value(code: str, value: Value) -> Any:
    if code.startswith("items:"):
        return [_value(code.removeprefix("items:"), item) for _, item in _fields(_bytes(value))]
    if code in _SCALARS:
        return _SCALARS[code](value)
    if code in _SPECIAL:
        return _SPECIAL[code](dict(_fields(_bytes(value))))
    return _message(code, _bytes(value))


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes belong")
    return value


def _integer(value: Value) -> int:
    if isinstance(value, bytes):
        raise ValueError("bytes where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value


_SCALARS: dict[str, Callable[[Value], Any]] = {
    "s": lambda value: _bytes(value).decode(),
    "b": lambda value: bool(_integer(value)),
    "i": _integer,
    "y": lambda value: base64.b64encode(_bytes(value)).decode(),
    "f": lambda value: struct.unpack("<d", _bytes(value))[0],
}


def _time(parts: dict[int, Value]) -> str | None:
    """Return seconds and nanoseconds as text; an empty message is no time at all."""
    if not parts:
        return None
    return datetime.fromtimestamp(_integer(parts.get(1, 0)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(parts: dict[int, Value]) -> str | None:
    if not parts:
        return None
    moment = datetime.fromtimestamp(_integer(parts.get(1, 0)), UTC)
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{_integer(parts.get(2, 0)) // 1000:06d}Z"


def _int_or_string(parts: dict[int, Value]) -> int | str:
    if _integer(parts.get(1, 0)) == 0:
        return _integer(parts.get(2, 0))
    return _bytes(parts.get(3, b"")).decode()


def _raw(parts: dict[int, Value]) -> Any:
    raw = _bytes(parts.get(1, b""))
    return orjson.loads(raw) if raw else None


_SPECIAL: dict[str, Callable[[dict[int, Value]], Any]] = {
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
    f"{_META}FieldsV1": _raw,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _raw,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda parts: _bytes(parts.get(1, b"0")).decode(),
}
