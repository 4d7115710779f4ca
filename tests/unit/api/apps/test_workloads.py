"""Workload kinds: defaults (behaviour A18) and validation."""

from typing import Any

import pytest

from api.apps import daemonset, deployment, replicaset, statefulset
from api.batch import cronjob, job
from api.resource import Obj
from tests.unit.api.kinds_sample import template, texts

META = {"name": "x", "namespace": "d", "resourceVersion": "1"}
SELECTOR = {"matchLabels": {"app": "web"}}


def workload(**spec: Any) -> Obj:
    return {"metadata": META, "spec": {"selector": SELECTOR, "template": template(), **spec}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(
            deployment,
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
                },
            },
            id="deployment",
        ),
        pytest.param(replicaset, {"replicas": 1}, id="replicaset"),
        pytest.param(
            daemonset,
            {
                "revisionHistoryLimit": 10,
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
                },
            },
            id="daemonset",
        ),
        pytest.param(
            statefulset,
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            },
            id="statefulset",
        ),
    ],
)
def test_defaults(rules, expected):
    made = rules.defaults(workload())
    spec = dict(made["spec"])
    assert spec.pop("template")["spec"]["restartPolicy"] == "Always"
    assert spec.pop("selector") == SELECTOR
    assert spec == expected
    assert rules.defaults(made) is made
    assert rules.validate(made) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"replicas": -1},
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
            id="replicas",
        ),
        pytest.param({"selector": None}, ["spec.selector: Required value"], id="no-selector"),
        pytest.param(
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
            id="empty",
        ),
        pytest.param(
            {"selector": {"matchLabels": {"app": "other"}}},
            [
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
                "`selector` does not match template `labels`"
            ],
            id="selects-others",
        ),
        pytest.param(
            {"template": template(restartPolicy="Never")},
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
            id="restart-policy",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}},
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when "
                "`maxSurge` is 0"
            ],
            id="no-movement",
        ),
        pytest.param(
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            [
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
                "'Recreate'"
            ],
            id="recreate",
        ),
        pytest.param(
            {"minReadySeconds": 600},
            ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
            id="deadline",
        ),
    ],
)
def test_deployment(spec, expected):
    obj = deployment.defaults(workload(**spec))
    if "selector" in spec and spec["selector"] is None:
        del obj["spec"]["selector"]
    assert texts(deployment.validate(obj)) == expected


@pytest.mark.parametrize(
    "rules",
    [pytest.param(each, id=each.__name__) for each in (deployment, replicaset, daemonset, statefulset)],
)
def test_without_a_spec_everything_needed_is_named(rules):
    errors = texts(rules.validate(rules.defaults({"metadata": META})))
    assert errors == ["spec.selector: Required value", "spec.template.spec.containers: Required value"]


def test_the_selector_is_immutable():
    old = deployment.defaults(workload())
    new = deployment.defaults(workload(selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}))
    assert texts(deployment.validate_update(new, old)) == [
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field '
        "is immutable"
    ]


def test_counts_of_a_status_agree():
    old = deployment.defaults(workload())
    new = {**old, "status": {"replicas": 1, "readyReplicas": 2}}
    assert texts(deployment.validate_status_update(new, old)) == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


def test_few_fields_of_a_statefulset_may_change():
    old = statefulset.defaults(workload())
    assert statefulset.validate_update(statefulset.defaults(workload(replicas=3)), old) == []
    errors = texts(statefulset.validate_update(statefulset.defaults(workload(serviceName="s")), old))
    assert errors[0].startswith(
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, (1, 1, 6, "TerminatingOrFailed"), id="plain"),
        pytest.param({"parallelism": 2}, (2, None, 6, "TerminatingOrFailed"), id="work-queue"),
        pytest.param({"backoffLimitPerIndex": 1}, (1, 1, 2147483647, "TerminatingOrFailed"), id="per-index"),
        pytest.param({"podFailurePolicy": {}}, (1, 1, 6, "Failed"), id="failure-policy"),
    ],
)
def test_job_defaults(spec, expected):
    made = job.defaults({"metadata": META, "spec": {"template": template(restartPolicy="Never"), **spec}})
    spec = made["spec"]
    fields = ("parallelism", "completions", "backoffLimit", "podReplacementPolicy")
    assert tuple(spec.get(name) for name in fields) == expected
    assert (spec["completionMode"], spec["suspend"]) == ("NonIndexed", False)
    assert made["metadata"]["labels"] == {"app": "web"}


def test_a_job_selects_its_own_pods():
    obj = job.defaults(
        {"metadata": {**META, "uid": "u"}, "spec": {"template": template(restartPolicy="Never")}}
    )
    made = job.with_selector(obj)
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert made["spec"]["template"]["metadata"]["labels"] == {
        "app": "web",
        "batch.kubernetes.io/controller-uid": "u",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u",
        "job-name": "x",
    }
    assert job.validate(made) == []


def test_a_job_needs_a_restart_policy_that_ends():
    obj = job.defaults({"metadata": META, "spec": {"template": template()}})
    assert texts(job.validate(obj)) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        "spec.selector: Required value",
    ]


def test_cronjob_defaults():
    inner = {"spec": {"template": template(restartPolicy="Never")}}
    made = cronjob.defaults({"metadata": META, "spec": {"schedule": "* * * * *", "jobTemplate": inner}})
    spec = made["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert cronjob.validate(made) == []
