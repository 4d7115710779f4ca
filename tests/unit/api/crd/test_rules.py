"""What the rules of schemas find, on create and on update, and in which words."""

import pytest

from api.crd.structural import Structural

_RULES = "x-kubernetes-validations"
_NUMBER = {"type": "integer"}


def _structural(spec, **root):
    schema = {"type": "object", "properties": {"spec": spec}, **root}
    return Structural.compile({"schema": {"openAPIV3Schema": schema}})


def _obj(spec):
    return {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": spec}


def _words(errors):
    return [str(error) for error in errors]


def _object(*rules, **fields):
    return {"type": "object", "properties": fields, _RULES: [dict(rule) for rule in rules]}


_LESS = {"rule": "self.a <= self.b"}


@pytest.mark.parametrize(
    ("schema", "spec", "words"),
    [
        pytest.param(_object(_LESS, a=_NUMBER, b=_NUMBER), {"a": 1, "b": 2}, [], id="holds"),
        pytest.param(
            _object(_LESS, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec: Invalid value: failed rule: self.a <= self.b"],
            id="fails",
        ),
        pytest.param(
            _object({**_LESS, "message": "a must not be more than b"}, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec: Invalid value: a must not be more than b"],
            id="message",
        ),
        pytest.param(
            _object({**_LESS, "messageExpression": "'a is ' + string(self.a)"}, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec: Invalid value: a is 3"],
            id="message-expression",
        ),
        pytest.param(
            _object(
                {**_LESS, "message": "m", "messageExpression": "self.c"},
                a=_NUMBER,
                b=_NUMBER,
                c={"type": "string"},
            ),
            {"a": 3, "b": 2},
            ["spec: Invalid value: m"],
            id="message-expression-that-fails",
        ),
        pytest.param(
            _object({**_LESS, "reason": "FieldValueForbidden", "fieldPath": ".a"}, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec.a: Forbidden: failed rule: self.a <= self.b"],
            id="reason-and-path",
        ),
        pytest.param(
            _object({**_LESS, "reason": "FieldValueRequired"}, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec: Required value: failed rule: self.a <= self.b"],
            id="required",
        ),
        pytest.param(
            _object({**_LESS, "reason": "FieldValueDuplicate"}, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            ["spec: Duplicate value"],
            id="duplicate",
        ),
        pytest.param(
            _object(a={**_NUMBER, _RULES: [{"rule": "self > 5"}]}),
            {"a": 3},
            ["spec.a: Invalid value: 3: failed rule: self > 5"],
            id="of-a-number",
        ),
        pytest.param(
            {"type": "array", "items": {**_NUMBER, _RULES: [{"rule": "self > 5"}]}},
            [6, 3],
            ["spec[1]: Invalid value: 3: failed rule: self > 5"],
            id="of-elements",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {**_NUMBER, _RULES: [{"rule": "self > 5"}]}},
            {"k": 3},
            ["spec[k]: Invalid value: 3: failed rule: self > 5"],
            id="of-values",
        ),
        pytest.param(
            _object(_LESS, a=_NUMBER, b=_NUMBER),
            {"a": 3},
            ['spec: Invalid value: "object": no such key: b evaluating rule: self.a <= self.b'],
            id="missing-field",
        ),
        pytest.param(
            _object({"rule": "self.x > 1"}, a=_NUMBER),
            {"a": 3},
            [
                'spec: Invalid value: "object": rule compile error: compilation failed: ERROR: <input>:1:5: '
                "undefined field 'x'\n | self.x > 1\n | ....^"
            ],
            id="that-does-not-compile",
        ),
        pytest.param(
            _object({"rule": " "}, {"rule": "self.a > 5", "fieldPath": ".odd"}, a=_NUMBER),
            {"a": 3},
            ["spec: Invalid value: failed rule: self.a > 5"],
            id="empty-rule-and-odd-path",
        ),
        pytest.param(
            _object(a={"x-kubernetes-int-or-string": True, _RULES: [{"rule": "self > 5"}]}),
            {"a": "x"},
            [
                "spec.a: Invalid value: \"\": 'no such overload': call arguments did not match a supported "
                "operator, function or macro signature for rule: self > 5"
            ],
            id="of-another-type",
        ),
        pytest.param(
            _object(a={**_NUMBER, "nullable": True, _RULES: [{"rule": "self > 5"}]}, b=_NUMBER),
            {"a": None},
            [],
            id="null-is-not-asked",
        ),
        pytest.param(
            _object({"rule": "oldSelf.a == self.a"}, a=_NUMBER), {"a": 3}, [], id="transition-needs-a-past"
        ),
        pytest.param(
            _object({"rule": "oldSelf.hasValue()", "optionalOldSelf": True}, a=_NUMBER),
            {"a": 3},
            ["spec: Invalid value: failed rule: oldSelf.hasValue()"],
            id="optional-past",
        ),
        pytest.param(
            _object(_LESS, a=_NUMBER, b=_NUMBER),
            {"a": "x", "b": 2},
            [
                'spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"',
                '<nil>: Invalid value: "null": some validation rules were not checked because the object was '
                "invalid; correct the existing errors to complete validation",
            ],
            id="not-asked-of-wrong-types",
        ),
    ],
)
def test_rules_on_create(schema, spec, words):
    assert _words(_structural(schema).validate(_obj(spec))) == words


def test_rules_of_the_root_see_the_name():
    structural = _structural({"type": "object"}, **{_RULES: [{"rule": "self.metadata.name == 'b'"}]})
    assert _words(structural.validate(_obj({}))) == [
        "<nil>: Invalid value: failed rule: self.metadata.name == 'b'"
    ]


_KEYED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
    "items": _object({"rule": "self.n >= oldSelf.n"}, k={"type": "string"}, n=_NUMBER),
}


@pytest.mark.parametrize(
    ("schema", "old", "new", "words"),
    [
        pytest.param(
            _object({"rule": "self.a >= oldSelf.a"}, a=_NUMBER),
            {"a": 2},
            {"a": 1},
            ["spec: Invalid value: failed rule: self.a >= oldSelf.a"],
            id="transition",
        ),
        pytest.param(
            _object({"rule": "self.a >= oldSelf.orValue(self).a", "optionalOldSelf": True}, a=_NUMBER),
            {"a": 2},
            {"a": 1},
            ["spec: Invalid value: failed rule: self.a >= oldSelf.orValue(self).a"],
            id="optional-transition",
        ),
        pytest.param(
            _KEYED,
            [{"k": "x", "n": 1}, {"k": "y", "n": 5}],
            [{"k": "y", "n": 4}, {"k": "x", "n": 2}, {"k": "z", "n": 0}],
            ["spec[0]: Invalid value: failed rule: self.n >= oldSelf.n"],
            id="keyed-elements-correspond",
        ),
        pytest.param(
            {
                **_object(a={**_NUMBER, _RULES: [{"rule": "self == oldSelf"}]}),
                "x-kubernetes-map-type": "atomic",
            },
            {"a": 1},
            {"a": 2},
            [],
            id="members-of-atomic-maps-do-not",
        ),
        pytest.param(
            _object(_LESS, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            {"a": 3, "b": 2},
            [],
            id="unchanged-is-let-be",
        ),
        pytest.param(
            _object(_LESS, a=_NUMBER, b=_NUMBER),
            {"a": 3, "b": 2},
            {"a": 4, "b": 2},
            ["spec: Invalid value: failed rule: self.a <= self.b"],
            id="changed-is-not",
        ),
        pytest.param(
            _object(l={"type": "array", "items": {**_NUMBER, _RULES: [{"rule": "self > 5"}]}}, b=_NUMBER),
            {"l": [1], "b": 1},
            {"l": [1], "b": 2},
            [],
            id="elements-of-an-unchanged-list-are-let-be",
        ),
        pytest.param(
            {
                "type": "array",
                "x-kubernetes-list-type": "set",
                "items": {**_NUMBER, _RULES: [{"rule": "self > 5"}]},
            },
            [1],
            [2, 1],
            ["spec[0]: Invalid value: 2: failed rule: self > 5"],
            id="elements-that-were-in-the-set-are-let-be",
        ),
    ],
)
def test_rules_on_update(schema, old, new, words):
    # Something else changes as well: an object that is the same is not looked at.
    before = {**_obj(old), "metadata": {"name": "a", "generation": 1}}
    assert _words(_structural(schema).validate_update(_obj(new), before)) == words
    assert _words(_structural(schema).validate_status(_obj(new), before)) == words


def test_a_message_may_cost_too_much():
    expression = "string(self.all(x, self.all(y, self.all(z, x + y + z >= 0))))"
    numbers = {
        "type": "array",
        "items": _NUMBER,
        _RULES: [{"rule": "false", "messageExpression": expression}],
    }
    assert _words(_structural(numbers).validate(_obj([1] * 200))) == [
        'spec: Invalid value: "array": no further validation rules will be run due to call cost exceeds '
        f'limit for messageExpression: "{expression}"'
    ]


def test_the_budget_ends_the_run():
    rule = {"rule": "self.all(x, self.all(y, self.all(z, x + y + z >= 0)))"}
    numbers = {"type": "array", "items": _NUMBER, _RULES: [rule, rule]}
    words = _words(_structural(numbers).validate(_obj([1] * 200)))
    assert len(words) == 1
    assert words[0].startswith(
        "spec: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further "
        "validation rules will be run due to call cost exceeds limit for rule: self.all"
    )


def test_all_rules_share_a_budget():
    rule = {"rule": "self.all(x, self.all(y, x + y >= 0))"}
    inner = {"type": "array", "items": _NUMBER, _RULES: [rule]}
    outer = {"type": "array", "items": inner}
    words = _words(_structural(outer).validate(_obj([[1] * 200] * 100)))
    assert words == [
        words[0].split(":")[0] + ': Invalid value: "array": validation failed due to running out of cost '
        "budget, no further validation rules will be run"
    ]
