"""How OpenAPI documents show the schemas of custom resources."""

import pytest

from api.crd.publish import V2, V3, published, published_list

_NAMES = {"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList"}
_DEFINITION = {"spec": {"group": "example.com", "names": _NAMES}}
_ADDED = ("metadata", "apiVersion", "kind")


def _published(schema, root):
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}} if schema else {"name": "v1"}
    return published(_DEFINITION, version, root)


def _spec(spec, root):
    made = _published({"type": "object", "properties": {"spec": spec}}, root)
    return made["properties"]["spec"]


_KEEPS = {"x-kubernetes-preserve-unknown-fields": True}
_TEXT = {"type": "string"}
_MAYBE = {"type": "string", "nullable": True}


@pytest.mark.parametrize(
    ("spec", "in_v2"),
    [
        pytest.param({**_TEXT, "format": "date"}, {**_TEXT, "format": "date"}, id="plain"),
        pytest.param({"type": "string", "format": "odd"}, {"type": "string"}, id="unknown-format"),
        pytest.param({"type": "integer", "anyOf": [{"minimum": 1}]}, {"type": "integer"}, id="junctors"),
        pytest.param({"type": "object", "properties": {}, "nullable": True}, {}, id="nullable"),
        pytest.param({"type": "object", "properties": {"a": _TEXT}, **_KEEPS}, _KEEPS, id="open"),
        pytest.param({"type": "array", "items": {"type": "string"}, **_KEEPS}, _KEEPS, id="open-list"),
        pytest.param(
            {
                "type": "object",
                "required": ["a", "b"],
                "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string"}},
            },
            {"type": "object", "required": ["b"], "properties": {"a": {}, "b": {"type": "string"}}},
            id="nullable-fields-are-not-required",
        ),
        pytest.param(
            {"type": "object", "required": ["a"], "additionalProperties": _MAYBE},
            {"type": "object", "additionalProperties": {}},
            id="nullable-values",
        ),
        pytest.param(
            {"x-kubernetes-int-or-string": True}, {"x-kubernetes-int-or-string": True}, id="int-or-string"
        ),
    ],
)  # fmt: skip
def test_v2_drops_what_it_cannot_say(spec, in_v2):
    assert _spec(spec, V2) == in_v2


def test_v3_says_all():
    spec = {"type": "object", "properties": {"a": {"type": "string", "nullable": True}}, **_KEEPS}
    assert _spec(spec, V3) == spec
    assert _spec({"x-kubernetes-int-or-string": True}, V3)["anyOf"] == [
        {"type": "integer"},
        {"type": "string"},
    ]


@pytest.mark.parametrize("root", [V2, V3])
def test_what_every_object_has_is_added(root):
    schema = {"type": "object", "description": "A box.", "properties": {"spec": {"type": "object"}}}
    made = _published(schema, root)
    properties = {name: value for name, value in made["properties"].items() if name not in _ADDED}
    kind = made.pop("x-kubernetes-group-version-kind")
    assert {**made, "properties": properties} == schema
    assert kind == [{"group": "example.com", "version": "v1", "kind": "Box"}]


@pytest.mark.parametrize(
    ("schema", "root"),
    [
        pytest.param(None, V2, id="none"),
        pytest.param(None, V3, id="none-v3"),
        pytest.param({"type": "object", **_KEEPS, "properties": {"a": {"type": "string"}}}, V2, id="open"),
    ],
)
def test_what_keeps_unknown_fields_has_no_properties(schema, root):
    assert "properties" not in _published(schema, root)


def test_embedded_objects_have_metadata_of_their_own():
    spec = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"a": {"type": "string"}}}
    made = _spec(spec, V3)
    assert set(made["properties"]) == {"a", *_ADDED}
    assert made["required"] == ["kind", "apiVersion"]
    assert _spec({**spec, **_KEEPS}, V2) == {"x-kubernetes-embedded-resource": True, **_KEEPS}


def test_selectable_fields_are_told():
    version = {"name": "v1", "selectableFields": [{"jsonPath": ".spec.a"}]}
    made = published(_DEFINITION, version, V2)
    assert made["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.a"}]


def test_the_list_refers_to_its_items():
    made = published_list(_DEFINITION, {"name": "v1"}, "com.example.v1.Box", V3)
    assert made["properties"]["items"]["items"] == {"$ref": "#/components/schemas/com.example.v1.Box"}
    assert made["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "version": "v1", "kind": "BoxList"}
    ]
