"""How custom objects are decoded, defaulted and validated by their schema, and in which words."""

import pytest

from api.codec.json import DecodeError
from api.crd.fast import MOST_VALUES
from api.crd.structural import Structural


def _structural(spec, **more):
    schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}, **more}
    return Structural.compile(version)


def _obj(spec, **more):
    return {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": spec, **more}


def _object(**fields):
    return {"type": "object", "properties": fields}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_SET = {"type": "array", "x-kubernetes-list-type": "set"}


class TestConform:
    @pytest.mark.parametrize(
        ("schema", "spec", "kept", "unknown"),
        [
            pytest.param(_object(a=_TEXT), {"a": "x"}, {"a": "x"}, [], id="nothing-to-do"),
            pytest.param(_object(a=_TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["spec.b"], id="unknown"),
            pytest.param(
                {"type": "array", "items": _object(a=_TEXT)},
                [{"b": 1}],
                [{}],
                ["spec[0].b"],
                id="unknown-in-a-list",
            ),
            pytest.param(
                {**_object(a=_object(b=_TEXT)), "x-kubernetes-preserve-unknown-fields": True},
                {"z": {"q": None}, "a": {"c": 1}},
                {"z": {"q": None}, "a": {}},
                ["spec.a.c"],
                id="named-fields-of-an-open-object-are-pruned",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": _object(a=_TEXT)},
                {"k": {"a": "x", "b": "y"}},
                {"k": {"a": "x"}},
                ["spec.k.b"],
                id="values-of-a-map",
            ),
            pytest.param(
                _object(a={"type": "object", "additionalProperties": True}),
                {"a": {"b": {"c": 1}, "d": [{"e": 1}], "f": 1}},
                {"a": {"b": {}, "d": [{}], "f": 1}},
                ["spec.a.b.c", "spec.a.d[0].e"],
                id="values-without-a-schema",
            ),
            pytest.param(_object(a=_TEXT), {"a": None}, {}, [], id="null-goes"),
            pytest.param(
                _object(a={**_TEXT, "nullable": True}), {"a": None}, {"a": None}, [], id="null-may-stay"
            ),
            pytest.param(
                _object(t={**_object(spec=_object(x=_NUMBER)), "x-kubernetes-embedded-resource": True}),
                {
                    "t": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": {"name": "p", "q": 1},
                        "spec": {"y": 1},
                    }
                },
                {"t": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}}},
                ["spec.t.spec.y", "spec.t.metadata.q"],
                id="embedded-object",
            ),
        ],
    )
    def test_unknown_fields_go_and_are_told(self, schema, spec, kept, unknown):
        found = _structural(schema).conform(_obj(spec))
        assert found.obj == _obj(kept)
        assert found.unknown == unknown

    def test_an_object_in_its_form_is_returned_as_it_is(self):
        obj = _obj({"a": "x"})
        assert _structural(_object(a=_TEXT)).conform(obj).obj is obj

    def test_unknown_metadata_is_told_first(self):
        obj = _obj({"b": 1})
        obj["metadata"]["unknownMeta"] = 1
        found = _structural(_object(a=_TEXT)).conform(obj)
        assert found.unknown == ["metadata.unknownMeta", "spec.b"]
        assert found.obj["metadata"] == {"name": "a"}

    @pytest.mark.parametrize(
        ("metadata", "text"),
        [
            pytest.param("x", "json: cannot unmarshal string into Go value of type v1.ObjectMeta", id="text"),
            pytest.param(
                {"labels": {"a": 1}},
                "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
                id="label",
            ),
        ],
    )
    def test_metadata_of_a_wrong_type_is_refused(self, metadata, text):
        with pytest.raises(DecodeError) as caught:
            _structural(_object(a=_TEXT)).conform({**_obj({}), "metadata": metadata})
        assert str(caught.value) == text

    @pytest.mark.parametrize(
        ("template", "text"),
        [
            pytest.param(
                {"kind": 5},
                "spec.t.kind: Invalid value: 5: must be a string",
                id="kind-of-an-embedded-object",
            ),
            pytest.param(
                {"metadata": 5},
                "spec.t.metadata: Invalid value: 5: json: cannot unmarshal number into Go value of type "
                "v1.ObjectMeta",
                id="metadata-of-an-embedded-object",
            ),
        ],
    )
    def test_odd_embedded_objects_are_refused(self, template, text):
        with pytest.raises(DecodeError) as caught:
            _structural(_object(t=_EMBEDDED)).conform(_obj({"t": template}))
        assert str(caught.value) == text

    def test_null_metadata_is_none(self):
        embedded = _structural(_object(t=_EMBEDDED)).conform(_obj({"t": {"metadata": None}}))
        assert embedded.obj["spec"] == {"t": {"metadata": {}}}


_EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


class TestDefault:
    @pytest.mark.parametrize(
        ("schema", "spec", "filled"),
        [
            pytest.param(_object(a={**_TEXT, "default": "x"}), {}, {"a": "x"}, id="absent"),
            pytest.param(_object(a={**_TEXT, "default": "x"}), {"a": None}, {"a": "x"}, id="null"),
            pytest.param(
                _object(a={**_TEXT, "default": "x", "nullable": True}),
                {"a": None},
                {"a": None},
                id="nullable",
            ),
            pytest.param(
                _object(a={**_object(b={**_NUMBER, "default": 3}), "default": {}}),
                {},
                {"a": {"b": 3}},
                id="defaults-of-a-default",
            ),
            pytest.param(
                {"type": "array", "items": _object(p={**_TEXT, "default": "TCP"})},
                [{}, {"p": "UDP"}],
                [{"p": "TCP"}, {"p": "UDP"}],
                id="elements",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": _object(p={**_TEXT, "default": "TCP"})},
                {"x": {}},
                {"x": {"p": "TCP"}},
                id="values",
            ),
            pytest.param(
                {"type": "array", "items": {**_TEXT, "default": "x"}},
                [None, "y"],
                ["x", "y"],
                id="null-element",
            ),
            pytest.param(
                {
                    "type": "object",
                    "additionalProperties": {**_object(b={**_NUMBER, "default": 3}), "default": {}},
                },
                {"k": None, "l": {}},
                {"k": {"b": 3}, "l": {"b": 3}},
                id="null-value",
            ),
            pytest.param(
                {
                    **_object(a={**_TEXT, "default": "x"}),
                    "additionalProperties": _object(b={**_TEXT, "default": "y"}),
                },
                {"c": {}},
                {"c": {"b": "y"}, "a": "x"},
                id="fields-and-values",
            ),
            pytest.param(_object(a={**_TEXT, "default": "x"}), 5, 5, id="no-object"),
            pytest.param({"type": "array", "items": {**_TEXT, "default": "x"}}, 5, 5, id="no-list"),
            pytest.param(
                {"type": "object", "additionalProperties": {**_TEXT, "default": "x"}}, 5, 5, id="no-map"
            ),
            pytest.param(_object(a=_TEXT), {"a": "x"}, {"a": "x"}, id="none-declared"),
        ],
    )
    def test_what_is_absent_is_filled(self, schema, spec, filled):
        assert _structural(schema).default(_obj(spec))["spec"] == filled

    def test_a_full_object_stays_the_same(self):
        obj = _obj({"a": "y"})
        assert _structural(_object(a={**_TEXT, "default": "x"})).default(obj) is obj


def _words(errors):
    return [str(error) for error in errors]


_NONE_VALID = (
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid'
)


