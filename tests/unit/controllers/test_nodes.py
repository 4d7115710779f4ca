"""Lost nodes: conditions, taints, zones; eviction by taint; pod ranges; pods that nobody ends."""

import asyncio
import ipaddress
from datetime import timedelta
from typing import Any

import pytest

from api.coordination.heartbeat import RENEWED_WITH
from api.resource import Key
from api.times import format_time
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import NODES, PODS
from controllers.framework.plan import Delete, Patch, Record
from controllers.node_ipam import Pool, first_free, node_ipam
from controllers.node_lifecycle.plan import (
    NOT_READY,
    UNREACHABLE,
    Observer,
    Seen,
    Timing,
    compute_taints,
    node_lifecycle,
    ready_taints,
)
from controllers.node_lifecycle.zones import Gate, Limits, Zone, all_disrupted, count_zones
from controllers.pod_garbage_collector import pod_garbage_collector
from controllers.taint_eviction import stay_s, taint_eviction
from tests.sim.world import START, World

LIFECYCLE = node_lifecycle(Timing(), Limits())
# Nodes are judged by caches alone: the server is not asked.
NOBODY: Any = None


def node(name: str = "n1", ready: str = "True", **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"conditions": conditions}}


def pod(name: str = "p", **parts: Any) -> dict[str, Any]:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, **parts.get("metadata", {})},
        "spec": {"nodeName": "n1", **parts.get("spec", {})},
        "status": {**status, **parts.get("status", {})},
    }


def decide(world: World, seen: Seen, name: str = "n1") -> None:
    obj = world.table(NODES).objects[Key("", name)]
    for change in LIFECYCLE(obj, world.view(), world.now, seen).changes:
        world.perform(change)


def test_a_silent_node_is_unknown_and_its_pods_are_not_ready() -> None:
    world = World(LIFECYCLE)
    world.put(NODES, node())
    world.put(PODS, pod())
    decide(world, Seen(49.9, None))
    assert world.table(PODS).objects[Key("default", "p")]["status"]["conditions"][0]["status"] == "True"
    decide(world, Seen(50.0, None))
    found = world.table(NODES).objects[Key("", "n1")]["status"]["conditions"]
    assert {c["type"]: c["status"] for c in found} == dict.fromkeys(
        ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"), "Unknown"
    )
    assert found[0]["message"] == "Kubelet stopped posting node status."
    assert world.table(PODS).objects[Key("default", "p")]["status"]["conditions"][0]["status"] == "False"
    assert [record.reason for record in world.records] == ["NodeNotReady"]


def test_a_node_that_never_reported_gets_more_time() -> None:
    world = World(LIFECYCLE)
    world.put(NODES, node(ready=""))
    decide(world, Seen(55, None))
    assert world.table(NODES).objects[Key("", "n1")]["status"]["conditions"] == []
    decide(world, Seen(60, None))
    assert (
        world.table(NODES).objects[Key("", "n1")]["status"]["conditions"][0]["reason"]
        == "NodeStatusNeverUpdated"
    )


