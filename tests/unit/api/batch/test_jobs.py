"""Jobs and cron jobs: policies, indexes, schedules, what an update and a status may say."""

import re

import pytest

from api.batch import cronjob, job
from api.batch.job_policies import count_indexes
from api.batch.schedule import parse_schedule
from tests.unit.api.kinds_sample import template, texts

META = {"name": "j", "namespace": "d", "uid": "u", "resourceVersion": "1"}


def a_job(status=None, inner=None, **spec):
    made = {"template": template(restartPolicy="Never", **(inner or {})), **spec}
    body = {"metadata": META, "spec": made, "status": status or {}}
    return job.with_selector(job.defaults(body))


def indexed(**spec):
    return a_job(completionMode="Indexed", **{"completions": 5, **spec})


RULES = "spec.podFailurePolicy.rules"


def failing(*rules, **spec):
    return a_job(podFailurePolicy={"rules": list(rules)}, **spec)


def codes(operator="In", values=(1,), **more):
    return {"action": "FailJob", "onExitCodes": {"operator": operator, "values": list(values), **more}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(a_job(), [], id="fine"),
        pytest.param(indexed(backoffLimitPerIndex=1, maxFailedIndexes=5), [], id="indexed"),
        pytest.param(
            a_job(completionMode="Odd"),
            ['spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"'],
            id="mode",
        ),
        pytest.param(
            a_job(completionMode="Indexed", parallelism=1),
            ["spec.completions: Required value: when completion mode is Indexed"],
            id="indexed-needs-completions",
        ),
        pytest.param(
            a_job(maxFailedIndexes=1),
            [
                "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
                "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
            ],
            id="failed-indexes-of-no-index",
        ),
        pytest.param(
            indexed(backoffLimitPerIndex=1, maxFailedIndexes=6),
            ["spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"],
            id="more-failures-than-indexes",
        ),
        pytest.param(
            indexed(completions=100_001, parallelism=10_001, backoffLimitPerIndex=1),
            [
                "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                "spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when "
                "completions are "
                "above 100000 and used with backoff limit per index",
            ],
            id="very-many",
        ),
        pytest.param(
            a_job(managedBy="me"),
            ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
            id="managed-by",
        ),
        pytest.param(
            failing({"action": "", "onExitCodes": {"operator": "", "values": []}}),
            [
                f'{RULES}[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
                f'{RULES}[0].onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
                f"{RULES}[0].onExitCodes.values: Invalid value: []: at least one value is required",
            ],
            id="empty-rule",
        ),
        pytest.param(
            failing(codes(values=[3, 0, 3], containerName="x")),
            [
                f'{RULES}[0].onExitCodes.containerName: Invalid value: "x": must be one of the container or '
                "initContainer names in the pod template",
                f"{RULES}[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                f"{RULES}[0].onExitCodes.values[2]: Duplicate value: 3",
                f"{RULES}[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
            id="codes",
        ),
        pytest.param(
            failing({"action": "FailIndex"}),
            [
                f'{RULES}[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
                f"{RULES}[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
            ],
            id="rule-about-nothing",
        ),
        pytest.param(
            failing({**codes(), "onPodConditions": [{"type": "A", "status": "Odd"}]}),
            [
                f'{RULES}[0].onPodConditions[0].status: Unsupported value: "Odd": supported values: '
                f'"False", "True", '
                '"Unknown"',
                f"{RULES}[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not "
                f"supported",
            ],
            id="rule-about-both",
        ),
        pytest.param(
            failing(codes(), podReplacementPolicy="TerminatingOrFailed"),
            [
                'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: '
                '"Failed"'
            ],
            id="replacement",
        ),
        pytest.param(
            a_job(successPolicy={"rules": []}),
            ['spec.successPolicy: Invalid value: {"rules":[]}: requires indexed completion mode'],
            id="success-of-no-index",
        ),
        pytest.param(
            indexed(
                successPolicy={
                    "rules": [{}, {"succeededIndexes": "0-2", "succeededCount": 4}, {"succeededIndexes": "7"}]
                }
            ),
            [
                "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
                "succeededIndexes must "
                "be specified",
                "spec.successPolicy.rules[1].succeededCount: Invalid value: 4: must be less than or equal "
                "to 3 (the "
                "number of indexes in the specified succeededIndexes field)",
                'spec.successPolicy.rules[2].succeededIndexes: Invalid value: "7": error parsing '
                "succeededIndexes: too "
                'large index: "7"',
            ],
            id="success",
        ),
    ],
)
def test_job(obj, expected):
    assert texts(job.validate(obj)) == expected


