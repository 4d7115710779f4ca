"""What policies and bindings are refused for, in upstream's words."""

from typing import Any

import pytest

from api.admissionregistration import policies, policybindings
from api.admissionregistration.compiled import compile_policy
from api.names import is_dns1035_label, is_dns1123_subdomain, is_label_value, is_qualified_name

RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}


def validating(**spec: Any) -> dict:
    made = {
        "matchConstraints": {"resourceRules": [RULE]},
        "validations": [{"expression": "object.spec.replicas > 1"}],
        **spec,
    }
    return policies.defaults(
        {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p.example.com"}, "spec": made}
    )


def mutating(**spec: Any) -> dict:
    configuration = {"expression": "Object{spec: Object.spec{replicas: 3}}"}
    made = {
        "matchConstraints": {"resourceRules": [RULE]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": configuration}],
        "reinvocationPolicy": "Never",
        **spec,
    }
    return policies.defaults({"kind": "MutatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": made})


def first_lines(obj: dict) -> list[str]:
    """Return the faults; of messages of the compiler the first line."""
    return [str(fault).partition("\n")[0] for fault in policies.validate(obj)]


def test_defaults() -> None:
    spec = validating()["spec"]
    assert spec["failurePolicy"] == "Fail"
    constraints = spec["matchConstraints"]
    assert constraints["matchPolicy"] == "Equivalent"
    assert constraints["namespaceSelector"] == constraints["objectSelector"] == {}
    assert constraints["resourceRules"][0]["scope"] == "*"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param(
            {
                "validations": [
                    {
                        "expression": "object.spec.replicas > 1",
                        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
                    }
                ]
            },
            [],
            id="a-message-of-types-that-are-not-known",
        ),
        pytest.param(
            {"validations": [{"expression": "object.spec.replicas >"}]},
            [
                'spec.validations[0].expression: Invalid value: "object.spec.replicas >": compilation '
                "failed: "
                "ERROR: <input>:1:23: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', "
                "'-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
            ],
            id="syntax",
        ),
        pytest.param(
            {"validations": [{"expression": "params.x == 1"}]},
            [
                'spec.validations[0].expression: Invalid value: "params.x == 1": compilation failed: ERROR: '
                "<input>:1:1: undeclared reference to 'params' (in container '')"
            ],
            id="no-parameters",
        ),
        pytest.param(
            {
                "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                "validations": [{"expression": "params.x == 1"}],
            },
            [],
            id="parameters",
        ),
        pytest.param(
            {"validations": [{"expression": "object.spec.replicas + 1"}]},
            [
                'spec.validations[0].expression: Invalid value: "object.spec.replicas + 1": must evaluate '
                "to bool"
            ],
            id="not-a-truth",
        ),
        pytest.param(
            {"validations": [{"expression": " ", "message": "a\nb", "reason": "Because"}]},
            [
                "spec.validations[0].expression: Required value: expression is not specified",
                'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
                'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", '
                '"Invalid", "RequestEntityTooLarge", "Unauthorized"',
            ],
            id="validation",
        ),
        pytest.param(
            {"validations": [{"expression": "true", "message": " ", "messageExpression": " "}]},
            [
                'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
                'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
            ],
            id="blank-messages",
        ),
        pytest.param(
            {"validations": [{"expression": "true", "messageExpression": "1"}]},
            ['spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string'],
            id="message-is-a-number",
        ),
        pytest.param(
            {
                "validations": [
                    {"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"}
                ]
            },
            [
                "spec.validations[0].messageExpression: Invalid value: \"authorizer.path('/').check('get')"
                ".reason()\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' "
                "(in "
                "container '')"
            ],
            id="no-authorizer-in-messages",
        ),
        pytest.param(
            {
                "variables": [
                    {"name": "replicas", "expression": "object.spec.replicas"},
                    {"name": "odd", "expression": "variables.replicas % 2 == 1"},
                ],
                "validations": [{"expression": "variables.odd"}],
            },
            [],
            id="variables",
        ),
        pytest.param(
            {"variables": [{"name": "if", "expression": "1"}, {"name": "", "expression": ""}]},
            [
                'spec.variables[0].name: Invalid value: "if": name is not a valid CEL identifier',
                "spec.variables[1].name: Required value: name is not specified",
                "spec.variables[1].expression: Required value: expression is not specified",
            ],
            id="names-of-variables",
        ),
        pytest.param(
            {"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]},
            [
                'spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: '
                "<input>:1:1: undeclared reference to 'variables' (in container '')"
            ],
            id="variables-that-come-later",
        ),
        pytest.param(
            {"validations": [], "auditAnnotations": []},
            [
                "spec.validations: Required value: validations or auditAnnotations must contain at least "
                "one item",
                "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at "
                "least one "
                "item",
            ],
            id="nothing-to-do",
        ),
        pytest.param(
            {
                "auditAnnotations": [
                    {"key": "a", "valueExpression": "'x'"},
                    {"key": "a", "valueExpression": "1"},
                    {"key": "b/c", "valueExpression": ""},
                ]
            },
            [
                'spec.auditAnnotations[1].valueExpression: Invalid value: "1": must evaluate to one of '
                "[string "
                "null_type]",
                'spec.auditAnnotations[1].key: Duplicate value: "a"',
                'spec.auditAnnotations[2].key: Invalid value: "p.example.com/b/c": '
                + is_qualified_name("p.example.com/b/c")[0],
                "spec.auditAnnotations[2].valueExpression: Required value: valueExpression is not specified",
            ],
            id="audit-annotations",
        ),
        pytest.param(
            {"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": ""}]},
            [
                "spec.matchConditions[1].expression: Required value",
                'spec.matchConditions[1].name: Duplicate value: "a"',
            ],
            id="match-conditions",
        ),
        pytest.param(
            {"matchConstraints": {"matchPolicy": "Exact"}},
            ["spec.matchConstraints.resourceRules: Required value"],
            id="no-rules",
        ),
        pytest.param(
            {"matchConstraints": {"resourceRules": [{**RULE, "resourceNames": ["a", "a", "b/c"]}]}},
            [
                'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
                'spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: "b/c": may not '
                "contain '/'",
            ],
            id="resource-names",
        ),
        pytest.param(
            {"paramKind": {"apiVersion": "a/b/c", "kind": "Not Good"}},
            [
                'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
                'spec.paramKind.kind: Invalid value: "Not Good": may have mixed case, but should otherwise '
                "match: a "
                "DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                "alphabetic "
                "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "
                "used for "
                "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            ],
            id="parameter-kind",
        ),
        pytest.param(
            {"matchConditions": [{"name": "", "expression": "true"}, {"name": "no good", "expression": "1"}]},
            [
                "spec.matchConditions[0].name: Required value",
                'spec.matchConditions[1].expression: Invalid value: "1": must evaluate to bool',
                'spec.matchConditions[1].name: Invalid value: "no good": ' + is_qualified_name("no good")[0],
            ],
            id="names-of-match-conditions",
        ),
        pytest.param(
            {"matchConditions": [{"name": f"c{number}", "expression": "true"} for number in range(65)]},
            ["spec.matchConditions: Too many: 65: must have at most 64 items"],
            id="too-many-match-conditions",
        ),
        pytest.param(
            {"matchConstraints": {"resourceRules": [RULE], "matchPolicy": "Roughly"}},
            [
                'spec.matchConstraints.matchPolicy: Unsupported value: "Roughly": supported values: '
                '"Equivalent", "Exact"'
            ],
            id="match-policy",
        ),
        pytest.param(
            {
                "matchConstraints": {
                    "resourceRules": [RULE],
                    "namespaceSelector": {"matchLabels": {"a": "b c"}},
                }
            },
            [
                'spec.matchConstraints.namespaceSelector.matchLabels: Invalid value: "b c": '
                + is_label_value("b c")[0]
            ],
            id="selector",
        ),
        pytest.param(
            {"paramKind": {"apiVersion": "", "kind": ""}},
            ["spec.paramKind.apiVersion: Required value", "spec.paramKind.kind: Required value"],
            id="empty-parameter-kind",
        ),
        pytest.param(
            {"paramKind": {"apiVersion": "A_/", "kind": "K"}},
            [
                'spec.paramKind.apiVersion: Invalid value: "A_": ' + is_dns1123_subdomain("A_")[0],
                'spec.paramKind.apiVersion: Invalid value: "A_/": version must be specified',
            ],
            id="parameter-kind-without-version",
        ),
        pytest.param(
            {"paramKind": {"apiVersion": "1", "kind": "K"}},
            ['spec.paramKind.apiVersion: Invalid value: "1": ' + is_dns1035_label("1")[0]],
            id="parameter-kind-of-an-odd-version",
        ),
        pytest.param(
            {"auditAnnotations": [{"key": "k", "valueExpression": f"'{'x' * 5120}'"}]},
            [
                "spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in "
                "length"
            ],
            id="long-audit-annotation",
        ),
        pytest.param(
            {"failurePolicy": "Maybe"},
            ['spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'],
            id="failure-policy",
        ),
    ],
)
def test_validating(spec: dict, expected: list[str]) -> None:
    assert first_lines(validating(**spec)) == expected