@pytest.mark.parametrize(
    ("obj", "seen", "expected"),
    [
        pytest.param(node(), Seen(0, None), set(), id="ready"),
        pytest.param(
            node(ready="Unknown"),
            Seen(99, 0.0),
            {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")},
            id="lost",
        ),
        pytest.param(node(ready="False"), Seen(0, 5.0), {(NOT_READY, "NoSchedule")}, id="waits-for-its-turn"),
        pytest.param(
            node(ready="Unknown", taints=[{"key": UNREACHABLE, "effect": "NoExecute"}]),
            Seen(99, None, dark=True),
            {(UNREACHABLE, "NoSchedule")},
            id="nobody-is-evicted-in-the-dark",
        ),
        pytest.param(
            node(ready="False", taints=[{"key": UNREACHABLE, "effect": "NoExecute"}]),
            Seen(0, None),
            {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")},
            id="swapped",
        ),
        pytest.param(
            node(taints=[{"key": "mine", "effect": "NoExecute"}, {"key": NOT_READY, "effect": "NoSchedule"}]),
            Seen(0, None),
            {("mine", "NoExecute")},
            id="foreign-taints-stay",
        ),
        pytest.param(
            node(unschedulable=True),
            Seen(0, None),
            {("node.kubernetes.io/unschedulable", "NoSchedule")},
            id="cordoned",
        ),
    ],
)
def test_taints(obj: Any, seen: Seen, expected: set[tuple[str, str]]) -> None:
    assert {(t["key"], t["effect"]) for t in compute_taints(obj, seen, START)} == expected


def test_silence_is_measured_by_what_was_seen() -> None:
    world = World(LIFECYCLE)
    world.put(NODES, node())
    world.put(NODES, node("n2"))
    observer = Observer(Timing(), Limits())

    def look() -> Seen:
        obj: Any = world.table(NODES).objects[Key("", "n1")]
        return asyncio.run(observer.observe(obj, world.view(), world.now, NOBODY))

    assert look().silent_s == 0
    for _ in range(3):
        world.pass_time(10)
        seen = look()
    assert seen.silent_s == 30
    lease = {"metadata": {"name": "n1", "namespace": "kube-node-lease"}, "spec": {"renewTime": "1999"}}
    world.put(LEASES, lease)
    assert look().silent_s == 0
    world.pass_time(10)
    # The connection to the server was broken: everybody gets his time again.
    world.table(LEASES).interruptions = 1  # type: ignore[attr-defined]
    assert look().silent_s == 0


def test_a_node_lives_as_long_as_its_group_is_renewed_or_itself() -> None:
    world = World(LIFECYCLE)
    world.put(NODES, node())
    observer = Observer(Timing(), Limits())

    def look() -> float:
        world.pass_time(10)
        obj: Any = world.table(NODES).objects[Key("", "n1")]
        return asyncio.run(observer.observe(obj, world.view(), world.now, NOBODY)).silent_s

    def renew(name: str, holder: str, second: int, **notes: str) -> None:
        metadata = {"name": name, "namespace": "kube-node-lease", "annotations": notes}
        spec = {"holderIdentity": holder, "renewTime": f"2026-01-01T00:00:{second:02}.000000Z"}
        world.put(LEASES, {"metadata": metadata, "spec": spec})

    renew("n1", "n1", 0, **{RENEWED_WITH: "g/h"})
    renew("g", "h", 1)
    look()
    assert look() == 10
    renew("g", "h", 2)
    assert look() == 0
    renew("g", "another", 3)
    look()
    assert look() == 10
    renew("n1", "n1", 4)
    assert look() == 0


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_clock_that_jumps_makes_no_node_silent(jump_s: float) -> None:
    world = World(LIFECYCLE)
    world.put(NODES, node())
    observer = Observer(Timing(), Limits())
    obj: Any = world.table(NODES).objects[Key("", "n1")]
    asyncio.run(observer.observe(obj, world.view(), START, NOBODY))
    after = START + timedelta(seconds=jump_s)
    assert asyncio.run(observer.observe(obj, world.view(), after, NOBODY)).silent_s == 0
    later = after + timedelta(seconds=5)
    assert asyncio.run(observer.observe(obj, world.view(), later, NOBODY)).silent_s == 5


@pytest.mark.parametrize(
    ("zone", "state", "rate"),
    [
        pytest.param(Zone(3, 1), "Normal", 0.1, id="one-of-four"),
        pytest.param(Zone(0, 1), "FullDisruption", 0.1, id="all"),
        pytest.param(Zone(2, 3), "PartialDisruption", 0.0, id="most-of-a-small-zone"),
        pytest.param(Zone(30, 40), "PartialDisruption", 0.01, id="most-of-a-large-zone"),
        pytest.param(Zone(1, 2), "Normal", 0.1, id="two-are-few"),
    ],
)
def test_zones(zone: Zone, state: str, rate: float) -> None:
    assert (zone.state(Limits()), zone.rate(Limits())) == (state, rate)


def test_dark_means_every_zone() -> None:
    nodes = [node("a", "Unknown"), node("b")]
    nodes[1]["metadata"]["labels"] = {"topology.kubernetes.io/zone": "z"}
    assert not all_disrupted(count_zones(nodes), Limits())
    assert all_disrupted(count_zones(nodes[:1]), Limits())


def test_the_gate_lets_one_through_at_a_time() -> None:
    gate = Gate()
    assert gate.wait_s("a", "z", 0.1, START) == 0
    assert gate.wait_s("b", "z", 0.1, START) == 10
    assert gate.wait_s("a", "z", 0.1, START) == 0
    assert gate.wait_s("c", "other", 0.1, START) == 0
    assert gate.wait_s("b", "z", 0.0, START) is None
    assert gate.wait_s("b", "z", 0.1, START + timedelta(seconds=10)) == 0


TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}
TOLERATION = {"key": "k", "operator": "Exists"}


@pytest.mark.parametrize(
    ("tolerations", "age_s", "expected"),
    [
        pytest.param([], 0, 0.0, id="not-tolerated"),
        pytest.param([TOLERATION], 0, None, id="for-ever"),
        pytest.param([{**TOLERATION, "tolerationSeconds": 5}], 2, 3.0, id="for-a-while"),
        pytest.param([{**TOLERATION, "tolerationSeconds": 5}], 9, 0.0, id="over"),
        pytest.param([{**TOLERATION, "tolerationSeconds": 5}, TOLERATION], 0, 5.0, id="the-shortest-counts"),
        pytest.param([{**TOLERATION, "tolerationSeconds": -1}], 0, 0.0, id="negative"),
    ],
)
def test_how_long_a_pod_may_stay(tolerations: Any, age_s: float, expected: float | None) -> None:
    taints: Any = [TAINT]
    assert stay_s(tolerations, taints, START - timedelta(seconds=age_s), START) == expected


def test_eviction_says_why_and_is_called_off_when_the_taint_goes() -> None:
    evictor = taint_eviction()
    world = World(evictor)
    world.put(NODES, node(taints=[TAINT]))
    world.put(PODS, pod(spec={"tolerations": [{**TOLERATION, "tolerationSeconds": 5}]}))
    key = Key("default", "p")
    assert world.reconcile(evictor, key).requeue_after == 5.0
    world.pass_time(4)
    world.put(NODES, node())
    assert world.reconcile(evictor, key).changes == ()
    world.put(NODES, node(taints=[TAINT]))
    assert world.reconcile(evictor, key).requeue_after == 5.0
    world.pass_time(5)
    world.settle()
    status = world.table(PODS).objects[key]["status"]
    assert status["conditions"][-1]["reason"] == "DeletionByTaintManager"
    assert "deletionTimestamp" in world.table(PODS).objects[key]["metadata"]


@pytest.mark.parametrize(
    ("cluster", "mask", "taken", "expected"),
    [
        pytest.param("10.0.0.0/16", 24, [], "10.0.0.0/24", id="first"),
        pytest.param("10.0.0.0/16", 24, ["10.0.0.0/24", "10.0.2.0/24"], "10.0.1.0/24", id="gap"),
        pytest.param("10.0.0.0/16", 24, ["10.0.0.0/23"], "10.0.2.0/24", id="larger-range-in-the-way"),
        pytest.param("10.0.0.0/24", 25, ["10.0.0.0/25", "10.0.0.128/25"], None, id="full"),
        pytest.param("10.0.0.0/24", 25, ["192.168.0.0/16", "fd00::/64"], "10.0.0.0/25", id="foreign-ranges"),
        pytest.param("fd00::/48", 64, ["fd00::/64"], "fd00:0:0:1::/64", id="ipv6"),
    ],
)
def test_free_ranges(cluster: str, mask: int, taken: list[str], expected: str | None) -> None:
    pool = Pool(ipaddress.ip_network(cluster), mask)
    used = {number for cidr in taken for number in pool.numbers(cidr)}
    found = first_free(pool, used.__contains__)
    assert (None if found is None else pool.range(found)) == expected


def test_the_search_for_a_range_goes_on_where_the_last_one_ended() -> None:
    pool = Pool(ipaddress.ip_network("10.0.0.0/22"), 24)
    assert [first_free(pool, {3, 0}.__contains__, start) for start in (0, 2, 3)] == [1, 2, 1]


def test_each_node_gets_its_own_range_even_from_an_old_cache() -> None:
    ipam = node_ipam("10.0.0.0/22", 24)
    world = World(ipam)
    for number in range(4):
        world.put(NODES, node(f"n{number}"))
    plans = [world.plan(ipam, key) for key in list(world.table(NODES).objects)]
    given = {plan.changes[0].body["spec"]["podCIDR"] for plan in plans}  # type: ignore[union-attr]
    assert given == {f"10.0.{n}.0/24" for n in range(4)}
    world.settle()
    world.put(NODES, node("n5"))
    plan = world.reconcile(ipam, Key("", "n5"))
    assert [type(change) for change in plan.changes] == [Record]
    world.remove(NODES, Key("", "n2"))
    world.settle()
    assert world.table(NODES).objects[Key("", "n5")]["spec"]["podCIDR"] == "10.0.2.0/24"


TAINTED = [{"key": "mine", "effect": "NoExecute"}, {"key": NOT_READY, "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("ready", "also"),
    [
        pytest.param("True", {"taints": TAINTED[:1]}, id="ready"),
        pytest.param("False", {}, id="not-ready"),
    ],
)
def test_with_its_range_a_node_that_is_ready_loses_its_taints(ready: str, also: Any) -> None:
    ipam = node_ipam("10.0.0.0/22", 24, ready_taints)
    world = World(ipam)
    world.put(NODES, node(ready=ready, taints=TAINTED))
    (change,) = world.plan(ipam, Key("", "n1")).changes
    assert isinstance(change, Patch)
    assert change.body == {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"], **also}}
    # The taints are replaced as a whole: only if they are still those that were seen.
    assert bool(change.resource_version) == bool(also)


@pytest.mark.parametrize(
    ("ranges", "obj", "age_s", "waits"),
    [
        pytest.param(True, node(taints=TAINTED), 1.0, True, id="new"),
        pytest.param(True, node(taints=TAINTED), -1.0, True, id="new-by-another-clock"),
        pytest.param(True, node(taints=TAINTED), 5.0, False, id="no-range-came"),
        pytest.param(True, node(taints=TAINTED, podCIDR="10.0.0.0/24"), 1.0, False, id="has-its-range"),
        pytest.param(True, node(ready="False"), 1.0, False, id="not-ready"),
        pytest.param(False, node(taints=TAINTED), 1.0, False, id="there-are-no-ranges"),
    ],
)
def test_who_brings_the_taints_of_a_new_node_in_line(
    ranges: bool, obj: Any, age_s: float, waits: bool
) -> None:
    created = format_time(START - timedelta(seconds=age_s))
    new = {**obj, "metadata": {**obj["metadata"], "creationTimestamp": created}}
    world = World(LIFECYCLE)
    plan = node_lifecycle(Timing(), Limits(), ranges=ranges)(new, world.view(), START, Seen(0.0, None))
    assert (not plan.changes) == waits
    assert plan.requeue_after == 5.0


def test_a_mask_wider_than_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="wider"):
        node_ipam("10.0.0.0/24", 16)


def test_pods_of_a_vanished_node_go_after_a_while() -> None:
    collector = pod_garbage_collector(0)
    world = World(collector)
    world.put(PODS, pod())
    key = Key("default", "p")
    assert world.reconcile(collector, key).requeue_after == 40.0
    world.pass_time(40)
    plan = world.reconcile(collector, key)
    assert [change.grace_period_s for change in plan.changes if isinstance(change, Delete)] == [0]
    assert world.table(PODS).objects[key]["status"]["phase"] == "Failed"


@pytest.mark.parametrize(
    ("obj", "deleted"),
    [
        pytest.param(pod(spec={"nodeName": ""}), False, id="unscheduled"),
        pytest.param(
            pod(spec={"nodeName": ""}, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            True,
            id="unscheduled-going",
        ),
        pytest.param(pod(), False, id="running"),
        pytest.param(pod(status={"phase": "Succeeded"}), False, id="ended-within-the-limit"),
    ],
)
def test_whom_the_collector_takes(obj: Any, deleted: bool) -> None:
    collector = pod_garbage_collector(1)
    world = World(collector)
    world.put(NODES, node())
    world.put(PODS, obj)
    plan = world.plan(collector, Key("default", "p"))
    assert any(isinstance(change, Delete) for change in plan.changes) == deleted


def test_the_oldest_ended_pods_go() -> None:
    collector = pod_garbage_collector(2)
    world = World(collector)
    world.put(NODES, node())
    for number in range(5):
        world.put(PODS, pod(f"p{number}", status={"phase": "Failed"}))
        world.pass_time(1)
    plan = world.plan(collector, Key("default", "p4"))
    assert [change.key.name for change in plan.changes if isinstance(change, Delete)] == ["p0", "p1", "p2"]
