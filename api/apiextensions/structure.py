"""Is a schema structural? Then what a value consists of can be told without looking at values: types stand
outside of junctors (anyOf and the like), which only restrict.

Called by `api.apiextensions.schemas`. Source: apiextensions-apiserver pkg/apiserver/schema validation.go,
complete.go (1.36).
"""

from collections.abc import Iterator
from typing import Any

from api.crd.formats import compile_pattern
from api.crd.schema import EMBEDDED, INT_OR_STRING, LIST_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, RULES, others_of
from api.field import FieldError, Path, forbidden, invalid, required
from api.schemas import Schema

# Where a schema stands: messages and the rules of metadata differ.
_ROOT, _ITEM, _FIELD = "root", "item", "field"
_EMPTY_TYPE = {
    _ROOT: "must not be empty at the root",
    _ITEM: "must not be empty for specified array items",
    _FIELD: "must not be empty for specified object fields",
}
_ANY_OF_BOTH = [{"type": "integer"}, {"type": "string"}]
# What may not stand below a junctor, and the word for being without it.
_FORBIDDEN_BELOW = {
    "type": "empty",
    "default": "undefined",
    "title": "empty",
    "description": "empty",
    "nullable": "false",
    "externalDocs": "undefined",
    PRESERVE: "false",
    EMBEDDED: "false",
    INT_OR_STRING: "false",
    LIST_KEYS: "empty",
    LIST_TYPE: "undefined",
    MAP_TYPE: "undefined",
    RULES: "empty",
}


def structural_errors(schema: Schema, path: Path) -> list[FieldError]:
    """Return what keeps a schema from being structural, in the order of the texts."""
    errors = [*_invariants(schema, _ROOT, path), *_completeness(schema, schema, path, path)]
    return sorted(errors, key=str)


def _invariants(schema: Schema, level: str, path: Path) -> Iterator[FieldError]:
    yield from _children(schema, level, path)
    yield from _extensions(schema, path)
    yield from _values(schema, path, skip_any_of=_is_int_or_string(schema))
    yield from _type(schema, level, path)
    yield from _embedded(schema, path)
    if level == _ROOT or schema.get(EMBEDDED):
        yield from _meta_types(schema, path)
    metadata = (schema.get("properties") or {}).get("metadata")
    if level == _ROOT and metadata is not None and not _is_plain_metadata(metadata):
        text = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        yield forbidden(path.child("properties").key("metadata"), text)


def _children(schema: Schema, level: str, path: Path) -> Iterator[FieldError]:
    items = schema.get("items")
    if isinstance(items, dict):
        yield from _invariants(items, _ITEM, path.child("items"))
    elif schema.get("type") == "array":
        yield required(path.child("items"), "must be specified")
    if properties := schema.get("properties"):
        below = path.child("properties")
        for name, child in properties.items():
            yield from _invariants(child, _FIELD, below.key(name))
    if schema.get("additionalProperties") is not None:
        at = path.child("additionalProperties")
        if level == _ROOT:
            yield forbidden(at, "must not be used at the root")
        if (others := others_of(schema)) is not None:
            yield from _invariants(others, _FIELD, at)


def _extensions(schema: Schema, path: Path) -> Iterator[FieldError]:
    if schema.get(INT_OR_STRING):
        for name in (PRESERVE, EMBEDDED):
            if schema.get(name):
                yield invalid(path.child(name), True, f"must be false if {INT_OR_STRING} is true")


def _type(schema: Schema, level: str, path: Path) -> Iterator[FieldError]:
    kind, at = schema.get("type", ""), path.child("type")
    if schema.get(EMBEDDED) and kind != "object":
        text = f"must be object if {EMBEDDED} is true"
        yield invalid(at, kind, text) if kind else required(at, text)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield required(at, _EMPTY_TYPE[level])
    if level == _ROOT and kind and kind != "object":
        yield invalid(at, kind, "must be object at the root")