class TestValidate:
    @pytest.mark.parametrize(
        ("schema", "spec", "words"),
        [
            pytest.param(
                _object(a=_NUMBER),
                {"a": "x"},
                ['spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"'],
                id="type",
            ),
            pytest.param(
                _object(a={"type": "array", "items": _TEXT}),
                {"a": [None]},
                ['spec.a[0]: Invalid value: "null": spec.a[0] in body must be of type string: "null"'],
                id="null",
            ),
            pytest.param(
                _object(a={"x-kubernetes-int-or-string": True}),
                {"a": True},
                [
                    'spec.a: Invalid value: "boolean": spec.a in body must be of type integer,string: '
                    '"boolean"'
                ],
                id="int-or-string",
            ),
            pytest.param(
                {**_object(a=_NUMBER), "required": ["a", "b"]},
                {"a": 1},
                ["spec.b: Required value"],
                id="required",
            ),
            pytest.param(
                _object(a={**_TEXT, "enum": ["A", "B"]}),
                {"a": "C"},
                ['spec.a: Unsupported value: "C": supported values: "A", "B"'],
                id="enum",
            ),
            pytest.param(
                _object(a={**_NUMBER, "enum": [1, 2]}),
                {"a": 3},
                ['spec.a: Unsupported value: 3: supported values: "1", "2"'],
                id="enum-of-numbers",
            ),
            pytest.param(
                _object(a={**_TEXT, "maxLength": 2}),
                {"a": "abc"},
                ["spec.a: Too long: may not be more than 2 bytes"],
                id="too-long",
            ),
            pytest.param(
                _object(a={**_TEXT, "minLength": 2}),
                {"a": "x"},
                ['spec.a: Invalid value: "x": spec.a in body should be at least 2 chars long'],
                id="too-short",
            ),
            pytest.param(
                _object(a={**_TEXT, "pattern": "^a+$"}),
                {"a": "b"},
                ["spec.a: Invalid value: \"b\": spec.a in body should match '^a+$'"],
                id="pattern",
            ),
            pytest.param(
                _object(a={**_TEXT, "format": "ipv4"}),
                {"a": "b"},
                ['spec.a: Invalid value: "b": spec.a in body must be of type ipv4: "b"'],
                id="format",
            ),
            pytest.param(
                _object(a={**_NUMBER, "minimum": 2}),
                {"a": 1},
                ["spec.a: Invalid value: 1: spec.a in body should be greater than or equal to 2"],
                id="minimum",
            ),
            pytest.param(
                _object(a={"type": "number", "maximum": 2, "exclusiveMaximum": True}),
                {"a": 2.0},
                ["spec.a: Invalid value: 2: spec.a in body should be less than 2"],
                id="exclusive-maximum",
            ),
            pytest.param(
                _object(a={**_NUMBER, "multipleOf": 5}),
                {"a": 7},
                ["spec.a: Invalid value: 7: spec.a in body should be a multiple of 5"],
                id="multiple",
            ),
            pytest.param(
                _object(a={"type": "array", "items": _NUMBER, "minItems": 2}),
                {"a": [1]},
                ["spec.a: Invalid value: 1: spec.a in body should have at least 2 items"],
                id="too-few-items",
            ),
            pytest.param(
                _object(a={"type": "array", "items": _NUMBER, "maxItems": 1}),
                {"a": [1, 2]},
                ["spec.a: Too many: 2: must have at most 1 items"],
                id="too-many-items",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": _NUMBER, "minProperties": 2},
                {"a": 1},
                ["spec: Invalid value: 1: spec in body should have at least 2 properties"],
                id="too-few-properties",
            ),
            pytest.param(
                {**_object(a=_NUMBER, b=_NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
                {},
                [_NONE_VALID, "spec.a: Required value"],
                id="one-of",
            ),
            pytest.param(
                {**_object(a=_NUMBER, b=_NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
                {"a": 1, "b": 2},
                [_NONE_VALID.replace("Found none valid", "Found 2 valid alternatives")],
                id="one-of-two",
            ),
            pytest.param(
                {**_object(a=_NUMBER), "anyOf": [{"properties": {"a": {"minimum": 5}}}]},
                {"a": 1},
                [
                    '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
                    "spec.a: Invalid value: 1: spec.a in body should be greater than or equal to 5",
                ],
                id="any-of",
            ),
            pytest.param(
                {**_object(a=_NUMBER), "not": {"required": ["a"]}},
                {"a": 1},
                ['<nil>: Invalid value: "": "spec" must not validate the schema (not)'],
                id="not",
            ),
            pytest.param(
                {**_object(a=_NUMBER), "allOf": [{"required": ["b"]}]},
                {"a": 1},
                [
                    "spec.b: Required value",
                    '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf). None validated',
                ],
                id="all-of",
            ),
            pytest.param(
                _object(a={"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT}),
                {"a": ["x", "y", "x", "x"]},
                ['spec.a[2]: Duplicate value: "x"'],
                id="set",
            ),
            pytest.param(
                _object(
                    a={
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": _object(k=_TEXT),
                    }
                ),
                {"a": [{"k": "x"}, {"k": "x"}]},
                ['spec.a[1]: Duplicate value: {"k":"x"}'],
                id="keyed-list",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": False},
                {"b": 1},
                ['spec: Invalid value: "b": spec.b in body is a forbidden property'],
                id="no-other-fields",
            ),
            pytest.param(
                {**_object(a=_NUMBER, b=_NUMBER), "maxProperties": 1},
                {"a": 1, "b": 2},
                ["spec: Too many: 2: must have at most 1 items"],
                id="too-many-properties",
            ),
            pytest.param(
                _object(a={**_NUMBER, "minimum": 2, "exclusiveMinimum": True}),
                {"a": 2},
                ["spec.a: Invalid value: 2: spec.a in body should be greater than 2"],
                id="exclusive-minimum",
            ),
            pytest.param(
                _object(a={"type": "number", "maximum": 1500000.5}),
                {"a": 2e7},
                [
                    "spec.a: Invalid value: 2e+07: spec.a in body should be less than or equal to "
                    "1.5000005e+06"
                ],
                id="maximum-of-doubles",
            ),
            pytest.param(
                _object(a={"type": "number", "multipleOf": 0}),
                {"a": 2.5},
                ["spec.a: Invalid value: 2.5: spec.a in body should be a multiple of 0"],
                id="multiple-of-nothing",
            ),
            pytest.param(
                _object(a={"type": "array", "items": {"type": "object"}, "enum": [[{}], None]}),
                {"a": [{}, {}]},
                ['spec.a: Unsupported value: [{},{}]: supported values: "[{}]", "null"'],
                id="enum-of-lists",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": {**_SET, "items": {}}},
                {"k": [{"a": 1}, {"a": 1}], "l": 5},
                [
                    'spec.l: Invalid value: "integer": spec.l in body must be of type array: "integer"',
                    'spec[k][1]: Duplicate value: {"a":1}',
                ],
                id="sets-in-a-map",
            ),
            pytest.param(
                {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "array", "x-kubernetes-list-type": "set", "items": _NUMBER},
                },
                [[1, 1], [2, 2], [1, 1]],
                [
                    "spec[2]: Duplicate value: [1,1]",
                    "spec[0][1]: Duplicate value: 1",
                    "spec[1][1]: Duplicate value: 2",
                    "spec[2][1]: Duplicate value: 1",
                ],
                id="sets-in-a-set",
            ),
            pytest.param(
                {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k", "l"],
                    "items": _object(k=_TEXT, l=_TEXT),
                },
                [{"k": "x"}, None, {"k": "x"}],
                [
                    'spec[1]: Invalid value: "null": spec[1] in body must be of type object: "null"',
                    'spec[2]: Duplicate value: {"k":"x"}',
                ],
                id="keyed-list-without-keys",
            ),
            pytest.param(
                {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": _object(k=_TEXT),
                },
                ["x"],
                [
                    'spec[0]: Invalid value: "string": spec[0] in body must be of type object: "string"',
                    'spec[0]: Invalid value: "x": must be an object for an array of list-type map',
                ],
                id="keyed-list-of-texts",
            ),
            pytest.param(
                _object(t=_EMBEDDED, u=_EMBEDDED, v=_EMBEDDED),
                {
                    "t": {"apiVersion": 1, "kind": 1, "metadata": 1},
                    "u": {"apiVersion": "v1", "kind": "-", "metadata": {"labels": 1}},
                    "v": 5,
                },
                [
                    'spec.v: Invalid value: "integer": spec.v in body must be of type object: "integer"',
                    "spec.t.apiVersion: Invalid value: 1: must be a string",
                    "spec.t.kind: Invalid value: 1: must be a string",
                    "spec.t.metadata: Invalid value: 1: json: cannot unmarshal number into Go value of type "
                    "v1.ObjectMeta",
                    'spec.u.kind: Invalid value: "-": may have mixed case, but should otherwise match: a '
                    "DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
                    "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
                    'spec.u.metadata: Invalid value: {"labels":1}: json: cannot unmarshal number into Go '
                    "struct field ObjectMeta.labels of type map[string]string",
                ],
                id="odd-embedded-objects",
            ),
            pytest.param(
                _object(t={"type": "object", "x-kubernetes-embedded-resource": True}),
                {"t": {"apiVersion": "a/b/c", "metadata": {"labels": {"-": "x"}}}},
                [
                    "spec.t.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
                    "spec.t.kind: Required value",
                    "spec.t.metadata.labels: Invalid value: \"-\": name part must consist of alphanumeric "
                    "characters, '-', '_' or '.', and must start and end with an alphanumeric character "
                    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                ],
                id="embedded-object",
            ),
        ],
    )  # fmt: skip
    def test_faults_are_upstreams_words(self, schema, spec, words):
        assert _words(_structural(schema).validate(_obj(spec))) == words

    @pytest.mark.parametrize(
        ("schema", "spec"),
        [
            pytest.param(_object(a=_NUMBER), {"a": 1.0}, id="a-whole-double-is-an-integer"),
            pytest.param(_object(a={"type": "number"}), {"a": 1}, id="an-integer-is-a-number"),
            pytest.param(_object(a={**_TEXT, "nullable": True}), {"a": None}, id="nullable"),
            pytest.param(_object(a={**_TEXT, "format": "unheard-of"}), {"a": "x"}, id="unknown-format"),
            pytest.param(_object(a=_NUMBER), {"a": 9007199254740993}, id="64-bits"),
            pytest.param(_object(a={"type": "number", "multipleOf": 0.1}), {"a": 0.3}, id="multiple-of-0.1"),
        ],
    )
    def test_valid(self, schema, spec):
        assert _structural(schema).validate(_obj(spec)) == []

    def test_wrong_types_have_a_reason_of_their_own(self):
        error = _structural(_object(a=_NUMBER)).validate(_obj({"a": "x"}))[0]
        assert error.to_cause()["reason"] == "FieldValueTypeInvalid"


_SCALE = {"scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}}


class TestScale:
    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            pytest.param({"n": 3}, [], id="fine"),
            pytest.param({}, [], id="absent"),
            pytest.param(
                {"n": -1}, [".spec.n: Invalid value: -1: should be a non-negative integer"], id="negative"
            ),
            pytest.param(
                {"n": 1 << 31},
                [".spec.n: Invalid value: 2147483648: should be less than or equal to 2147483647"],
                id="too-large",
            ),
            pytest.param(
                {"n": "x"},
                [
                    ".spec.n: Invalid value: 0: .spec.n accessor error: x is of the type string, "
                    "expected int64"
                ],
                id="text",
            ),
        ],
    )
    def test_replicas_are_small_numbers(self, spec, words):
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        found = _structural(schema, subresources=_SCALE).validate(_obj(spec, status={"n": 1}))
        assert _words(found) == words


def test_scale_of_updates():
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    structural, old = _structural(schema, subresources=_SCALE), _obj({"n": 1})
    assert len(structural.validate_update(_obj({"n": -1}, status={"n": -1}), old)) == 2
    assert len(structural.validate_status(_obj({"n": -1}, status={"n": -1}), old)) == 1


class TestUpdate:
    schema = _object(
        a={**_TEXT, "enum": ["A"]}, b=_NUMBER, l={"type": "array", "items": {**_NUMBER, "maximum": 5}}
    )

    def test_what_did_not_change_may_stay_wrong(self):
        old = _obj({"a": "Z", "b": 1})
        assert _structural(self.schema).validate_update(_obj({"a": "Z", "b": 2}), old) == []

    def test_what_changed_may_not_be_wrong(self):
        found = _structural(self.schema).validate_update(_obj({"a": "Y"}), _obj({"a": "Z"}))
        assert _words(found) == ['spec.a: Unsupported value: "Y": supported values: "A"']

    def test_elements_of_plain_lists_correspond_to_nothing(self):
        found = _structural(self.schema).validate_update(_obj({"l": [9, 1]}), _obj({"l": [9]}))
        assert len(found) == 1

    def test_branches_know_nothing_of_the_old_object(self):
        branches = [{"properties": {"a": {"enum": ["A"]}}}, {"properties": {"a": {"enum": ["B"]}}}]
        schema = {**_object(a=_TEXT, b=_NUMBER), "oneOf": branches}
        structural = _structural(schema)
        assert structural.validate_update(_obj({"a": "A", "b": 2}), _obj({"a": "A", "b": 1})) == []

    def test_status_alone_is_checked(self):
        properties = {"spec": _object(a=_NUMBER), "status": _object(n=_NUMBER)}
        version = {"schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}
        structural = Structural.compile(version)
        old = _obj({"a": "wrong"})
        assert structural.validate_status({**old, "status": {"n": 1}}, old) == []
        found = structural.validate_status({**old, "status": {"n": "x"}}, old)
        assert _words(found) == [
            'status.n: Invalid value: "string": n in body must be of type integer: "string"'
        ]


def test_only_metadata_needs_its_form():
    # As controllers in Go send it.
    obj = {**_obj({"a": "x"}), "metadata": {"name": "a", "creationTimestamp": None, "odd": 1}}
    found = _structural(_object(a=_TEXT)).conform(obj)
    assert found.obj == _obj({"a": "x"})
    assert found.unknown == ["metadata.odd"]


def test_objects_of_a_large_schema_go_the_slow_way() -> None:
    fields = {f"f{number}": {"type": "integer"} for number in range(MOST_VALUES + 1)}
    large = Structural({"type": "object", "properties": fields})
    assert (large._form, large._validity) == (None, None)
    conformed = large.conform({"f1": 1, "other": 2})
    assert (conformed.obj, conformed.unknown) == ({"f1": 1}, ["other"])
    assert large.validate({"f1": 1}) == []
    assert [str(error) for error in large.validate({"f1": "x"})] == [
        'f1: Invalid value: "string": f1 in body must be of type integer: "string"'
    ]
