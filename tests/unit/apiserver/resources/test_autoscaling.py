"""Autoscalers in both versions: nothing is lost on the way through v1, whose annotations are upstream's."""

import orjson
import pytest

from apiserver.resources.autoscaling.horizontalpodautoscaler import (
    BEHAVIOR,
    CURRENT_METRICS,
    METRICS,
    to_v1,
    to_v2,
)

SELECTOR = {"matchLabels": {"a": "b"}}
SERVICE = {"kind": "Service", "name": "s", "apiVersion": "v1"}
# v2 metric, v1 annotation.
METRICS_OF = [
    pytest.param(
        {
            "type": "Resource",
            "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
        },
        {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}},
        id="resource",
    ),
    pytest.param(
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "cpu",
                "container": "c",
                "target": {"type": "Utilization", "averageUtilization": 5},
            },
        },
        {
            "type": "ContainerResource",
            "containerResource": {"name": "cpu", "container": "c", "targetAverageUtilization": 5},
        },
        id="container",
    ),
    pytest.param(
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "m", "selector": SELECTOR},
                "target": {"type": "AverageValue", "averageValue": "1"},
            },
        },
        {"type": "Pods", "pods": {"metricName": "m", "selector": SELECTOR, "targetAverageValue": "1"}},
        id="pods",
    ),
    pytest.param(
        {
            "type": "Object",
            "object": {
                "describedObject": SERVICE,
                "metric": {"name": "m"},
                "target": {"type": "Value", "value": "10"},
            },
        },
        {"type": "Object", "object": {"target": SERVICE, "metricName": "m", "targetValue": "10"}},
        id="object",
    ),
    pytest.param(
        {
            "type": "Object",
            "object": {
                "describedObject": SERVICE,
                "metric": {"name": "m"},
                "target": {"type": "AverageValue", "averageValue": "10"},
            },
        },
        {
            "type": "Object",
            "object": {"target": SERVICE, "metricName": "m", "targetValue": "0", "averageValue": "10"},
        },
        id="object-by-average",
    ),
    pytest.param(
        {
            "type": "External",
            "external": {
                "metric": {"name": "m", "selector": SELECTOR},
                "target": {"type": "Value", "value": "3"},
            },
        },
        {"type": "External", "external": {"metricName": "m", "metricSelector": SELECTOR, "targetValue": "3"}},
        id="external",
    ),
]


def autoscaler(spec=None, status=None):
    return {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, **(spec or {})}, "status": status or {}}


@pytest.mark.parametrize(("metric", "note"), METRICS_OF)
def test_metrics(metric, note):
    old = to_v1(autoscaler({"metrics": [metric]}))
    assert orjson.loads(old["metadata"]["annotations"][METRICS]) == [note]
    back = to_v2(old)
    assert back["spec"]["metrics"] == [metric]
    assert "annotations" not in back["metadata"]


def test_cpu_utilization_comes_last():
    cpu = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 7}},
    }
    pods = METRICS_OF[2].values[0]
    old = to_v1(autoscaler({"metrics": [cpu, pods]}))
    assert old["spec"]["targetCPUUtilizationPercentage"] == 7
    assert to_v2(old)["spec"]["metrics"] == [pods, cpu]


def test_behaviour_has_the_names_of_go():
    rules = {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}
    old = to_v1(autoscaler({"behavior": {"scaleUp": rules}}))
    assert orjson.loads(old["metadata"]["annotations"][BEHAVIOR]) == {
        "ScaleUp": {"SelectPolicy": "Max", "Policies": [{"Type": "Pods", "Value": 4, "PeriodSeconds": 15}]}
    }
    assert to_v2(old)["spec"]["behavior"] == {"scaleUp": rules}


def test_the_status_keeps_the_amount_of_cpu():
    current = {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageUtilization": 9, "averageValue": "90m"}},
    }
    old = to_v1(autoscaler(status={"currentMetrics": [current], "conditions": [{"type": "AbleToScale"}]}))
    assert old["status"]["currentCPUUtilizationPercentage"] == 9
    assert orjson.loads(old["metadata"]["annotations"][CURRENT_METRICS]) == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "currentAverageUtilization": 9, "currentAverageValue": "90m"},
        }
    ]
    back = to_v2(old)["status"]
    assert back == {"currentMetrics": [current], "conditions": [{"type": "AbleToScale"}]}


@pytest.mark.parametrize("note", ["", "{", "7", '{"type": "Pods"}', "[7]"])
def test_nonsense_in_annotations_counts_for_nothing(note):
    old = {**autoscaler(), "metadata": {"name": "h", "annotations": {METRICS: note, BEHAVIOR: note}}}
    assert "metrics" not in to_v2(old)["spec"]
