"""What is wrong with custom objects by their schema, on create and on update, in which words."""

import pytest

from api.crd.structural import Structural
from tests.unit.api.crd.boxes import EMBEDDED, NUMBER, SET, TEXT, box, object_of, structural_of, words_of

_NONE_VALID = (
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid'
)


class TestValidate:
    @pytest.mark.parametrize(
        ("schema", "spec", "words"),
        [
            pytest.param(
                object_of(a=NUMBER),
                {"a": "x"},
                ['spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"'],
                id="type",
            ),
            pytest.param(
                object_of(a={"type": "array", "items": TEXT}),
                {"a": [None]},
                ['spec.a[0]: Invalid value: "null": spec.a[0] in body must be of type string: "null"'],
                id="null",
            ),
            pytest.param(
                object_of(a={"x-kubernetes-int-or-string": True}),
                {"a": True},
                [
                    'spec.a: Invalid value: "boolean": spec.a in body must be of type integer,string: '
                    '"boolean"'
                ],
                id="int-or-string",
            ),
            pytest.param(
                {**object_of(a=NUMBER), "required": ["a", "b"]},
                {"a": 1},
                ["spec.b: Required value"],
                id="required",
            ),
            pytest.param(
                object_of(a={**TEXT, "enum": ["A", "B"]}),
                {"a": "C"},
                ['spec.a: Unsupported value: "C": supported values: "A", "B"'],
                id="enum",
            ),
            pytest.param(
                object_of(a={**NUMBER, "enum": [1, 2]}),
                {"a": 3},
                ['spec.a: Unsupported value: 3: supported values: "1", "2"'],
                id="enum-of-numbers",
            ),
            pytest.param(
                object_of(a={**TEXT, "maxLength": 2}),
                {"a": "abc"},
                ["spec.a: Too long: may not be more than 2 bytes"],
                id="too-long",
            ),
            pytest.param(
                object_of(a={**TEXT, "minLength": 2}),
                {"a": "x"},
                ['spec.a: Invalid value: "x": spec.a in body should be at least 2 chars long'],
                id="too-short",
            ),
            pytest.param(
                object_of(a={**TEXT, "pattern": "^a+$"}),
                {"a": "b"},
                ["spec.a: Invalid value: \"b\": spec.a in body should match '^a+$'"],
                id="pattern",
            ),
            pytest.param(
                object_of(a={**TEXT, "format": "ipv4"}),
                {"a": "b"},
                ['spec.a: Invalid value: "b": spec.a in body must be of type ipv4: "b"'],
                id="format",
            ),
            pytest.param(
                object_of(a={**NUMBER, "minimum": 2}),
                {"a": 1},
                ["spec.a: Invalid value: 1: spec.a in body should be greater than or equal to 2"],
                id="minimum",
            ),
            pytest.param(
                object_of(a={"type": "number", "maximum": 2, "exclusiveMaximum": True}),
                {"a": 2.0},
                ["spec.a: Invalid value: 2: spec.a in body should be less than 2"],
                id="exclusive-maximum",
            ),
            pytest.param(
                object_of(a={**NUMBER, "multipleOf": 5}),
                {"a": 7},
                ["spec.a: Invalid value: 7: spec.a in body should be a multiple of 5"],
                id="multiple",
            ),
            pytest.param(
                object_of(a={"type": "array", "items": NUMBER, "minItems": 2}),
                {"a": [1]},
                ["spec.a: Invalid value: 1: spec.a in body should have at least 2 items"],
                id="too-few-items",
            ),
            pytest.param(
                object_of(a={"type": "array", "items": NUMBER, "maxItems": 1}),
                {"a": [1, 2]},
                ["spec.a: Too many: 2: must have at most 1 items"],
                id="too-many-items",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": NUMBER, "minProperties": 2},
                {"a": 1},
                ["spec: Invalid value: 1: spec in body should have at least 2 properties"],
                id="too-few-properties",
            ),
            pytest.param(
                {**object_of(a=NUMBER, b=NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
                {},
                [_NONE_VALID, "spec.a: Required value"],
                id="one-of",
            ),
            pytest.param(
                {**object_of(a=NUMBER, b=NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
                {"a": 1, "b": 2},
                [_NONE_VALID.replace("Found none valid", "Found 2 valid alternatives")],
                id="one-of-two",
            ),
            pytest.param(
                {**object_of(a=NUMBER), "anyOf": [{"properties": {"a": {"minimum": 5}}}]},
                {"a": 1},
                [
                    '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
                    "spec.a: Invalid value: 1: spec.a in body should be greater than or equal to 5",
                ],
                id="any-of",
            ),
            pytest.param(
                {**object_of(a=NUMBER), "not": {"required": ["a"]}},
                {"a": 1},
                ['<nil>: Invalid value: "": "spec" must not validate the schema (not)'],
                id="not",
            ),
            pytest.param(
                {**object_of(a=NUMBER), "allOf": [{"required": ["b"]}]},
                {"a": 1},
                [
                    "spec.b: Required value",
                    '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf). None validated',
                ],
                id="all-of",
            ),
            pytest.param(
                object_of(a={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}),
                {"a": ["x", "y", "x", "x"]},
                ['spec.a[2]: Duplicate value: "x"'],
                id="set",
            ),
            pytest.param(
                object_of(
                    a={
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": object_of(k=TEXT),
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
                {**object_of(a=NUMBER, b=NUMBER), "maxProperties": 1},
                {"a": 1, "b": 2},
                ["spec: Too many: 2: must have at most 1 items"],
                id="too-many-properties",
            ),
            pytest.param(
                object_of(a={**NUMBER, "minimum": 2, "exclusiveMinimum": True}),
                {"a": 2},
                ["spec.a: Invalid value: 2: spec.a in body should be greater than 2"],
                id="exclusive-minimum",
            ),
            pytest.param(
                object_of(a={"type": "number", "maximum": 1500000.5}),
                {"a": 2e7},
                [
                    "spec.a: Invalid value: 2e+07: spec.a in body should be less than or equal to "
                    "1.5000005e+06"
                ],
                id="maximum-of-doubles",
            ),
            pytest.param(
                object_of(a={"type": "number", "multipleOf": 0}),
                {"a": 2.5},
                ["spec.a: Invalid value: 2.5: spec.a in body should be a multiple of 0"],
                id="multiple-of-nothing",
            ),
            pytest.param(
                object_of(a={"type": "array", "items": {"type": "object"}, "enum": [[{}], None]}),
                {"a": [{}, {}]},
                ['spec.a: Unsupported value: [{},{}]: supported values: "[{}]", "null"'],
                id="enum-of-lists",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": {**SET, "items": {}}},
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
                    "items": {"type": "array", "x-kubernetes-list-type": "set", "items": NUMBER},
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
                    "items": object_of(k=TEXT, l=TEXT),
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
                    "items": object_of(k=TEXT),
                },
                ["x"],
                [
                    'spec[0]: Invalid value: "string": spec[0] in body must be of type object: "string"',
                    'spec[0]: Invalid value: "x": must be an object for an array of list-type map',
                ],
                id="keyed-list-of-texts",
            ),
            pytest.param(
                object_of(t=EMBEDDED, u=EMBEDDED, v=EMBEDDED),
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
                object_of(t={"type": "object", "x-kubernetes-embedded-resource": True}),
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
        assert words_of(structural_of(schema).validate(box(spec))) == words

    @pytest.mark.parametrize(
        ("schema", "spec"),
        [
            pytest.param(object_of(a=NUMBER), {"a": 1.0}, id="a-whole-double-is-an-integer"),
            pytest.param(object_of(a={"type": "number"}), {"a": 1}, id="an-integer-is-a-number"),
            pytest.param(object_of(a={**TEXT, "nullable": True}), {"a": None}, id="nullable"),
            pytest.param(object_of(a={**TEXT, "format": "unheard-of"}), {"a": "x"}, id="unknown-format"),
            pytest.param(object_of(a=NUMBER), {"a": 9007199254740993}, id="64-bits"),
            pytest.param(
                object_of(a={"type": "number", "multipleOf": 0.1}), {"a": 0.3}, id="multiple-of-0.1"
            ),
        ],
    )
    def test_valid(self, schema, spec):
        assert structural_of(schema).validate(box(spec)) == []

    def test_wrong_types_have_a_reason_of_their_own(self):
        error = structural_of(object_of(a=NUMBER)).validate(box({"a": "x"}))[0]
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
        found = structural_of(schema, subresources=_SCALE).validate(box(spec, status={"n": 1}))
        assert words_of(found) == words


def test_scale_of_updates():
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    structural, old = structural_of(schema, subresources=_SCALE), box({"n": 1})
    assert len(structural.validate_update(box({"n": -1}, status={"n": -1}), old)) == 2
    assert len(structural.validate_status(box({"n": -1}, status={"n": -1}), old)) == 1


class TestUpdate:
    schema = object_of(
        a={**TEXT, "enum": ["A"]}, b=NUMBER, l={"type": "array", "items": {**NUMBER, "maximum": 5}}
    )

    def test_what_did_not_change_may_stay_wrong(self):
        old = box({"a": "Z", "b": 1})
        assert structural_of(self.schema).validate_update(box({"a": "Z", "b": 2}), old) == []

    def test_what_changed_may_not_be_wrong(self):
        found = structural_of(self.schema).validate_update(box({"a": "Y"}), box({"a": "Z"}))
        assert words_of(found) == ['spec.a: Unsupported value: "Y": supported values: "A"']

    def test_elements_of_plain_lists_correspond_to_nothing(self):
        found = structural_of(self.schema).validate_update(box({"l": [9, 1]}), box({"l": [9]}))
        assert len(found) == 1

    def test_branches_know_nothing_of_the_old_object(self):
        branches = [{"properties": {"a": {"enum": ["A"]}}}, {"properties": {"a": {"enum": ["B"]}}}]
        schema = {**object_of(a=TEXT, b=NUMBER), "oneOf": branches}
        structural = structural_of(schema)
        assert structural.validate_update(box({"a": "A", "b": 2}), box({"a": "A", "b": 1})) == []

    def test_status_alone_is_checked(self):
        properties = {"spec": object_of(a=NUMBER), "status": object_of(n=NUMBER)}
        version = {"schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}
        structural = Structural.compile(version)
        old = box({"a": "wrong"})
        assert structural.validate_status({**old, "status": {"n": 1}}, old) == []
        found = structural.validate_status({**old, "status": {"n": "x"}}, old)
        assert words_of(found) == [
            'status.n: Invalid value: "string": n in body must be of type integer: "string"'
        ]
