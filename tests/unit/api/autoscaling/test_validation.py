"""Refusals of autoscalers: metrics and behaviour."""

import pytest

from api.autoscaling.behavior import behavior_errors
from api.autoscaling.horizontalpodautoscaler import validate_status_update
from api.autoscaling.metrics import metric_errors
from api.field import Path
from tests.unit.api.kinds_sample import texts

USE = {"type": "Utilization", "averageUtilization": 50}
AMOUNT = {"type": "Value", "value": "10"}
OTHER = {"kind": "Service", "name": "s"}


def pods(**target):
    return {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", **target}}}


def external(**target):
    return {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", **target}}}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        pytest.param({"type": "Resource", "resource": {"name": "cpu", "target": USE}}, [], id="resource"),
        pytest.param(
            {
                "type": "Object",
                "object": {"describedObject": OTHER, "metric": {"name": "m"}, "target": AMOUNT},
            },
            [],
            id="object",
        ),
        pytest.param(
            {},
            [
                "m.type: Required value: must specify a metric source type",
                'm.type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", '
                '"Pods", "Resource"',
            ],
            id="nothing",
        ),
        pytest.param(
            {"type": "Resource"},
            ["m.resource: Required value: must populate information for the given metric source"],
            id="no-source",
        ),
        pytest.param(
            {**pods(averageValue="1"), "resource": {"name": "cpu", "target": USE}},
            ["m.resource: Forbidden: must populate the given metric source only"],
            id="two-sources",
        ),
        pytest.param(
            {"type": "ContainerResource", "containerResource": {"target": {**USE, "averageValue": "1"}}},
            [
                "m.containerResource.name: Required value: must specify a resource name",
                "m.containerResource.container: Required value: must specify a container",
                "m.containerResource.target.averageValue: Forbidden: may not set both a target raw value and "
                "a target utilization",
            ],
            id="container",
        ),
        pytest.param(
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}},
            [
                "m.resource.target.averageUtilization: Required value: must set either a target raw value or "
                "a target utilization"
            ],
            id="no-use",
        ),
        pytest.param(
            {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 0}}},
            [
                "m.resource.target.type: Required value: must specify a metric target type",
                'm.resource.target.type: Invalid value: "": must be either Utilization, Value, or '
                "AverageValue",
                "m.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            ],
            id="no-target-type",
        ),
        pytest.param(
            pods(averageValue="0"),
            [
                'm.pods.target.averageValue: Invalid value: "0": must be positive',
                "m.pods.target.averageValue: Required value: must specify a positive target averageValue",
            ],
            id="zero",
        ),
        pytest.param(
            external(),
            [
                "m.external.target.averageValue: Required value: must set either a target value for metric "
                "or a per-pod target"
            ],
            id="external-without-value",
        ),
        pytest.param(
            external(value="1", averageValue="1"),
            [
                "m.external.target.value: Forbidden: may not set both a target value for metric and a "
                "per-pod target"
            ],
            id="external-with-both",
        ),
        pytest.param(
            {"type": "Object", "object": {"metric": {"name": "a/b"}, "target": AMOUNT}},
            [
                "m.object.describedObject.kind: Required value",
                "m.object.describedObject.name: Required value",
                "m.object.metric.name: Invalid value: \"a/b\": may not contain '/'",
            ],
            id="described-object",
        ),
        pytest.param(
            {"type": "External", "external": {"target": {"type": "Value", "value": "1"}}},
            ["m.external.metric.name: Required value: must specify a metric name"],
            id="unnamed",
        ),
    ],
)
def test_metrics(metric, expected):
    assert texts(metric_errors(metric, Path("m"))) == expected


def policy(**fields):
    return {"type": "Pods", "value": 1, "periodSeconds": 15, **fields}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({"policies": [policy()], "selectPolicy": "Max", "tolerance": "0.1"}, [], id="fine"),
        pytest.param(
            {"selectPolicy": "All", "stabilizationWindowSeconds": -1},
            [
                "b.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to "
                "zero",
                'b.scaleUp.selectPolicy: Unsupported value: "All": supported values: "Disabled", "Max", '
                '"Min"',
                "b.scaleUp.policies: Required value: must specify at least one Policy",
            ],
            id="rules",
        ),
        pytest.param(
            {"policies": [policy(type="Nodes", value=0, periodSeconds=0), policy(periodSeconds=1801)]},
            [
                'b.scaleUp.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
                "b.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                "b.scaleUp.policies[0].periodSeconds: Invalid value: 0: must be greater than zero",
                "b.scaleUp.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to "
                "1800",
            ],
            id="policies",
        ),
        pytest.param(
            {"policies": [policy()], "stabilizationWindowSeconds": 3601, "tolerance": "-1"},
            [
                "b.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to "
                "3600",
                'b.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0',
            ],
            id="bounds",
        ),
    ],
)
def test_behaviour(rules, expected):
    assert texts(behavior_errors({"scaleUp": rules}, Path("b"))) == expected


def test_counts_of_a_status_are_not_negative():
    meta = {"metadata": {"name": "h", "namespace": "d", "resourceVersion": "1"}}
    status = {"currentReplicas": -1, "desiredReplicas": 1}
    assert texts(validate_status_update({**meta, "status": status}, meta)) == [
        "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"
    ]
