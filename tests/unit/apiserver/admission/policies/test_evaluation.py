"""What the expressions of a policy say of a request."""

from typing import Any

import pytest

from api.admissionregistration.compiled import CompiledPolicy, compile_policy
from api.admissionregistration.expressions import Scope, base_environment, compiled, condition
from api.cel.cost import Budget
from api.cel.errors import EvaluationError
from api.cel.library.authorizer import Authorizer, Decision
from apiserver.admission.policies.evaluation import (
    Denial,
    Failed,
    TooDear,
    Trial,
    Variables,
    Verdict,
    are_met,
    decide,
)

OBJECT = {"metadata": {"name": "web"}, "spec": {"replicas": 3}}
GIVEN = {
    "object": OBJECT,
    "oldObject": None,
    "params": {"data": {"most": "2"}},
    "request": {"operation": "CREATE", "userInfo": {"username": "ann"}},
    "namespaceObject": {"metadata": {"name": "ns", "labels": {"team": "a"}}},
}


def verdict(**spec: Any) -> Verdict:
    made = {"failurePolicy": "Fail", "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, **spec}
    policy = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": made}
    return decide(made, compile_policy(policy), GIVEN)


def failing(message: str) -> dict:
    return {"validations": [{"expression": "false", "message": "no", "messageExpression": message}]}


OTHER_TEAM = "namespaceObject.metadata.labels.team == 'b' || oldObject != null"
NUMBERS = "[1,2,3,4,5,6,7,8,9,10]"
DEAR = "".join(f"{NUMBERS}.all({name}, " for name in "abcdef") + "a + b + c + d + e + f > 0))))))"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"validations": [{"expression": "object.spec.replicas > 1"}]}, [], id="fine"),
        pytest.param(
            {"validations": [{"expression": "true"}, {"expression": " object.spec.replicas > 5 "}]},
            [Denial(1, "failed expression: object.spec.replicas > 5", "Invalid")],
            id="message-of-the-expression",
        ),
        pytest.param(
            {"validations": [{"expression": "false", "message": " no ", "reason": "Forbidden"}]},
            [Denial(0, "no", "Forbidden")],
            id="message-and-reason",
        ),
        pytest.param(
            failing("' got ' + object.metadata.name"),
            [Denial(0, "got web", "Invalid")],
            id="message-expression",
        ),
        pytest.param(
            failing("'got ' + object.spec.replicas"),
            [Denial(0, "no", "Invalid")],
            id="message-expression-that-fails",
        ),
        pytest.param(
            {"validations": [{"expression": "false", "messageExpression": "'a\\nb'"}]},
            [Denial(0, "failed expression: false", "Invalid")],
            id="message-of-several-lines",
        ),
        pytest.param(
            {"validations": [{"expression": "object.spec.missing == 1"}]},
            [Denial(0, "expression 'object.spec.missing == 1' resulted in error: no such key: missing")],
            id="error",
        ),
        pytest.param(
            {"validations": [{"expression": "object.spec.missing == 1"}], "failurePolicy": "Ignore"},
            [],
            id="error-ignored",
        ),
        pytest.param(
            {
                "variables": [
                    {"name": "replicas", "expression": "object.spec.replicas"},
                    {"name": "most", "expression": "int(params.data.most)"},
                    {"name": "broken", "expression": "object.nothing"},
                ],
                "validations": [{"expression": "variables.replicas <= variables.most"}],
            },
            [Denial(0, "failed expression: variables.replicas <= variables.most", "Invalid")],
            id="variables-are-worked-out-when-used",
        ),
        pytest.param(
            {
                "variables": [
                    {"name": "maybe", "expression": "object.spec.?missing"},
                    {"name": "unsigned", "expression": "uint(object.spec.replicas)"},
                    {"name": "made", "expression": "timestamp('2026-01-01T00:00:00Z')"},
                ],
                "validations": [
                    {"expression": "variables.maybe.orValue(7) == 7"},
                    {"expression": "variables.unsigned + 1u == 4u"},
                    {"expression": "variables.made.getFullYear() == 2026"},
                ],
            },
            [],
            id="variables-keep-their-types",
        ),
        pytest.param(
            {
                "variables": [{"name": "broken", "expression": "object.nothing"}],
                "validations": [{"expression": "variables.broken == 1"}],
            },
            [
                Denial(
                    0,
                    "expression 'variables.broken == 1' resulted in error: composited variable \"broken\" "
                    "fails to "
                    "evaluate: no such key: nothing",
                )
            ],
            id="variable-that-fails",
        ),
        pytest.param(
            {"validations": [{"expression": OTHER_TEAM}]},
            [
                Denial(
                    0,
                    "failed expression: namespaceObject.metadata.labels.team == 'b' || oldObject != null",
                    "Invalid",
                )
            ],
            id="namespace",
        ),
        pytest.param(
            {
                "matchConditions": [{"name": "c", "expression": "request.userInfo.username == 'bob'"}],
                "validations": [{"expression": "false"}],
            },
            [],
            id="condition-not-met",
        ),
        pytest.param(
            {
                "matchConditions": [{"name": "c", "expression": "object.nothing"}],
                "validations": [{"expression": "false"}],
            },
            [Denial(0, "compilation error: must evaluate to bool")],
            id="condition-without-a-truth",
        ),
        pytest.param(
            {
                "validations": [{"expression": DEAR}]
            },
            [
                Denial(
                    0,
                    f"expression '{DEAR}' resulted in error: operation cancelled: actual cost limit exceeded",
                )
            ],
            id="too-dear",
        ),
    ],
)  # fmt: skip
def test_denials(spec: dict, expected: list[Denial]) -> None:
    assert verdict(**spec).denials == expected


