"""Random clusters: the columns and the slow rules of `reference` agree on every node, reason and score."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.labels import from_map
from scheduler.decide import find_feasible, weigh
from tests.unit.scheduler.build import PROFILE
from tests.unit.scheduler.build import World as Columns
from tests.unit.scheduler.clusters import ALL, FEATURES, NAMESPACES, clusters, examples
from tests.unit.scheduler.reference import filters, scores
from tests.unit.scheduler.reference.facts import World, name

Judgement = tuple[dict[str, Any], dict[str, Any]]


def by_columns(columns: Columns, pod: Any, spreads: Any = None) -> Judgement:
    """Return who refuses which node and why, and the scores of the other nodes by plugin."""
    cycle, names = columns.cycle(pod, spreads), columns.snapshot.names
    mask, rejected = find_feasible(cycle, PROFILE)
    verdicts: dict[str, Any] = {}
    for plugin, reject, hit in rejected:
        for slot in np.flatnonzero(hit):
            _, reasons = verdicts.get(names[slot], (plugin, frozenset()))
            verdicts[names[slot]] = plugin, reasons | {reject.reason}
    found = weigh(cycle, PROFILE, mask) if mask.any() else []
    chosen = np.flatnonzero(mask)
    return verdicts, {plugin: {names[s]: int(values[s]) for s in chosen} for plugin, _, values in found}


def by_rules(world: World, pod: Any) -> Judgement:
    verdicts = {name(node): filters.verdict(world, pod, node) for node in world.nodes}
    feasible = filters.feasible(world, pod)
    refused = {each: verdict for each, verdict in verdicts.items() if verdict is not None}
    return refused, scores.scores(world, pod, feasible) if feasible else {}


def assert_same(columns: Judgement, rules: Judgement) -> None:
    assert columns[0] == rules[0]
    for plugin, expected in rules[1].items():
        found = columns[1].get(plugin)
        if found is None:
            assert len(set(expected.values())) <= 1, f"{plugin} sees no difference"
        else:
            assert found == expected, plugin


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: "+".join(sorted(features)))
@examples(170)
@given(data=st.data())
def test_the_same_judgement(features: frozenset[str], data: st.DataObject) -> None:
    found, placed, new = data.draw(clusters(features))
    spreads = data.draw(st.sampled_from([None, from_map({"app": "web"})]))
    world = World(found, placed, NAMESPACES, spreads)
    assert_same(by_columns(Columns(found, placed, **NAMESPACES), new, spreads), by_rules(world, new))


@examples(100)
@given(data=st.data())
def test_the_same_after_changes(data: st.DataObject) -> None:
    """What was counted for one decision is right for the next, whatever has come and gone."""
    found, placed, new = data.draw(clusters(ALL))
    columns = Columns(found, placed, **NAMESPACES)
    columns.totals(new)
    gone = data.draw(st.sets(st.integers(0, max(0, len(placed) - 1))))
    left = [each for number, each in enumerate(placed) if number not in gone]
    for number in gone:
        if number < len(placed):
            columns.snapshot.remove_pod(placed[number]["metadata"]["uid"])
    changed: list[Any] = [
        {**each, "metadata": {**each["metadata"], "labels": {"zone": "b"}}} for each in found[:1]
    ]
    for each in changed:
        columns.snapshot.set_node(each)
    world = World([*changed, *found[1:]], left, NAMESPACES)
    assert_same(by_columns(columns, new), by_rules(world, new))