def _embedded(schema: Schema, path: Path) -> Iterator[FieldError]:
    if not schema.get(EMBEDDED):
        return
    if schema.get("additionalProperties") is not None:
        at = path.child("additionalProperties")
        yield forbidden(at, f"must not be used if {EMBEDDED} is set")
    if not schema.get(PRESERVE) and not schema.get("properties"):
        text = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield required(path.child("properties"), text)


def _meta_types(schema: Schema, path: Path) -> Iterator[FieldError]:
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        child = (schema.get("properties") or {}).get(name)
        if child is not None and child.get("type") != wanted:
            at = path.child("properties").key(name).child("type")
            yield invalid(at, child.get("type", ""), f"must be {wanted}")


def _is_plain_metadata(metadata: Schema) -> bool:
    """Tell whether a root's metadata schema says no more than what every object's name is."""
    named = set(metadata.get("properties") or ()) <= {"name", "generateName"}
    return named and not any(
        value for key, value in metadata.items() if key not in ("type", "default", "properties")
    )


def _is_int_or_string(schema: Schema) -> bool:
    return bool(schema.get("anyOf") == _ANY_OF_BOTH)


def _values(schema: Schema, path: Path, skip_any_of: bool) -> Iterator[FieldError]:
    """Check the junctors of a schema; the usual way to say "integer or string" is let be."""
    if not skip_any_of:
        for number, branch in enumerate(schema.get("anyOf") or ()):
            yield from _nested(branch, path.child("anyOf").index(number))
    for number, branch in enumerate(schema.get("allOf") or ()):
        skip = number == 0 and _is_int_or_string(branch)
        yield from _nested(branch, path.child("allOf").index(number), skip)
    for number, branch in enumerate(schema.get("oneOf") or ()):
        yield from _nested(branch, path.child("oneOf").index(number))
    if (refused := schema.get("not")) is not None:
        yield from _nested(refused, path.child("not"))
    if pattern := schema.get("pattern"):
        try:
            compile_pattern(pattern)
        except ValueError as error:
            text = f"must be a valid regular expression, but isn't: error parsing regexp: {error}"
            yield invalid(path.child("pattern"), pattern, text)


def _nested(schema: Schema, path: Path, skip_any_of: bool = False) -> Iterator[FieldError]:
    yield from _values(schema, path, skip_any_of)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], path.child("items"))
    properties = schema.get("properties") or {}
    for name, child in properties.items():
        yield from _nested(child, path.child("properties").key(name))
    if schema.get("additionalProperties") is not None:
        yield forbidden(path.child("additionalProperties"), "must be undefined to be structural")
    for name, word in _FORBIDDEN_BELOW.items():
        if schema.get(name) or (name == "default" and schema.get(name) is not None):
            yield forbidden(path.child(name), f"must be {word} to be structural")
    if "metadata" in properties:
        yield forbidden(path.child("properties").key("metadata"), "must not be specified in a nested context")


def _completeness(values: Schema, schema: Schema, path: Path, at: Path) -> Iterator[FieldError]:
    """Check that what junctors (at `at`) speak of is also specified outside of them (at `path`)."""
    for name in ("allOf", "anyOf", "oneOf"):
        for number, branch in enumerate(values.get(name) or ()):
            yield from _nested_completeness(branch, schema, path, at.child(name).index(number))
    if (refused := values.get("not")) is not None:
        yield from _nested_completeness(refused, schema, path, at.child("not"))


def _nested_completeness(values: Schema, schema: Any, path: Path, at: Path) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        yield required(path, f"because it is defined in {at}")
        return
    yield from _completeness(values, schema, path, at)
    if isinstance(values.get("items"), dict):
        inner = schema.get("items")
        yield from _nested_completeness(values["items"], inner, path.child("items"), at.child("items"))
    for name, child in (values.get("properties") or {}).items():
        inner = (schema.get("properties") or {}).get(name)
        below, source = path.child("properties").key(name), at.child("properties").key(name)
        yield from _nested_completeness(child, inner, below, source)
