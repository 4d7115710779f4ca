"""Types of what schemas describe, and values in the forms that schemas give them."""

from typing import Any

import pytest

from api.cel.cost import Budget
from api.cel.environment import Environment
from api.cel.errors import CompileError, EvaluationError
from api.cel.escaping import escape
from api.cel.schema_types import type_of_definition, type_of_schema
from api.cel.times import Duration
from api.cel.types import BOOL, DYN, ObjectType, optional_of
from api.cel.values import ABSENT, Optional

KEYED = {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "when": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "span": {"type": "string", "format": "duration"},
        "raw": {"type": "string", "format": "byte"},
        "ratio": {"type": "number"},
        "port": {"x-kubernetes-int-or-string": True},
        "times": {"type": "array", "items": {"type": "string", "format": "date-time"}},
        "spans": {"type": "object", "additionalProperties": {"type": "string", "format": "duration"}},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "keyed": {
            "type": "array",
            "items": KEYED,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
        },
        "plain": {"type": "array", "items": {"type": "integer"}},
        "my-name": {"type": "string"},
        "namespace": {"type": "string"},
        "a.b/c__d": {"type": "string"},
        "opaque": {"x-kubernetes-preserve-unknown-fields": True},
        "template": {"type": "object", "x-kubernetes-embedded-resource": True},
    },
}
SELF: dict[str, Any] = {
    "metadata": {"name": "x"},
    "when": "2024-01-02T03:04:05Z",
    "day": "2024-01-02",
    "span": "90s",
    "raw": "aGk=",
    "ratio": 3,
    "port": "http",
    "times": ["2024-01-02T03:04:05Z"],
    "spans": {"a": "1m"},
    "set": ["a", "b"],
    "keyed": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
    "plain": [1, 2],
    "my-name": "dashed",
    "namespace": "reserved",
    "a.b/c__d": "all",
    "template": {"kind": "Pod"},
}
TYPE = type_of_schema(SCHEMA, root=True)
ENVIRONMENT = Environment({"self": TYPE, "old": TYPE})


def evaluate(expression: str, old: dict[str, Any] | None = None) -> Any:
    return ENVIRONMENT.compile(expression).evaluate({"self": SELF, "old": old or SELF}, Budget(10**9))


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("self.when.getFullYear() == 2024", id="date-time"),
        pytest.param("self.day < self.when", id="date"),
        pytest.param("self.span == duration('1m30s')", id="duration"),
        pytest.param("self.raw == b'hi'", id="byte"),
        pytest.param("self.ratio / 2.0 == 1.5", id="number"),
        pytest.param("self.port == 'http' && self.port != 80", id="int-or-string"),
        pytest.param("self.times.all(t, t.getHours() == 3)", id="list-of-times"),
        pytest.param("self.spans.all(k, v, v == duration('60s'))", id="map-of-durations"),
        pytest.param("self.my__dash__name == 'dashed' && has(self.my__dash__name)", id="dash"),
        pytest.param("self.__namespace__ == 'reserved'", id="reserved"),
        pytest.param("self.a__dot__b__slash__c__underscores__d == 'all'", id="dots-and-slashes"),
        pytest.param("self.metadata.name == 'x' && !has(self.kind)", id="root"),
        pytest.param("self.template.kind == 'Pod'", id="embedded"),
        pytest.param("self.?when.hasValue() && self.?when.value().getMonth() == 0", id="optional-converted"),
        pytest.param("self.?spans['a'].orValue(duration('0s')) == duration('1m')", id="optional-of-map"),
    ],
)
def test_values_are_converted_when_they_are_read(expression: str):
    assert evaluate(expression) is True


