"""FlowSchemas, PriorityLevelConfigurations, and dealing hands of queues."""

import pytest

from api.flowcontrol import bootstrap, flowschema, prioritylevelconfiguration
from api.flowcontrol.sharding import deal, entropy_bits

SUBJECT = {"kind": "User", "user": {"name": "noxu"}}
PATHS = {"verbs": ["*"], "nonResourceURLs": ["*"]}
RESOURCES = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["default"]}


def schema(name="x", **spec):
    rules = [{"subjects": [SUBJECT], "nonResourceRules": [PATHS]}]
    base = {
        "matchingPrecedence": 9000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "rules": rules,
    }
    return {"metadata": {"name": name}, "spec": {**base, **spec}}


def rule(**changes):
    return schema(rules=[{"subjects": [SUBJECT], "nonResourceRules": [PATHS], **changes}])


def resources(**changes):
    return rule(resourceRules=[{**RESOURCES, **changes}])


def paths(**changes):
    return rule(nonResourceRules=[{**PATHS, **changes}])


def subject(**changes):
    return rule(subjects=[changes])


def texts(errors):
    return [str(error) for error in errors]


@pytest.mark.parametrize("obj", [*bootstrap.flow_schemas(), schema(), resources()], ids=str)
def test_good_schemas(obj):
    assert texts(flowschema.validate(flowschema.defaults(obj))) == []


@pytest.mark.parametrize(
    ("obj", "wanted"),
    [
        pytest.param(
            schema(matchingPrecedence=1),
            [
                "spec.matchingPrecedence: Invalid value: 1: "
                "only the schema named 'exempt' may have matchingPrecedence 1"
            ],
            id="precedence-of-exempt",
        ),
        pytest.param(
            schema(matchingPrecedence=10001),
            ["spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"],
            id="precedence-too-great",
        ),
        pytest.param(
            schema(distinguisherMethod={"type": "ByMood"}),
            [
                'spec.distinguisherMethod.type: Unsupported value: "ByMood": '
                'supported values: "ByNamespace", "ByUser"'
            ],
            id="method",
        ),
        pytest.param(
            schema(priorityLevelConfiguration={}),
            ["spec.priorityLevelConfiguration.name: Required value: must reference a priority level"],
            id="no-level",
        ),
        pytest.param(
            rule(subjects=[], nonResourceRules=[]),
            [
                "spec.rules[0].subjects: Required value: subjects must contain at least one value",
                "spec.rules[0]: Required value: "
                "at least one of resourceRules and nonResourceRules has to be non-empty",
            ],
            id="empty-rule",
        ),
        pytest.param(
            subject(kind="User", group={"name": "g"}),
            [
                "spec.rules[0].subjects[0].user: Required value: "
                "user is required when subject kind is 'User'",
                "spec.rules[0].subjects[0].group: Forbidden: "
                "group is forbidden when subject kind is not 'Group'",
            ],
            id="wrong-member",
        ),
        pytest.param(
            schema(matchingPrecedence=-1),
            ["spec.matchingPrecedence: Invalid value: -1: must be a positive value"],
            id="precedence-negative",
        ),
        pytest.param(
            subject(kind="Robot"),
            [
                'spec.rules[0].subjects[0].kind: Unsupported value: "Robot": '
                'supported values: "Group", "ServiceAccount", "User"'
            ],
            id="subject-kind",
        ),
        pytest.param(
            subject(kind="User", user={}),
            ["spec.rules[0].subjects[0].user.name: Required value"],
            id="nobody",
        ),
        pytest.param(
            subject(kind="ServiceAccount", serviceAccount={"name": "*"}),
            [
                "spec.rules[0].subjects[0].serviceAccount.namespace: Required value: "
                "must specify namespace for service account"
            ],
            id="account-without-namespace",
        ),
        pytest.param(
            resources(verbs=["*", "get"], apiGroups=[], resources=["*", "pods"], namespaces=[]),
            [
                'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: '
                "if '*' is present, must not specify other verbs",
                "spec.rules[0].resourceRules[0].apiGroups: Required value: "
                "resource rules must supply at least one api group",
                'spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: '
                "if '*' is present, must not specify other resources",
                "spec.rules[0].resourceRules[0].namespaces: Required value: "
                "resource rules that are not cluster scoped must supply at least one namespace",
            ],
            id="resource-rule",
        ),
        pytest.param(
            paths(nonResourceURLs=["x", "/a b", "/a//b", "/a*", ""]),
            [
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "x": '
                "must start with slash",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a b": '
                "must not contain white-space",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "/a//b": '
                "must not contain double slash",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: "/a*": '
                "wildcard can only do suffix matching",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: "": must not be empty',
            ],
            id="paths",
        ),
    ],
)
def test_bad_schemas(obj, wanted):
    assert texts(flowschema.validate(obj)) == wanted


