"""The two questions that are asked of every custom object, as compiled JSON schemas: has it its form already,
so that decoding changes nothing? Is it valid?

A "no" may be wrong, then the slow way finds nothing to do; a "yes" never is. Called by `api.crd.structural`.
Draft 4 has limits and exclusive limits as OpenAPI writes them; for it 1.0 is no integer, so such a value goes
the slow way, where it is one.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs

from api.crd.formats import Test, format_test, pattern_test
from api.crd.pieces import CUT, Piece, Pieces, count, cut
from api.crd.prune import META
from api.crd.schema import EMBEDDED, PRESERVE, drops_null, others_of, types_of
from api.schemas import Schema
from api.structure import strict_definitions

_KEPT = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
# Neither flags, nor classes beyond ASCII, nor what one engine takes literally and the other does not.
_PORTABLE = re.compile(
    r"(?!.*(?:\[:|\{,))(?:[^\\(]|\\[dw]|\\[^A-Za-z0-9]|\((?!\?)|\(\?:)*", re.ASCII | re.DOTALL
)
# The engine that takes linear time, whatever the pattern.
_LINEAR = jsonschema_rs.RegexOptions()
_BRANCHES = ("anyOf", "oneOf", "allOf", "not")
_META_FIELDS: dict[str, Schema] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": f"#/$defs/{META}"},
}
# Values that one validator may name: to compile one holds up everything else, for some milliseconds at most.
MOST_VALUES = 300
_NO_MEMBERS: Schema = {"not": {"type": ["array", "object"]}}


def compile_form(schema: Schema, most: int = MOST_VALUES) -> Any:
    """Return the validator of objects that decoding leaves as they are, but for what their metadata is; None
    if there is none.
    """
    return _compiled({**schema, EMBEDDED: False}, _form_validator, most)


def _form_validator(piece: Piece) -> Any:
    form = _form(piece.schema)
    if not piece.steps:
        named = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        form["properties"] |= named
    if piece.schema.get(EMBEDDED) or _has_embedded(piece.schema):
        form["$defs"] = strict_definitions(META)
    return _validator(form, {})


def _compiled(schema: Schema, compile_piece: Callable[[Piece], Any], most: int) -> Any:
    """Return the validator of a schema, in pieces if it is large; None if there is none of some piece."""
    pieces = cut(schema, most)
    if any(count(piece.schema) > max(most, MOST_VALUES) for piece in pieces):
        return None
    validators = [compile_piece(piece) for piece in pieces]
    if None in validators:
        return None
    if len(validators) == 1:
        return validators[0]
    others = zip(pieces[1:], validators[1:], strict=True)
    return Pieces(validators[0], tuple((piece.steps, validator) for piece, validator in others))


def _has_embedded(schema: Schema) -> bool:
    children = [*(schema.get("properties") or {}).values(), others_of(schema), schema.get("items")]
    return any(
        isinstance(child, dict) and (child.get(EMBEDDED) or _has_embedded(child)) for child in children
    )


def _form(schema: Schema, lenient: bool = False) -> Schema:
    """Return the form of a value: nothing unknown is in it, and no null that goes."""
    if schema is CUT:
        return {}
    lenient = lenient or bool(schema.get(PRESERVE))
    fields, others = schema.get("properties") or {}, others_of(schema)
    form: Schema = {"properties": {name: _form(child) for name, child in fields.items()}}
    if drops_null(schema):
        form["not"] = {"type": "null"}
    if schema.get(EMBEDDED):
        form["properties"] |= _META_FIELDS
    if others is not None:
        form["additionalProperties"] = _form(others)
    elif schema.get("additionalProperties") is not None:
        form["additionalProperties"] = _NO_MEMBERS
    elif not lenient:
        form["additionalProperties"] = False
    if isinstance(schema.get("items"), dict):
        form["items"] = _form(schema["items"], lenient)
    elif not lenient:
        form["items"] = _NO_MEMBERS
    return form


def compile_validity(schema: Schema, most: int = MOST_VALUES) -> Any:
    """Return the validator of objects in which `api.crd.values` finds nothing wrong; None if JSON schema has
    other words for what this schema says.
    """
    return _compiled(schema, _valid_validator, most)


def _valid_validator(piece: Piece) -> Any:
    tests: dict[str, Test] = {}
    try:
        whole = _valid(piece.schema, tests)
    except _Unspeakable:
        return None
    return _validator(whole, tests)


def _validator(schema: Schema, tests: dict[str, Test]) -> Any:
    """Return the validator; None for what JSON schema refuses: negative lengths, too deep nesting."""
    try:
        return jsonschema_rs.Draft4Validator(
            schema, formats=tests, validate_formats=True, pattern_options=_LINEAR
        )
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def is_portable(pattern: str) -> bool:
    """Tell whether a pattern means the same to the validator's own engine as to RE2."""
    if not pattern.isprintable() or not _PORTABLE.fullmatch(pattern):
        return False
    return _validator({"pattern": pattern}, {}) is not None


