"""Structure of objects: is everything of the type that its kind says, with nothing unknown, null or odd?

`normalise` is called by the API server for every body of a built-in kind, after decoding and after patching.
Nearly all objects are already as their kind wants them: one compiled JSON schema, stricter than the
published one, says so in a few microseconds. Only the others take the way of `api.codec.typed`, which drops,
rewrites or refuses.
"""

from functools import cache
from typing import Any

import jsonschema_rs

from api.codec.typed import Conformed, conform
from api.resource import Obj, Resource
from api.schemas import Schema, bundle, json_type, schema_name

_META = "io.k8s.apimachinery.pkg."
_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_INT_RANGES = {"int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1)}
# Quantities surely written as upstream writes them back: no fraction, no factor that a larger suffix takes.
_QUANTITY = (
    "^(0|[1-9][0-9]{0,2}[mkMGTP]?|[1-9][0-9]{0,9}[1-9][0-9]{0,2}m?"
    "|[1-9][0-9]{0,2}[KMGTP]i|[1-9][0-9]{0,9}[13579]Ki)$"
)
_TIME = "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
# A definition that leads here leads to JSONSchemaProps itself, too.
_A_SCHEMA: Schema = {"$ref": f"#/$defs/{_SCHEMA}"}
_STRICT: dict[str, Schema] = {
    f"{_SCHEMA}OrBool": {"anyOf": [{"type": "boolean"}, _A_SCHEMA]},
    f"{_SCHEMA}OrArray": _A_SCHEMA,
    f"{_SCHEMA}OrStringArray": _A_SCHEMA,
    f"{_META}api.resource.Quantity": {"type": "string", "pattern": _QUANTITY},
    f"{_META}util.intstr.IntOrString": {
        "type": ["string", "integer"],
        "minimum": -(1 << 31),
        "maximum": (1 << 31) - 1,
    },
    f"{_META}apis.meta.v1.Time": {"type": "string", "pattern": f"{_TIME}Z$"},
    f"{_META}apis.meta.v1.MicroTime": {"type": "string", "pattern": f"{_TIME}\\.[0-9]{{6}}Z$"},
}


def normalise(obj: Obj, name: str) -> Conformed:
    """Return the object as a typed decoder keeps it, and the paths of the unknown fields that were dropped.

    `name`: the definition (`io.k8s.api.core.v1.Pod`). Raises DecodeError in Go's words for a wrong type,
    KeyError for a definition that does not exist. The given object is not changed; it is returned if nothing
    was to do.
    """
    return Conformed(obj) if has_form(obj, name) else conform(obj, name)


def has_form(obj: Obj, name: str) -> bool:
    """Tell whether `normalise` surely has nothing to do."""
    return bool(_validator(name).is_valid(obj))


def normalise_for(obj: Obj, resource: Resource[Any]) -> Conformed:
    """Return `normalise` for a resource; what is not built in stays as it is."""
    name = schema_name(resource)
    return normalise(obj, name) if name else Conformed(obj)


@cache
def _validator(name: str) -> Any:
    # Draft 4 is the last one for which 1.0 is no integer, as for Go.
    return jsonschema_rs.Draft4Validator({"$defs": strict_definitions(name), "$ref": f"#/$defs/{name}"})


@cache
def strict_definitions(name: str) -> dict[str, Schema]:
    """Return the strict forms of a definition and of all that it leads to, to stand under `$defs`; shared."""
    definitions: dict[str, Schema] = {}
    _collect(name, definitions)
    return definitions


def _collect(name: str, definitions: dict[str, Schema]) -> None:
    """Add the strict form of a definition, and of all that it leads to."""
    if name in definitions:
        return
    found = _STRICT.get(name)
    definitions[name] = {} if found is None else found
    if found is None:
        definitions[name] = _strict(bundle()["$defs"][name], definitions)


def _strict(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in schema:
        _collect(schema["$ref"].removeprefix("#/$defs/"), definitions)
        return {"$ref": schema["$ref"]}
    kind = json_type(schema)
    if "properties" in schema:
        fields = {name: _strict(child, definitions) for name, child in schema["properties"].items()}
        return {"type": "object", "properties": fields, "additionalProperties": False}
    match kind:
        case "object":
            extra = schema.get("additionalProperties")
            values = _strict(extra, definitions) if isinstance(extra, dict) else {}
            return {"type": "object", "additionalProperties": values}
        case "array":
            return {"type": "array", "items": _strict(schema["items"], definitions)}
        case "integer":
            low, high = _INT_RANGES[schema.get("format", "int64")]
            return {"type": "integer", "minimum": low, "maximum": high}
        case "string" if schema.get("format") == "byte":
            return {"type": "string", "pattern": _BASE64}
        case "":
            return {}
    return {"type": kind}
