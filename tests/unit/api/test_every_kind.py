"""Every built-in kind, with every field set: it decodes as it is, applies, and applies again in vain."""

from datetime import UTC, datetime

import pytest

from api import catalog, schemas
from api.codec.typed import conform
from api.patch import fieldset
from api.patch.apply import Writer, apply, manage_update
from api.patch.shape import shape_of_kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCALARS = {"string": "x", "integer": 1, "number": 1.5, "boolean": True}
SPECIAL = {
    "Quantity": "1",
    "Time": "2026-01-01T00:00:00Z",
    "MicroTime": "2026-01-01T00:00:00.000000Z",
    # It holds itself.
    "JSONSchemaProps": {"type": "object", "required": ["a"]},
}


def sample(schema):
    """Return a value with one element in every list and every field in every struct."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        kind = name.rpartition(".")[2]
        return SPECIAL[kind] if kind in SPECIAL else sample(schemas.definition(name))
    match schemas.json_type(schema):
        case "array":
            return [sample(schema["items"])]
        case "object" if "properties" in schema:
            return {name: sample(value) for name, value in schema["properties"].items()}
        case "object":
            extra = schema.get("additionalProperties")
            return {"k": sample(extra) if isinstance(extra, dict) else 1}
        case "string":
            return "aGk=" if schema.get("format") == "byte" else "x"
        case kind:
            return SCALARS.get(kind, "x")


@pytest.mark.parametrize("resource", catalog.ALL, ids=lambda item: f"{item.group_version}/{item.plural}")
def test_a_full_object(resource):
    name = schemas.schema_name(resource)
    obj = sample(schemas.definition(name)) | {"apiVersion": resource.group_version, "kind": resource.kind}
    obj["metadata"].pop("managedFields", None)
    assert conform(obj, name).obj is obj
    shape, writer = shape_of_kind(name), Writer("m", resource.group_version, NOW)
    applied = apply(None, obj, shape, writer, kind=name)
    assert apply(applied, obj, shape, writer, kind=name) == applied
    created = manage_update(None, obj, shape, writer)
    assert manage_update(created, created, shape, writer) == created
    paths = set(fieldset.paths(applied["metadata"]["managedFields"][0]["fieldsV1"]))
    assert ".metadata.labels.k" in paths
