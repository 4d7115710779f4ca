"""What is kept of nodes: one node, some or all, the answer for each is the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.allocation import Kind, Strategy
from scheduler.kept import Kept
from scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from tests.unit.scheduler.build import World, node, pod

GPU = "example.com/gpu"
RESOURCES = (("cpu", 2), ("memory", 1), (GPU, 3))
CURVE = ((0, 0), (60, 80), (100, 20))
NODES = [
    node("plain"),
    node("gpus", offers={GPU: "2"}),
    node("no-memory", offers={"memory": "0"}),
    node("small", offers={"cpu": "300m", "memory": "1Gi", "pods": "2"}),
]
PLUGINS = [
    pytest.param(NodeResourcesFit(), id="fit"),
    *[
        pytest.param(NodeResourcesFit(strategy=Strategy(kind, RESOURCES, CURVE)), id=kind.value)
        for kind in Kind
    ],
    pytest.param(NodeResourcesFit(strategy=Strategy(resources=(("example.com/other", 1),))), id="of-none"),
    pytest.param(NodeResourcesBalancedAllocation(), id="balance"),
    pytest.param(NodeResourcesBalancedAllocation(resources=("cpu", "memory", GPU)), id="balance-of-three"),
    pytest.param(NodeResourcesBalancedAllocation(resources=("cpu",)), id="balance-of-one"),
]
SIZES = st.fixed_dictionaries(
    {"cpu": st.sampled_from(["100m", "1500m", "0"])},
    optional={"memory": st.sampled_from(["200Mi", "3Gi"]), GPU: st.sampled_from(["1", "2"])},
)


def said(world: World, plugin: Any, each: Any) -> tuple[object, object]:
    """Return what a plugin says of all nodes: reasons by node, and scores."""
    cycle = world.cycle(each)
    reasons = world.refused(plugin, each) if hasattr(plugin, "filter") else None
    scores = plugin.score(cycle, world.snapshot.alive)
    return reasons, None if scores is None else scores[world.snapshot.alive].tolist()


@pytest.mark.parametrize("single", [0, Kept.SINGLE], ids=["together", "one-by-one"])
@pytest.mark.parametrize("plugin", PLUGINS)
@given(sizes=st.lists(st.tuples(st.integers(0, 3), SIZES), max_size=5), new=SIZES)
def test_as_if_computed_anew(single: int, plugin: Any, sizes: list[Any], new: Any) -> None:
    world, waiting = World(NODES), pod("new", requests=new)
    world.kept.SINGLE = single
    said(world, plugin, waiting)
    for number, (on, requests) in enumerate(sizes):
        world.place(pod(f"p{number}", NODES[on]["metadata"]["name"], requests=requests))
        if number % 2:
            said(world, plugin, waiting)
    kept = said(world, plugin, waiting)
    world.kept = Kept()
    assert kept == said(world, plugin, waiting)


@pytest.mark.parametrize("changed", [1, Kept.SINGLE, Kept.SINGLE + 1, 60], ids=str)
def test_only_what_has_changed_is_computed(changed: int) -> None:
    world, asked = World(node(f"n{number}") for number in range(64)), list[Any]()

    def compute(where: Any) -> Any:
        asked.append(where)
        return np.arange(64)[where] + 100 * len(world.snapshot.pods)

    before = world.cycle(pod("new")).local("Plugin", compute).tolist()
    for number in range(changed):
        world.place(pod(f"p{number}", f"n{number}"))
    after = world.cycle(pod("new")).local("Plugin", compute).tolist()
    assert after == [value + 100 * changed * (slot < changed) for slot, value in enumerate(before)]
    assert [isinstance(where, int) for where in asked[1:]] == (
        [True] * changed if changed <= Kept.SINGLE else [False]
    )