class _Unspeakable(Exception):
    """JSON schema means something else by a word of this schema."""


def _valid(schema: Schema, tests: dict[str, Test], negated: bool = False) -> Schema:
    """Return the JSON schema of a schema; `negated`: a "no" leads to a "yes", so it may not be wrong."""
    if schema is CUT:
        return {}
    made: Schema = {name: schema[name] for name in _KEPT if schema.get(name) is not None}
    if schema.get("required"):
        made["required"] = list(dict.fromkeys(schema["required"]))
    if types := types_of(schema):
        if negated:
            raise _Unspeakable
        made["type"] = [*types, "null"] if schema.get("nullable") else list(types)
    _add_numbers(schema, made)
    _add_text(schema, made, tests)
    if "properties" in schema:
        fields = schema["properties"].items()
        made["properties"] = {name: _valid(child, tests, negated) for name, child in fields}
    if (extra := schema.get("additionalProperties")) is not None:
        made["additionalProperties"] = _valid(extra, tests, negated) if isinstance(extra, dict) else extra
    if isinstance(schema.get("items"), dict):
        made["items"] = _valid(schema["items"], tests, negated)
    _add_branches(schema, made, tests, negated)
    if schema.get("enum"):
        made["enum"] = _enum(schema["enum"])
        return made
    # A null is only asked for its type.
    nulls = (schema.get("nullable") or not types) and any(name in made for name in _BRANCHES)
    return {"anyOf": [{"type": "null"}, made]} if nulls else made


def _enum(values: list[Any]) -> list[Any]:
    kept = [value for value in values if value is not None]
    if not kept or any(isinstance(value, dict | list) for value in kept):
        raise _Unspeakable
    return list({(value.__class__, value): value for value in kept}.values())


def _add_numbers(schema: Schema, made: Schema) -> None:
    factor = schema.get("multipleOf")
    if factor is not None:
        if (
            made.get("type") not in (["integer"], ["integer", "null"])
            or factor.__class__ is not int
            or factor < 1
        ):
            # What is a multiple of a fraction is a matter of rounding.
            raise _Unspeakable
        made["multipleOf"] = factor
    for name, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(name) is not None:
            made |= {name: schema[name], exclusive: bool(schema.get(exclusive))}


def _add_text(schema: Schema, made: Schema, tests: dict[str, Test]) -> None:
    """Formats, and patterns where engines differ, are tested by the functions that the slow way calls."""
    wanted: list[Schema] = []
    pattern = schema.get("pattern")
    if pattern and pattern.isascii() and is_portable(pattern):
        made["pattern"] = pattern
    elif pattern:
        tests[f"pattern {pattern}"] = pattern_test(pattern)
        wanted.append({"format": f"pattern {pattern}"})
    if test := format_test(schema.get("format") or ""):
        tests[f"format {schema['format']}"] = test
        wanted.append({"format": f"format {schema['format']}"})
    if wanted:
        made["allOf"] = wanted


def _add_branches(schema: Schema, made: Schema, tests: dict[str, Test], negated: bool) -> None:
    if schema.get("anyOf"):
        made["anyOf"] = [_valid(branch, tests, negated) for branch in schema["anyOf"]]
    if schema.get("oneOf"):
        made["oneOf"] = [_valid(branch, tests, True) for branch in schema["oneOf"]]
    if schema.get("allOf"):
        made["allOf"] = made.get("allOf", []) + [_valid(branch, tests, negated) for branch in schema["allOf"]]
    if schema.get("not") is not None:
        made["not"] = _valid(schema["not"], tests, True)
