"""Bytes to objects and back: JSON, with upstream's words for what is wrong with it.

Called by the API server for bodies, by the client for answers, by the store for values.
Source: sigs.k8s.io/json and apimachinery's serializer/json (1.36); encoding/json for the words.
"""

import json
from typing import Any

import orjson

from api.resource import Obj

# As upstream: no more faults than this are listed.
MAX_STRICT_ERRORS = 100

_NO_KIND = "couldn't get version/kind; json parse error: "
_META_TYPE = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)
# orjson cannot write deeper shapes, so they must not be let in.
_MAX_DEPTH = 254
# Beyond this a number is larger than a double can hold.
_MAX_DIGITS = 308
_AFTER = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting value": "looking for beginning of value",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


class DecodeError(ValueError):
    """A body that is not what it should be; the text is upstream's, after `cannot be handled as a Kind: `."""


def loads(data: bytes | bytearray | memoryview | str) -> Obj:
    """Return the object that JSON bytes say. Of a key that comes twice, the last value counts.

    Raises DecodeError for malformed JSON, anything but an object at the top, and too deep nesting.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(_NO_KIND + syntax_message(_text(data))) from error
    if not isinstance(value, dict):
        raise DecodeError(
            f"{_NO_KIND}json: cannot unmarshal {go_kind(value)} into Go value of type {_META_TYPE}"
        )
    _refuse_depth(value, data)
    return value


def loads_any(data: bytes | str) -> Any:
    """Return any JSON value (patches may be lists); DecodeError if it is malformed."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(syntax_message(_text(data))) from error
    _refuse_depth(value, data)
    return value


def dumps(obj: Any) -> bytes:
    """Return compact JSON, keys in the order of the object."""
    return orjson.dumps(obj)


def dumps_as_go(obj: Any) -> bytes:
    """Return the bytes that Go's encoder writes for a map: sorted keys, `<`, `>`, `&` and U+2028/9 escaped.

    ControllerRevision data is compared and hashed by these bytes.
    """
    data = orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
    for plain, escaped in _GO_ESCAPES:
        if plain in data:
            data = data.replace(plain, escaped)
    return data


_GO_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def duplicate_fields(data: bytes, value: Any) -> list[str]:
    """Return the paths of keys that come twice in their object, in the order of the text.

    `value` is what `data` was decoded to. Most bodies are compact: if writing the value again gives as many
    bytes, nothing was lost and the slow pass is not needed.
    """
    if len(orjson.dumps(value)) == len(data.strip()):
        return []
    found: list[str] = []
    try:
        _list_duplicates(json.loads(data, object_pairs_hook=_Pairs), "", found)
    except RecursionError:
        return []
    return found[:MAX_STRICT_ERRORS]


class _Pairs(list[tuple[str, Any]]):
    """The members of an object as written."""


def _list_duplicates(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen = set()
        for key, item in value:
            name = f"{path}.{key}" if path else key
            if key in seen:
                found.append(name)
            seen.add(key)
            if isinstance(item, list):
                _list_duplicates(item, name, found)
    else:
        for number, item in enumerate(value):
            if isinstance(item, list):
                _list_duplicates(item, f"{path}[{number}]", found)


def strict_message(unknown: list[str], duplicate: list[str]) -> str:
    """Return `strict decoding error: unknown field "a.b", duplicate field "c"`, or "" without faults."""
    faults = strict_faults(unknown, duplicate)
    return f"strict decoding error: {', '.join(faults)}" if faults else ""


def strict_faults(unknown: list[str], duplicate: list[str]) -> list[str]:
    """Return the faults one by one: in Warn mode each is a warning of its own."""
    faults = [f'unknown field "{path}"' for path in unknown]
    faults += [f'duplicate field "{path}"' for path in duplicate]
    return faults[:MAX_STRICT_ERRORS]


def go_kind(value: Any) -> str:
    """Return the word of Go's decoder for the kind of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
    return "object"


def syntax_message(text: str) -> str:
    """Return what Go's decoder says of malformed JSON."""
    overlong: list[str] = []

    def number(digits: str) -> int:
        """Never converted: thousands of digits would take seconds, or be refused by Python itself."""
        if len(digits) > _MAX_DIGITS:
            overlong.append(digits)
        return 0

    try:
        json.loads(text, parse_int=number)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].lstrip() if error.msg.startswith("Expecting") else text[error.pos :]
        if not rest or error.msg.startswith("Unterminated string"):
            return "unexpected end of JSON input"
        after = _AFTER.get(error.msg.removesuffix(": "), "") or _after_member(text[: error.pos])
        return f"invalid character '{_go_char(rest[0])}' {after}"
    except RecursionError:
        return "exceeded max depth"
    if overlong:
        return f"json: cannot unmarshal number {overlong[0][:_MAX_DIGITS]}... into Go value of type float64"
    # Python's decoder takes NaN, Infinity and lone surrogates, which Go refuses.
    return "invalid character 'N' looking for beginning of value"


def _go_char(letter: str) -> str:
    named = {"'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
    return named.get(letter) or (letter if letter.isprintable() else f"\\x{ord(letter):02x}")


def _after_member(before: str) -> str:
    """Tell whether the text ends inside an object or an array."""
    depth = 0
    for letter in reversed(before):
        if letter in "]}":
            depth += 1
        elif letter in "[{":
            if depth == 0:
                return "after array element" if letter == "[" else "after object key:value pair"
            depth -= 1
    return "after object key:value pair"


def _refuse_depth(value: Any, data: bytes | bytearray | memoryview | str) -> None:
    raw = data if isinstance(data, bytes) else _text(data).encode()
    if raw.count(b"{") + raw.count(b"[") < _MAX_DEPTH:
        return
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise DecodeError("exceeded max depth") from error


def _text(data: bytes | bytearray | memoryview | str) -> str:
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