def test_too_many_audit_annotations() -> None:
    annotations = [{"key": f"k{number}", "valueExpression": "'x'"} for number in range(21)]
    (fault,) = first_lines(validating(auditAnnotations=annotations))
    assert fault.startswith("spec.auditAnnotations: Invalid value: [{")
    assert fault.endswith("must not have more than 20 auditAnnotations")


def test_audit_annotations_of_a_policy_without_a_name() -> None:
    obj = validating(auditAnnotations=[{"key": "k", "valueExpression": "'x'"}])
    obj["metadata"] = {"generateName": "p-"}
    assert (
        'spec.auditAnnotations[0].key: Invalid value: "k": requires metadata.name be non-empty'
        in first_lines(obj)
    )


def test_selectors_match_constraints_and_failure_policy_are_required() -> None:
    bare = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}}
    spec = {"validations": [{"expression": "true"}]}
    assert first_lines({**bare, "spec": spec}) == [
        "spec.failurePolicy: Required value",
        "spec.matchConstraints: Required value",
    ]
    constraints = {"resourceRules": [RULE]}
    assert first_lines(
        {**bare, "spec": {**spec, "failurePolicy": "Fail", "matchConstraints": constraints}}
    ) == [
        "spec.matchConstraints.matchPolicy: Required value",
        "spec.matchConstraints.namespaceSelector: Required value",
        "spec.matchConstraints.objectSelector: Required value",
    ]


