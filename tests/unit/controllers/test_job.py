"""Jobs: counting once, ends, indexes, suspension."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from api.types.batch_v1 import JOBS
from api.types.core_v1 import PODS
from controllers.job.plan import abandoned_job_pods, job
from controllers.job.tracking import format_indexes, parse_indexes
from tests.sim.world import World

KEY = Key("default", "sum")


def new_job(**spec: Any) -> dict[str, Any]:
    labels = {"batch.kubernetes.io/controller-uid": "u"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"},
    }
    base = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "selector": {"matchLabels": labels}}
    return {
        "metadata": {"name": "sum", "namespace": "default", "uid": "u"},
        "spec": {**base, "template": template, **spec},
    }


def end(world: World, phase: str = "Succeeded", most: int = 99) -> None:
    """Be the node agent: active pods end, deleted ones go once their finalizer is off."""
    for key, pod in list(world.table(PODS).objects.items()):
        if "deletionTimestamp" in pod["metadata"]:
            if not pod["metadata"].get("finalizers"):
                world.table(PODS).objects.pop(key)
                world.revision += 1
        elif not (pod.get("status") or {}).get("phase") and most > 0:
            world.change(PODS, key, {"status": {"phase": phase}})
            most -= 1


def status(world: World) -> dict[str, Any]:
    return dict(world.table(JOBS).objects[KEY]["status"])


def conditions(world: World) -> dict[str, str]:
    return {c["type"]: c["reason"] for c in status(world).get("conditions") or () if c["status"] == "True"}


@pytest.mark.parametrize(
    ("text", "indexes"), [("", set()), ("1", {1}), ("0,1", {0, 1}), ("1,3-5,9", {1, 3, 4, 5, 9})]
)
def test_indexes_as_text(text: str, indexes: set[int]) -> None:
    assert parse_indexes(text) == indexes
    assert format_indexes(indexes) == text


def test_a_job_completes() -> None:
    world = World(job, abandoned_job_pods)
    world.put(JOBS, new_job(completions=5, parallelism=2))
    most: list[int] = []

    def step() -> None:
        most.append(sum(not (p.get("status") or {}).get("phase") for p in world.table(PODS).list()))
        end(world)

    world.settle(between=step)
    found = status(world)
    assert (found["succeeded"], found.get("active", 0), found["uncountedTerminatedPods"]) == (5, 0, {})
    assert conditions(world) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert max(most) == 2
    assert all(not p["metadata"]["finalizers"] for p in world.table(PODS).list())
    assert "completionTime" in found


def test_too_many_failures() -> None:
    world = World(job)
    world.put(JOBS, new_job(backoffLimit=2))
    for _ in range(20):
        world.run(job)
        end(world, "Failed")
        world.pass_time(100)
    world.settle()
    assert conditions(world)["Failed"] == "BackoffLimitExceeded"
    assert status(world)["failed"] == 3
    assert len(world.table(PODS).objects) == 3


def test_failures_are_followed_by_a_wait() -> None:
    world = World(job)
    world.put(JOBS, new_job())
    world.run(job)
    (key,) = world.table(PODS).objects
    finished = {"state": {"terminated": {"finishedAt": "2026-01-01T00:00:00Z"}}}
    world.change(PODS, key, {"status": {"phase": "Failed", "containerStatuses": [finished]}})
    plan = world.reconcile(job, KEY)
    assert plan.requeue_after == 10.0
    assert len(world.table(PODS).objects) == 1
    world.pass_time(11)
    world.run(job)
    assert len(world.table(PODS).objects) == 2


def test_a_deadline_ends_it() -> None:
    world = World(job)
    world.put(JOBS, new_job(activeDeadlineSeconds=30))
    assert world.reconcile(job, KEY).requeue_after == 30.0
    world.pass_time(31)
    world.settle(between=lambda: end(world, most=0))
    assert conditions(world)["Failed"] == "DeadlineExceeded"
    assert not world.table(PODS).objects


def test_indexes_are_completed_one_by_one() -> None:
    world = World(job)
    world.put(JOBS, new_job(completions=4, parallelism=2, completionMode="Indexed"))
    world.settle(between=lambda: end(world))
    assert (status(world)["completedIndexes"], status(world)["succeeded"]) == ("0-3", 4)
    pods = {p["spec"]["hostname"]: p for p in world.table(PODS).list()}
    assert sorted(pods) == ["sum-0", "sum-1", "sum-2", "sum-3"]
    assert pods["sum-2"]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


def test_suspended_and_resumed() -> None:
    world = World(job)
    world.put(JOBS, new_job(suspend=True))
    world.settle()
    assert conditions(world) == {"Suspended": "JobSuspended"}
    assert not world.table(PODS).objects
    world.change(JOBS, KEY, {"spec": {"suspend": False}})
    world.settle(between=lambda: end(world))
    assert "Complete" in conditions(world)


def test_pods_of_a_vanished_job_are_let_go() -> None:
    world = World(job, abandoned_job_pods)
    world.put(JOBS, new_job())
    world.run(job)
    world.remove(JOBS, KEY)
    world.settle()
    assert [p["metadata"]["finalizers"] for p in world.table(PODS).list()] == [[]]


@given(
    st.integers(1, 6),
    st.integers(1, 4),
    st.booleans(),
    st.lists(st.sampled_from(["end", "fail", "kill", "again"]), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_every_success_is_counted_once(
    completions: int, parallelism: int, indexed: bool, steps: list[str]
) -> None:
    world = World(job, abandoned_job_pods)
    mode = "Indexed" if indexed else "NonIndexed"
    spec = {
        "completions": completions,
        "parallelism": parallelism,
        "completionMode": mode,
        "backoffLimit": 99,
    }
    world.put(JOBS, new_job(**spec))
    for step in steps:
        world.run(job)
        world.pass_time(1000)
        running = [
            k for k, p in world.table(PODS).objects.items() if not (p.get("status") or {}).get("phase")
        ]
        if step == "kill" and running:
            world.remove(PODS, running[0], grace=True)
        elif step != "again":
            end(world, "Failed" if step == "fail" else "Succeeded", most=1)

    def later() -> None:
        world.pass_time(1000)
        end(world)

    world.settle(between=later)
    assert status(world)["succeeded"] == completions
    assert "Complete" in conditions(world)
    assert not status(world)["uncountedTerminatedPods"]
