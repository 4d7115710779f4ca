"""The examples in deploy/examples/scheduler-plugins, loaded from their files, with small clusters."""

from pathlib import Path
from typing import Any

import pytest

from scheduler.attempt import Attempts, Placed, Refused
from scheduler.cluster import Cluster
from scheduler.framework import Profile
from scheduler.profiles import default_profile
from scheduler.python_plugins.files import PythonPlugins
from tests.unit.scheduler.build import World, node, pod

FOLDER = Path(__file__).parents[4] / "deploy/examples/scheduler-plugins"
PRICE, RACK, GPU = "example.com/price-per-hour", "example.com/rack", "nvidia.com/gpu"


def _fail(pod: Any, message: str) -> None:
    raise AssertionError(message)


def _profile(example: str, base: Profile | None = None) -> Profile:
    base = base or Profile("default-scheduler", (), ())
    plugins = PythonPlugins({base.name: [FOLDER / f"{example}.py"]}, _fail)
    return plugins.extend({base.name: base})[base.name]


def _place(profile: Profile, nodes: list[Any], pods: list[Any]) -> dict[str, str]:
    """Return where a scheduler with this profile puts the pods, one after the other."""
    cluster = Cluster({profile.name: profile})
    for number, each in enumerate([*nodes, *pods]):
        (cluster.pod_changed if "containers" in each["spec"] else cluster.node_changed)(None, each, number)
    attempts, where = Attempts(cluster), {}
    while (entry := cluster.queue.pop(1000.0)) is not None:
        match attempts.attempt(entry, 1000.0):
            case Placed(node=name):
                where[entry.pod["metadata"]["name"]] = name
    return where


def test_every_example_is_tested_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == {"cost_aware", "gpu_topology", "spread_by_owner"}


def test_cost_aware():
    world = World([node("cheap", {PRICE: "0.4"}), node("dear", {PRICE: "3"}), node("unpriced")])
    profile = _profile("cost_aware")
    assert world.scores(profile.scores[0][0], pod("p")) == {"cheap": 90, "dear": 25, "unpriced": 0}
    careful = pod("p")
    careful["metadata"]["annotations"] = {"example.com/most-per-hour": "1"}
    assert world.refused(profile.filters[0], careful) == dict.fromkeys(
        ("dear", "unpriced"), ("node(s) cost more than 1 per hour", True)
    )
    assert world.refused(profile.filters[0], pod("p")) == {}


def test_cost_aware_among_the_default_plugins():
    nodes = [node(f"n{number}", {PRICE: str(number)}) for number in (3, 1, 2)]
    assert _place(_profile("cost_aware", default_profile()), nodes, [pod("p")]) == {"p": "n1"}


def test_cost_aware_pods_with_other_limits_wait_apart():
    profile = _profile("cost_aware", default_profile())
    cluster = Cluster({profile.name: profile})
    cluster.node_changed(None, node("dear", {PRICE: "9"}), 0.0)
    for number, limit in enumerate("15"):
        careful = pod(f"p{limit}")
        careful["metadata"]["annotations"] = {"example.com/most-per-hour": limit}
        cluster.pod_changed(None, careful, float(number))
    attempts = Attempts(cluster)
    while (entry := cluster.queue.pop(1000.0)) is not None:
        assert isinstance(attempts.attempt(entry, 1000.0), Refused)
    cluster.node_changed(None, node("cheaper", {PRICE: "3"}), 2000.0)
    found = []
    while (entry := cluster.queue.pop(2000.0)) is not None:
        found.append(attempts.attempt(entry, 2000.0))
    assert [type(each) for each in found] == [Refused, Placed]


def _gpu_node(name: str, groups: str, gpus: int = 8) -> Any:
    return node(name, {"example.com/gpus-per-group": groups} if groups else {}, offers={GPU: str(gpus)})


@pytest.mark.parametrize(
    ("held", "wanted", "refused"),
    [
        pytest.param([], 4, False, id="empty-node"),
        pytest.param([], 5, True, id="more-than-a-group"),
        pytest.param([3, 3], 2, True, id="one-free-in-each-group"),
        pytest.param([2, 2], 4, False, id="both-in-one-group"),
        pytest.param([1, 3], 4, False, id="tightest-group-first"),
        pytest.param([6], 3, True, id="over-both-groups"),
        pytest.param([4, 4], 0, False, id="none-wanted"),
    ],
)
def test_gpu_topology_filter(held, wanted, refused):
    there = [pod(f"h{number}", on="n", requests={GPU: str(gpus)}) for number, gpus in enumerate(held)]
    world = World([_gpu_node("n", "4")], there)
    found = world.refused(_profile("gpu_topology").filters[0], pod("p", requests={GPU: str(wanted)}))
    reason = f"node(s) didn't have {wanted} free GPUs in one group"
    assert found == ({"n": (reason, False)} if refused else {})


def test_gpu_topology_leaves_large_groups_whole():
    nodes = [_gpu_node("pairs", "2"), _gpu_node("fours", "4"), _gpu_node("all", ""), node("none")]
    plugin = _profile("gpu_topology").scores[0][0]
    two = pod("p", requests={GPU: "2"})
    assert World(nodes).scores(plugin, two) == {"pairs": 100, "fours": 50, "all": 25, "none": 0}
    wanted = [pod(f"p{number}", requests={GPU: "2"}) for number in range(4)]
    where = _place(
        _profile("gpu_topology", default_profile()), nodes, [*wanted, pod("big", requests={GPU: "8"})]
    )
    assert where == {**dict.fromkeys(("p0", "p1", "p2", "p3"), "pairs"), "big": "all"}


def test_spread_by_owner():
    nodes = [node(f"n{number}", {RACK: f"r{number % 3}"}) for number in range(9)]
    mine = [pod(f"p{number}", owner=("Job", "mine")) for number in range(6)]
    where = _place(_profile("spread_by_owner", default_profile()), nodes, mine)
    racks = sorted(int(name[1:]) % 3 for name in where.values())
    assert racks == [0, 0, 1, 1, 2, 2]
    world = World(nodes, [pod("there", on="n0", owner=("Job", "mine"))])
    scores = world.scores(_profile("spread_by_owner").scores[0][0], mine[0])
    assert scores == {f"n{number}": 0 if number % 3 == 0 else 100 for number in range(9)}
    assert set((world.scores(_profile("spread_by_owner").scores[0][0], pod("alone")) or {}).values()) == {0}


def test_new_functions_count_for_the_very_next_pod(tmp_path):
    base, file = default_profile(), tmp_path / "mine.py"
    plugins = PythonPlugins({base.name: [file]}, _fail)
    cluster = Cluster(plugins.extend({base.name: base}))
    for number in range(4):
        cluster.node_changed(None, node(f"n{number}"), 0.0)
    for number in range(3):
        cluster.pod_changed(None, pod(f"p{number}"), 0.0)
    attempts, found = Attempts(cluster), []
    for number in range(3):
        entry = cluster.queue.pop(1.0)
        assert entry is not None
        outcome = attempts.attempt(entry, 1.0)
        assert isinstance(outcome, Placed)
        found.append(outcome.node)
        if not number:
            head = "from pelamis.plugins import score\n@score(weight=90)\n"
            file.write_text(f"{head}def mine(pod, node):\n    return 100 * (node.name == '{outcome.node}')\n")
            plugins.refresh()
            assert plugins.refresh()
            cluster.set_profiles(plugins.extend({base.name: base}), 1.0)
    assert len(set(found)) == 1