def patch(expression: str) -> list[dict]:
    return [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param(
            {
                "mutations": patch(
                    "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: "
                    "'x'}]"
                )
            },
            [],
            id="json-patch",
        ),
        pytest.param(
            {"mutations": patch("'x'")},
            [
                "spec.mutations[0].jsonPatch.expression: Invalid value: \"'x'\": must evaluate to "
                "list(JSONPatch)"
            ],
            id="json-patch-of-another-type",
        ),
        pytest.param(
            {"mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "'x'"}}]},
            [
                "spec.mutations[0].applyConfiguration.expression: Invalid value: \"'x'\": must evaluate to "
                "Object"
            ],
            id="configuration-of-another-type",
        ),
        pytest.param(
            {"mutations": [{"patchType": "ApplyConfiguration"}, {"patchType": "Merge"}, {}]},
            [
                "spec.mutations[0].applyConfiguration: Required value: must be specified when patchType is "
                "ApplyConfiguration",
                'spec.mutations[1].patchType: Unsupported value: "Merge": supported values: '
                '"ApplyConfiguration", '
                '"JSONPatch"',
                "spec.mutations[2].patchType: Required value",
            ],
            id="patch-types",
        ),
        pytest.param(
            {"mutations": []},
            ["spec.mutations: Required value: mutations must contain at least one item"],
            id="nothing-to-do",
        ),
        pytest.param(
            {"mutations": [{**patch("[]")[0], "applyConfiguration": {"expression": "Object{}"}}]},
            [
                'spec.mutations[0].applyConfiguration: Invalid value: {"expression":"Object{}"}: must not be '
                "specified when patchType is JSONPatch",
                'spec.mutations[0].jsonPatch.expression: Invalid value: "[]": must evaluate to '
                "list(JSONPatch)",
            ],
            id="both-patches",
        ),
        pytest.param(
            {"reinvocationPolicy": "Often"},
            ['spec.reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never"'],
            id="reinvocation-policy",
        ),
        pytest.param(
            {"reinvocationPolicy": ""},
            ["spec.reinvocationPolicy: Required value"],
            id="reinvocation-required",
        ),
        pytest.param(
            {"matchConstraints": {"resourceRules": [{**RULE, "operations": ["CREATE", "DELETE"]}]}},
            [
                'spec.matchConstraints.resourceRules[0].operations[1]: Unsupported value: "DELETE": '
                "supported "
                'values: "*", "CREATE", "UPDATE", "CONNECT"'
            ],
            id="deletions-cannot-be-mutated",
        ),
    ],
)
def test_mutating(spec: dict, expected: list[str]) -> None:
    assert first_lines(mutating(**spec)) == expected