def test_audit_annotations() -> None:
    found = verdict(
        auditAnnotations=[
            {"key": "who", "valueExpression": "request.userInfo.username + ' '"},
            {"key": "none", "valueExpression": "null"},
            {"key": "blank", "valueExpression": "' '"},
            {"key": "broken", "valueExpression": "object.nothing + ''"},
        ]
    )
    assert found.notes == {"who": "ann"}
    assert found.faults == ["expression 'object.nothing + ''' resulted in error: no such key: nothing"]


@pytest.mark.parametrize(
    ("texts", "fails_open", "expected"),
    [
        pytest.param(["true", "object.spec.replicas == 3"], False, True, id="all-hold"),
        pytest.param(["object.nothing == 1", "false"], False, False, id="one-does-not-whatever-fails"),
        pytest.param(["object.nothing == 1"], True, False, id="failure-is-a-no"),
    ],
)
def test_conditions(texts: list[str], fails_open: bool, expected: bool) -> None:
    assert are_met([condition(text) for text in texts], GIVEN, fails_open) is expected


def test_a_condition_that_fails() -> None:
    with pytest.raises(
        Failed, match=r"expression 'object.nothing == 1' resulted in error: no such key: nothing"
    ):
        are_met([condition("object.nothing == 1"), condition("true")], GIVEN, False)


def test_all_expressions_share_a_budget() -> None:
    check = "authorizer.group('').resource('pods').check('get').allowed()"
    policy = {"validations": [{"expression": f"{check} && {check}"}] * 15, "failurePolicy": "Fail"}
    made = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": policy}
    allow = Authorizer(lambda question: Decision(allowed=True))
    found = decide(policy, compile_policy(made), {**GIVEN, "authorizer": allow})
    assert found.denials == [
        Denial(
            0,
            "validation failed due to running out of cost budget, no further validation rules will be run",
        )
    ]


def test_variables_are_a_mapping() -> None:
    spec = {"variables": [{"name": "a", "expression": "1"}, {"name": "b", "expression": "("}]}
    variables = Variables(compile_policy({"spec": spec}).variables, {}, Budget(100))
    assert (list(variables), len(variables), variables["a"]) == (["a", "b"], 2, 1)
    with pytest.raises(EvaluationError, match='composited variable "b" fails to compile: compilation failed'):
        _ = variables["b"]


