"""Which schemas a definition may have, and in which words others are refused."""

import pytest

from api.apiextensions.customresourcedefinition import validate, validate_update
from tests.unit.api.apiextensions.definitions import definition

# Of one version, or of several that are alike.
_PATH = "spec.validation.openAPIV3Schema"
_TEXT = {"type": "string"}
_FILLED = {"type": "string", "default": "x"}
_KEYS, _LIST, _MAP = "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type"
_EMBEDDED, _KEEPS = "x-kubernetes-embedded-resource", "x-kubernetes-preserve-unknown-fields"


def _words(schema, **version):
    return [str(error).replace(_PATH, "S") for error in validate(definition(schema, **version))]


def _root(spec):
    return {"type": "object", "properties": {"spec": spec}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        pytest.param(
            {"properties": {}}, ["S.type: Required value: must not be empty at the root"], id="no-type"
        ),
        pytest.param(
            {"type": "string"},
            ['S.type: Invalid value: "string": must be object at the root'],
            id="no-object",
        ),
        pytest.param(
            _root({}),
            ["S.properties[spec].type: Required value: must not be empty for specified object fields"],
            id="field-without-type",
        ),
        pytest.param(
            _root({"type": "array", "items": {}}),
            ["S.properties[spec].items.type: Required value: must not be empty for specified array items"],
            id="items-without-type",
        ),
        pytest.param(
            _root({"type": "array"}),
            ["S.properties[spec].items: Required value: must be specified"],
            id="list-without-items",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": _TEXT},
            ["S.additionalProperties: Forbidden: must not be used at the root"],
            id="map-at-the-root",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            [
                "S.properties[metadata]: Forbidden: must not specify anything other than name and "
                "generateName, but metadata is implicitly specified"
            ],
            id="metadata",
        ),
        pytest.param(
            {"type": "object", "properties": {"kind": {"type": "integer"}}},
            ['S.properties[kind].type: Invalid value: "integer": must be string'],
            id="kind",
        ),
        pytest.param(
            _root({"x-kubernetes-int-or-string": True, _KEEPS: True}),
            [
                f"S.properties[spec].{_KEEPS}: Invalid value: true: must be false if "
                "x-kubernetes-int-or-string is true"
            ],
            id="int-or-string-or-anything",
        ),
        pytest.param(
            _root({_EMBEDDED: True, "type": "object"}),
            [
                f"S.properties[spec].properties: Required value: must not be empty if {_EMBEDDED} is true "
                f"without {_KEEPS}"
            ],
            id="empty-embedded-object",
        ),
        pytest.param(
            _root({_EMBEDDED: True, "type": "string", _KEEPS: True}),
            [f'S.properties[spec].type: Invalid value: "string": must be object if {_EMBEDDED} is true'],
            id="embedded-text",
        ),
        pytest.param(
            _root({"type": "string", "anyOf": [{"type": "string", "description": "x", "nullable": True}]}),
            [
                "S.properties[spec].anyOf[0].description: Forbidden: must be empty to be structural",
                "S.properties[spec].anyOf[0].nullable: Forbidden: must be false to be structural",
                "S.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
            ],
            id="junctor-says-what-a-value-is",
        ),
        pytest.param(
            {"type": "object", "oneOf": [{"properties": {"spec": {"minimum": 1}}}], "not": {"items": {}}},
            [
                "S.items: Required value: because it is defined in S.not.items",
                "S.properties[spec]: Required value: because it is defined in S.oneOf[0].properties[spec]",
            ],
            id="junctor-speaks-of-what-is-not-there",
        ),
        pytest.param(
            _root({"type": "string", "pattern": "("}),
            [
                'S.properties[spec].pattern: Invalid value: "(": must be a valid regular expression, but '
                "isn't: error parsing regexp: missing ): ("
            ],
            id="pattern",
        ),
        pytest.param(
            _root({"type": "array", "items": _TEXT, "uniqueItems": True}),
            [
                "S.properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the "
                "runtime complexity becomes quadratic"
            ],
            id="unique-items",
        ),
        pytest.param(
            _root({"type": "object", "properties": {"a": _TEXT}, "additionalProperties": _TEXT}),
            [
                "S.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are "
                "mutual exclusive"
            ],
            id="fields-and-values",
        ),
        pytest.param(
            _root({"type": "oddity"}),
            [
                'S.properties[spec].type: Unsupported value: "oddity": supported values: "array", "boolean", '
                '"integer", "number", "object", "string"'
            ],
            id="unknown-type",
        ),
        pytest.param(
            _root({"type": "object", "id": "x", "$ref": "y"}),
            [
                "S.properties[spec].id: Forbidden: id is not supported",
                "S.properties[spec].$ref: Forbidden: $ref is not supported",
            ],
            id="unsupported-words",
        ),
        pytest.param(
            _root({"type": "object", _KEEPS: False}),
            [f"S.properties[spec].{_KEEPS}: Invalid value: false: must be true or undefined"],
            id="preserve-false",
        ),
        pytest.param(
            {"type": "object", "nullable": True},
            ["S.nullable: Forbidden: nullable cannot be true at the root"],
            id="null-object",
        ),
        pytest.param(
            _root({"type": "string", _MAP: "odd"}),
            [
                f'S.properties[spec].type: Invalid value: "string": must be object if {_MAP} is specified',
                f'S.properties[spec].{_MAP}: Unsupported value: "odd": supported values: "atomic", '
                '"granular"',
            ],
            id="map-type",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "odd", "items": _TEXT}),
            [
                f'S.properties[spec].{_LIST}: Unsupported value: "odd": supported values: "atomic", "set", '
                '"map"'
            ],
            id="list-type",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "set", "items": {"type": "object"}}),
            [
                f'S.properties[spec].items.{_MAP}: Invalid value: "null": must be atomic as item of a list '
                f"with {_LIST}=set"
            ],
            id="set-of-maps",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "map", "items": {"type": "object"}}),
            [f"S.properties[spec].{_KEYS}: Required value: must not be empty if {_LIST} is map"],
            id="no-keys",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "map", _KEYS: ["a", "a", "b"], "items": _root(_TEXT)}),
            [
                f'S.properties[spec].{_KEYS}: Invalid value: ["a","a","b"]: entries must all be names of '
                "item properties",
                f'S.properties[spec].{_KEYS}: Invalid value: ["a","a","b"]: entries must all be names of '
                "item properties",
                f'S.properties[spec].{_KEYS}: Invalid value: ["a","a","b"]: must not contain duplicate '
                "entries",
                f'S.properties[spec].{_KEYS}: Invalid value: ["a","a","b"]: entries must all be names of '
                "item properties",
            ],
            id="unknown-keys",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "map", _KEYS: ["spec"], "items": _root(_TEXT)}),
            [
                "S.properties[spec].items.properties[spec].default: Required value: this property is in "
                f"{_KEYS}, so it must have a default or be a required property"
            ],
            id="optional-key",
        ),
        pytest.param(
            {"type": "object", "properties": {"spec": {"type": "array", "items": [_TEXT]}}},
            [
                "S.properties[spec].items: Required value: must be specified",
                "S.properties[spec].items: Forbidden: items must be a schema object and not an array",
            ],
            id="list-of-schemas",
        ),
        pytest.param(
            _root({"type": "null"}),
            [
                "S.properties[spec].type: Forbidden: type cannot be set to null, use nullable as an "
                "alternative"
            ],
            id="null",
        ),
        pytest.param(
            _root(
                {
                    "type": "object",
                    _EMBEDDED: True,
                    "properties": {
                        "metadata": {
                            "type": "object",
                            "properties": {
                                "labels": {
                                    "type": "object",
                                    "additionalProperties": {**_TEXT, "default": "x"},
                                },
                                "x": {"type": "object", _EMBEDDED: True, _KEEPS: True},
                            },
                        }
                    },
                }
            ),
            [
                "S.properties[spec].properties[metadata].properties[labels].additionalProperties.default: "
                "Forbidden: must not be set inside additionalProperties applying to object metadata",
                f"S.properties[spec].properties[metadata].properties[x].{_EMBEDDED}: Forbidden: must not be "
                "used inside of resource meta",
            ],
            id="odd-metadata",
        ),
        pytest.param(
            _root(
                {
                    "type": "array",
                    _LIST: "map",
                    _KEYS: ["a", "b"],
                    "items": {
                        "type": "object",
                        "nullable": True,
                        "required": ["a", "b"],
                        "properties": {"a": {"type": "object"}, "b": {**_TEXT, "nullable": True}},
                    },
                }
            ),
            [
                'S.properties[spec].items.properties[a].type: Invalid value: "object": must be a scalar type '
                f"if parent array's {_LIST} is map",
                "S.properties[spec].items.properties[b].nullable: Forbidden: this property is in "
                f"{_KEYS}, so it cannot be nullable",
                f"S.properties[spec].items.nullable: Forbidden: cannot be nullable when {_LIST} is map",
            ],
            id="odd-keys",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "map", _KEYS: ["a"], "items": _TEXT}),
            [
                'S.properties[spec].items.type: Invalid value: "string": must be object if parent array\'s '
                f"{_LIST} is map"
            ],
            id="keyed-texts",
        ),
        pytest.param(
            _root({"type": "array", _LIST: "set", _KEYS: ["a"], "items": _TEXT}),
            [
                f'S.properties[spec].{_LIST}: Invalid value: "set": must be map if {_KEYS} is non-empty',
            ],
            id="set-with-keys",
        ),
        pytest.param(
            {**_root(_TEXT), "anyOf": [{"properties": {"metadata": {}}}]},
            [
                "S.anyOf[0].properties[metadata]: Forbidden: must not be specified in a nested context",
                "S.properties[metadata]: Required value: because it is defined in "
                "S.anyOf[0].properties[metadata]",
            ],
            id="metadata-below-a-junctor",
        ),
        pytest.param(
            _root({"type": "object", _EMBEDDED: True, _KEEPS: True, "default": {"kind": 5}}),
            [
                'S.properties[spec].default: Invalid value: {"kind":5}: kind: Invalid value: 5: must '
                "be a string",
            ],
            id="default-that-is-no-object",
        ),
        pytest.param(
            _root({"type": "object", _EMBEDDED: True, _KEEPS: True, "default": {"kind": "Pod"}}),
            ["S.properties[spec].default.apiVersion: Required value"],
            id="default-without-version",
        ),
        pytest.param(
            _root(
                {
                    "type": "object",
                    "properties": {"t": {"type": "object", _EMBEDDED: True, _KEEPS: True}},
                    "default": {"t": {"apiVersion": "v1"}},
                }
            ),
            ["S.properties[spec].default.t.kind: Required value"],
            id="default-with-an-odd-object",
        ),
        pytest.param(
            _root({**_TEXT, "default": 5}),
            [
                'S.properties[spec].default: Invalid value: "integer":  in body must be of type string: '
                '"integer"'
            ],
            id="default-of-a-wrong-type",
        ),
        pytest.param(
            _root({"type": "object", "properties": {"a": _TEXT}, "default": {"b": 1}}),
            ['S.properties[spec].default: Invalid value: {"b":1}: must not have unknown fields'],
            id="default-with-unknown-fields",
        ),
        pytest.param(
            {"type": "object", "properties": {"apiVersion": {**_TEXT, "default": "v1"}}},
            ["S.properties[apiVersion].default: Forbidden: must not be set in top-level apiVersion"],
            id="default-of-a-version",
        ),
        pytest.param(
            _root(
                {
                    "type": "object",
                    _EMBEDDED: True,
                    _KEEPS: True,
                    "properties": {
                        "metadata": {"type": "object", "properties": {"name": {**_TEXT, "default": "a/b"}}}
                    },
                }
            ),
            [
                'S.properties[spec].properties[metadata].properties[name].default: Invalid value: "a/b": '
                "must result in valid metadata: metadata.name: Invalid value: \"a/b\": may not contain '/'"
            ],
            id="default-in-metadata",
        ),
    ],
)
def test_schemas_are_refused_in_upstreams_words(schema, words):
    assert _words(schema) == words


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(_root({"x-kubernetes-int-or-string": True}), id="int-or-string"),
        pytest.param(
            _root({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            id="int-or-string-the-usual-way",
        ),
        pytest.param({"type": "object", _KEEPS: True}, id="open"),
        pytest.param({"type": "object", "properties": {"metadata": {"type": "object"}}}, id="metadata"),
        pytest.param(
            {"type": "object", "properties": {"metadata": _root(_TEXT) | {"properties": {"name": _TEXT}}}},
            id="name",
        ),
        pytest.param(_root({**_TEXT, "default": "x", "enum": ["x"]}), id="default"),
        pytest.param(
            _root(
                {
                    "type": "array",
                    _LIST: "map",
                    _KEYS: ["spec"],
                    "items": {**_root(_TEXT), "required": ["spec"]},
                }
            ),
            id="keyed-list",
        ),
    ],
)
def test_schemas_are_fine(schema):
    assert _words(schema) == []


def test_a_status_of_its_own_allows_no_junctors_at_the_root():
    schema = {"type": "object", "anyOf": [{"required": ["spec"]}], "properties": {"spec": _TEXT}}
    words = _words(schema, subresources={"status": {}})
    assert len(words) == 1
    assert words[0].startswith("S: Invalid value: {")
    assert words[0].endswith("are allowed at the root of the schema if the status subresource is enabled")
    assert _words(schema) == []


def test_a_status_of_its_own_needs_an_object():
    words = _words({"type": "array", "items": _TEXT}, subresources={"status": {}})
    assert (
        'S.type: Invalid value: "array": only "object" is allowed as the type at the root of the schema if '
        "the status subresource is enabled"
    ) in words
    assert _words({"type": "object"}, subresources={"status": {}}) == []


def test_a_schema_that_did_not_change_may_stay_invalid():
    old = definition({"type": "object", "properties": {"spec": {}}})
    old["metadata"]["resourceVersion"] = "1"
    assert validate_update(old, old) == []
    assert validate(old) != []