def test_pods_of_an_indexed_job_are_hosts():
    made = indexed()
    made = {**made, "metadata": {**META, "name": "a.b"}}
    assert texts(job.validate(made))[-1] == (
        'metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-4'
    )


def test_conditions_of_failure_rules_are_true_unless_said():
    made = failing({"action": "Ignore", "onPodConditions": [{"type": "A"}]})
    assert made["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"] == [
        {"type": "A", "status": "True"}
    ]


def test_a_job_does_not_choose_the_servers_labels():
    pods = template(restartPolicy="Never")
    pods["metadata"]["labels"]["job-name"] = "other"
    body = {"metadata": META, "spec": {"template": pods, "selector": {"matchLabels": {"app": "web"}}}}
    assert [error.path for error in job.validate(job.with_selector(job.defaults(body)))] == [
        "spec.template.metadata.labels[job-name]",
        "spec.selector",
    ]


RESOURCES = [{"name": "web", "image": "nginx:1", "resources": {"limits": {"cpu": "1"}}}]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(a_job(parallelism=1), a_job(parallelism=3), [], id="parallelism"),
        pytest.param(
            a_job(completions=1),
            a_job(completions=2),
            ["spec.completions: Invalid value: 2: field is immutable"],
            id="completions",
        ),
        pytest.param(indexed(), indexed(completions=3, parallelism=3), [], id="elastic"),
        pytest.param(
            indexed(),
            indexed(completions=3, parallelism=2),
            ["spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"],
            id="elastic-in-tandem",
        ),
        pytest.param(
            a_job(suspend=True),
            a_job(suspend=True, inner={"nodeSelector": {"a": "b"}}),
            [],
            id="directed-at-rest",
        ),
        pytest.param(
            a_job(suspend=True),
            a_job(suspend=True, inner={"containers": RESOURCES}),
            [],
            id="resources-at-rest",
        ),
        pytest.param(
            a_job(managedBy="a.b/c"),
            a_job(),
            ['spec.managedBy: Invalid value: "null": field is immutable'],
            id="managed-by",
        ),
    ],
)
def test_update(old, new, expected):
    assert texts(job.validate_update(new, old)) == expected


def test_a_running_job_keeps_its_template():
    for old in (a_job(), a_job({"startTime": "2026-01-01T00:00:00Z"}, suspend=True)):
        new = a_job(suspend=old["spec"]["suspend"], inner={"nodeSelector": {"a": "b"}})
        assert [error.path for error in job.validate_update(new, old)] == ["spec.template"]


def condition(*kinds):
    return [{"type": kind, "status": "True"} for kind in kinds]


BEGAN, LATER, EARLIER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2025-12-31T00:00:00Z"
COMPLETE = {
    "startTime": BEGAN,
    "completionTime": LATER,
    "conditions": condition("SuccessCriteriaMet", "Complete"),
}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({}, COMPLETE, [], id="complete"),
        pytest.param({"startTime": BEGAN}, {"conditions": condition("Odd")}, [], id="foreign-condition"),
        pytest.param(
            {},
            {"active": -1},
            ["status.active: Invalid value: -1: must be greater than or equal to 0"],
            id="negative",
        ),
        pytest.param(
            {},
            {**COMPLETE, "active": 1, "completionTime": EARLIER},
            [
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                f'status.completionTime: Invalid value: "{EARLIER}": completionTime cannot be set before '
                f"startTime",
            ],
            id="not-over",
        ),
        pytest.param(
            {},
            {"conditions": condition("Failed", "FailureTarget")},
            ["status.startTime: Required value: startTime is required for finished job"],
            id="failed-before-it-began",
        ),
        pytest.param(
            COMPLETE,
            {**COMPLETE, "conditions": condition("SuccessCriteriaMet")},
            [
                f'status.completionTime: Invalid value: "{LATER}": cannot set completionTime when there '
                f"is no "
                "Complete=True condition",
                "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
            ],
            id="not-undone",
        ),
        pytest.param(
            {"succeeded": 2},
            {"succeeded": 1},
            ["status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"],
            id="counter",
        ),
        pytest.param(
            {},
            {"uncountedTerminatedPods": {"succeeded": ["a", "a"]}},
            ['status.uncountedTerminatedPods.succeeded[1]: Duplicate value: "a"'],
            id="uncounted",
        ),
    ],
)
def test_status(before, after, expected):
    assert texts(job.validate_status_update(a_job(after), a_job(before))) == expected


