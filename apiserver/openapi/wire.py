"""The v2 document in protobuf (gnostic's OpenAPIv2), which kubectl up to 1.28 takes alone. Pure.

    Document = swagger 1, info 2, paths 8, definitions 9
A map is a message of repeated (name 1, value 2) pairs; an extension's value is its JSON, which is YAML as
well. Called by `serve.py`. Source: github.com/google/gnostic-models openapiv2/OpenAPIv2.proto.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from api.resource import Obj

# What clients ask for, and what they are told: "@" may not stand in a Content-Type.
ASKED_MEDIA = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def encode(swagger: str, about: Obj) -> bytes:
    """Return the head of a Swagger 2.0 document as a protobuf message; parts are to follow."""
    info = _text(1, about["title"]) + _text(2, about["version"])
    return _text(1, swagger) + _bytes(2, info)


def encode_part(given: Obj, definitions: Obj) -> bytes:
    """Return paths and definitions of a document; several such parts may follow each other."""
    paths = b"".join(_pair(2, name, _path_item(item)) for name, item in given.items())
    schemas = _pairs(1, ((name, _schema(item)) for name, item in definitions.items()))
    return _bytes(8, paths) + _bytes(9, schemas)


def _path_item(item: Mapping[str, Any]) -> bytes:
    return b"".join(_bytes(_METHODS[method], _operation(one)) for method, one in item.items())


def _operation(one: Obj) -> bytes:
    parts = [_text(1, tag) for tag in one["tags"]]
    parts += [_text(3, one["description"]), _text(5, one["operationId"])]
    parts += [_text(6, media) for media in one["produces"]]
    parts += [_text(7, media) for media in one["consumes"]]
    # ParametersItem { parameter 1 }
    parts += [_bytes(8, _bytes(1, _parameter(item))) for item in one["parameters"]]
    parts.append(
        _bytes(9, b"".join(_pair(1, code, _response(item)) for code, item in one["responses"].items()))
    )
    parts += [_text(10, scheme) for scheme in one["schemes"]]
    return b"".join(parts) + _extensions(13, one)


def _parameter(item: Obj) -> bytes:
    """Return a Parameter: body 1, or other 2 with query 3 or path 4."""
    if item["in"] == "body":
        body = _text(2, item["name"]) + _text(3, "body") + _flag(4, item.get("required", False))
        return _bytes(1, body + _bytes(5, _schema(item["schema"])))
    other = _flag(1, item.get("required", False)) + _text(2, item["in"]) + _text(3, item["description"])
    other += _text(4, item["name"])
    if item["in"] == "path":
        return _bytes(2, _bytes(4, other + _text(5, item["type"]) + _flag(19, True)))
    return _bytes(2, _bytes(3, other + _text(6, item["type"]) + _flag(20, True)))


def _response(item: Obj) -> bytes:
    """Return a ResponseValue { response 1 { description 1, schema 2 { schema 1 } } }."""
    made = _text(1, item["description"])
    if "schema" in item:
        made += _bytes(2, _bytes(1, _schema(item["schema"])))
    return _bytes(1, made)


def _schema(item: Obj) -> bytes:
    parts = [
        _text(1, item.get("$ref", "")),
        _text(2, item.get("format", "")),
        _text(4, item.get("description", "")),
    ]
    if "default" in item:
        parts.append(_bytes(5, _any(item["default"])))
    parts += [_text(19, name) for name in item.get("required") or ()]
    parts += [_bytes(20, _any(value)) for value in item.get("enum") or ()]
    if isinstance(item.get("additionalProperties"), dict):
        parts.append(_bytes(21, _bytes(1, _schema(item["additionalProperties"]))))
    if "type" in item:
        parts.append(_bytes(22, _text(1, item["type"])))
    if "items" in item:
        parts.append(_bytes(23, _bytes(1, _schema(item["items"]))))
    if "properties" in item:
        made = ((name, _schema(value)) for name, value in item["properties"].items())
        parts.append(_bytes(25, _pairs(1, made)))
    return b"".join(parts) + _extensions(31, item)


def _extensions(number: int, item: Obj) -> bytes:
    found = ((name, _any(value)) for name, value in item.items() if name.startswith("x-"))
    return _pairs(number, found)


def _any(value: Any) -> bytes:
    return _text(2, orjson.dumps(value).decode())


def _pairs(number: int, items: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(_pair(number, name, value) for name, value in items)


def _pair(number: int, name: str, value: bytes) -> bytes:
    return _bytes(number, _text(1, name) + _bytes(2, value))


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode()) if text else b""


def _flag(number: int, on: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if on else b""


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
