"""GangScheduling: who is held back, and what lets pods in."""

from typing import Any

import pytest

from api.types.scheduling_v1alpha2 import PODGROUPS
from scheduler.groups import Groups
from scheduler.objects import Objects
from scheduler.plugins.gang_scheduling import GangScheduling
from tests.unit.scheduler.build import pod

NAMED: dict[str, Any] = {"schedulingGroup": {"podGroupName": "g"}}


def group(name: str, **policy: Any) -> Any:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"schedulingPolicy": policy}}


@pytest.mark.parametrize(
    ("groups", "members", "expected"),
    [
        pytest.param([], 1, 'waiting for pods\'s pod group "g" to appear in scheduling queue', id="no-group"),
        pytest.param([group("h", basic={})], 1, 'waiting for pods\'s pod group "g" to appear in scheduling '
                     "queue", id="another-group"),
        pytest.param([group("g", basic={})], 1, None, id="basic"),
        pytest.param([group("g", gang={"minCount": 2})], 1,
                     "waiting for minCount pods from a gang to appear in scheduling queue", id="too-few"),
        pytest.param([group("g", gang={"minCount": 2})], 2, None, id="enough"),
    ],
)  # fmt: skip
def test_who_is_held_back(groups: list[Any], members: int, expected: str | None) -> None:
    objects = Objects()
    objects.derived(Groups).followed = True
    for each in groups:
        objects.changed(PODGROUPS, None, each)
    for number in range(members):
        objects.derived(Groups).put(pod(f"p{number}", **NAMED))
    assert GangScheduling().pre_enqueue(pod("p0", **NAMED), objects) == expected
    assert GangScheduling().pre_enqueue(pod("alone"), objects) is None


def test_nobody_is_held_back_where_there_are_no_pod_groups() -> None:
    assert GangScheduling().pre_enqueue(pod("a", **NAMED), Objects()) is None


def test_what_may_help() -> None:
    look = GangScheduling.hints["PodGroup"]
    assert look is not None
    assert look(pod("a", **NAMED), None, group("g"))
    assert not look(pod("a", **NAMED), None, group("h"))
    assert not look(pod("a", **NAMED), group("g"), None)
    assert not look(pod("a"), None, group("g"))
