"""The graph of owners, and what is decided about one object."""

from typing import Any

import pytest

from api.types.core_v1 import PODS, SECRETS
from client.informer import Informers
from controllers.framework.process import Context
from controllers.garbage_collector.decide import DropOwners, Keep, Remove, Unblock, decide
from controllers.garbage_collector.graph import Graph, Look, Node, Orphan
from controllers.garbage_collector.process import GarbageCollector


def obj(uid: str, *owners: str, going: str = "", blocks: bool = True) -> dict[str, Any]:
    refs = [
        {"uid": o, "apiVersion": "v1", "kind": "Pod", "name": o, "blockOwnerDeletion": blocks} for o in owners
    ]
    metadata: dict[str, Any] = {"name": uid, "namespace": "default", "uid": uid, "ownerReferences": refs}
    if going:
        metadata.update(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=[going])
    return {"metadata": metadata}


def test_objects_without_relations_take_no_room() -> None:
    graph = Graph()
    assert graph.observe(PODS, None, obj("a")) == []
    assert graph.nodes == {}


def test_an_unknown_owner_is_looked_for_once() -> None:
    graph = Graph()
    assert graph.observe(PODS, None, obj("b", "a")) == [Look("a")]
    assert graph.nodes["a"].virtual
    assert graph.observe(PODS, None, obj("c", "a")) == []
    assert graph.observe(PODS, None, obj("a")) == []
    assert not graph.nodes["a"].virtual
    assert graph.nodes["a"].dependents == {"b", "c"}


def test_an_owner_that_does_not_exist_has_its_dependents_looked_at() -> None:
    graph = Graph()
    graph.observe(PODS, None, obj("b", "a"))
    assert graph.forget("a") == [Look("b")]
    assert "a" not in graph.nodes
    assert graph.forget("b") == []


def test_a_deletion_is_passed_down_and_up() -> None:
    graph = Graph()
    for each in (obj("b", "a"), obj("c", "b"), obj("a")):
        graph.observe(PODS, None, each)
    going = obj("a", going="foregroundDeletion")
    assert set(graph.observe(PODS, obj("a"), going)) == {Look("a"), Look("b")}
    assert graph.observe(PODS, going, going) == []
    assert set(graph.observe(PODS, obj("b", "a"), None)) == {Look("c"), Look("a")}


def test_orphaning() -> None:
    graph = Graph()
    graph.observe(PODS, None, obj("b", "a"))
    assert graph.observe(PODS, None, obj("a", going="orphan")) == [Orphan("a")]


def test_a_reference_that_stops_blocking_lets_its_owner_go_on() -> None:
    graph = Graph()
    graph.observe(PODS, None, obj("b", "a"))
    graph.observe(PODS, None, obj("a", going="foregroundDeletion"))
    work = graph.observe(PODS, obj("b", "a"), obj("b", "a", blocks=False))
    assert Look("a") in work
    work = graph.observe(PODS, None, obj("b"))
    assert graph.nodes["a"].dependents == set()


@pytest.mark.parametrize(
    ("states", "finalizers", "dependents", "expected"),
    [
        pytest.param({}, [], [], Keep(), id="no-owners"),
        pytest.param({"a": "solid"}, [], [], Keep(), id="solid"),
        pytest.param({"a": "dangling"}, [], [], Remove("Background"), id="all-gone"),
        pytest.param({"a": "dangling"}, ["orphan"], [], Remove("Orphan"), id="as-its-finalizer-says"),
        pytest.param({"a": "dangling"}, ["foregroundDeletion"], [], Remove("Foreground"), id="foreground"),
        pytest.param({"a": "solid", "b": "dangling"}, [], [], DropOwners(frozenset("b")), id="one-stays"),
        pytest.param({"a": "solid", "b": "waiting"}, [], [], DropOwners(frozenset("b")), id="two-owners"),
        pytest.param({"a": "waiting"}, [], [], Remove("Background"), id="owner-waits-for-a-leaf"),
        pytest.param({"a": "waiting"}, [], [False], Remove("Foreground"), id="owner-waits-for-a-branch"),
        pytest.param({"a": "waiting"}, [], [True], Unblock(), id="circle"),
    ],
)
def test_decisions(states: Any, finalizers: list[str], dependents: list[bool], expected: Any) -> None:
    graph = Graph()
    node = graph.nodes["x"] = Node("x", PODS, None)  # type: ignore[arg-type]
    for number, waits in enumerate(dependents):
        uid = f"d{number}"
        graph.nodes[uid] = Node(uid, PODS, None, waits_for_dependents=waits)  # type: ignore[arg-type]
        node.dependents.add(uid)
    metadata = {**obj("x", *states)["metadata"], "finalizers": finalizers}
    assert decide(graph, node, states, metadata) == expected


def test_a_copy_that_others_have_is_shared_even_if_it_is_still_empty() -> None:
    nothing: Any = None
    context = Context(nothing, Informers(nothing), nothing, nothing)
    whole = context.informers.of(PODS)
    collector = GarbageCollector()
    collector._adopt([PODS, SECRETS], context)
    assert collector._caches[PODS] is whole
    assert collector._caches[SECRETS] is context.informers.of(SECRETS, metadata_only=True)
