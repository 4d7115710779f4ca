"""What is known of devices follows slices and claims, node by node."""

from typing import Any

from api.resource import Key
from api.types.resource_v1 import RESOURCECLAIMS, RESOURCESLICES
from scheduler.devices.inventory import Inventory
from scheduler.objects import Objects
from tests.unit.scheduler.devices.build import claim, device, exactly, objects, slice_

NOWHERE: Any = frozenset()
KEY = Key("default", "c")


def local(name: str, *devices: str, **more: Any) -> Any:
    return slice_(f"slice-{name}", *(device(each) for each in devices), node=name, **more)


def given(*devices: str, node: str = "n1") -> Any:
    return claim("c", exactly(), given=[("r", node, each) for each in devices])


def started(*each: Any) -> tuple[Objects, Inventory]:
    made = objects(*each)
    inventory = made.derived(Inventory)
    inventory.follow()
    return made, inventory


def moved(inventory: Inventory, place: int) -> list[str]:
    inventory.follow()
    found = inventory.changed_nodes.since(place)
    assert found is not None
    return sorted(set(found))


def free(inventory: Inventory, node: str) -> list[str]:
    return [
        one.id.name
        for pool in inventory.pools(node, NOWHERE)
        for one in pool.devices
        if not inventory.usage.is_used(one.id)
    ]


def test_slices_and_claims_are_followed():
    made, inventory = started(local("n1", "a", "b"), local("n2", "a"))
    assert (free(inventory, "n1"), free(inventory, "n2"), free(inventory, "n3")) == (["a", "b"], ["a"], [])
    place = inventory.changed_nodes.now
    made.changed(RESOURCECLAIMS, None, given("a"))
    assert moved(inventory, place) == ["n1"]
    assert free(inventory, "n1") == ["b"]
    place = inventory.changed_nodes.now
    made.changed(RESOURCECLAIMS, given("a"), None)
    assert (moved(inventory, place), free(inventory, "n1")) == (["n1"], ["a", "b"])
    made.changed(RESOURCESLICES, local("n2", "a"), None)
    assert (moved(inventory, place), free(inventory, "n2")) == (["n1", "n2"], [])


def test_a_claim_that_says_nothing_new_changes_nothing():
    made, inventory = started(local("n1", "a"), given("a"))
    place, version = inventory.changed_nodes.now, inventory.shared_version
    made.changed(
        RESOURCECLAIMS, given("a"), {**given("a"), "metadata": {**given("a")["metadata"], "labels": {}}}
    )
    assert (moved(inventory, place), inventory.shared_version) == ([], version)


def test_nodes_that_are_alike_are_in_the_same_state():
    made, inventory = started(local("n1", "a", "b"), local("n2", "x", "y"), local("n3", "a"))
    assert inventory.local_state("n1") == inventory.local_state("n2") != inventory.local_state("n3")
    made.changed(RESOURCECLAIMS, None, given("a"))
    inventory.follow()
    first = inventory.local_state("n1")
    assert first != inventory.local_state("n2")
    made.changed(RESOURCECLAIMS, given("a"), given("b"))
    inventory.follow()
    assert inventory.local_state("n1") not in (first, inventory.local_state("n2"))


def test_a_pool_of_several_nodes_is_shared():
    made, inventory = started(local("n1", "a", pool="p", count=2))
    assert inventory.reaches == []
    version = inventory.reach_version
    made.changed(RESOURCESLICES, None, local("n2", "b", pool="p", count=2))
    inventory.follow()
    assert {reach.name for reach in inventory.reaches} == {"n1", "n2"}
    assert inventory.reach_version > version
    mine = frozenset(reach for reach in inventory.reaches if reach.name == "n1")
    assert [[d.id.name for d in pool.devices] for pool in inventory.pools("n1", mine)] == [["a"]]
    made.changed(RESOURCESLICES, local("n2", "b", pool="p", count=2), None)
    inventory.follow()
    assert inventory.reaches == []
    assert [pool.fault for pool in inventory.pools("n1", NOWHERE)] == ["incomplete"]


