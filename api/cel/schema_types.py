"""Types of values that a schema describes: of structural schemas of custom resources, and of the built-in
kinds.

What has no type cannot be reached by expressions, as upstream; what is int-or-string is dyn. Sizes come from
`maxLength`, `maxItems`, `maxProperties`, else from what fits into a request.
Spec: k8s.io/apiserver/pkg/cel/common/schemas.go (1.36).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from api.cel.escaping import escape
from api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    ObjectType,
    Type,
    list_of,
    map_of,
)
from api.schemas import definition, json_type

Schema: TypeAlias = Mapping[str, Any]

# The largest request body, and the longest texts of times in it, in bytes.
_REQUEST_SIZE = 3 * 1024 * 1024
_DATE_SIZE, _MOMENT_SIZE, _DURATION_SIZE = 10, 34, 32
# The least that times take in JSON, in bytes.
_LEAST_TIMES = {"date": 12, "date-time": 21, "duration": 3}
# Upstream knows no size of the keys of maps in a schema, and takes it for 0.
SIZE_OF_KEYS = 0
# `maxLength` counts code points, of up to four bytes; sizes are those of requests, in bytes.
_BYTES = 4
_REF = "#/$defs/"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_OBJECT_META = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}
_ROOT_FIELDS = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _OBJECT_META}
_TIMES = {
    "date": (TIMESTAMP, _DATE_SIZE),
    "date-time": (TIMESTAMP, _MOMENT_SIZE),
    "duration": (DURATION, _DURATION_SIZE),
}


def type_of_schema(schema: Schema, *, root: bool = False, name: str = "selfType") -> Type:
    """Return the type of the values of a schema; dyn if the schema says nothing.

    `root` adds what every object has: apiVersion, kind, metadata.name, metadata.generateName.
    """
    return _type(schema, name, root) or DYN


@cache
def type_of_definition(name: str) -> Type:
    """Return the type of a built-in definition (`io.k8s.api.apps.v1.Deployment`); KeyError if there is
    none.
    """
    return _type(definition(name), name, False) or DYN


def _type(schema: Schema, name: str, root: bool) -> Type | None:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return DYN if name == _INT_OR_STRING else type_of_definition(name)
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return DYN.bounded(_REQUEST_SIZE - 2)
    if root:
        # The schema's own words on metadata count for less than what every object has.
        properties = {**schema.get("properties", {}), **_ROOT_FIELDS}
        schema = {**schema, "type": "object", "properties": properties}
    make = _TYPES.get(json_type(dict(schema)))
    return make(schema, name) if make is not None else None


def _list(schema: Schema, name: str) -> Type | None:
    items = schema.get("items")
    element = _type(items, f"{name}.@idx", bool(items.get(_EMBEDDED))) if items else None
    if items is None or element is None:
        return None
    most = schema.get("maxItems", (_REQUEST_SIZE - 2) // (_least_size(items) + 1))
    of = list_of(element).bounded(max(most, 0))
    kind = schema.get("x-kubernetes-list-type", "")
    if kind not in ("set", "map"):
        return of
    return of.listed(kind, tuple(schema.get("x-kubernetes-list-map-keys", ())))


_EMBEDDED = "x-kubernetes-embedded-resource"


def _object(schema: Schema, name: str) -> Type | None:
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping) and not schema.get("properties"):
        value = _type(extra, f"{name}.@elem", bool(extra.get(_EMBEDDED)))
        if value is None:
            return None
        most = schema.get("maxProperties", (_REQUEST_SIZE - 2) // (_least_size(extra) + 6))
        return map_of(STRING.bounded(SIZE_OF_KEYS), value).bounded(max(most, 0))
    properties = schema.get("properties", {})
    names = {escaped: field for field in properties if (escaped := escape(field))}
    escaped_names = {escaped: field for escaped, field in names.items() if escaped != field}
    if any("$ref" in field or "$ref" in field.get("items", {}) for field in properties.values()):
        return _described(ObjectType(name, _LazyFields(properties, names, name), escaped_names))
    fields = {
        escaped: of
        for escaped, field in names.items()
        if (of := _field(properties[field], f"{name}.{field}")) is not None
    }
    return _described(ObjectType(name, fields, escaped_names))


def _described(of: ObjectType) -> Type:
    of.null_is_absent = True
    return of.bounded(0)


def _field(schema: Schema, name: str) -> Type | None:
    return _type(schema, name, bool(schema.get(_EMBEDDED)))


class _LazyFields(Mapping[str, Type]):
    """Fields of a built-in kind: made when they are first read, since kinds are large and may contain
    themselves.
    """

    def __init__(self, properties: Schema, names: Mapping[str, str], name: str) -> None:
        self._properties = properties
        self._names = names
        self._name = name
        self._made: dict[str, Type] = {}

    def __getitem__(self, key: str) -> Type:
        found = self._made.get(key)
        if found is None:
            field = self._names[key]
            found = self._made[key] = _field(self._properties[field], f"{self._name}.{field}") or DYN
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _string(schema: Schema) -> Type:
    form = schema.get("format", "")
    longest = schema.get("maxLength")
    if form in _TIMES:
        of, size = _TIMES[form]
        return of.encoded(form).bounded(size)
    if form == "byte":
        return BYTES.encoded(form).bounded(_REQUEST_SIZE - 2 if longest is None else max(longest, 0))
    words = [word for word in schema.get("enum", ()) if isinstance(word, str)]
    if longest is None:
        return STRING.bounded(max(map(len, words)) if words else _REQUEST_SIZE - 2)
    return STRING.bounded(max(longest, 0) * _BYTES)


def _least_size(schema: Schema) -> int:
    """Return the least number of bytes that a value takes in JSON."""
    if "$ref" in schema:
        return 1
    match json_type(dict(schema)):
        case "boolean":
            return 4
        case "string":
            return _least_text(schema)
        case "array":
            return 2
        case "object":
            required = schema.get("required", ())
            properties = schema.get("properties", {})
            needed = (name for name in required if name in properties and "default" not in properties[name])
            return 2 + sum(len(name) + 4 + _least_size(properties[name]) for name in needed)
    return 1


def _least_text(schema: Schema) -> int:
    if schema.get("format") in _LEAST_TIMES:
        return _LEAST_TIMES[schema["format"]]
    words = [word for word in schema.get("enum", ()) if isinstance(word, str)]
    return 2 + min(map(len, words), default=0)


_TYPES: dict[str, Callable[[Schema, str], Type | None]] = {
    # Nor does it know a size of scalars and objects.
    "array": _list,
    "object": _object,
    "string": lambda schema, name: _string(schema),
    "boolean": lambda schema, name: BOOL.bounded(0),
    "number": lambda schema, name: DOUBLE.encoded("number").bounded(0),
    "integer": lambda schema, name: INT.bounded(0),
}