@pytest.mark.parametrize(
    ("text", "count", "fault"),
    [
        pytest.param("", 0, "", id="none"),
        pytest.param("0,2-4", 4, "", id="several"),
        pytest.param("1-2-3", 0, 'the fragment "1-2-3" violates', id="three-parts"),
        pytest.param("3,1", 0, "non-increasing order, previous: 3, current: 1", id="order"),
        pytest.param("3-2", 0, "non-increasing order, previous: 3, current: 2", id="interval"),
        pytest.param("x", 0, 'cannot convert string to integer for index: "x"', id="word"),
    ],
)
def test_indexes(text, count, fault):
    if not fault:
        assert count_indexes(text, 10) == count
        return
    with pytest.raises(ValueError, match="^" + fault):
        count_indexes(text, 10)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("*/5 0-6 ? jan-mar mon,fri", "", id="fine"),
        pytest.param("@every 1h30m", "", id="every"),
        pytest.param("TZ=UTC * * * * *", "", id="zone-goes-first"),
        pytest.param("* * *", "expected exactly 5 fields, found 3: [* * *]", id="fields"),
        pytest.param("60 * * * *", "end of range (60) above maximum (59): 60", id="above"),
        pytest.param("* * 0 * *", "beginning of range (0) below minimum (1): 0", id="below"),
        pytest.param("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3", id="backwards"),
        pytest.param("*/0 * * * *", "step of range should be a positive number: */0", id="step"),
        pytest.param("1-2-3 * * * *", "too many hyphens: 1-2-3", id="hyphens"),
        pytest.param("1/2/3 * * * *", "too many slashes: 1/2/3", id="slashes"),
        pytest.param(
            "x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax', id="word"
        ),
        pytest.param("@sometimes", "unrecognized descriptor: @sometimes", id="descriptor"),
        pytest.param(
            "@every x", 'failed to parse duration @every x: time: invalid duration "x"', id="duration"
        ),
    ],
)
def test_schedule(text, fault):
    if not fault:
        parse_schedule(text)
        return
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        parse_schedule(text)


def a_cronjob(inner=None, **spec):
    body = {"spec": {"template": template(restartPolicy="Never"), **(inner or {})}}
    return cronjob.defaults(
        {"metadata": META, "spec": {"schedule": "* * * * *", "jobTemplate": body, **spec}}
    )


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(a_cronjob(timeZone="Europe/Berlin"), [], id="fine"),
        pytest.param(
            a_cronjob(timeZone="Mars/Base"),
            ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
            id="zone",
        ),
        pytest.param(
            a_cronjob(timeZone="local"),
            [
                'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in '
                "https://www.iana.org/time-zones"
            ],
            id="local",
        ),
        pytest.param(
            a_cronjob(schedule="TZ=UTC * * * * *"),
            [
                'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, '
                "use timeZone "
                "field instead"
            ],
            id="zone-in-schedule",
        ),
        pytest.param(
            a_cronjob({"selector": {}, "manualSelector": True}),
            [
                "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated",
                'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", '
                '"false"',
            ],
            id="selector",
        ),
    ],
)
def test_cronjob(obj, expected):
    assert texts(cronjob.validate(obj)) == expected


def test_an_old_schedule_may_keep_its_zone():
    old = a_cronjob(schedule="TZ=UTC * * * * *")
    assert cronjob.validate_update(old, old) == []
    new = a_cronjob(schedule="TZ=UTC * * * * *", timeZone="UTC")
    assert texts(cronjob.validate_update(new, old)) == [
        'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use both timeZone field and TZ or '
        "CRON_TZ in schedule"
    ]


def test_the_job_of_a_cronjob_gets_its_defaults_when_it_is_made():
    assert set(a_cronjob()["spec"]["jobTemplate"]["spec"]) == {"template"}
