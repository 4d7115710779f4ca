"""Decisions in bytes: what is read back is what the plugins said."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide import Outside, find_feasible, schedule
from scheduler.explain.decisions import summarise
from scheduler.explain.detail import Detail, Verdict
from scheduler.explain.packed import Batch, Nodes, Packed, SlotChange, pack, unpack
from scheduler.framework import Cycle, Placement
from tests.unit.scheduler.build import PROFILE, World, node, pod
from tests.unit.scheduler.clusters import FEATURES, NAMESPACES, clusters, examples


def packed(world: World, each: Any) -> tuple[Cycle, Packed]:
    cycle = world.cycle(each)
    found = schedule(cycle, PROFILE, each["metadata"]["name"])
    slot = world.snapshot.index[found.node] if isinstance(found, Placement) else -1
    assert cycle.trace is not None
    return cycle, pack(cycle.trace, Nodes(tuple(world.snapshot.names)), slot)


def said(detail: Detail) -> Any:
    """Return what a detail says, in a form that can be compared."""
    slots = [slot for slot, name in enumerate(detail.names) if name]
    verdicts = {detail.names[slot]: set(detail.verdicts(slot)) for slot in slots}
    feasible = [slot for slot in slots if detail.feasible[slot]]
    return verdicts, {detail.names[slot]: detail.scored(slot) for slot in feasible}, detail.plugins


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: "+".join(sorted(features)))
@examples(40)
@given(data=st.data())
def test_every_verdict_and_score_is_kept(features: frozenset[str], data: st.DataObject) -> None:
    found, placed, new = data.draw(clusters(features))
    world = World(found, placed, **NAMESPACES)
    cycle, kept = packed(world, new)
    # What comes later changes the arrays that the trace shares, not what is kept.
    world.snapshot.remove_node(found[0]["metadata"]["name"])
    for each in found[1:]:
        world.place({**pod(f"late-{each['metadata']['name']}", each["metadata"]["name"])})
    world.totals(new)
    fresh = World(found, placed, **NAMESPACES)
    mask, rejected = find_feasible(fresh.cycle(new), PROFILE)
    detail = unpack(kept)
    assert {name for name in detail.names if name} == set(fresh.snapshot.index)
    for name, slot in fresh.snapshot.index.items():
        at = detail.slot(name)
        assert at is not None
        expected = {Verdict(p, r.reason, r.final or r.of_pod) for p, r, hit in rejected if hit[slot]}
        assert set(detail.verdicts(at)) == expected
        assert detail.feasible[at] == mask[slot] == (not expected)
        if detail.plugins and mask[slot]:
            assert detail.scored(at).total == detail.totals[at] == fresh.totals(new)[name]
    assert cycle.trace is not None
    counts = {verdict: count for verdict, count in detail.counts().items() if count}
    assert sum(counts.values()) == sum(int(np.count_nonzero(hit)) for _, _, hit in rejected)


@examples(40)
@given(data=st.data())
def test_the_best_and_the_next_best(data: st.DataObject) -> None:
    found, placed, new = data.draw(clusters(FEATURES[0]))
    world = World(found, placed, **NAMESPACES)
    cycle = world.cycle(new)
    choice = schedule(cycle, PROFILE, "new")
    totals = world.totals(new)
    if not isinstance(choice, Placement) or len(totals) < 2 or cycle.trace is None:
        return
    slot = world.snapshot.index[choice.node]
    kept = pack(cycle.trace, Nodes(tuple(world.snapshot.names)), slot)
    best = unpack(kept).best(2, slot)
    assert best[0].node == choice.node
    others = sorted((total for name, total in totals.items() if name != choice.node), reverse=True)
    assert [each.total for each in best] == [totals[choice.node], others[0]]
    summary = summarise(kept, slot)
    assert summary.winner == best[0]
    assert (summary.runner_up.total if summary.runner_up is not None else 0) == others[0]


def test_a_batch_reads_as_if_each_had_been_kept_whole() -> None:
    """Pods placed one after another: one slot changes each time, in the end it is refused."""
    world = World([node(f"n{number}", offers={"cpu": "2"}) for number in range(4)])
    base, batch, changes, whole = None, None, list[SlotChange](), list[Any]()
    for number in range(9):
        each = pod(f"p{number}", requests={"cpu": "900m", "memory": "1Gi"})
        cycle, kept = packed(world, each)
        whole.append(said(unpack(kept)))
        if base is None:
            base, batch = kept, Batch(kept)
        if number == 8:
            break
        choice = schedule(cycle, PROFILE, each["metadata"]["name"])
        assert isinstance(choice, Placement)
        world.place({**each, "spec": {**each["spec"], "nodeName": choice.node}})
        slot = world.snapshot.index[choice.node]
        after, again = packed(world, pod("next", requests={"cpu": "900m", "memory": "1Gi"}))
        detail = unpack(again)
        assert after.trace is not None
        scores = [int(values[slot]) for _, _, values in after.trace.scores] or [0] * len(base.plugins)
        changes.append(SlotChange(slot, scores, tuple(detail.verdicts(slot))))
    assert batch is not None
    batch.changes += changes
    # With one node left nothing is scored, with none neither: until then everything is the same.
    for place in (0, 3, 1, 6, 2, 5, 4):
        assert said(batch.at(place)) == whole[place]
    assert said(batch.at(8))[0] == whole[8][0]
    full = Verdict("NodeResourcesFit", "Insufficient cpu", False)
    assert batch.at(8).counts() == {full: 4}
    assert batch.at(8).best(3) == []
    assert not batch.at(8).totals.any()


def test_gone_nodes_have_no_say() -> None:
    world = World([node("a"), node("b"), node("c")])
    world.snapshot.remove_node("b")
    _, kept = packed(world, pod("p", requests={"cpu": "1"}))
    detail = unpack(kept)
    assert [each.node for each in detail.best(5)] == ["a", "c"]
    assert detail.slot("b") is None
    assert detail.slot("") is None
    runner_up = summarise(kept, 0).runner_up
    assert runner_up is not None
    assert runner_up.node == "c"


def test_a_pod_at_fault_is_refused_everywhere() -> None:
    world = World([node("a"), node("b")])
    cycle, kept = packed(world, pod("p", requests={"example.com/gpu": "1"}))
    detail = unpack(kept)
    verdict = Verdict("NodeResourcesFit", "Insufficient example.com/gpu", True)
    assert detail.counts() == {verdict: 2}
    assert detail.examples(verdict, 1) == ["a"]
    assert cycle.trace is not None


def test_extenders_give_more_points_than_a_byte_holds() -> None:
    world = World([node("a"), node("b")])
    cycle = world.cycle(pod("p", requests={"cpu": "1"}))
    outside = Outside(frozenset("ab"), scores=[("http://far", {"a": 300, "b": 5000})])
    choice = schedule(cycle, PROFILE, "p", 0, outside)
    assert isinstance(choice, Placement)
    assert cycle.trace is not None
    kept = pack(cycle.trace, Nodes(tuple(world.snapshot.names)), world.snapshot.index[choice.node])
    best = unpack(kept).best(2)
    assert [(each.node, each.scores[-1]) for each in best] == [("b", 5000), ("a", 300)]
    assert best[0].total == choice.score