@pytest.mark.parametrize(
    ("expression", "old", "expected"),
    [
        pytest.param("self.set == old.set", {"set": ["b", "a"]}, True, id="sets-have-no-order"),
        pytest.param("self.set != old.set", {"set": ["b", "c"]}, True, id="other-set"),
        pytest.param("self.plain == old.plain", {"plain": [2, 1]}, False, id="lists-have-order"),
        pytest.param(
            "self.keyed == old.keyed", {"keyed": SELF["keyed"][::-1]}, True, id="maps-are-found-by-keys"
        ),
        pytest.param(
            "self.keyed == old.keyed",
            {"keyed": [{"k": "x", "v": 1}, {"k": "y", "v": 3}]},
            False,
            id="other-entry",
        ),
        pytest.param("self == old", {**SELF, "set": ["b", "a"]}, True, id="deep"),
        pytest.param("[self] != [old]", {**SELF, "set": ["b"]}, True, id="deep-in-a-list"),
        pytest.param("self.set + ['c'] == ['c', 'b', 'a']", {}, True, id="a-sum-is-a-set"),
        pytest.param("self.set + old.set", {"set": ["b", "c"]}, ["a", "b", "c"], id="union"),
        pytest.param(
            "self.keyed + old.keyed",
            {"keyed": [{"k": "x", "v": 9}, {"k": "z", "v": 3}]},
            [{"k": "x", "v": 9}, {"k": "y", "v": 2}, {"k": "z", "v": 3}],
            id="merged-by-keys",
        ),
    ],
)
def test_list_types_have_their_own_equality_and_addition(expression: str, old: Any, expected: Any):
    assert evaluate(expression, old) == expected


@pytest.mark.parametrize("field", ["nope", "opaque", "spec"])
def test_what_a_schema_does_not_type_cannot_be_reached(field: str):
    with pytest.raises(CompileError, match=f"undefined field '{field}'"):
        ENVIRONMENT.compile(f"self.{field} == 1")


def test_names_that_cannot_be_escaped_have_no_name():
    assert [escape(name) for name in ("a-b", "1a", "a b", "in", "x.y/z", "a__b", "")] == [
        "a__dash__b",
        "",
        "",
        "__in__",
        "x__dot__y__slash__z",
        "a__underscores__b",
        "",
    ]


def test_built_in_kinds_are_typed():
    deployment = type_of_definition("io.k8s.api.apps.v1.Deployment")
    environment = Environment({"object": deployment})
    assert str(environment.compile("object.spec.template.spec.containers[0].image").result_type) == "string"
    assert str(environment.compile("object.metadata.creationTimestamp").result_type) == "timestamp"
    assert environment.compile("object.spec.template.spec.containers.all(c, c.name.size() > 1)")
    probe = "object.spec.template.spec.containers[0].livenessProbe.httpGet.port == 80"
    assert environment.compile(probe).result_type == BOOL
    with pytest.raises(CompileError, match="undefined field 'replica'"):
        environment.compile("object.spec.replica > 1")
    with pytest.raises(
        CompileError, match=r"found no matching overload for '_\+_' applied to '\(string, int\)'"
    ):
        environment.compile("'wants ' + object.spec.replicas")


def test_a_definition_may_contain_itself():
    schema = type_of_definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    assert isinstance(schema, ObjectType)
    assert schema.fields["not"] is schema.fields["not"].fields["not"]  # type: ignore[attr-defined]


def test_a_field_that_is_null_is_absent():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "nullable": True}, "b": {"type": "string"}},
    }
    environment = Environment({"self": type_of_schema(schema), "any": DYN})
    bindings = {"self": {"a": None, "b": "x"}, "any": {"a": None}}
    asked = environment.compile("!has(self.a) && !self.?a.hasValue() && has(any.a) && self.b == 'x'")
    assert asked.evaluate(bindings, Budget(100)) is True
    with pytest.raises(EvaluationError, match="no such key: a"):
        environment.compile("self.a == 1").evaluate(bindings, Budget(100))
    with pytest.raises(EvaluationError, match="no such overload"):
        environment.compile("self.a == 1").evaluate({"self": 3}, Budget(100))


def test_an_old_value_may_be_absent():
    when = type_of_schema({"type": "string", "format": "date-time"})
    environment = Environment({"old": optional_of(when), "oldSelf": optional_of(TYPE)})
    bindings = {"old": Optional("2024-01-01T00:00:00Z", True), "oldSelf": Optional(SELF, True)}
    asked = environment.compile(
        "old.value().getFullYear() == 2024 && oldSelf.span.value() == duration('90s')"
    )
    assert asked.evaluate(bindings, Budget(100)) is True
    absent = environment.compile("old.hasValue() || oldSelf.hasValue()")
    assert absent.evaluate({"old": ABSENT, "oldSelf": ABSENT}, Budget(100)) is False


def test_a_scalar_variable_is_converted_too():
    environment = Environment({"self": type_of_schema({"type": "string", "format": "duration"})})
    assert environment.compile("self").evaluate({"self": "1s"}, Budget(10)) == Duration(10**9)
    assert str(type_of_schema({})) == "dyn"
