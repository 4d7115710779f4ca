"""How custom objects are decoded and defaulted by their schema."""

import pytest

from api.codec.json import DecodeError
from api.crd.fast import MOST_VALUES
from api.crd.structural import Structural
from tests.unit.api.crd.boxes import EMBEDDED, NUMBER, TEXT, box, object_of, structural_of


class TestConform:
    @pytest.mark.parametrize(
        ("schema", "spec", "kept", "unknown"),
        [
            pytest.param(object_of(a=TEXT), {"a": "x"}, {"a": "x"}, [], id="nothing-to-do"),
            pytest.param(object_of(a=TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["spec.b"], id="unknown"),
            pytest.param(
                {"type": "array", "items": object_of(a=TEXT)},
                [{"b": 1}],
                [{}],
                ["spec[0].b"],
                id="unknown-in-a-list",
            ),
            pytest.param(
                {**object_of(a=object_of(b=TEXT)), "x-kubernetes-preserve-unknown-fields": True},
                {"z": {"q": None}, "a": {"c": 1}},
                {"z": {"q": None}, "a": {}},
                ["spec.a.c"],
                id="named-fields-of-an-open-object-are-pruned",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": object_of(a=TEXT)},
                {"k": {"a": "x", "b": "y"}},
                {"k": {"a": "x"}},
                ["spec.k.b"],
                id="values-of-a-map",
            ),
            pytest.param(
                object_of(a={"type": "object", "additionalProperties": True}),
                {"a": {"b": {"c": 1}, "d": [{"e": 1}], "f": 1}},
                {"a": {"b": {}, "d": [{}], "f": 1}},
                ["spec.a.b.c", "spec.a.d[0].e"],
                id="values-without-a-schema",
            ),
            pytest.param(object_of(a=TEXT), {"a": None}, {}, [], id="null-goes"),
            pytest.param(
                object_of(a={**TEXT, "nullable": True}), {"a": None}, {"a": None}, [], id="null-may-stay"
            ),
            pytest.param(
                object_of(t={**object_of(spec=object_of(x=NUMBER)), "x-kubernetes-embedded-resource": True}),
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
        found = structural_of(schema).conform(box(spec))
        assert found.obj == box(kept)
        assert found.unknown == unknown

    def test_an_object_in_its_form_is_returned_as_it_is(self):
        obj = box({"a": "x"})
        assert structural_of(object_of(a=TEXT)).conform(obj).obj is obj

    def test_unknown_metadata_is_told_first(self):
        obj = box({"b": 1})
        obj["metadata"]["unknownMeta"] = 1
        found = structural_of(object_of(a=TEXT)).conform(obj)
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
            structural_of(object_of(a=TEXT)).conform({**box({}), "metadata": metadata})
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
            structural_of(object_of(t=EMBEDDED)).conform(box({"t": template}))
        assert str(caught.value) == text

    def test_null_metadata_is_none(self):
        embedded = structural_of(object_of(t=EMBEDDED)).conform(box({"t": {"metadata": None}}))
        assert embedded.obj["spec"] == {"t": {"metadata": {}}}


class TestDefault:
    @pytest.mark.parametrize(
        ("schema", "spec", "filled"),
        [
            pytest.param(object_of(a={**TEXT, "default": "x"}), {}, {"a": "x"}, id="absent"),
            pytest.param(object_of(a={**TEXT, "default": "x"}), {"a": None}, {"a": "x"}, id="null"),
            pytest.param(
                object_of(a={**TEXT, "default": "x", "nullable": True}),
                {"a": None},
                {"a": None},
                id="nullable",
            ),
            pytest.param(
                object_of(a={**object_of(b={**NUMBER, "default": 3}), "default": {}}),
                {},
                {"a": {"b": 3}},
                id="defaults-of-a-default",
            ),
            pytest.param(
                {"type": "array", "items": object_of(p={**TEXT, "default": "TCP"})},
                [{}, {"p": "UDP"}],
                [{"p": "TCP"}, {"p": "UDP"}],
                id="elements",
            ),
            pytest.param(
                {"type": "object", "additionalProperties": object_of(p={**TEXT, "default": "TCP"})},
                {"x": {}},
                {"x": {"p": "TCP"}},
                id="values",
            ),
            pytest.param(
                {"type": "array", "items": {**TEXT, "default": "x"}},
                [None, "y"],
                ["x", "y"],
                id="null-element",
            ),
            pytest.param(
                {
                    "type": "object",
                    "additionalProperties": {**object_of(b={**NUMBER, "default": 3}), "default": {}},
                },
                {"k": None, "l": {}},
                {"k": {"b": 3}, "l": {"b": 3}},
                id="null-value",
            ),
            pytest.param(
                {
                    **object_of(a={**TEXT, "default": "x"}),
                    "additionalProperties": object_of(b={**TEXT, "default": "y"}),
                },
                {"c": {}},
                {"c": {"b": "y"}, "a": "x"},
                id="fields-and-values",
            ),
            pytest.param(object_of(a={**TEXT, "default": "x"}), 5, 5, id="no-object"),
            pytest.param({"type": "array", "items": {**TEXT, "default": "x"}}, 5, 5, id="no-list"),
            pytest.param(
                {"type": "object", "additionalProperties": {**TEXT, "default": "x"}}, 5, 5, id="no-map"
            ),
            pytest.param(object_of(a=TEXT), {"a": "x"}, {"a": "x"}, id="none-declared"),
        ],
    )
    def test_what_is_absent_is_filled(self, schema, spec, filled):
        assert structural_of(schema).default(box(spec))["spec"] == filled

    def test_a_full_object_stays_the_same(self):
        obj = box({"a": "y"})
        assert structural_of(object_of(a={**TEXT, "default": "x"})).default(obj) is obj


def test_only_metadata_needs_its_form():
    # As controllers in Go send it.
    obj = {**box({"a": "x"}), "metadata": {"name": "a", "creationTimestamp": None, "odd": 1}}
    found = structural_of(object_of(a=TEXT)).conform(obj)
    assert found.obj == box({"a": "x"})
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
