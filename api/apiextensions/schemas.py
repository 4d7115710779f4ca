"""The schema of one version of a definition: is it one that Kubernetes serves, structural, with valid
defaults and rules?

Called by `api.apiextensions.versions`. Source: apiextensions-apiserver
pkg/apis/apiextensions/validation ValidateCustomResourceDefinitionOpenAPISchema (1.36).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from api.apiextensions.defaultvalues import default_errors
from api.apiextensions.rules import rule_errors, wording_errors
from api.apiextensions.structure import structural_errors
from api.crd.schema import EMBEDDED, LIST_KEYS, LIST_TYPE, MAP_TYPE, META_FIELDS, PRESERVE
from api.field import FieldError, Path, forbidden, invalid, not_supported, required
from api.schemas import Schema

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
# With a status subresource its schema is taken from the properties, so the root may hold no junctors.
_AT_ROOT_WITH_STATUS = (
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
    "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required",
    "items", "properties", "externalDocs", "example", PRESERVE, "x-kubernetes-validations",
)  # fmt: skip
_NAMES_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength "
    "Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example "
    "XPreserveUnknownFields XValidations"
)
_WITH_STATUS = "at the root of the schema if the status subresource is enabled"
_ATOMIC_IN_SET = "must be atomic as item of a list with x-kubernetes-list-type=set"


@dataclass(frozen=True)
class Scope:
    """What holds at a place in a schema. `no_default`: why there may be no default, None if there may."""

    in_metadata: bool = False
    no_default: str | None = None


def schema_errors(schema: Schema, path: Path, has_status: bool) -> list[FieldError]:
    """Return what is wrong with `openAPIV3Schema`; `path` is that of the member `schema` around it."""
    at = path.child("openAPIV3Schema")
    errors = [*_root_errors(schema, at, has_status)]
    found = structural_errors(schema, at)
    if not found and not errors:
        found = default_errors(schema, at)
    errors += found
    errors += _node_errors(schema, at, Scope(), is_root=True)
    return errors or rule_errors(schema, at)


def _root_errors(schema: Schema, path: Path, has_status: bool) -> Iterator[FieldError]:
    if has_status:
        if schema.get("type", "object") != "object":
            text = f'only "object" is allowed as the type {_WITH_STATUS}'
            yield invalid(path.child("type"), schema["type"], text)
        elif any(value for name, value in schema.items() if name not in _AT_ROOT_WITH_STATUS):
            text = f"only [{_NAMES_AT_ROOT}] fields are allowed {_WITH_STATUS}"
            yield invalid(path, schema, text)
    if schema.get("nullable"):
        yield forbidden(path.child("nullable"), "nullable cannot be true at the root")


def _node_errors(schema: Schema, path: Path, scope: Scope, is_root: bool = False) -> Iterator[FieldError]:
    """Check a schema and all below it."""
    yield from _word_errors(schema, path, scope)
    if (extra := schema.get("additionalProperties")) is not None:
        yield from _others_errors(schema, extra, path, scope)
    for name, child in (schema.get("properties") or {}).items():
        inner = scope
        if (is_root or schema.get(EMBEDDED)) and name in META_FIELDS:
            reason = f"in top-level {name}" if is_root else scope.no_default
            inner = replace(scope, in_metadata=True, no_default=reason)
        yield from _node_errors(child, path.child("properties").key(name), inner)
    for name in ("allOf", "oneOf", "anyOf"):
        for number, branch in enumerate(schema.get(name) or ()):
            yield from _node_errors(branch, path.child(name).index(number), scope)
    for name in ("not", "items"):
        if isinstance(schema.get(name), dict):
            yield from _node_errors(schema[name], path.child(name), scope)
    if schema.get(MAP_TYPE) is not None:
        yield from _map_type_errors(schema, path)
    if schema.get(LIST_TYPE) is not None or schema.get(LIST_KEYS):
        yield from _list_type_errors(schema, path)
    yield from wording_errors(schema, path)


def _word_errors(schema: Schema, path: Path, scope: Scope) -> Iterator[FieldError]:
    """Check the words of a schema that need no look at others."""
    if schema.get("default") is not None and scope.no_default is not None:
        yield forbidden(path.child("default"), f"must not be set {scope.no_default}".rstrip())
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield forbidden(path.child(name), f"{name} is not supported")
    kind = schema.get("type", "")
    if kind == "null":
        yield forbidden(path.child("type"), "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in _TYPES:
        yield not_supported(path.child("type"), kind, _TYPES)
    if isinstance(schema.get("items"), list):
        yield forbidden(path.child("items"), "items must be a schema object and not an array")
    if scope.in_metadata and schema.get(EMBEDDED):
        yield forbidden(path.child(EMBEDDED), "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(path.child("uniqueItems"), text)
    if schema.get(PRESERVE) is False:
        yield invalid(path.child(PRESERVE), False, "must be true or undefined")


def _others_errors(schema: Schema, extra: Any, path: Path, scope: Scope) -> Iterator[FieldError]:
    at = path.child("additionalProperties")
    if schema.get("properties") and extra is not True:
        yield forbidden(at, "additionalProperties and properties are mutual exclusive")
    if isinstance(extra, dict):
        inner = scope
        if scope.in_metadata:
            reason = "inside additionalProperties applying to object metadata"
            inner = replace(scope, no_default=reason)
        yield from _node_errors(extra, at, inner)


def _map_type_errors(schema: Schema, path: Path) -> Iterator[FieldError]:
    yield from _type_for(schema, path, "object", MAP_TYPE)
    if schema[MAP_TYPE] not in ("atomic", "granular"):
        yield not_supported(path.child(MAP_TYPE), schema[MAP_TYPE], ("atomic", "granular"))


def _type_for(schema: Schema, path: Path, wanted: str, word: str) -> Iterator[FieldError]:
    kind = schema.get("type", "")
    if kind != wanted:
        text = f"must be {wanted} if {word} is specified"
        yield invalid(path.child("type"), kind, text) if kind else required(path.child("type"), text)


def _list_type_errors(schema: Schema, path: Path) -> Iterator[FieldError]:
    kind, keys, at = schema.get(LIST_TYPE), schema.get(LIST_KEYS) or [], path.child(LIST_TYPE)
    if kind is not None:
        yield from _type_for(schema, path, "array", LIST_TYPE)
        if kind not in ("atomic", "set", "map"):
            yield not_supported(at, kind, ("atomic", "set", "map"))
    if keys and kind != "map":
        text = f"must be map if {LIST_KEYS} is non-empty"
        yield required(at, text) if kind is None else invalid(at, kind, text)
    items = schema.get("items")
    if kind == "map":
        yield from _keyed_list_errors(schema, keys, path)
    if kind == "set" and schema.get("type") == "array" and isinstance(items, dict):
        yield from _set_errors(items, path.child("items"))
    if kind in ("set", "map") and isinstance(items, dict) and items.get("nullable"):
        text = f"cannot be nullable when {LIST_TYPE} is {kind}"
        yield forbidden(path.child("items").child("nullable"), text)


def _set_errors(items: Schema, path: Path) -> Iterator[FieldError]:
    for kind, word in (("array", LIST_TYPE), ("object", MAP_TYPE)):
        found = items.get(word)
        if items.get("type") == kind and found != "atomic" and (found is not None or kind == "object"):
            # Upstream shows the list type of both.
            yield invalid(path.child(word), items.get(LIST_TYPE), _ATOMIC_IN_SET)


def _keyed_list_errors(schema: Schema, keys: list[str], path: Path) -> Iterator[FieldError]:
    items, at = schema.get("items"), path.child(LIST_KEYS)
    if not keys:
        yield required(at, f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(path.child("items"), f"must have a schema if {LIST_TYPE} is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        text = f"must be object if parent array's {LIST_TYPE} is map"
        yield invalid(path.child("items").child("type"), items.get("type", ""), text)
        return
    properties = items.get("properties") or {}
    for number, key in enumerate(keys):
        if key not in properties:
            yield invalid(at, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            where = path.child("items").child("properties").key(key).child("type")
            yield invalid(where, items["type"], f"must be a scalar type if parent array's {LIST_TYPE} is map")
        if key in keys[:number]:
            yield invalid(at, keys, "must not contain duplicate entries")
    for key in keys:
        if key in properties:
            yield from _key_errors(key, items, path.child("items"))


def _key_errors(key: str, items: Schema, path: Path) -> Iterator[FieldError]:
    found, at = items["properties"][key], path.child("properties").key(key)
    why = f"this property is in {LIST_KEYS}, so it"
    if key not in (items.get("required") or ()) and found.get("default") is None:
        yield required(at.child("default"), f"{why} must have a default or be a required property")
    if found.get("nullable"):
        yield forbidden(at.child("nullable"), f"{why} cannot be nullable")
