"""Second versions of stored objects."""

from apiserver.resources.autoscaling.horizontalpodautoscaler import to_v1, to_v2
from apiserver.resources.events.event import from_core, to_core


def test_events_change_names_and_come_back():
    event = {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": {},
        "note": "n",
        "regarding": {"kind": "Pod"},
    }
    core = to_core(event)
    assert core["message"] == "n"
    assert core["involvedObject"] == {"kind": "Pod"}
    assert core["apiVersion"] == "v1"
    assert from_core(core) == event


def test_cpu_utilization_is_a_field_in_v1_and_a_metric_in_v2():
    old = {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80},
        "status": {"currentCPUUtilizationPercentage": 10, "currentReplicas": 1, "desiredReplicas": 1},
    }
    new = to_v2(old)
    assert new["apiVersion"] == "autoscaling/v2"
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    assert new["spec"] == {"maxReplicas": 3, "metrics": [metric]}
    back = to_v1(new)
    assert back["spec"] == old["spec"]
    assert back["status"] == old["status"]


def test_what_v1_cannot_say_rides_in_annotations():
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    new = {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "metrics": [memory], "behavior": {"scaleUp": {}}},
    }
    old = to_v1(new)
    assert "metrics" not in old["spec"]
    assert to_v2(old)["spec"] == new["spec"]
    assert "annotations" not in to_v2(old)["metadata"]
