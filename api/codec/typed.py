"""What typed decoding does to an object of a built-in kind.

It checks types, drops unknown fields and nulls, writes quantities and times in their canonical form. Called
by the API server after a body was decoded, and after a patch was applied. One compiled checker per definition
walks only what an object has; branches without changes are shared with the given object.
Source: sigs.k8s.io/json decode.go; UnmarshalJSON of Quantity, Time, MicroTime, IntOrString (1.36).
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from api import quantity, times
from api.codec.json import MAX_STRICT_ERRORS, DecodeError, go_kind
from api.resource import Obj
from api.schemas import Schema, definition, json_type

# A path from the root: (path of the parent, name or index); a map's key is in a third place, since Go's
# decoder does not name it. The text is only made for messages.
Trail: TypeAlias = tuple[Any, ...] | None
# Returns the value to keep (the same object if nothing changes); None means "leave it out".
Check: TypeAlias = "Callable[[Any, Trail, list[str]], Any]"

_REF = "#/$defs/"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_META = "io.k8s.apimachinery.pkg."
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MICROS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_ANY = frozenset(("", "object"))


@dataclass(frozen=True)
class Conformed:
    """An object as its kind's decoder would keep it, and the paths of fields that the kind does not have."""

    obj: Obj
    unknown: list[str] = field(default_factory=list)


def conform(obj: Obj, kind: str) -> Conformed:
    """Return the object in the form of the definition `kind` (`io.k8s.api.core.v1.Pod`).

    Raises DecodeError in Go's words for a value of a wrong type; KeyError for an unknown definition.
    """
    unknown: list[str] = []
    result = _checker(kind)(obj, None, unknown)
    return Conformed(result, unknown[:MAX_STRICT_ERRORS])


def trail_text(trail: Trail, only_fields: bool = False) -> str:
    """`spec.containers[0].image`; `only_fields` leaves out indices and map keys, as Go's decoder does."""
    parts: list[str] = []
    while trail is not None:
        trail, step, *key = trail
        if key and not only_fields:
            parts.append(f".{key[0]}")
        elif isinstance(step, str):
            parts.append(f".{step}")
        elif not only_fields and not key:
            parts.append(f"[{step}]")
    return "".join(reversed(parts)).removeprefix(".")


_checkers: dict[str, Check] = {}


def _checker(name: str) -> Check:
    found = _checkers.get(name)
    if found is None:
        found = _checkers[name] = _compile(definition(name), name, "")
    return found


@dataclass(frozen=True)
class _Place:
    """Where a value stands, for messages: the struct that has the field, and the field's Go type."""

    struct: str
    type: str

    def refuse(self, value: Any, trail: Trail, exact: bool = False) -> DecodeError:
        shown = f"number {value}" if exact else go_kind(value)
        path = trail_text(trail, only_fields=True)
        if not path:
            return DecodeError(f"json: cannot unmarshal {shown} into Go value of type {self.type}")
        return DecodeError(
            f"json: cannot unmarshal {shown} into Go struct field {self.struct}.{path} of type {self.type}"
        )


def _go_type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        inner = definition(name)
        plain = "properties" in inner or json_type(inner) in _ANY
        return ".".join(name.split(".")[-2:]) if plain else _go_type(inner)
    match json_type(schema):
        case "array":
            return f"[]{_go_type(schema['items'])}"
        case "object":
            extra = schema.get("additionalProperties")
            return f"map[string]{_go_type(extra) if isinstance(extra, dict) else 'interface {}'}"
        case "integer":
            return str(schema.get("format", "int64"))
        case "number":
            return "float64"
        case "boolean":
            return "bool"
    return "[]uint8" if schema.get("format") == "byte" else "string"


def _compile(schema: Schema, name: str, struct: str) -> Check:
    """Return the checker of a schema; `name` is its definition's, `struct` the one that holds the field."""
    if "properties" in schema:
        return _struct_checker(schema, name)
    place = _Place(struct, _go_type({"$ref": _REF + name} if name else schema))
    match json_type(schema):
        case "array":
            return _list_checker(schema["items"], place)
        case "object":
            extra = schema.get("additionalProperties")
            return _map_checker(extra, place) if isinstance(extra, dict) else _anything
        case "integer":
            return _integer_checker(place, 31 if schema.get("format") == "int32" else 63)
        case "number":
            return _scalar_checker(place, (int, float))
        case "boolean":
            return _scalar_checker(place, (bool,))
        case "string":
            return _bytes if schema.get("format") == "byte" else _scalar_checker(place, (str,))
    return _anything


