"""No definition that can be decoded breaks its validation, and a valid one serves whatever objects come."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.apiextensions.customresourcedefinition import validate, validate_update
from api.codec.json import DecodeError
from api.crd.columns import columns_of
from api.crd.publish import V2, V3, published
from api.crd.structural import Structural
from api.structure import normalise
from tests.unit.api.apiextensions.definitions import definition

_DEFINITION = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
_NAMES = st.sampled_from(["a", "b", "metadata", "kind", "spec", "status", "a.b", "namespace"])
_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.5, 2.0, "", "a", "1h", "(", "é"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_NAMES, inner, max_size=2)),
    max_leaves=6,
)
_RULE = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(
            ["true", "self.a == 1", "self == oldSelf", "(", "", "self.all(x, x > 0)", "a\nb"]
        )
    },
    optional={
        "message": st.sampled_from(["m", " ", "a\nb"]),
        "messageExpression": st.sampled_from(["'m'", "self", "1 +"]),
        "fieldPath": st.sampled_from([".a", "a", ".a['b']", "["]),
        "reason": st.sampled_from(["FieldValueDuplicate", "odd"]),
        "optionalOldSelf": st.booleans(),
    },
)
_KIND = st.sampled_from(
    ["object", "object", "array", "string", "integer", "number", "boolean", "null", "odd", ""]
)
_WORDS: dict[str, st.SearchStrategy[Any]] = {
    "default": _VALUES,
    "nullable": st.booleans(),
    "enum": st.lists(_VALUES, max_size=2),
    "format": st.sampled_from(["ipv4", "date-time", "odd"]),
    "pattern": st.sampled_from(["^a", "(", "[", "a{2000}"]),
    "minLength": st.integers(-1, 3),
    "maxItems": st.integers(-1, 3),
    "maxProperties": st.integers(-1, 3),
    "minimum": st.sampled_from([-1, 0.5]),
    "exclusiveMinimum": st.booleans(),
    "multipleOf": st.sampled_from([-1, 0, 0.5, 2]),
    "required": st.lists(_NAMES, max_size=2),
    "uniqueItems": st.booleans(),
    "title": st.just("t"),
    "$ref": st.just("#/x"),
    "x-kubernetes-preserve-unknown-fields": st.booleans(),
    "x-kubernetes-embedded-resource": st.booleans(),
    "x-kubernetes-int-or-string": st.booleans(),
    "x-kubernetes-list-type": st.sampled_from(["atomic", "set", "map", "odd"]),
    "x-kubernetes-list-map-keys": st.lists(_NAMES, max_size=2),
    "x-kubernetes-map-type": st.sampled_from(["atomic", "granular", "odd"]),
    "x-kubernetes-validations": st.lists(_RULE, max_size=2),
}


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, max_size=2)
    parts = {
        "properties": st.dictionaries(_NAMES, inner, max_size=3),
        "items": st.one_of(inner, some),
        "additionalProperties": st.one_of(inner, st.booleans()),
        "anyOf": some,
        "oneOf": some,
        "allOf": some,
        "not": inner,
    }
    return st.fixed_dictionaries({"type": _KIND}, optional={**_WORDS, **parts})


_SCHEMAS = st.recursive(st.fixed_dictionaries({"type": _KIND}, optional=_WORDS), _schemas, max_leaves=6)


def _decoded(schema: Any) -> Any:
    try:
        return normalise(definition(schema), _DEFINITION).obj
    except DecodeError:
        return None


@given(_SCHEMAS, _SCHEMAS, _VALUES)
@settings(max_examples=150, deadline=None)
def test_no_schema_breaks_validation(schema: Any, other: Any, value: Any) -> None:
    root = {"type": "object", "properties": {"spec": schema}}
    made, before = _decoded(root), _decoded({**root, "properties": {"spec": other}})
    if made is None or before is None:
        return
    validate_update(made, before)
    for root_form in (V2, V3):
        published(made, made["spec"]["versions"][0], root_form)
    if not validate(made):
        _serve(made, value)


def _serve(made: Any, value: Any) -> None:
    version = made["spec"]["versions"][0]
    structural = Structural.compile(version)
    obj = {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": value}
    try:
        whole = structural.default(structural.conform(obj).obj)
    except DecodeError:
        return
    structural.validate(whole)
    structural.validate_update(whole, {**obj, "spec": {"a": 1}})
    assert columns_of(version).columns
    assert structural.shape.kind


@given(_SCHEMAS)
@settings(max_examples=50, deadline=None)
def test_no_root_breaks_validation(schema: Any) -> None:
    made = _decoded(schema)
    if made is not None and not validate(made):
        _serve(made, {"a": 1})
