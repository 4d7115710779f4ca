"""The workloads fit: what is to be bound has room, before and after scaling."""

import pytest

from api.podspec import pod_requests
from bench.workloads import PODS, WORKLOADS, Churn, NamedNode, Nodes, Pods, new_object, new_pod, scaled

EACH = [pytest.param(one, id=one.name) for one in WORKLOADS]


def _pods(workload):
    return [step for step in workload.steps if isinstance(step, Pods)]


@pytest.mark.parametrize("workload", EACH)
def test_the_last_step_is_the_measured_one(workload):
    assert [step for step in _pods(workload) if step.is_measured] == [workload.steps[-1]]


@pytest.mark.parametrize("nodes", [10, 300, None])
@pytest.mark.parametrize("workload", EACH)
def test_there_is_room_for_all_that_are_to_be_bound(workload, nodes):
    one = scaled(workload, nodes / workload.nodes) if nodes else workload
    bound = [step for step in _pods(one) if not step.is_refused]
    asked = sum(step.count * pod_requests(PODS[step.template]).get("cpu", 0) for step in bound)
    assert asked <= 4000 * one.nodes
    alone = sum(step.count for step in bound if step.template.startswith("anti-affinity"))
    assert alone <= one.nodes
    if not any(isinstance(step, NamedNode) for step in one.steps):
        assert sum(step.count for step in bound) <= 109 * one.nodes


def test_scaling_keeps_what_is_not_counted():
    workload = next(one for one in WORKLOADS if one.name == "SchedulingWithMixedChurn")
    small = scaled(workload, 0.01)
    assert (small.nodes, small.measured.count) == (50, 100)
    assert [step for step in small.steps if isinstance(step, Churn)] == [workload.steps[1]]
    assert scaled(workload, 1) is workload
    assert scaled(workload, 0.00001).steps[0] == Nodes(1)


def test_templates_are_named_and_stay_as_they_are():
    before = {name: dict(body["metadata"]) for name, body in PODS.items()}
    for name in PODS:
        assert new_pod(name, "p-1")["metadata"]["name"] == "p-1"
    assert {name: body["metadata"] for name, body in PODS.items()} == before


@pytest.mark.parametrize(
    ("template", "plural"), [("node", "nodes"), ("service", "services"), ("high-priority", "pods")]
)
def test_what_comes_and_goes(template, plural):
    found, body = new_object(template, "churn-1")
    assert (found, body["metadata"]["name"]) == (plural, "churn-1")