def test_conditions_have_a_budget_of_their_own() -> None:
    check = "authorizer.group('').resource('pods').check('get').allowed()"
    conditions = [condition(f"{check} && {check}")] * 4
    allow = {**GIVEN, "authorizer": Authorizer(lambda question: Decision(allowed=True))}
    with pytest.raises(Failed, match="running out of cost budget"):
        are_met(conditions, allow, False)
    assert are_met(conditions[:3], allow, False)


def test_several_conditions_that_fail_are_told_together() -> None:
    with pytest.raises(Failed, match=r"^\[expression 'object.a == 1' .*, expression 'object.b == 1' .*\]$"):
        are_met([condition("object.a == 1"), condition("object.b == 1")], GIVEN, False)


def test_a_condition_that_fails_is_a_fault_of_the_policy() -> None:
    conditions = [{"name": "c", "expression": "object.nothing == 1"}]
    (denial,) = verdict(matchConditions=conditions, validations=[{"expression": "true"}]).denials
    assert denial == Denial(0, "expression 'object.nothing == 1' resulted in error: no such key: nothing")
    lax = verdict(matchConditions=conditions, validations=[{"expression": "false"}], failurePolicy="Ignore")
    assert lax.denials == []


def test_an_annotation_of_another_type() -> None:
    expression = compiled(base_environment(Scope()), "object.spec.replicas")
    policy = CompiledPolicy((), {}, annotations=(expression,))
    found = decide(
        {"auditAnnotations": [{"key": "k", "valueExpression": "object.spec.replicas"}]}, policy, GIVEN
    )
    assert found.faults == [
        "valueExpression 'object.spec.replicas' resulted in unsupported return type: int. Return type must "
        "be "
        "either string or null."
    ]


def test_a_message_may_cost_no_more_than_is_left() -> None:
    check = "authorizer.group('').resource('pods').check('get').allowed()"
    variables = [{"name": "x", "expression": f"{check} && {check} ? 'a' : 'b'"}]
    spec: dict = {
        "failurePolicy": "Fail",
        "variables": variables,
        "validations": [*([{"expression": f"{check} && {check}"}] * 14), {"expression": "false"}],
    }
    spec["validations"][-1]["messageExpression"] = "variables.x"
    policy = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": spec}
    allow = {**GIVEN, "authorizer": Authorizer(lambda question: Decision(allowed=True))}
    (denial,) = decide(spec, compile_policy(policy), allow).denials
    assert denial.message.startswith("failed messageExpression: ")


def test_a_trial_ends_early_and_tells_nothing_else() -> None:
    dear: dict = {"validations": [{"expression": f"{DEAR} || true"}], "failurePolicy": "Ignore"}
    policy = {"kind": "ValidatingAdmissionPolicy", "spec": dear}
    with pytest.raises(TooDear):
        decide(dear, compile_policy(policy), GIVEN, Trial)
    cheap: dict = {"validations": [{"expression": "false", "message": "no"}]}
    found = decide(cheap, compile_policy({"kind": "ValidatingAdmissionPolicy", "spec": cheap}), GIVEN, Trial)
    assert found.denials == [Denial(0, "no", "Invalid")]


def test_variables_of_a_trial_end_it_as_well() -> None:
    spec: dict = {
        "variables": [{"name": "dear", "expression": DEAR}],
        "validations": [{"expression": "variables.dear"}],
    }
    policy = {"kind": "ValidatingAdmissionPolicy", "spec": spec}
    with pytest.raises(TooDear):
        decide(spec, compile_policy(policy), GIVEN, Trial)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("authorizer.requestResource.check('get').allowed()", True, id="resource"),
        pytest.param("authorizer.path('/').check('get').allowed()", True, id="path"),
        pytest.param("object.authorizer == 1", False, id="a-field-of-that-name"),
    ],
)
def test_who_asks_the_authorizer(text: str, expected: bool) -> None:
    spec = {"validations": [{"expression": text}]}
    policy = {"kind": "ValidatingAdmissionPolicy", "spec": spec}
    assert compile_policy(policy).asks_authorizer is expected
