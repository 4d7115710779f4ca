"""The schema of a custom resource as OpenAPI documents show it.

Version 3 has the schema as its definition holds it, with what every object has. Version 2 lacks words (no
junctors, no null), and its readers, kubectl first, would refuse unknown fields wherever they see properties:
there a value that keeps unknown fields has none.
Called by the API server's documents, which put `$ref`s of their own form.
Source: apiextensions-apiserver pkg/controller/openapi builder/builder.go, v2/conversion.go (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.crd.formats import TESTS
from api.crd.schema import EMBEDDED, INT_OR_STRING, PRESERVE, others_of
from api.resource import Obj
from api.schemas import Schema

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_API_VERSION = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
    "recognized schemas to the latest internal value, and may reject unrecognized values. "
    f"More info: {_CONVENTIONS}#resources"
)
_KIND = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this "
    f"from the endpoint the client submits requests to. Cannot be updated. In CamelCase. "
    f"More info: {_CONVENTIONS}#types-kinds"
)
_METADATA = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"
_EMBEDDED_VERSION = (
    "apiVersion defines the versioned schema of this representation of an object. "
    f"More info: {_CONVENTIONS}#resources"
)
_EMBEDDED_KIND = (
    "kind is a string value representing the type of this object. In CamelCase. "
    f"More info: {_CONVENTIONS}#types-kinds"
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_JUNCTORS = ("allOf", "oneOf", "anyOf", "not")
_NUMBER_FORMATS = frozenset(("int32", "int64", "float", "double"))
_GVK, _SELECTABLE = "x-kubernetes-group-version-kind", "x-kubernetes-selectable-fields"
V2, V3 = "#/definitions/", "#/components/schemas/"


def published(definition: Obj, version: Obj, root: str) -> Schema:
    """Return the schema of a version; `root` is V2 or V3, where references lead."""
    spec = definition["spec"]
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None or (root == V2 and schema.get(PRESERVE)):
        made: Schema = {"type": "object"}
    else:
        made = _with_object_fields(_value(schema, root, root_level=True), root)
    made[_GVK] = [{"group": spec["group"], "version": version["name"], "kind": spec["names"]["kind"]}]
    fields = version.get("selectableFields")
    return {**made, _SELECTABLE: [{"fieldPath": _dotless(item)} for item in fields]} if fields else made


def _dotless(item: Mapping[str, Any]) -> str:
    return str(item["jsonPath"]).removeprefix(".")


def published_list(definition: Obj, version: Obj, name: str, root: str) -> Schema:
    """Return the schema of the list; `name`: under which its items' schema is published."""
    spec = definition["spec"]
    names = spec["names"]
    items = {
        "description": f"List of {names['plural']}. More info: {_CONVENTIONS}",
        "type": "array",
        "items": {"$ref": root + name},
    }
    fields = {
        "apiVersion": {"description": _API_VERSION, "type": "string"},
        "items": items,
        "kind": {"description": _KIND, "type": "string"},
        "metadata": _ref(_LIST_META, _LIST_METADATA, root),
    }
    kind = {"group": spec["group"], "version": version["name"], "kind": names["listKind"]}
    return {
        "description": f"{names['listKind']} is a list of {names['kind']}",
        "type": "object",
        "required": ["items"],
        "properties": fields,
        _GVK: [kind],
    }


def _ref(name: str, description: str, root: str) -> Schema:
    if root == V2:
        return {"description": description, "$ref": root + name}
    return {"description": description, "allOf": [{"$ref": root + name}]}


def _with_object_fields(made: Schema, root: str) -> Schema:
    fields = {
        **made.get("properties", {}),
        "metadata": _ref(_META, _METADATA, root),
        "apiVersion": {"description": _API_VERSION, "type": "string"},
        "kind": {"description": _KIND, "type": "string"},
    }
    return {**made, "properties": fields}


def _value(schema: Schema, root: str, root_level: bool = False) -> Schema:
    made = {key: value for key, value in schema.items() if key not in ("properties", "items")}
    if "properties" in schema:
        made["properties"] = {name: _value(child, root) for name, child in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        made["items"] = _value(schema["items"], root)
    others = others_of(schema)
    if others is not None:
        made["additionalProperties"] = _value(others, root)
    if schema.get(INT_OR_STRING):
        made = _unfolded(made)
    if root == V2:
        made = _without_what_v2_lacks(schema, made)
    return _with_embedded_fields(made, root) if schema.get(EMBEDDED) and not root_level else made


def _unfolded(made: Schema) -> Schema:
    """Return an int-or-string with the junctor that says so to readers who do not know the word."""
    first = (made.get("allOf") or [{}])[0]
    if _INT_OR_STRING in (made.get("anyOf"), first.get("anyOf")):
        return made
    if not made.get("anyOf"):
        return {**made, "anyOf": _INT_OR_STRING}
    return {**made, "allOf": [{"anyOf": _INT_OR_STRING}, *made.get("allOf", ())]}


def _without_what_v2_lacks(schema: Schema, made: Schema) -> Schema:
    gone = set(_JUNCTORS)
    if schema.get("nullable"):
        gone |= {"type", "nullable", "items", "properties"}
    if schema.get(PRESERVE):
        gone |= {"items", "properties", *(("type",) if schema.get("type") == "object" else ())}
    if schema.get("type") == "array" and (gone & {"items"} or "items" not in schema):
        gone.add("type")
    if not _is_known_format(schema):
        gone.add("format")
    made = {key: value for key, value in made.items() if key not in gone}
    return _without_nullable_required(schema, made)


def _is_known_format(schema: Schema) -> bool:
    name = schema.get("format", "")
    return name in _NUMBER_FORMATS or name.replace("-", "") in TESTS


def _without_nullable_required(schema: Schema, made: Schema) -> Schema:
    """Return the schema without asking for fields that may be null: v2 does not know what null is."""
    if "required" not in made:
        return made
    nullable = {name for name, child in (schema.get("properties") or {}).items() if child.get("nullable")}
    kept = [name for name in made["required"] if name not in nullable]
    if (others_of(schema) or {}).get("nullable"):
        kept = []
    if kept:
        return {**made, "required": kept}
    return {key: value for key, value in made.items() if key != "required"}


def _with_embedded_fields(made: Schema, root: str) -> Schema:
    if root == V2 and made.get(PRESERVE):
        return made
    fields = {
        **made.get("properties", {}),
        "apiVersion": {"description": _EMBEDDED_VERSION, "type": "string"},
        "kind": {"description": _EMBEDDED_KIND, "type": "string"},
        "metadata": _ref(_META, _METADATA, root),
    }
    required = [*made.get("required", ())]
    required += [name for name in ("kind", "apiVersion") if name not in required]
    return {**made, "properties": fields, "required": required}
