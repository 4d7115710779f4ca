"""DynamicResources: which nodes can serve a pod's claims, what is taken there, and what is written."""

from typing import Any

import pytest

from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from scheduler.framework import Relief, Write
from scheduler.plugins.dynamic_resources import NOT_AVAILABLE
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.devices.build import (
    DRIVER,
    cel,
    claim,
    class_,
    device,
    exactly,
    first,
    is_,
    slice_,
    wish,
)
from tests.unit.scheduler.plugins.claimed import (
    CANNOT,
    GPUS,
    MADE,
    NODES,
    ON_N1,
    PLUGIN,
    given,
    usable,
    user,
    world,
)

# -- before the queue


@pytest.mark.parametrize(
    ("each", "objects", "expected"),
    [
        pytest.param(pod("p"), [], None, id="no-claims"),
        pytest.param(user(), [claim("c")], None, id="there"),
        pytest.param(user(), [], 'could not find ResourceClaim "default/c"', id="not-there"),
        pytest.param(
            user(),
            [claim("c", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})],
            'resourceclaim "c" is being deleted',
            id="on-its-way-out",
        ),
        pytest.param(
            pod("p", **MADE), [], 'pod "default/p": ResourceClaim not created yet', id="not-made-yet"
        ),
        pytest.param(
            pod("p", **MADE, status={"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "c"}]}),
            [claim("c")],
            "ResourceClaim default/c was not created for pod default/p (pod is not owner)",
            id="made-for-another",
        ),
        pytest.param(
            pod("p", **MADE, status={"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "c"}]}),
            [claim("c", metadata={"ownerReferences": [{"uid": "p", "controller": True}]})],
            None,
            id="made-for-it",
        ),
        pytest.param(
            pod("p", **MADE, status={"resourceClaimStatuses": [{"name": "gpu"}]}), [], None, id="not-needed"
        ),
    ],
)
def test_claims_must_be_there(each, objects, expected):
    here = world(*objects)
    assert PLUGIN.pre_enqueue(each, here.objects) == expected
    if expected is not None:
        (reject,) = PLUGIN.filter(here.cycle(each))
        assert (reject.reason, reject.of_pod) == (expected, True)


# -- nodes


def test_a_pod_without_claims_is_no_affair_of_it():
    cycle = world().cycle(pod("p", requests={"cpu": "1", "example.com/other": "1"}))
    assert PLUGIN.filter(cycle) == ()
    assert PLUGIN.score(cycle, cycle.snapshot.alive) is None
    assert PLUGIN.filter_is_static(cycle)
    assert PLUGIN.score_is_static(cycle)
    assert PLUGIN.post_filter(cycle) is None
    assert PLUGIN.reserve(cycle, "n1") is None
    assert PLUGIN.pre_bind(cycle, "n1") == ()
    assert PLUGIN.undo(cycle, "n1") == ()
    PLUGIN.unreserve(cycle, "n1")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([claim("c", exactly())], {"n3": CANNOT}, id="nodes-with-a-device"),
        pytest.param([claim("c", exactly()), given("d")], {"n1": CANNOT, "n3": CANNOT}, id="one-is-taken"),
        pytest.param(
            [given(nodes=ON_N1)], {"n2": NOT_AVAILABLE, "n3": NOT_AVAILABLE}, id="allocated-to-a-node"
        ),
        pytest.param([given(uses=["other"])], {}, id="allocated-for-all-nodes"),
        pytest.param(
            [
                given(
                    nodes={
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]
                    }
                )
            ],
            {},
            id="allocated-to-labels",
        ),
        pytest.param([claim("c", exactly(count=2))], dict.fromkeys(NODES, CANNOT), id="more-than-a-node-has"),
        pytest.param(
            [claim("c", exactly(all_=True)), slice_("more", device("x"), node="n1", pool="p", count=2)],
            {
                "n1": "claim default/c, request r: asks for all devices, but resource pool gpu.example.com/p "
                "is currently being updated",
                "n3": CANNOT,
            },
            id="a-pool-that-is-not-whole",
        ),
        pytest.param(
            [claim("c", exactly(count=2)), slice_("more", device("x"), device("x"), node="n2", pool="p")],
            {"n1": CANNOT, "n2": "invalid resource pools were encountered", "n3": CANNOT},
            id="an-invalid-pool",
        ),
        pytest.param(
            [claim("c", exactly("a", 20), exactly("b", 20))],
            dict.fromkeys(
                NODES, "claim default/c: number of requested devices 40 exceeds the claim limit of 32"
            ),
            id="too-many-devices",
        ),
    ],
)
def test_the_nodes_for_a_claim(objects, expected):
    found = world(*objects).refused(PLUGIN, user())
    assert found == {name: (reason, True) for name, reason in expected.items()}


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [claim("c", exactly(of="none"))], "request r: device class none does not exist", id="no-class"
        ),
        pytest.param(
            [claim("c", first("r", a=wish(), b=wish(of="none")))],
            "request r/b: device class none does not exist",
            id="no-class-of-an-alternative",
        ),
        pytest.param(
            [claim("c", exactly(selectors=is_(colour="red")))],
            f"claim default/c: selector #0 on device {DRIVER}/n1/gpu: CEL runtime error: no such key: colour"
            ". Consider using CEL optional chaining (?), has() macro, or orValue() for optional fields",
            id="selector-fails",
        ),
        pytest.param(
            [claim("c", exactly(of="odd")), class_("odd", "device.driver")],
            "class odd: selector #0: CEL compile error: must evaluate to bool or the unknown type, not "
            "string",
            id="selector-of-the-class-fails",
        ),
    ],
)
def test_what_makes_a_pod_hopeless(objects, expected):
    (reject,) = PLUGIN.filter(world(*objects).cycle(user()))
    assert (reject.reason, reject.of_pod) == (expected, True)