def test_namespaces_are_labels():
    (error,) = texts(flowschema.validate(resources(namespaces=["A"])))
    assert error.startswith(
        'spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: "A": '
        "each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must"
    )


def test_more_good_rules():
    for obj in (
        paths(nonResourceURLs=["/", "/healthz", "/api/*"]),
        resources(clusterScope=True, namespaces=[]),
    ):
        assert texts(flowschema.validate(obj)) == []


def test_levels_are_named_as_objects_are():
    (error,) = texts(flowschema.validate(schema(priorityLevelConfiguration={"name": "A"})))
    assert error.startswith('spec.priorityLevelConfiguration.name: Invalid value: "A": a lowercase RFC 1123')


def test_an_update_is_validated_like_a_create():
    old = schema()
    old["metadata"]["resourceVersion"] = "1"
    new = {**old, "spec": {**old["spec"], "matchingPrecedence": 0}}
    wanted = ["spec.matchingPrecedence: Invalid value: 0: must be a positive value"]
    assert texts(flowschema.validate_update(new, old)) == wanted
    before = level()
    before["metadata"]["resourceVersion"] = "1"
    after = {**before, "spec": {"type": "Other"}}
    wanted = ['spec.type: Unsupported value: "Other": supported values: "Exempt", "Limited"']
    assert texts(prioritylevelconfiguration.validate_update(after, before)) == wanted
    assert texts(prioritylevelconfiguration.validate_status(after, before)) == []


def test_unknown_verbs_and_mandatory_specs():
    found = texts(flowschema.validate(paths(verbs=["fly"])))
    assert found[0].startswith(
        'spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["fly"]: supported'
    )
    changed = schema("catch-all", matchingPrecedence=10000)
    assert texts(flowschema.validate(changed))[-1].endswith("spec of 'catch-all' must equal the fixed value")


def level(name="x", kind="Limited", **limited):
    given = {"limitResponse": {"type": "Reject"}, **limited}
    return prioritylevelconfiguration.defaults(
        {
            "metadata": {"name": name},
            "spec": {"type": kind, **({"limited": given} if kind == "Limited" else {})},
        }
    )


def queued(**queuing):
    return level(limitResponse={"type": "Queue", "queuing": queuing})


@pytest.mark.parametrize("obj", [*bootstrap.priority_levels(), level(), queued()], ids=str)
def test_good_levels(obj):
    assert texts(prioritylevelconfiguration.validate(obj)) == []


