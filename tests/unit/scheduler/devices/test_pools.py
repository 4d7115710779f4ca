"""Pools as a node sees them."""

from typing import Any

import pytest

from scheduler.devices.pools import Pool, gather
from scheduler.devices.slices import Kinds, Reach, compile_slice
from tests.unit.scheduler.devices.build import consumes, counters, device, slice_

ZONE = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
A, B = device("a"), device("b")


def seen(slices: list[Any], node: str = "n1", **labels: str) -> Pool | None:
    def reaches(reach: Reach) -> bool:
        selector = reach.compiled()
        return reach.everywhere or reach.name == node or bool(selector and selector.matches(node, labels))

    kinds = Kinds()
    return gather([compile_slice(each, kinds) for each in slices], reaches)


def shown(pool: Pool | None) -> str:
    if pool is None:
        return "none"
    return pool.fault or " ".join(device.id.name for device in pool.devices)


def pooled(name: str, *devices: Any, **more: Any) -> Any:
    return slice_(name, *devices, **{"pool": "p", **more})


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param([], "none", id="no-slices"),
        pytest.param([pooled("s", A, node="n1")], "a", id="of-this-node"),
        pytest.param([pooled("s", A, node="n2")], "none", id="of-another-node"),
        pytest.param([pooled("s", A, allNodes=True)], "a", id="of-all-nodes"),
        pytest.param([pooled("s", A, nodeSelector=ZONE)], "a", id="of-nodes-with-a-label"),
        pytest.param(
            [pooled("s", {**A, "nodeName": "n1"}, {**B, "nodeName": "n2"}, perDeviceNodeSelection=True)],
            "a",
            id="each-device-says",
        ),
        pytest.param(
            [pooled("s", {**A, "allNodes": True}, {**B, "nodeSelector": ZONE}, perDeviceNodeSelection=True)],
            "a b",
            id="each-device-says-otherwise",
        ),
        pytest.param([pooled("s", A)], "none", id="nobody-said"),
        pytest.param(
            [pooled("s", A, node="n1"), pooled("t", B, node="n1", generation=2)], "b", id="newest-generation"
        ),
        pytest.param(
            [pooled("s", A, node="n1"), pooled("t", B, node="n2", generation=2, count=2)],
            "a",
            id="a-whole-generation-is-enough",
        ),
        pytest.param(
            [pooled("s", A, node="n1", count=2), pooled("t", B, node="n2", generation=2)],
            "none",
            id="another-node-has-a-newer-one",
        ),
        pytest.param([pooled("s", A, node="n1", count=2)], "incomplete", id="a-slice-is-missing"),
        pytest.param(
            [pooled("s", A, node="n1", count=2), pooled("t", B, node="n2", count=2)],
            "a",
            id="the-other-slice-is-another-nodes",
        ),
        pytest.param(
            [pooled("s", A, node="n1", count=2), pooled("t", A, node="n1", count=2)],
            "invalid",
            id="a-device-twice",
        ),
        pytest.param(
            [pooled("s", A, node="n1", count=2), pooled("t", A, node="n2", count=2)],
            "a",
            id="a-device-twice-elsewhere",
        ),
    ],
)
def test_what_a_node_sees(slices, expected):
    assert shown(seen(slices, zone="a")) == expected


SET = {"name": "gpu-0", "counters": counters(memory="8Gi")}
USES = device("a", consumesCounters=consumes(memory="4Gi"))


@pytest.mark.parametrize(
    ("sets", "user", "expected"),
    [
        pytest.param([[SET]], USES, "a", id="there"),
        pytest.param([[SET, {**SET, "name": "gpu-1"}]], USES, "a", id="several"),
        pytest.param([[]], USES, "invalid", id="no-set"),
        pytest.param(
            [[SET]], device("a", consumesCounters=consumes("gpu-9", memory="1")), "invalid", id="other-set"
        ),
        pytest.param(
            [[SET]], device("a", consumesCounters=consumes(cores="1")), "invalid", id="other-counter"
        ),
        pytest.param([[SET], [SET]], USES, "invalid", id="set-twice"),
    ],
)
def test_counters_must_be_there(sets, user, expected):
    count = len(sets) + 1
    slices = [pooled(f"c{n}", node="n1", count=count, sharedCounters=each) for n, each in enumerate(sets)]
    assert shown(seen([*slices, pooled("d", user, node="n1", count=count)])) == expected


def test_counters_of_all_nodes_are_seen_with_the_devices_elsewhere():
    slices = [
        pooled("c", allNodes=True, count=3, sharedCounters=[SET]),
        pooled("d", USES, node="n1", count=3),
        pooled("e", {**USES, "name": "b"}, node="n2", count=3),
    ]
    pool = seen(slices)
    assert pool is not None
    assert [device.id.name for device in pool.devices] == ["a"]
    assert [device.id.name for device in pool.others] == ["b"]
    assert pool.counters == {("gpu-0", "memory"): 8 * 1024**3 * 10**9}


def test_pools_that_are_alike_have_the_same_content():
    one, two, three = (
        seen([pooled("s", device(name, attributes={"x": x}), node="n1", pool=pool)])
        for name, x, pool in (("a", 1, "p"), ("b", 1, "q"), ("c", 2, "p"))
    )
    assert one is not None
    assert two is not None
    assert three is not None
    kinds = Kinds()
    alike = [kinds.of(device(name, attributes={"x": 1}), "d").number for name in ("a", "b")]
    assert alike[0] == alike[1] != kinds.of(device("a", attributes={"x": 2}), "d").number
    assert kinds.of(device("a", attributes={"x": 1}), "e").number != alike[0]
    assert (one.content, one.order) == (two.content, (False, ("gpu.example.com", "p")))