def binding(kind: str = "ValidatingAdmissionPolicyBinding", **spec: Any) -> dict:
    made = {"policyName": "p", "validationActions": ["Deny"], **spec}
    return policybindings.defaults({"kind": kind, "metadata": {"name": "b"}, "spec": made})


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(binding(), [], id="fine"),
        pytest.param(binding("MutatingAdmissionPolicyBinding", validationActions=[]), [], id="mutating"),
        pytest.param(binding(policyName=""), ["spec.policyName: Required value"], id="no-policy"),
        pytest.param(
            binding(validationActions=[]),
            ["spec.validationActions: Required value: at least one validation action is required"],
            id="no-actions",
        ),
        pytest.param(
            binding(validationActions=["Deny", "Deny", "Shout"]),
            [
                'spec.validationActions[1]: Duplicate value: "Deny"',
                'spec.validationActions[2]: Unsupported value: "Shout": supported values: "Audit", "Deny", '
                '"Warn"',
            ],
            id="actions",
        ),
        pytest.param(
            binding(validationActions=["Deny", "Warn"]),
            [
                'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn '
                "(repeating the same validation failure information in the API response and headers serves "
                "no "
                "purpose)"
            ],
            id="deny-and-warn",
        ),
        pytest.param(
            binding(paramRef={"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}),
            [
                "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
                "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            ],
            id="name-and-selector",
        ),
        pytest.param(
            binding(paramRef={"namespace": "a", "parameterNotFoundAction": "Cry"}),
            [
                "spec.paramRef: Required value: one of name or selector must be specified",
                'spec.paramRef.parameterNotFoundAction: Unsupported value: "Cry": supported values: '
                '"Deny", "Allow"',
            ],
            id="neither-name-nor-selector",
        ),
    ],
)
def test_bindings(obj: dict, expected: list[str]) -> None:
    assert [str(fault) for fault in policybindings.validate(obj)] == expected


def test_parameters_are_named_as_objects_are() -> None:
    ref = {"name": "a/b", "parameterNotFoundAction": ""}
    assert [str(fault) for fault in policybindings.validate(binding(paramRef=ref))] == [
        "spec.paramRef.name: Invalid value: \"a/b\": may not contain '/'",
        "spec.paramRef.parameterNotFoundAction: Required value",
    ]


def test_a_changed_binding_is_checked_again() -> None:
    old = binding()
    old["metadata"] = {"name": "b", "resourceVersion": "1", "uid": "u"}
    new = {**old, "spec": {**old["spec"], "policyName": "P"}}
    assert policybindings.validate_update(old, old) == []
    assert [fault.path for fault in policybindings.validate_update(new, old)] == ["spec.policyName"]


def test_what_is_stored_stays_valid() -> None:
    old = validating(validations=[{"expression": "no good"}])
    old["metadata"]["resourceVersion"] = "1"
    new = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    assert policies.validate_update(new, old) == []
    worse = {**new, "spec": {**new["spec"], "validations": [{"expression": "worse yet"}]}}
    assert policies.validate_update(worse, old) != []


def test_warnings_in_the_status_say_something() -> None:
    obj = {
        **validating(),
        "status": {"typeChecking": {"expressionWarnings": [{"fieldRef": "spec.x", "warning": ""}]}},
    }
    obj["metadata"] = {"name": "p", "resourceVersion": "1", "uid": "u"}
    faults = policies.validate_status_update(obj, obj)
    assert [str(fault) for fault in faults] == [
        "status.typeChecking.expressionWarnings[0].warning: Required value"
    ]


def test_a_policy_with_faults_compiles_all_the_same() -> None:
    compiled = compile_policy(validating(validations=[{"expression": "("}, {"expression": "true"}]))
    assert compiled.validations[0].program is None
    assert compiled.validations[1].program is not None