def test_a_failing_selector_matters_where_the_pod_may_go():
    odd = slice_("odd", device("x", attributes={"size": 1}), node="n3")
    sized = claim("c", exactly(selectors=is_(size=1)))
    here = world(odd, sized)
    cycle = here.cycle(user())
    cycle.left = here.snapshot.alive.copy()
    cycle.left[[here.snapshot.index[name] for name in ("n1", "n2")]] = False
    assert PLUGIN.filter(cycle) == []
    # Then the others do without that device.
    for name in ("n1", "n2"):
        here.objects.changed(
            RESOURCESLICES, None, slice_(f"s-{name}", device("g", attributes={"size": 2}), node=name)
        )
    assert usable(here, user()) == {"n3"}


def test_several_claims_of_a_pod_are_served_together():
    both = [{"name": "a", "resourceClaimName": "c"}, {"name": "b", "resourceClaimName": "d"}]
    here = world(claim("c", exactly()), claim("d", exactly()), slice_("m", device("x"), node="n2", pool="p"))
    assert usable(here, pod("p", resourceClaims=both)) == {"n2"}
    twice = [{"name": "a", "resourceClaimName": "c"}, {"name": "b", "resourceClaimName": "c"}]
    assert usable(here, pod("p", resourceClaims=twice)) == {"n1", "n2"}


def test_an_allocated_claim_limits_where_another_is_allocated():
    both = [{"name": "a", "resourceClaimName": "c"}, {"name": "b", "resourceClaimName": "d"}]
    here = world(given(nodes=ON_N1), claim("d", exactly()), slice_("m", device("x"), node="n1", pool="p"))
    assert here.refused(PLUGIN, pod("p", resourceClaims=both)) == {
        "n2": (NOT_AVAILABLE, True),
        "n3": (CANNOT, True),
    }


