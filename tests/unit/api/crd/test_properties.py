"""What holds for every schema and object: the fast ways agree with the slow ones, and nothing breaks."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.codec.json import DecodeError
from api.codec.shapes import copy, equal
from api.crd.fast import compile_form, compile_validity
from api.crd.formats import compile_pattern, pattern_test
from api.crd.prune import prune
from api.crd.structural import Structural
from api.crd.values import complaints

_NAMES = st.sampled_from(["a", "b", "c", "metadata", "kind", "spec"])
_TEXTS = st.sampled_from(["", "a", "ab", "xyz", "10.0.0.1", "2020-01-01", "1Gi", "é"])
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.5, 1e18, 1e300]), _TEXTS
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=3)),
    max_leaves=12,
)


def _text_schemas() -> st.SearchStrategy[dict[str, Any]]:
    more = {
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a", "b$", "[0-9]+", "^.$"]),
        "format": st.sampled_from(["ipv4", "date", "odd", "byte"]),
        "enum": st.lists(_TEXTS, min_size=1, max_size=2, unique=True),
        "nullable": st.booleans(),
        "default": _TEXTS,
    }
    return st.fixed_dictionaries({"type": st.just("string")}, optional=more)


def _number_schemas() -> st.SearchStrategy[dict[str, Any]]:
    more = {
        "minimum": st.sampled_from([-1, 0, 0.5, 1]),
        "maximum": st.sampled_from([0, 1, 2.5]),
        "exclusiveMinimum": st.booleans(),
        "exclusiveMaximum": st.booleans(),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "nullable": st.booleans(),
        "enum": st.lists(st.integers(-1, 2), min_size=1, max_size=2),
        "default": st.integers(-1, 2),
    }
    kinds = st.sampled_from(["integer", "number", "boolean"])
    return st.fixed_dictionaries({"type": kinds}, optional=more)


def _branches() -> dict[str, st.SearchStrategy[Any]]:
    branch = st.fixed_dictionaries(
        {},
        optional={
            "required": st.lists(_NAMES, max_size=2),
            "minProperties": st.integers(0, 2),
            "properties": st.dictionaries(
                _NAMES, st.fixed_dictionaries({"minimum": st.integers(0, 2)}), max_size=2
            ),
        },
    )
    some = st.lists(branch, min_size=1, max_size=2)
    return {"anyOf": some, "oneOf": some, "allOf": some, "not": branch}


def _containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    flags = {"nullable": st.booleans(), "x-kubernetes-preserve-unknown-fields": st.just(True)}
    counts = {"minItems": st.integers(0, 1), "maxItems": st.integers(1, 2)}
    kinds = {"x-kubernetes-list-type": st.sampled_from(["set", "atomic"])}
    lists = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner}, optional={**flags, **counts, **kinds}
    )
    fields = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(_NAMES, inner, max_size=3)},
        optional={
            **flags,
            **_branches(),
            "required": st.lists(_NAMES, max_size=2),
            "maxProperties": st.integers(0, 3),
            "default": st.just({}),
        },
    )
    embedded = st.builds(lambda schema: {**schema, "x-kubernetes-embedded-resource": True}, fields)
    extra = st.one_of(inner, st.just(True))
    maps = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": extra}, optional=flags)
    return st.one_of(lists, fields, fields, maps, embedded)


SCHEMAS = st.recursive(
    st.one_of(_text_schemas(), _number_schemas(), st.just({"x-kubernetes-int-or-string": True})),
    _containers,
    max_leaves=8,
)
_METADATA = st.sampled_from([{"name": "a"}, {"name": "a", "labels": {"a": "b"}}, {"name": "a", "odd": 1}, {}])


def _root(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": schema, "metadata": {"type": "object"}}}


def _obj(value: Any, metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Box", "metadata": metadata, "spec": value}


def _conformed(structural: Structural, obj: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return structural.conform(obj).obj
    except DecodeError:
        return None


@given(SCHEMAS, VALUES, _METADATA)
@settings(max_examples=100, deadline=None)
def test_decoding_and_defaulting_twice_is_as_once(schema, value, metadata):
    structural = Structural(_root(schema))
    obj = _obj(value, metadata)
    given_obj = copy(obj)
    once = _conformed(structural, obj)
    assert equal(obj, given_obj)
    if once is None:
        return
    assert equal(_conformed(structural, once), once)
    assert structural.conform(once).unknown == []
    filled = structural.default(once)
    assert equal(structural.default(filled), filled)


@given(SCHEMAS, VALUES, _METADATA)
@settings(max_examples=100, deadline=None)
def test_what_has_its_form_is_not_changed(schema, value, metadata):
    root, obj = _root(schema), _obj(value, metadata)
    form = compile_form(root)
    if form is not None and form.is_valid(obj) and "odd" not in metadata:
        made, unknown = prune(obj, root)
        assert equal(made, obj)
        assert unknown == []


@given(SCHEMAS, VALUES)
@settings(max_examples=200, deadline=None)
def test_the_fast_way_finds_valid_what_the_slow_way_does(schema, value):
    validity = compile_validity(schema)
    if validity is None:
        return
    errors = complaints(schema, value)
    if validity.is_valid(value):
        assert errors == []
    elif not errors:
        # The fast way sends whole doubles the slow way; nothing else.
        assert _has_whole_double(value)


def _has_whole_double(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_whole_double, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


_PIECES = st.one_of(
    st.sampled_from("ab.^$()|*+?{-/"),
    st.sampled_from(
        ["[a-c]", "[^a]", "[]a]", "[a&&b]", "[[:alpha:]]", r"[\d-]", "(?:", "(?i)", "{2}", "{,2}"]
    ),
    st.sampled_from([r"\d", r"\w", r"\s", r"\b", r"\n", r"\.", r"\-"]),
)


@given(st.lists(_PIECES, max_size=6).map("".join), st.text("ab.1é\n-[&{2}", max_size=5))
@settings(max_examples=500, deadline=None)
def test_portable_patterns_mean_the_same_to_both_engines(pattern, text):
    validity = compile_validity({"type": "string", "pattern": pattern}) if _compiles(pattern) else None
    if validity is not None:
        assert validity.is_valid(text) == pattern_test(pattern)(text)


def _compiles(pattern: str) -> bool:
    try:
        compile_pattern(pattern)
    except ValueError:
        return False
    return True


@given(SCHEMAS, VALUES, _METADATA)
@settings(max_examples=200, deadline=None)
def test_pieces_of_a_schema_say_the_same_as_the_whole(schema, value, metadata):
    root, obj = _root(schema), _obj(value, metadata)
    whole, pieces = compile_form(root), compile_form(root, most=2)
    assert whole.is_valid(obj) == pieces.is_valid(obj)
    whole, pieces = compile_validity(root), compile_validity(root, most=2)
    if whole is not None and pieces is not None:
        assert whole.is_valid(obj) == pieces.is_valid(obj)


@given(SCHEMAS, VALUES, VALUES, _METADATA)
@settings(max_examples=100, deadline=None)
def test_updates(schema, value, other, metadata):
    structural = Structural(_root(schema))
    new, old = _conformed(structural, _obj(value, metadata)), _conformed(structural, _obj(other, metadata))
    if new is None or old is None:
        return
    # What does not change is never refused; what is fine on create is fine on update.
    assert structural.validate_status(old, old) == []
    found = structural.validate_update(old, old)
    assert [error for error in found if not _is_of_embedded(error.path)] == []
    if not structural.validate(new):
        assert structural.validate_update(new, old) == []


def _is_of_embedded(path: str) -> bool:
    """Kinds and metadata of embedded objects are checked as on create."""
    return path.endswith(("apiVersion", "kind")) or "metadata" in path


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_no_object_breaks_it(value):
    structural = Structural(_root({"type": "object", "x-kubernetes-preserve-unknown-fields": True}))
    obj = value if isinstance(value, dict) else _obj(value, value)
    made = _conformed(structural, obj)
    if made is not None:
        structural.validate(structural.default(made))


def test_deep_objects_do_not_break_it():
    schema: dict[str, Any] = {"type": "string"}
    value: Any = 1
    for _ in range(120):
        schema = {"type": "array", "items": {"type": "object", "properties": {"a": schema}}}
        value = [{"a": value, "b": None}]
    structural = Structural(_root(schema))
    made = _conformed(structural, _obj(value, {"name": "a"}))
    assert made is not None
    assert len(structural.validate(structural.default(made))) == 1


@pytest.mark.parametrize("value", [None, [], "x", 5, {"a": {}}])
def test_odd_metadata_is_refused_or_kept(value):
    structural = Structural(_root({"type": "object"}))
    made = _conformed(structural, {"apiVersion": "v1", "kind": "Box", "metadata": value, "spec": {}})
    assert made is None or isinstance(made["metadata"], dict)
