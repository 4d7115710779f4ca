"""The columns: after any sequence of events they are what they would be if built from what is left."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.snapshot import Snapshot
from tests.unit.scheduler.build import World, apart, node, pod, spread, term

NAMES = [f"n{number}" for number in range(4)]
WATCHER = pod("watcher", labels={"app": "web"}, topologySpreadConstraints=[spread("zone", 3)])

node_events = st.tuples(
    st.just("node"), st.sampled_from(NAMES), st.sampled_from("abc"), st.sampled_from(["2", "4"])
)
gone_nodes = st.tuples(st.just("node gone"), st.sampled_from(NAMES))
pod_events = st.tuples(
    st.just("pod"),
    st.integers(0, 5),
    st.sampled_from(NAMES),
    st.sampled_from(["web", "db"]),
    st.sampled_from(["100m", "1"]),
    st.booleans(),
)
gone_pods = st.tuples(st.just("pod gone"), st.integers(0, 5))
events = st.lists(st.one_of(node_events, gone_nodes, pod_events, gone_pods), max_size=30)


def new_pod(number: int, where: str, app: str, cpu: str, terminating: bool) -> Any:
    return pod(
        f"p{number}",
        where,
        {"app": app},
        requests={"cpu": cpu, "example.com/gpu": "1"},
        ports=[{"hostPort": 80 + number, "containerPort": 1}],
        affinity=apart(term("zone", app)) if number % 2 else {},
        terminating=terminating,
    )


def picture(snapshot: Snapshot) -> Any:
    """Return everything that plugins read, by node name."""
    columns: dict[str, Any] = {
        **{f"requested {name}": column for name, column in snapshot.requested.items()},
        **{f"offered {name}": column for name, column in snapshot.allocatable.items()},
        "scored cpu": snapshot.scored_cpu,
        "scored memory": snapshot.scored_memory,
        **{f"anti {term}": vector.values for term, vector in snapshot.counts.anti_affinity.held.items()},
    }
    slots = snapshot.index
    found: dict[str, Any] = {
        what: {name: int(column[slot]) for name, slot in slots.items()}
        for what, column in columns.items()
        if column[list(slots.values())].any()
    }
    found["ports"] = {name: dict(snapshot.ports.get(slot, {})) for name, slot in slots.items()}
    found["pods"] = {record.uid: snapshot.names[record.slot] for record in snapshot.pods.values()}
    return found


@settings(max_examples=200, deadline=None)
@given(events)
def test_incremental_is_rebuilt(happened: list[Any]) -> None:
    world = World([])
    nodes: dict[str, Any] = {}
    pods: dict[int, Any] = {}
    for event in happened:
        match event:
            case ("node", name, zone, cpu):
                nodes[name] = node(name, {"zone": zone}, offers={"cpu": cpu, "example.com/gpu": "2"})
                world.snapshot.set_node(nodes[name])
            case ("node gone", name):
                nodes.pop(name, None)
                world.snapshot.remove_node(name)
            case ("pod", number, *rest):
                pods[number] = new_pod(number, *rest)
                world.place(pods[number])
            case ("pod gone", number):
                pods.pop(number, None)
                world.snapshot.remove_pod(f"p{number}")
        world.totals(WATCHER)
    rebuilt = World(nodes.values(), pods.values())
    assert picture(world.snapshot) == picture(rebuilt.snapshot)
    assert world.feasible(WATCHER) == rebuilt.feasible(WATCHER)
    assert world.totals(WATCHER) == rebuilt.totals(WATCHER)


def test_more_nodes_than_the_first_columns_hold() -> None:
    world = World([node(f"n{number}", {"zone": str(number % 3)}) for number in range(60)])
    world.totals(WATCHER)
    for number in range(60, 200):
        world.snapshot.set_node(node(f"n{number}", {"zone": str(number % 3)}))
        world.place(pod(f"p{number}", f"n{number}", {"app": "web"}))
    assert world.snapshot.node_count == 200
    assert int(world.snapshot.requested["pods"].sum()) == 140
    assert world.snapshot.domains("zone").count == 3
    assert len(world.feasible(WATCHER)) > 0


def test_a_heartbeat_is_no_change() -> None:
    world = World([node("n1")])
    version = world.snapshot.version
    beat = node("n1")
    beat["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert not world.snapshot.set_node(beat)
    assert world.snapshot.version == version
    assert world.snapshot.set_node(node("n1", {"new": "label"}))
    assert world.snapshot.version > version


def test_columns_are_empty_when_all_is_gone() -> None:
    world = World([node("n1")], [new_pod(1, "n1", "web", "1", False)])
    world.snapshot.remove_pod("p1")
    assert not any(np.any(column) for column in world.snapshot.requested.values())
    assert world.snapshot.counts.anti_affinity.held == {}