def test_shared_pools_are_for_the_nodes_that_reach_them():
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]}
    here = world(
        slice_("net", device("x"), nodeSelector=zone, driver="net.example.com"),
        class_("net", driver="net.example.com"),
    )
    here.objects.changed(RESOURCECLAIMS, None, claim("c", exactly(of="net")))
    assert usable(here, user()) == {"n2", "n3"}
    here.snapshot.set_node(node("n2", {"zone": "a"}))
    assert usable(here, user()) == {"n3"}
    taken = claim("d", exactly(of="net"))
    taken["status"] = {
        "allocation": {
            "devices": {
                "results": [{"request": "r", "driver": "net.example.com", "pool": "pool", "device": "x"}]
            }
        }
    }
    here.objects.changed(RESOURCECLAIMS, None, taken)
    assert usable(here, user()) == set()


def test_nodes_come_and_go():
    here = world(claim("c", exactly()))
    assert usable(here, user()) == {"n1", "n2"}
    here.snapshot.remove_node("n1")
    for number in range(100):
        here.snapshot.set_node(node(f"m{number}"))
    here.objects.changed(RESOURCESLICES, None, slice_("s", device("gpu"), node="m77"))
    assert usable(here, user()) == {"n2", "m77"}
    here.objects.changed(RESOURCESLICES, GPUS[1], None)
    assert usable(here, user()) == {"m77"}


def test_a_pool_of_devices_of_several_nodes_outlives_a_node():
    fans = [device(f"fan-{name}", nodeName=name) for name in ("n1", "n3")]
    shared = slice_("fans", *fans, perDeviceNodeSelection=True, driver="fan.example.com")
    here = world(shared, class_("fan", driver="fan.example.com"), claim("c", exactly(of="fan")))
    assert usable(here, user()) == {"n1", "n3"}
    here.snapshot.remove_node("n1")
    here.objects.changed(
        RESOURCESLICES, None, slice_("more", device("fan"), node="n2", driver="fan.example.com")
    )
    everywhere = slice_("all", device("fan"), allNodes=True, driver="fan.example.com", pool="all")
    assert usable(here, user()) == {"n2", "n3"}
    here.objects.changed(RESOURCESLICES, shared, None)
    assert usable(here, user()) == {"n2"}
    here.objects.changed(RESOURCESLICES, None, everywhere)
    assert usable(here, user()) == {"n2", "n3"}
    here.objects.changed(RESOURCESLICES, everywhere, None)
    assert usable(here, user()) == {"n2"}


def test_a_claim_allocated_for_a_label_is_of_no_use_where_a_node_was():
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]}
    here = world(given(nodes=zone))
    here.snapshot.remove_node("n2")
    assert here.refused(PLUGIN, user()) == {"n1": (NOT_AVAILABLE, True)}


def test_a_class_that_changes_changes_the_answer():
    here = world(claim("c", exactly()))
    assert usable(here, user()) == {"n1", "n2"}
    here.objects.changed(DEVICECLASSES, class_(), class_("gpu", "false"))
    assert usable(here, user()) == set()


# -- scores


def test_the_first_alternatives_are_the_best():
    sizes = [
        slice_(
            f"t-{name}",
            device("x", attributes={"size": size}),
            node=name,
            pool=f"{name}-x",
            driver="x.example.com",
        )
        for name, size in (("n1", 1), ("n2", 2), ("n3", 3))
    ]
    of: Any = {"of": "x"}
    wants = [
        wish(selectors=cel(f'device.attributes["x.example.com"].size == {size}'), **of) for size in (3, 2, 1)
    ]
    here = world(*sizes, class_("x", driver="x.example.com"))
    here.objects.changed(RESOURCECLAIMS, None, claim("c", first("r", a=wants[0], b=wants[1], c=wants[2])))
    cycle = here.cycle(user())
    assert PLUGIN.filter(cycle) == []
    scores = PLUGIN.score(cycle, cycle.snapshot.alive)
    assert scores is not None
    assert {name: int(scores[slot]) for name, slot in here.snapshot.index.items()} == {
        "n1": 75,
        "n2": 87,
        "n3": 100,
    }


def test_without_alternatives_all_nodes_are_alike():
    cycle = world(claim("c", exactly())).cycle(user())
    PLUGIN.filter(cycle)
    assert PLUGIN.score(cycle, cycle.snapshot.alive) is None


