"""What a schema says of merging: which maps and lists are one value, which have parts of their own.

A `Shape` is compiled from an OpenAPI schema when it is first met, and kept. Called by the other files of this
folder and by handlers of custom resources, which compile their own schema.
Source: kube-openapi schemaconv, structured-merge-diff typed (v6).
"""

from functools import cache
from typing import Any

from api.patch import fieldset
from api.schemas import Schema, definition, json_type

_REF = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"

# Structs that Go holds by value: they are there, empty, before anybody sets them, so nobody owns the struct.
_BY_VALUE = frozenset(("metadata", "spec", "status", "strategy", "updateStrategy", "template", "jobTemplate"))
# Defaults of merge keys that the published schema does not tell.
_KEY_DEFAULTS = {"protocol": "TCP"}

SCALAR, MAP, LIST, ANY = "scalar", "map", "list", "any"


class ShapeError(ValueError):
    """A value that does not fit its schema; the text is upstream's, path included."""


class Shape:
    """How values of one schema merge.

    `kind` ANY takes any value: maps have members, lists are one value. `atomic` ones are replaced as a whole.
    """

    __slots__ = (
        "_fields",
        "_items",
        "_members",
        "_others",
        "atomic",
        "by_value",
        "keys",
        "kind",
        "scalar",
        "schema",
    )

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.kind = _kind(schema)
        self.keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys", ()))
        types = schema.get("type", "")
        named = [types] if isinstance(types, str) else [name for name in types if name != "null"]
        # The one JSON type of scalars that have one: not quantities, nor IntOrString.
        self.scalar: str = named[0] if self.kind == SCALAR and len(named) == 1 else ""
        self.atomic = _is_atomic(schema, self.kind)
        self._fields: dict[str, Schema] = schema.get("properties") or {}
        self.by_value = frozenset(schema.get("required", ())) | _BY_VALUE
        self._members: dict[str, Shape | None] = {}
        self._items: Shape | None = None
        self._others = _others(schema, self.kind)

    def member(self, name: str) -> "Shape | None":
        """Return the shape of a member of a map; None if the schema does not have it."""
        found = self._members.get(name)
        if found is not None:
            return found
        schema = self._fields.get(name)
        if schema is None:
            return self._others
        shape = self._members[name] = _shape(schema)
        return shape

    def is_field(self, name: str) -> bool:
        """Tell whether a member is a named field of a struct, as against a key of a map."""
        return name in self._fields

    @property
    def items(self) -> "Shape":
        if self._items is None:
            self._items = _shape(self.schema.get("items") or {})
        return self._items

    def step(self, element: Any) -> str:
        """Return what names an element of a list among its siblings; ShapeError if it lacks its keys."""
        if not self.keys:
            if isinstance(element, dict | list):
                raise ShapeError("associative list without keys has an element that's a map type")
            return fieldset.value_step(element)
        if not isinstance(element, dict):
            raise ShapeError("associative list with keys may not have non-map elements")
        values = {}
        for key in self.keys:
            value = element.get(key, self._key_default(key))
            if value is None:
                raise ShapeError(
                    f'associative list with keys has an element that omits key field "{key}" '
                    "(and doesn't have default value)"
                )
            values[key] = value
        return fieldset.key_step(values)

    def _key_default(self, key: str) -> Any:
        shape = self.items.member(key)
        declared = shape.schema.get("default") if shape else None
        return _KEY_DEFAULTS.get(key) if declared is None else declared

    def steps(self, elements: list[Any]) -> dict[str, Any] | None:
        """Return the elements by what names them (of doubles the first); None if one cannot be named."""
        found: dict[str, Any] = {}
        try:
            for element in elements:
                found.setdefault(self.step(element), element)
        except ShapeError:
            return None
        return found


def _kind(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return SCALAR
    match json_type(schema):
        case "array":
            return LIST
        case "object":
            return MAP if _has_members(schema) else ANY
        case "":
            return MAP if _has_members(schema) else ANY
    return SCALAR


def _has_members(schema: Schema) -> bool:
    return "properties" in schema or isinstance(schema.get("additionalProperties"), dict)


def _is_atomic(schema: Schema, kind: str) -> bool:
    if kind == LIST:
        return bool(schema.get("x-kubernetes-list-type", "atomic") == "atomic")
    return bool(schema.get("x-kubernetes-map-type") == "atomic")


def _others(schema: Schema, kind: str) -> "Shape | None":
    """Return the shape of members that are not named: a map's values, or anything where that is allowed."""
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return _shape(extra)
    if kind == ANY or extra is True or schema.get("x-kubernetes-preserve-unknown-fields"):
        return UNTYPED
    return None


def _shape(schema: Schema) -> Shape:
    """Return the shape of a schema. A property may refine what it refers to (`x-kubernetes-map-type`)."""
    if "$ref" not in schema:
        return UNTYPED if not schema else Shape(schema)
    name = schema["$ref"].removeprefix(_REF)
    if not any(key.startswith(("x-kubernetes-map", "x-kubernetes-list")) for key in schema):
        return shape_of_kind(name)
    refined = {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    return Shape({**definition(name), **refined})


@cache
def shape_of_kind(name: str) -> Shape:
    """Return the shape of a built-in definition (`io.k8s.api.core.v1.Pod`)."""
    if name == _RAW:
        return Shape({"x-kubernetes-map-type": "atomic"})
    return Shape(definition(name))


def shape_of_custom(schema: Schema | None) -> Shape:
    """Return the shape of a custom resource: of its structural schema, or of no schema at all."""
    fields: dict[str, Schema] = dict((schema or {}).get("properties") or {})
    text: Schema = {"type": "string"}
    fields |= {"apiVersion": text, "kind": text, "metadata": {"$ref": _REF + _META}}
    if schema is None:
        return Shape({"type": "object", "properties": fields, "x-kubernetes-preserve-unknown-fields": True})
    return Shape({**schema, "type": "object", "properties": fields})


def list_is_atomic(shape: Shape) -> bool:
    return shape.atomic or shape.kind != LIST


def map_is_atomic(shape: Shape) -> bool:
    return shape.atomic or shape.kind not in (MAP, ANY)


UNTYPED: Shape = Shape.__new__(Shape)
Shape.__init__(UNTYPED, {})
