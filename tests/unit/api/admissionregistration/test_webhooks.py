"""Checks of webhook configurations, in upstream's words."""

import pytest

from api.admissionregistration import webhooks

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
SERVICE = {"name": "s", "namespace": "ns", "path": "/a/b", "port": 443}
HOOK = {
    "name": "a.example.com",
    "clientConfig": {"service": SERVICE},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}


def configuration(*hooks):
    metadata = {"name": "w", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"}
    return {"kind": "MutatingWebhookConfiguration", "metadata": metadata, "webhooks": list(hooks)}


def faults(*hooks):
    found = [str(error) for error in webhooks.validate(configuration(*hooks))]
    return [text.removeprefix("webhooks[0].") for text in found]


def hook(**changes):
    return {**HOOK, **changes}


def rule(**changes):
    return hook(rules=[{**RULE, **changes}])


def service(**changes):
    return hook(clientConfig={"service": {**SERVICE, **changes}})


def url(text):
    return hook(clientConfig={"url": text})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(HOOK, id="plain"),
        pytest.param(service(path=""), id="empty-path"),
        pytest.param(service(path="/"), id="root"),
        pytest.param(service(path="/a/"), id="slash-at-the-end"),
        pytest.param(rule(resources=["invalid"]), id="a-resource-that-nobody-serves"),
        pytest.param(rule(resources=["pods", "pods/*", "nodes/status"]), id="subresources"),
        pytest.param(rule(resources=["*", "pods/status"]), id="star-and-subresource"),
        pytest.param(rule(apiGroups=["", "apps"], operations=["*"], scope="Namespaced"), id="lists"),
        pytest.param(url("https://example.com:8443/a/b"), id="url"),
        pytest.param(hook(admissionReviewVersions=["v9", "v1"]), id="unknown-versions-beside-known-ones"),
    ],
)
def test_valid(given):
    assert faults(given) == []


FORM = "; desired format: https://host[/path]"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(hook(name=""), ["name: Required value"], id="no-name"),
        pytest.param(
            hook(name="k8s.io"),
            ['name: Invalid value: "k8s.io": should be a domain with at least three segments '
             "separated by dots"],
            id="short-name",
        ),
        pytest.param(
            hook(sideEffects="Some"),
            ['sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
            id="side-effects",
        ),
        pytest.param(
            {key: value for key, value in HOOK.items() if key != "sideEffects"},
            ["sideEffects: Required value: must specify one of None, NoneOnDryRun"],
            id="no-side-effects",
        ),
        pytest.param(
            hook(failurePolicy="Other", matchPolicy="Other", reinvocationPolicy="Other"),
            [
                'failurePolicy: Unsupported value: "Other": supported values: "Fail", "Ignore"',
                'matchPolicy: Unsupported value: "Other": supported values: "Equivalent", "Exact"',
                'reinvocationPolicy: Unsupported value: "Other": supported values: "IfNeeded", '
                '"Never"',
            ],
            id="choices",
        ),
        pytest.param(
            hook(timeoutSeconds=31),
            ["timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"],
            id="timeout",
        ),
        pytest.param(
            hook(admissionReviewVersions=[]),
            ["admissionReviewVersions: Required value: must specify one of v1, v1beta1"],
            id="no-versions",
        ),
        pytest.param(
            hook(admissionReviewVersions=["v1", "v1"]),
            ['admissionReviewVersions[1]: Invalid value: "v1": duplicate version'],
            id="doubled-version",
        ),
        pytest.param(
            hook(admissionReviewVersions=["v2"]),
            ['admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, '
             "v1beta1"],
            id="unknown-version",
        ),
        pytest.param(
            hook(clientConfig={}),
            ["clientConfig: Required value: exactly one of url or service is required"],
            id="nowhere",
        ),
        pytest.param(
            hook(clientConfig={"url": "https://a.b", "service": SERVICE}),
            ["clientConfig: Required value: exactly one of url or service is required"],
            id="both",
        ),
        pytest.param(
            hook(namespaceSelector={"matchExpressions": [{"key": "a", "operator": "Sometimes"}]}),
            ['namespaceSelector.matchExpressions[0].operator: Invalid value: "Sometimes": not a '
             "valid selector operator"],
            id="selector",
        ),
        pytest.param(
            url("http://example.com"),
            [f'clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme{FORM}'],
            id="scheme",
        ),
        pytest.param(
            url("https:///path"),
            [f'clientConfig.url: Invalid value: "": host must be provided{FORM}'],
            id="no-host",
        ),
        pytest.param(
            url("https://user:pass@a.b/c?d=e#f"),
            [
                'clientConfig.url: Invalid value: "user:pass": user information is not permitted in '
                "the URL",
                'clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
                'clientConfig.url: Invalid value: "d=e": query parameters are not permitted in the '
                "URL",
            ],
            id="parts-of-urls",
        ),
        pytest.param(
            service(path="foo"),
            ['clientConfig.service.path: Invalid value: "foo": must start with a \'/\''],
            id="path-without-slash",
        ),
        pytest.param(
            service(path="//"),
            ['clientConfig.service.path: Invalid value: "//": segment[0] may not be empty'],
            id="two-slashes",
        ),
        pytest.param(
            service(path="/a//b"),
            ['clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty'],
            id="empty-segment",
        ),
        pytest.param(
            service(name="", namespace="", port=0),
            [
                "clientConfig.service.name: Required value: service name is required",
                "clientConfig.service.namespace: Required value: service namespace is required",
                "clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 "
                "and 65535, inclusive",
            ],
            id="service",
        ),
        pytest.param(
            rule(operations=[], apiGroups=[], apiVersions=[], resources=[]),
            [f"rules[0].{name}: Required value"
             for name in ("operations", "apiGroups", "apiVersions", "resources")],
            id="empty-rule",
        ),
        pytest.param(
            rule(operations=["PATCH"], apiVersions=[""], resources=[""], scope="Galaxy"),
            [
                'rules[0].operations[0]: Unsupported value: "PATCH": supported values: "*", '
                '"CONNECT", "CREATE", "DELETE", "UPDATE"',
                "rules[0].apiVersions[0]: Required value",
                "rules[0].resources[0]: Required value",
                'rules[0].scope: Unsupported value: "Galaxy": supported values: "*", "Cluster", '
                '"Namespaced"',
            ],
            id="rule",
        ),
        pytest.param(
            rule(operations=["*", "CREATE"], apiGroups=["*", "a"], apiVersions=["v1", "*"]),
            [
                'rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not '
                "specify other operations",
                'rules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify '
                "other API groups",
                'rules[0].apiVersions: Invalid value: ["v1","*"]: if \'*\' is present, must not '
                "specify other API versions",
            ],
            id="stars",
        ),
        pytest.param(
            rule(resources=["*/*", "a"]),
            ['rules[0].resources: Invalid value: ["*/*","a"]: if \'*/*\' is present, must not '
             "specify other resources"],
            id="star-star",
        ),
        pytest.param(
            rule(resources=["*", "a"]),
            ['rules[0].resources: Invalid value: ["*","a"]: if \'*\' is present, must not specify '
             "other resources without subresources"],
            id="star-and-name",
        ),
        pytest.param(
            rule(resources=["a/*", "a/x", "*/y", "b/y"]),
            [
                'rules[0].resources[1]: Invalid value: "a/x": if \'a/*\' is present, must not '
                "specify a/x",
                'rules[0].resources[3]: Invalid value: "b/y": if \'*/y\' is present, must not '
                "specify b/y",
            ],
            id="taken-in-already",
        ),
    ],
)  # fmt: skip
def test_invalid(given, expected):
    assert faults(given) == expected


