"""Which pods there are of a group."""

from typing import Any

import pytest

from api.resource import Key
from scheduler.groups import Groups, group_of, least
from scheduler.objects import Objects
from tests.unit.scheduler.build import pod

G = Key("default", "g")


def member(name: str, **more: Any) -> Any:
    return pod(name, schedulingGroup={"podGroupName": "g"}, **more)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, None, id="alone"),
        pytest.param({"schedulingGroup": {}}, None, id="names-nothing"),
        pytest.param({"schedulingGroup": {"podGroupName": "g"}}, G, id="in-its-namespace"),
    ],
)
def test_group_of(spec: dict[str, Any], expected: Key | None) -> None:
    assert group_of(pod("a", **spec)) == expected


def test_least() -> None:
    basic: Any = {"spec": {"schedulingPolicy": {"basic": {}}}}
    gang: Any = {"spec": {"schedulingPolicy": {"gang": {"minCount": 3}}}}
    assert (least(basic), least(gang)) == (0, 3)


def test_members_come_and_go() -> None:
    groups = Groups(Objects())
    assert [groups.put(member("a")), groups.put(member("a")), groups.put(member("b"))] == [True, False, True]
    assert not groups.put(pod("alone"))
    assert groups.count(G) == 2
    groups.put(member("a", on="n"))
    assert sorted(each["spec"].get("nodeName", "") for each in groups.members(G)) == ["", "n"]
    groups.drop(member("a"))
    groups.drop(member("c"))
    groups.drop(pod("alone"))
    assert groups.count(G) == 1
    groups.drop(member("b"))
    assert (groups.count(G), list(groups.members(G))) == (0, [])


def test_a_pod_on_its_way_out_counts_only_where_it_runs() -> None:
    groups = Groups(Objects())
    groups.put(member("a", on="n"))
    groups.put(member("b"))
    assert not groups.put(member("a", on="n", terminating=True))
    assert not groups.put(member("b", terminating=True))
    assert [each["metadata"]["name"] for each in groups.members(G)] == ["a"]