def test_only_what_it_says_of_pods_without_claims_lasts():
    cycle = world(claim("c", exactly())).cycle(user())
    assert not PLUGIN.filter_is_static(cycle)
    assert not PLUGIN.score_is_static(cycle)
    cycle = world().cycle(pod("p"))
    assert PLUGIN.filter_is_static(cycle)
    assert PLUGIN.score_is_static(cycle)


# -- freeing claims


def deallocation() -> Relief:
    body = {
        "metadata": {"uid": "c-uid", "resourceVersion": "1"},
        "status": {"allocation": None, "reservedFor": None, "devices": None},
    }
    write = Write(RESOURCECLAIMS, "default", "c", body, "status")
    return Relief("deallocation of ResourceClaim completed", [write])


NOTHING = Relief("still not schedulable")


@pytest.mark.parametrize(
    ("present", "left", "expected"),
    [
        pytest.param(given(nodes=ON_N1), ["n2"], deallocation(), id="nobody-uses-it"),
        pytest.param(given(nodes=ON_N1, uses=["p"]), ["n2"], deallocation(), id="only-this-pod-uses-it"),
        pytest.param(given(nodes=ON_N1, uses=["p", "q"]), ["n2"], NOTHING, id="another-pod-uses-it"),
        pytest.param(given(nodes=ON_N1), ["n1"], NOTHING, id="it-was-not-in-the-way"),
        pytest.param(claim("c", exactly(count=9)), NODES, NOTHING, id="not-allocated"),
    ],
)
def test_claims_in_the_way_are_freed(present, left, expected):
    here = world(present)
    cycle = here.cycle(user())
    cycle.left = here.snapshot.alive & False
    for name in left:
        cycle.left[here.snapshot.index[name]] = True
    PLUGIN.filter(cycle)
    assert PLUGIN.post_filter(cycle) == expected


def test_a_claim_is_not_freed_where_another_cannot_be_allocated():
    both = [{"name": "a", "resourceClaimName": "c"}, {"name": "b", "resourceClaimName": "d"}]
    here = world(given(nodes=ON_N1), claim("d", exactly(count=2)))
    cycle = here.cycle(pod("p", resourceClaims=both))
    assert {reject.reason for reject in PLUGIN.filter(cycle)} == {CANNOT}
    assert PLUGIN.post_filter(cycle) == NOTHING


def test_a_hopeless_pod_is_not_helped():
    cycle = world().cycle(user())
    PLUGIN.filter(cycle)
    assert PLUGIN.post_filter(cycle) is None


# -- what stirs a pod


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, claim("c"), True, id="its-claim-has-come"),
        pytest.param(None, claim("d"), False, id="another-claim-has-come"),
        pytest.param(None, claim("c", metadata={"namespace": "x"}), False, id="of-another-namespace"),
        pytest.param(claim("c"), given("c"), True, id="its-claim-is-allocated"),
        pytest.param(
            claim("c"), claim("c", metadata={"finalizers": ["f"]}), False, id="nothing-that-matters"
        ),
        pytest.param(given("d"), claim("d", exactly()), True, id="another-claim-is-freed"),
        pytest.param(given("d"), None, True, id="an-allocated-claim-is-gone"),
        pytest.param(claim("d"), None, False, id="another-claim-is-gone"),
        pytest.param(
            claim("d", metadata={"ownerReferences": [{"uid": "p"}]}),
            None,
            True,
            id="the-claim-made-for-it-is-gone",
        ),
    ],
)
def test_claims_that_may_help(old, new, expected):
    hint = PLUGIN.hints[RESOURCECLAIMS.kind]
    assert hint is not None
    assert hint(user(), old, new) is expected


def test_classes_and_slices_may_help_when_they_come():
    for resource in (DEVICECLASSES, RESOURCESLICES):
        hint = PLUGIN.hints[resource.kind]
        assert hint is not None
        assert hint(user(), None, class_())
        assert not hint(user(), class_(), None)