def test_names_are_unique():
    assert faults(HOOK, HOOK) == ['webhooks[1].name: Duplicate value: "a.example.com"']


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([HOOK, HOOK], id="doubled-names"),
        pytest.param([hook(sideEffects="Some")], id="side-effects"),
        pytest.param([hook(admissionReviewVersions=["v9"])], id="unknown-versions"),
    ],
)
def test_an_update_may_leave_what_was_once_allowed(before):
    old = configuration(*before)
    assert faults(*before)
    assert webhooks.validate_update(configuration(*before), old) == []
    assert webhooks.validate_update(old, configuration(HOOK))


def conditions(*pairs):
    return hook(matchConditions=[{"name": name, "expression": expression} for name, expression in pairs])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            conditions(("a.b/c", "request.operation == 'CREATE' && !has(oldObject.x)"), ("d", "true")), [],
            id="valid",
        ),
        pytest.param(
            conditions(
                ("authority", "authorizer.group('').resource('pods').check('create').allowed()"),
                ("own", "authorizer.requestResource.check('create').allowed()"),
            ),
            [],
            id="authorizer",
        ),
        pytest.param(
            conditions(("", "")),
            ["matchConditions[0].expression: Required value", "matchConditions[0].name: Required value"],
            id="empty",
        ),
        pytest.param(
            conditions(("a", "true"), ("a", "false")),
            ['matchConditions[1].name: Duplicate value: "a"'],
            id="doubled",
        ),
        pytest.param(
            conditions(("a", "object.metadata.name")),
            ['matchConditions[0].expression: Invalid value: "object.metadata.name": must evaluate to bool'],
            id="of-any-type",
        ),
        pytest.param(
            conditions(("a", "'text'")),
            ['matchConditions[0].expression: Invalid value: "\'text\'": must evaluate to bool'],
            id="not-bool",
        ),
        pytest.param(
            conditions(*((f"n{number}", "true") for number in range(65))),
            ["matchConditions: Too many: 65: must have at most 64 items"],
            id="too-many",
        ),
    ],
)  # fmt: skip
def test_conditions(given, expected):
    assert faults(given) == expected


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        pytest.param("... [}", "Syntax error", id="syntax"),
        pytest.param("params.x", "undeclared reference to 'params'", id="no-params"),
        pytest.param("request.frog", "undefined field 'frog'", id="request"),
    ],
)
def test_conditions_must_compile(expression, part):
    (fault,) = faults(conditions(("a", expression)))
    assert fault.startswith(
        f'matchConditions[0].expression: Invalid value: "{expression}": compilation failed: '
    )
    assert part in fault


def test_unchanged_conditions_are_not_looked_at():
    old = configuration(conditions(("a", "no such thing")))
    assert webhooks.validate_update(configuration(hook(**old["webhooks"][0], timeoutSeconds=3)), old) == []
    assert webhooks.validate_update(configuration(conditions(("b", "no such thing"))), old)