def test_what_is_taken_of_a_shared_pool_concerns_all():
    shared = slice_("s", device("a"), allNodes=True)
    made, inventory = started(shared)
    place, version, reaches = inventory.changed_nodes.now, inventory.shared_version, inventory.reach_version
    made.changed(RESOURCECLAIMS, None, given("a", node="pool"))
    assert (moved(inventory, place), inventory.reach_version) == ([], reaches)
    assert inventory.shared_version > version


def test_what_is_pending_counts_until_it_is_written_or_given_up():
    made, inventory = started(local("n1", "a", "b"), claim("c", exactly()))
    allocation = given("a")["status"]["allocation"]
    inventory.reserve(KEY, "c-uid", allocation)
    assert inventory.pending(KEY, "c-uid")
    assert not inventory.pending(KEY, "another-uid")
    assert free(inventory, "n1") == ["b"]
    # The claim changes in another way; what the watch shows has no allocation yet.
    made.changed(RESOURCECLAIMS, None, claim("c", exactly(), metadata={"finalizers": ["f"]}))
    inventory.follow()
    assert free(inventory, "n1") == ["b"]
    inventory.release(KEY, "another-uid")
    assert free(inventory, "n1") == ["b"]
    inventory.release(KEY, "c-uid")
    assert free(inventory, "n1") == ["a", "b"]


def test_what_was_pending_is_what_has_been_written():
    made, inventory = started(local("n1", "a", "b"), claim("c", exactly()))
    inventory.reserve(KEY, "c-uid", given("a")["status"]["allocation"])
    made.assume(RESOURCECLAIMS, given("a"))
    inventory.follow()
    inventory.release(KEY, "c-uid")
    assert free(inventory, "n1") == ["b"]


def test_shares_go_one_by_one():
    def share(name: str) -> Any:
        made = claim(name, exactly(), given=[("r", "n1", "a")])
        made["status"]["allocation"]["devices"]["results"][0] |= {
            "shareID": name,
            "consumedCapacity": {"x": "2"},
        }
        return made

    made, inventory = started(local("n1", "a"), share("c"), share("d"))
    (pool,) = inventory.pools("n1", NOWHERE)
    assert inventory.usage.consumed(pool.devices[0].id) == {"x": 4 * 10**9}
    for name, left in (("c", {"x": 2 * 10**9}), ("d", {})):
        made.changed(RESOURCECLAIMS, share(name), None)
        inventory.follow()
        assert inventory.usage.consumed(pool.devices[0].id) == left


def test_odd_allocations_do_no_harm():
    made, inventory = started(local("n1", "a", "b"))
    odd = claim("c", exactly(), given=[("r", "n1", "a"), ("r", "n1", "a"), ("r", "nowhere", "x")])
    made.changed(RESOURCECLAIMS, None, odd)
    inventory.follow()
    assert free(inventory, "n1") == ["b"]
    made.changed(RESOURCECLAIMS, odd, None)
    inventory.follow()
    assert free(inventory, "n1") == ["a", "b"]
    assert inventory.usage.owners() == []


def test_after_many_changes_everything_is_read_again():
    made, inventory = started(local("n1", "a", "b"), given("a"))
    inventory.reserve(Key("default", "d"), "d-uid", given("b")["status"]["allocation"])
    for _ in range(5000):
        made.changed(RESOURCECLAIMS, None, given("a"))
        made.changed(RESOURCESLICES, None, local("n2", "a"))
    made.changed(RESOURCECLAIMS, given("a"), None)
    inventory.follow()
    assert (free(inventory, "n1"), free(inventory, "n2")) == (["a"], ["a"])


def test_kinds_long_gone_are_forgotten(monkeypatch):
    monkeypatch.setattr(Inventory, "KINDS", 3)
    made, inventory = started(local("n1", "a"), given("a"))
    inventory.reserve(Key("default", "d"), "d-uid", given("x")["status"]["allocation"])
    epoch = inventory.epoch
    for number in range(5):
        one = slice_("s", device("x", attributes={"n": number}), node="n1", pool="p")
        made.changed(RESOURCESLICES, None, one)
        inventory.follow()
    assert inventory.epoch > epoch
    assert free(inventory, "n1") == ["x"]
    assert inventory.pending(Key("default", "d"), "d-uid")