def test_defaults_of_levels():
    assert level()["spec"]["limited"] == {
        "limitResponse": {"type": "Reject"},
        "nominalConcurrencyShares": 30,
        "lendablePercent": 0,
    }
    queuing = queued()["spec"]["limited"]["limitResponse"]["queuing"]
    assert queuing == {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
    exempt = level("exempt", "Exempt")["spec"]["exempt"]
    assert exempt == {"nominalConcurrencyShares": 0, "lendablePercent": 0}


@pytest.mark.parametrize(
    ("obj", "wanted"),
    [
        pytest.param(
            level(kind="Exempt"),
            ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"],
            id="exempt-by-another-name",
        ),
        pytest.param(
            level(nominalConcurrencyShares=-1, lendablePercent=101, borrowingLimitPercent=-1),
            [
                "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
                "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
                "spec.limited.borrowingLimitPercent: Invalid value: -1: "
                "if specified, must be a non-negative integer",
            ],
            id="numbers",
        ),
        pytest.param(
            queued(queues=4, handSize=5),
            [
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 5: "
                "should not be greater than queues (4)"
            ],
            id="hand-greater-than-deck",
        ),
        pytest.param(
            {"metadata": {"name": "x"}, "spec": {"type": "Limited", "exempt": {}}},
            [
                "spec.exempt: Forbidden: must be nil if the type is Limited",
                "spec.limited: Required value: must not be empty when type is Limited",
            ],
            id="wrong-part",
        ),
        pytest.param(
            level(limitResponse={"type": "Wait"}),
            [
                'spec.limited.limitResponse.type: Unsupported value: "Wait": '
                'supported values: "Queue", "Reject"'
            ],
            id="response",
        ),
        pytest.param(
            queued(queues=-1, handSize=-1, queueLengthLimit=-1),
            [
                "spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive",
                "spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive",
                "spec.limited.limitResponse.queuing.handSize: Invalid value: -1: must be positive",
            ],
            id="queuing",
        ),
        pytest.param(
            queued(queues=10_000_001, handSize=1),
            [
                "spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: "
                "must not be greater than 10000000"
            ],
            id="too-many-queues",
        ),
        pytest.param(
            queued(queues=512, handSize=7),
            [
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of "
                "deckSize 512 and handSize 7 should not be greater than 60"
            ],
            id="entropy",
        ),
        pytest.param(
            level(limitResponse={"type": "Queue"}),
            [
                "spec.limited.limitResponse.queuing: Required value: "
                "must not be empty if limited.limitResponse.type is Limited"
            ],
            id="no-queuing",
        ),
        pytest.param(
            level(limitResponse={"type": "Reject", "queuing": {}}),
            [
                "spec.limited.limitResponse.queuing: Forbidden: "
                "must be nil if limited.limitResponse.type is not Limited"
            ],
            id="queuing-of-reject",
        ),
    ],
)
def test_bad_levels(obj, wanted):
    assert texts(prioritylevelconfiguration.validate(obj)) == wanted


def test_exempt_may_change_what_it_lends_and_no_more():
    obj = level("exempt", "Exempt")
    obj["spec"]["exempt"] = {"nominalConcurrencyShares": 5, "lendablePercent": 50}
    assert texts(prioritylevelconfiguration.validate(obj)) == []
    obj["spec"]["limited"] = {"limitResponse": {"type": "Reject"}}
    found = texts(prioritylevelconfiguration.validate(obj))
    assert found[0] == "spec.limited: Forbidden: must be nil if the type is not Limited"
    assert found[1].endswith("spec of 'exempt' except the 'spec.exempt' field must equal the fixed value")


def test_conditions_have_one_type_each():
    obj = {**schema(), "status": {"conditions": [{"type": "A"}, {"type": "A"}, {}]}}
    obj["metadata"]["resourceVersion"] = "1"
    assert texts(flowschema.validate_status(obj, obj)) == [
        'status.conditions[1].type: Duplicate value: "A"',
        "status.conditions[2].type: Required value: must not be empty",
    ]


def test_hands_are_different_queues_and_depend_on_every_bit():
    hands = {tuple(deal(value * 7919**4, 64, 6)) for value in range(1000)}
    assert len(hands) > 990
    assert all(len(set(hand)) == 6 and max(hand) < 64 for hand in hands)
    assert entropy_bits(128, 6) == 42
    assert deal(0, 1, 1) == [0]
