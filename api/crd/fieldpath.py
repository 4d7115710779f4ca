"""Paths into a schema, as rules (`fieldPath`) and selectable fields name them: `.spec.a['b.c']`.

Called by the other files of this folder. Source: apiextensions-apiserver
pkg/apiserver/schema/cel/validation.go ValidFieldPath (1.36).
"""

import re

from api.crd.schema import others_of
from api.field import Path
from api.schemas import Schema

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]']+|'.*", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
_NO_FIELD = "does not refer to a valid field"
_NO_END = "unexpected end of JSON path"


def resolve(text: str, schema: Schema, brackets: bool = True) -> tuple[Path, str, Schema]:
    """Return (path, its first name, schema there); `brackets`: whether `['name']` may be used.

    Raises ValueError in upstream's words for a path that leads nowhere.
    """
    tokens = _TOKEN.findall(text)
    path, first, at = Path(), "", 0
    while at < len(tokens):
        if tokens[at] == "[" and not brackets:
            raise ValueError("array notation is not allowed")
        name, at = _quoted(tokens, at) if tokens[at] == "[" else _plain(tokens, at)
        first = first or name
        path, schema = _step(path, schema, name)
    return path, first, schema


def _plain(tokens: list[str], at: int) -> tuple[str, int]:
    if tokens[at] != ".":
        raise ValueError(f"expected [ or . but got: {tokens[at]}")
    if at + 1 >= len(tokens):
        raise ValueError(_NO_END)
    return tokens[at + 1], at + 2


def _quoted(tokens: list[str], at: int) -> tuple[str, int]:
    if at + 1 >= len(tokens):
        raise ValueError(_NO_END)
    token = tokens[at + 1]
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise ValueError(f"expected single quoted string but got {token}")
    name = re.sub(r"\\(.)", _unescaped, token[1:-1], flags=re.DOTALL)
    if at + 2 >= len(tokens):
        raise ValueError(_NO_END)
    if tokens[at + 2] != "]":
        raise ValueError(f"expected ] but got {tokens[at + 2]}")
    return name, at + 3


def _unescaped(match: re.Match[str]) -> str:
    found = _ESCAPES.get(match[1])
    if found is None:
        raise ValueError(f"invalid string literal: invalid escape char {match[0]}")
    return found


def _step(path: Path, schema: Schema, name: str) -> tuple[Path, Schema]:
    if schema.get("properties"):
        child = schema["properties"].get(name)
        if child is None:
            raise ValueError(_NO_FIELD)
        return path.child(name), child
    others = others_of(schema)
    if others is None:
        raise ValueError(_NO_FIELD)
    return path.key(name), others