def _field_checker(schema: Schema, struct: str) -> tuple[type | None, Check]:
    """Return (the class of values that need no call, the checker for all others)."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        inner = definition(name)
        if name in _SPECIAL:
            return None, _SPECIAL[name]
        if "properties" in inner:
            return None, _struct_field(name, _Place(struct, _go_type(schema)))
        return None, _compile(inner, name, struct)
    kind = json_type(schema)
    fast = {"string": str, "boolean": bool}.get(kind) if schema.get("format") != "byte" else None
    return fast, _compile(schema, "", struct)


def _struct_field(name: str, place: _Place) -> Check:
    """Return the checker of a field that holds a struct; its definition is compiled when it is first met."""

    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise place.refuse(value, trail)
        return (_checkers.get(name) or _checker(name))(value, trail, unknown)

    return check


def _struct_checker(schema: Schema, name: str) -> Check:
    struct = name.rsplit(".", 1)[-1]
    fields = {key: _field_checker(value, struct) for key, value in schema["properties"].items()}

    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        changes: dict[str, Any] = {}
        for key, item in value.items():
            entry = fields.get(key)
            if entry is None:
                unknown.append(trail_text((trail, key)))
                changes[key] = None
                continue
            fast, inner = entry
            if item.__class__ is fast:
                continue
            kept = inner(item, (trail, key), unknown) if item is not None else None
            if kept is not item or kept is None:
                changes[key] = kept
        return _changed(value, changes) if changes else value

    return check


def _changed(value: Obj, changes: Obj) -> Obj:
    """Return the map with some members replaced, or left out where the change is None; order is kept."""
    merged = {**value, **changes}
    return {key: item for key, item in merged.items() if item is not None}


def _list_checker(items: Schema, place: _Place) -> Check:
    fast, inner = _field_checker(items, place.struct)
    zero: Any = _zero(items)

    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            raise place.refuse(value, trail)
        result = value
        for number, item in enumerate(value):
            if item.__class__ is fast:
                continue
            kept = zero if item is None else inner(item, (trail, number), unknown)
            if kept is not item:
                if result is value:
                    result = list(value)
                result[number] = kept
        return result

    return check


def _map_checker(values: Schema, place: _Place) -> Check:
    fast, inner = _field_checker(values, place.struct)
    zero: Any = _zero(values)

    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise place.refuse(value, trail)
        result = value
        for key, item in value.items():
            if item.__class__ is fast:
                continue
            kept = zero if item is None else inner(item, (trail, 0, key), unknown)
            if kept is not item:
                if result is value:
                    result = dict(value)
                result[key] = kept
        return result

    return check


def _zero(schema: Schema) -> Any:
    """Return what a null in a list or map becomes: the Go type's zero value."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        if name.endswith((".Quantity", ".JSON")):
            return "0" if name.endswith(".Quantity") else None
        return _zero(definition(name))
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}.get(json_type(schema), {})


def _anything(value: Any, trail: Trail, unknown: list[str]) -> Any:
    return value


def _scalar_checker(place: _Place, classes: tuple[type, ...]) -> Check:
    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        if value.__class__ not in classes:
            raise place.refuse(value, trail)
        return value

    return check


def _integer_checker(place: _Place, bits: int) -> Check:
    least, most = -(1 << bits), (1 << bits) - 1

    def check(value: Any, trail: Trail, unknown: list[str]) -> Any:
        if value.__class__ is not int:
            raise place.refuse(value, trail, exact=isinstance(value, float))
        if not least <= value <= most:
            raise place.refuse(value, trail, exact=True)
        return value

    return check


def _bytes(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if not isinstance(value, str):
        raise _Place("", "[]uint8").refuse(value, None)
    plain = value.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"illegal base64 data at input byte {_bad_byte(plain)}") from error
    return value if plain == value else plain


def _bad_byte(text: str) -> int:
    match = re.match(r"[A-Za-z0-9+/]*", text, re.ASCII)
    end = match.end() if match else 0
    return end if end < len(text) and text[end] != "=" else max(0, len(text) - len(text) % 4)


def _quantity(value: Any, trail: Trail, unknown: list[str]) -> Any:
    # What is neither text nor number fails as a text that is no quantity.
    number = value.__class__ is int or value.__class__ is float
    text = value.strip() if isinstance(value, str) else "{}"
    try:
        canonical = quantity.canonical(value if number else text)
    except ValueError as error:
        raise DecodeError(str(error)) from error
    return value if canonical == value else canonical


def _int_or_string(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is str or (value.__class__ is int and -(1 << 31) <= value < 1 << 31):
        return value
    raise _Place("", "int32").refuse(value, None, exact=isinstance(value, int | float) and value is not True)


def _time(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is str and _SECONDS.fullmatch(value):
        return value
    return times.format_time(_moment(value))


def _micro_time(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is str and _MICROS.fullmatch(value):
        return value
    return times.format_micro(_moment(value))


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        raise _Place("", "string").refuse(value, None)
    try:
        return times.parse_time(value)
    except ValueError as error:
        raise DecodeError(str(error)) from error


def _schema_or_bool(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is bool:
        return value
    if value.__class__ is not dict:
        raise DecodeError("boolean or JSON schema expected")
    return _schema(value, trail, unknown)


def _schema_or_list(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is list:
        return [_schema(item, trail, unknown) for item in value]
    return _schema(value, trail, unknown) if value.__class__ is dict else None


def _schema_or_names(value: Any, trail: Trail, unknown: list[str]) -> Any:
    if value.__class__ is list:
        return [item for item in value if isinstance(item, str)]
    return _schema(value, trail, unknown) if value.__class__ is dict else None


def _schema(value: Any, trail: Trail, unknown: list[str]) -> Any:
    """Return a JSON schema in its form. Upstream does not tell of what is unknown in one that has
    alternatives."""
    if value.__class__ is not dict:
        raise _Place("", "v1.JSONSchemaProps").refuse(value, None)
    return _checker(f"{_EXTENSIONS}JSONSchemaProps")(value, trail, [])


_SPECIAL: dict[str, Check] = {
    f"{_EXTENSIONS}JSONSchemaPropsOrBool": _schema_or_bool,
    f"{_EXTENSIONS}JSONSchemaPropsOrArray": _schema_or_list,
    f"{_EXTENSIONS}JSONSchemaPropsOrStringArray": _schema_or_names,
    f"{_META}api.resource.Quantity": _quantity,
    f"{_META}util.intstr.IntOrString": _int_or_string,
    f"{_META}apis.meta.v1.Time": _time,
    f"{_META}apis.meta.v1.MicroTime": _micro_time,
    f"{_META}apis.meta.v1.FieldsV1": _anything,
    f"{_META}runtime.RawExtension": _anything,
}
