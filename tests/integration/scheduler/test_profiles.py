"""Two profiles in one process, from the example file."""

from pathlib import Path
from typing import Any

from scheduler.configuration.load import load
from scheduler.profiles import new_profiles

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "scheduler-config.yaml"


def test_the_example_says_what_its_comments_say() -> None:
    profiles = new_profiles(load(EXAMPLE.read_bytes()))
    packed = profiles["packed"]
    assert profiles["default-scheduler"].preemption is not None
    assert packed.preemption is None
    assert next((plugin.name, weight) for plugin, weight in packed.scores) == ("NodeResourcesFit", 5)


async def test_pods_are_placed_by_the_profile_that_they_name(cluster: Any) -> None:
    for name in ("n1", "n2"):
        await cluster.add_node(name)
    await cluster.add_node("closed", labels={"example.com/maintenance": "today"})
    cluster.start(file=load(EXAMPLE.read_bytes()))
    spread = await cluster.placed(
        *[(await cluster.add_pod(f"web-{number}"))["metadata"]["name"] for number in (1, 2)]
    )
    assert sorted(spread.values()) == ["n1", "n2"]
    await cluster.add_pod("pack-1", schedulerName="packed")
    first = await cluster.placed("pack-1")
    for number in (2, 3):
        await cluster.add_pod(f"pack-{number}", schedulerName="packed")
    packed = await cluster.placed("pack-2", "pack-3")
    # The node of the first is full after two more.
    assert set(packed.values()) == set(first.values())
    event = await cluster.event("pack-2", "Scheduled")
    assert event["source"]["component"] == event["reportingComponent"] == "packed"
    assert (await cluster.event("web-1", "Scheduled"))["source"]["component"] == "default-scheduler"


async def test_each_profile_says_why_not_in_its_own_name(cluster: Any) -> None:
    await cluster.add_node("closed", labels={"example.com/maintenance": "today"})
    cluster.start(file=load(EXAMPLE.read_bytes()))
    await cluster.add_pod("pack", schedulerName="packed", cpu="9")
    condition = await cluster.condition("pack", "PodScheduled", "False")
    # Without DefaultPreemption nothing is said about it.
    assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    await cluster.add_pod("web")
    condition = await cluster.condition("web", "PodScheduled", "False")
    assert condition["message"] == (
        "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity. preemption: 0/1 "
        "nodes are available: 1 Preemption is not helpful for scheduling."
    )
    event = await cluster.event("pack", "FailedScheduling")
    assert event["source"]["component"] == "packed"
    await cluster.add_pod("other", schedulerName="somebody-else")
    await cluster.add_node("open")
    await cluster.placed("web")
    assert "nodeName" not in (await cluster.pod("other"))["spec"]
