"""What the other files of this folder ask of a version's schema, in one place.

A schema is the JSON of `JSONSchemaProps` as its CRD holds it; it is shared and never changed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from api.field import FieldError, Path
from api.schemas import Schema

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
RULES = "x-kubernetes-validations"
META_FIELDS = frozenset(("apiVersion", "kind", "metadata"))

# A path that is made only for messages: (path before, method of `Path`, argument), None at the root.
Trail: TypeAlias = "tuple[Trail, Callable[[Path, Any], Path], Any] | Path"
# Looks at one value of an object and adds what is wrong with it.
Visit: TypeAlias = Callable[[Any, Trail, list[FieldError]], None]


def schema_of_version(version: Schema) -> Schema:
    """Return the schema of an element of `spec.versions`; {} if it has none."""
    found: Schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found


def others_of(schema: Schema) -> Schema | None:
    """Return the schema of a map's values; None if there are none, or if they may be anything."""
    found = schema.get("additionalProperties")
    return found if isinstance(found, dict) else None


def types_of(schema: Schema) -> tuple[str, ...]:
    """Return the JSON types that a schema allows besides null; none means any."""
    if schema.get(INT_OR_STRING):
        return ("integer", "string")
    kind = schema.get("type")
    return (kind,) if kind else ()


def drops_null(schema: Schema) -> bool:
    """Tell whether a null for this schema is left out: it is not nullable and there is no default for it."""
    return not schema.get("nullable") and schema.get("default") is None


def path_of(trail: Trail) -> Path:
    """Return the path that a trail stands for."""
    if isinstance(trail, Path):
        return trail
    before, step, argument = trail
    return step(path_of(before), argument)


def sparse(schema: Schema, local: Callable[[Schema], Visit | None]) -> Visit | None:
    """Return a function that visits the values for whose schemas `local` returns something, and no others.

    None if there are none in the whole schema: then objects need not be looked at.
    """
    own, fields, others, items = local(schema), {}, None, None
    for name, child in (schema.get("properties") or {}).items():
        if found := sparse(child, local):
            fields[name] = found
    if (values := others_of(schema)) is not None:
        others = sparse(values, local)
    if isinstance(schema.get("items"), dict):
        items = sparse(schema["items"], local)
    parts: list[Visit] = [] if own is None else [own]
    if fields:
        parts.append(_visiting_fields(tuple(fields.items())))
    if others is not None:
        parts.append(_visiting_others(frozenset(schema.get("properties") or ()), others))
    if items is not None:
        parts.append(_visiting_items(items))
    return _one_after_another(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def _one_after_another(parts: tuple[Visit, ...]) -> Visit:
    def visit(value: Any, trail: Trail, errors: list[FieldError]) -> None:
        for part in parts:
            part(value, trail, errors)

    return visit


def _visiting_fields(fields: tuple[tuple[str, Visit], ...]) -> Visit:
    def visit(value: Any, trail: Trail, errors: list[FieldError]) -> None:
        if value.__class__ is dict:
            for name, inner in fields:
                if name in value:
                    inner(value[name], (trail, Path.child, name), errors)

    return visit


def _visiting_others(named: frozenset[str], others: Visit) -> Visit:
    def visit(value: Any, trail: Trail, errors: list[FieldError]) -> None:
        if value.__class__ is dict:
            for name, item in value.items():
                if name not in named:
                    others(item, (trail, Path.key, name), errors)

    return visit


def _visiting_items(items: Visit) -> Visit:
    def visit(value: Any, trail: Trail, errors: list[FieldError]) -> None:
        if value.__class__ is list:
            for number, item in enumerate(value):
                items(item, (trail, Path.index, number), errors)

    return visit
