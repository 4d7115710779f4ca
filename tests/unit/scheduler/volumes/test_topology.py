"""Selectors of node labels over all nodes say what they say of each node."""

from typing import Any

import pytest

from api.labels import GREATER, IN, NOT_IN, NOTHING, Requirement, Selector
from scheduler.volumes.topology import (
    Labelled,
    labelled,
    matches,
    matching,
    node_terms,
    selected,
    topology_terms,
)
from tests.unit.scheduler.build import World, node
from tests.unit.scheduler.volumes.build import affinity

NODES = [node("n1", {"zone": "a", "rank": "1"}), node("n2", {"zone": "b", "rank": "x"}), node("n3")]


def one(key: str, operator: str, *values: str) -> Any:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([[one("zone", "In", "a")]], {"n1"}, id="in"),
        pytest.param([[one("zone", "In", "a", "b", "c")]], {"n1", "n2"}, id="in-several"),
        pytest.param([[one("zone", "In", "c")]], set(), id="in-nowhere"),
        pytest.param([[one("zone", "NotIn", "a")]], {"n2", "n3"}, id="not-in"),
        pytest.param([[one("zone", "Exists")]], {"n1", "n2"}, id="exists"),
        pytest.param([[one("zone", "DoesNotExist")]], {"n3"}, id="does-not-exist"),
        pytest.param([[one("rank", "Gt", "0")]], {"n1"}, id="greater"),
        pytest.param([[one("rank", "Lt", "1")]], set(), id="less"),
        pytest.param([[one("zone", "Exists"), one("rank", "NotIn", "1")]], {"n2"}, id="both"),
        pytest.param([[one("zone", "In", "a")], [one("zone", "DoesNotExist")]], {"n1", "n3"}, id="either"),
        pytest.param([[]], set(), id="an-empty-term"),
        pytest.param([], set(), id="no-terms"),
    ],
)
def test_nodes(terms: Any, expected: set[str]) -> None:
    world, compiled = World(NODES), node_terms(affinity(*terms)["required"])
    assert world.names(matching(world.snapshot, compiled)) == expected
    assert {
        each["metadata"]["name"] for each in NODES if matches(compiled, each["metadata"]["labels"])
    } == expected


def test_nodes_that_are_gone_match_nothing() -> None:
    world = World(NODES)
    world.snapshot.remove_node("n3")
    found = matching(world.snapshot, node_terms(affinity([one("zone", "DoesNotExist")])["required"]))
    assert not found.any()
    assert matching(world.snapshot, None) is world.snapshot.alive
    assert not selected(world.snapshot, NOTHING).any()


def test_topologies_of_classes() -> None:
    world = World(NODES)
    assert topology_terms(None) is None
    assert topology_terms([]) is None
    terms = topology_terms([{}, {"matchLabelExpressions": [{"key": "zone", "values": ["b"]}]}])
    assert world.names(matching(world.snapshot, terms)) == {"n2"}
    assert not matching(world.snapshot, topology_terms([{}])).any()


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        pytest.param([Requirement("k", IN, frozenset("ab"))], Labelled("k", frozenset("ab")), id="one-label"),
        pytest.param([Requirement("k", NOT_IN, frozenset("a"))], None, id="not-in"),
        pytest.param([Requirement("k", IN, frozenset("a"))] * 2, None, id="two"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_common_case(requirements: list[Requirement], expected: Labelled | None) -> None:
    assert labelled((Selector(tuple(requirements)),)) == expected
    assert labelled(None) is None
    assert labelled((Selector((Requirement("k", GREATER, frozenset("1")),)),) * 2) is None
