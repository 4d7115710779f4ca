"""DynamicResources: what is taken on the chosen node, and what is written before the pod is bound."""

from typing import Any

import pytest

from api.types.core_v1 import PODS
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from scheduler.framework import Create, Cycle, Delete, Failed, Wait, Write
from tests.unit.scheduler.build import World, node, pod
from tests.unit.scheduler.devices.build import (
    DRIVER,
    claim,
    class_,
    device,
    exactly,
    is_,
    slice_,
)
from tests.unit.scheduler.plugins.claimed import (
    GPUS,
    NODES,
    ON_N1,
    PLUGIN,
    USES,
    cycle_of,
    given,
    reserved,
    usable,
    user,
    world,
)

# -- taking devices


def test_what_is_reserved_is_taken_for_the_next_pod():
    here = world(claim("c", exactly()), claim("d", exactly()))
    cycle = reserved(here, user(), "n1")
    other = pod("q", resourceClaims=[{"name": "gpu", "resourceClaimName": "d"}])
    assert usable(here, other) == {"n2"}
    PLUGIN.unreserve(cycle, "n1")
    PLUGIN.unreserve(cycle, "n1")
    assert usable(here, other) == {"n1", "n2"}


def test_who_shares_a_claim_waits_until_it_is_allocated():
    here = world(claim("c", exactly()))
    cycle = reserved(here, user(), "n1")
    (reject,) = PLUGIN.filter(here.cycle(user("q")))
    assert (reject.reason, reject.of_pod) == (
        "resource claim default/c is in the process of being allocated",
        True,
    )
    PLUGIN.unreserve(cycle, "n1")
    assert usable(here, user("q")) == {"n1", "n2"}


def test_pods_of_a_group_share_what_is_not_written_yet():
    here = world(claim("c", exactly()))
    gang: Any = {"schedulingGroup": {"podGroupName": "g"}}
    first_pod, second, stranger = (
        user(**gang),
        user("q", **gang),
        user("r", schedulingGroup={"podGroupName": "h"}),
    )
    cycle = reserved(here, first_pod, "n1")
    assert usable(here, stranger) == set()
    assert usable(here, second) == {"n1"}
    other = reserved(here, second, "n1")
    assert PLUGIN.pre_bind(other, "n1") == Wait("claim default/c is not allocated yet", 600.0)
    PLUGIN.unreserve(other, "n1")
    assert usable(here, second) == {"n1"}
    step = PLUGIN.pre_bind(cycle, "n1")
    assert isinstance(step, list)
    assert isinstance(step[-1], Write)
    written = {**claim("c", exactly()), "status": step[-1].body["status"]}
    here.objects.assume(RESOURCECLAIMS, written)
    assert PLUGIN.pre_bind(cycle, "n1") == ()
    step = PLUGIN.pre_bind(other, "n1")
    assert step == [status_write(reservedFor=[{"resource": "pods", "name": "q", "uid": "q"}])]


def test_what_one_of_a_group_gives_up_the_others_do_not_get():
    here = world(claim("c", exactly()))
    gang: Any = {"schedulingGroup": {"podGroupName": "g"}}
    cycle, other = reserved(here, user(**gang), "n1"), reserved(here, user("q", **gang), "n1")
    PLUGIN.unreserve(cycle, "n1")
    assert PLUGIN.pre_bind(other, "n1") == Failed("claim default/c got deallocated in the meantime")


def test_a_device_that_has_changed_meanwhile():
    here = world(claim("c", exactly(selectors=is_(size=1))))
    for name in ("n1", "n2"):
        sized = slice_(f"s-{name}", device("gpu", attributes={"size": 1}), node=name)
        here.objects.changed(RESOURCESLICES, None, sized)
    cycle = cycle_of(here, user())
    PLUGIN.filter(cycle)
    here.objects.changed(RESOURCESLICES, None, GPUS[0])
    reason = PLUGIN.reserve(cycle, "n1")
    assert reason is not None
    assert reason.startswith(
        "selector #0 on device gpu.example.com/n1/gpu: CEL runtime error: no such key: size."
    )


def test_a_device_that_is_gone_meanwhile():
    here = world(claim("c", exactly()))
    cycle = cycle_of(here, user())
    PLUGIN.filter(cycle)
    here.objects.changed(RESOURCESLICES, GPUS[0], None)
    assert PLUGIN.reserve(cycle, "n1") == "claim allocation not found for node"


# -- writing


RESULT = {"request": "r", "driver": DRIVER, "pool": "n1", "device": "gpu"}
WRITTEN = {"devices": {"results": [RESULT]}, "nodeSelector": ON_N1}
USER = {"resource": "pods", "name": "p", "uid": "p"}


def status_write(**status: Any) -> Write:
    return Write(
        RESOURCECLAIMS,
        "default",
        "c",
        {"metadata": {"uid": "c-uid"}, "status": status},
        "status",
        "strategic",
    )


def finalizer_write() -> Write:
    metadata = {"uid": "c-uid", "finalizers": ["resource.kubernetes.io/delete-protection"]}
    return Write(RESOURCECLAIMS, "default", "c", {"metadata": metadata}, "", "strategic")


def test_allocation_and_reservation_are_written():
    here = world(claim("c", exactly()))
    cycle = reserved(here, user(), "n1")
    allocation = {**WRITTEN, "allocationTimestamp": "2026-05-01T12:00:00Z"}
    assert PLUGIN.pre_bind(cycle, "n1") == [
        finalizer_write(),
        status_write(reservedFor=[USER], allocation=allocation),
    ]
    done = {
        **claim("c", exactly(), uses=["p"]),
        "metadata": {**claim("c")["metadata"], "resourceVersion": "3"},
    }
    done["status"]["allocation"] = allocation
    here.objects.assume(RESOURCECLAIMS, done)
    assert PLUGIN.pre_bind(cycle, "n1") == ()
    # Now others may share it.
    assert usable(here, user("q")) == {"n1"}
    assert PLUGIN.undo(cycle, "n1") == [status_write(reservedFor=[{"$patch": "delete", "uid": "p"}])]


def test_an_allocated_claim_is_only_reserved():
    here = world(given(uses=["other"]))
    cycle = reserved(here, user(), "n3")
    assert PLUGIN.pre_bind(cycle, "n3") == [status_write(reservedFor=[USER])]
    here.objects.assume(RESOURCECLAIMS, given(uses=["other", "p"]))
    assert PLUGIN.pre_bind(cycle, "n3") == ()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        pytest.param(claim("c", exactly()), None, "claim default/c got deleted in the meantime", id="gone"),
        pytest.param(
            claim("c", exactly()),
            claim("c", exactly(), metadata={"uid": "new"}),
            "claim default/c got deleted in the meantime",
            id="another-of-that-name",
        ),
        pytest.param(
            claim("c", exactly()),
            claim("c", exactly(), metadata={"deletionTimestamp": "now"}),
            "claim default/c got deleted in the meantime",
            id="on-its-way-out",
        ),
        pytest.param(
            claim("c", exactly()),
            claim("c", exactly(), given=[("r", "n2", "gpu")]),
            "claim default/c got allocated elsewhere in the meantime",
            id="allocated-by-another",
        ),
        pytest.param(
            given(),
            claim("c", exactly()),
            "claim default/c got deallocated in the meantime",
            id="deallocated",
        ),
    ],
)
def test_a_claim_that_changes_meanwhile(before, after, reason):
    here = world(before)
    cycle = reserved(here, user(), "n1")
    here.objects.changed(RESOURCECLAIMS, before, after)
    assert PLUGIN.pre_bind(cycle, "n1") == Failed(reason)


# -- conditions of devices

COND = [
    slice_(
        "s",
        device("x", bindingConditions=["Up"], bindingFailureConditions=["Lost"]),
        node="n1",
        driver="x.example.com",
    ),
    class_("x", driver="x.example.com"),
]


def conditioned(since: str = "2026-05-01T12:00:00Z", **conditions: str) -> Any:
    """Return a claim whose device has conditions, and what its driver reports."""
    made = claim("c", exactly(of="x"), uses=["p"])
    device_ = {"driver": "x.example.com", "pool": "n1", "device": "x"}
    wanted = {"request": "r", **device_, "bindingConditions": ["Up"], "bindingFailureConditions": ["Lost"]}
    made["status"]["allocation"] = {
        "devices": {"results": [wanted]},
        "nodeSelector": ON_N1,
        "allocationTimestamp": since,
    }
    reported = [{"type": k, "status": v, "reason": "Why", "message": "so"} for k, v in conditions.items()]
    if reported:
        made["status"]["devices"] = [{**device_, "conditions": reported}]
    return made


@pytest.mark.parametrize(
    ("present", "step"),
    [
        pytest.param(conditioned(), Wait, id="no-report"),
        pytest.param(conditioned(Up="False"), Wait, id="not-yet"),
        pytest.param(conditioned(Up="True"), (), id="holds"),
        pytest.param(conditioned(Up="True", Lost="False"), (), id="has-not-failed"),
        pytest.param(
            conditioned(Up="True", Lost="True"),
            Failed('claim c binding failed: reason=Why, message="so"'),
            id="has-failed",
        ),
        pytest.param(conditioned("2026-05-01T11:49:59Z"), Failed("claim c binding timeout"), id="too-late"),
        pytest.param(conditioned("2026-05-01T11:50:01Z"), Wait, id="just-in-time"),
    ],
)
def test_conditions_are_waited_for(present, step):
    here = world(*COND, claim("c", exactly(of="x")))
    cycle = reserved(here, user(), "n1")
    here.objects.assume(RESOURCECLAIMS, present)
    found = PLUGIN.pre_bind(cycle, "n1")
    if step is Wait:
        event = ("BindingConditionsPending", "waiting for binding conditions for device on node n1")
        step = Wait("device binding timeout", 600.0, event)
    assert found == step


@pytest.mark.parametrize(
    ("present", "free"),
    [
        pytest.param(conditioned(), {"n1"}, id="waits"),
        pytest.param(conditioned(Lost="True"), set(), id="has-failed"),
        pytest.param(conditioned("2026-05-01T11:00:00Z"), set(), id="too-late"),
        pytest.param(conditioned("2026-05-01T11:00:00Z", Up="True"), {"n1"}, id="holds"),
    ],
)
def test_a_claim_whose_conditions_failed_is_of_no_use(present, free):
    here = world(*COND, present)
    cycle = cycle_of(here, user())
    rejects = PLUGIN.filter(cycle)
    refused = {name for reject in rejects for name in here.names(reject.nodes)}
    assert set(NODES) - refused == free
    relief = PLUGIN.post_filter(cycle)
    assert relief is not None
    assert relief.note == "deallocation of ResourceClaim completed"


# -- extended resources

RESOURCE = "example.com/gpu"
BACKED = class_("gpu", extendedResourceName=RESOURCE)


def asking(amount: str = "1", name: str = "p", resource: str = RESOURCE, **more: Any) -> Any:
    return pod(name, requests={"cpu": "1", resource: amount}, **more)


def extended_world(*objects: Any) -> World:
    """Return a cluster where n3 has the resource itself."""
    nodes = [node("n1"), node("n2"), node("n3", offers={RESOURCE: "4"}), node("n4")]
    made = world(*objects, nodes=nodes)
    made.objects.changed(DEVICECLASSES, None, BACKED)
    return made


def test_devices_stand_for_a_resource():
    here = extended_world()
    assert usable(here, asking()) == {"n1", "n2", "n3"}
    assert here.feasible(asking()) == {"n1", "n2", "n3"}
    assert here.feasible(asking("2")) == {"n3"}
    assert here.feasible(asking("5")) == set()
    assert here.feasible(asking(resource="deviceclass.resource.kubernetes.io/gpu")) == {"n1", "n2"}
    assert here.feasible(asking(resource="deviceclass.resource.kubernetes.io/none")) == set()


def test_the_newest_class_stands_for_a_resource():
    here = extended_world()
    newer = class_("net", "false", extendedResourceName=RESOURCE)
    newer["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    here.objects.changed(DEVICECLASSES, None, newer)
    assert here.feasible(asking()) == {"n3"}
    here.objects.changed(DEVICECLASSES, newer, None)
    assert here.feasible(asking()) == {"n1", "n2", "n3"}


def test_a_resource_without_a_class_is_missing():
    here = extended_world()
    here.objects.changed(DEVICECLASSES, BACKED, class_())
    assert here.feasible(asking()) == {"n3"}


def test_where_the_node_has_the_resource_no_device_is_taken():
    here = extended_world()
    cycle = reserved(here, asking(), "n3")
    assert PLUGIN.pre_bind(cycle, "n3") == ()
    assert usable(here, asking(name="q")) == {"n1", "n2", "n3"}


def test_beside_claims_of_its_own():
    here = extended_world(claim("c", exactly()), slice_("m", device("x"), node="n2", pool="p"))
    both = asking(resourceClaims=USES["resourceClaims"])
    # n3 has the resource but no device for the claim.
    assert here.feasible(both) == {"n2"}


def made_claim(cycle: Cycle, **status: Any) -> Any:
    """Return the claim that the first step creates, as the server would show it."""
    step = PLUGIN.pre_bind(cycle, "n1")
    assert isinstance(step, list)
    (create,) = step
    assert isinstance(create, Create)
    body: Any = create.body
    metadata = {**body["metadata"], "name": "p-extended-resources-x", "uid": "x-uid", "resourceVersion": "5"}
    return {**body, "metadata": metadata, **({"status": status} if status else {})}


def test_a_claim_is_made_for_extended_resources():
    here = extended_world()
    cycle = reserved(here, asking(), "n1")
    assert usable(here, asking(name="q")) == {"n2", "n3"}
    made = made_claim(cycle)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p", "controller": True}
    assert made["metadata"]["generateName"] == "p-extended-resources-"
    assert made["metadata"]["ownerReferences"] == [owner]
    assert made["metadata"]["annotations"] == {"resource.kubernetes.io/extended-resource-claim": "true"}
    wanted = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
    assert made["spec"] == {"devices": {"requests": [{"name": "container-0-request-1", "exactly": wanted}]}}
    here.objects.assume(RESOURCECLAIMS, made)
    step = PLUGIN.pre_bind(cycle, "n1")
    assert isinstance(step, list)
    finalizer, status = step
    assert isinstance(finalizer, Write)
    assert isinstance(status, Write)
    given_to = status.body["status"]
    assert given_to["reservedFor"] == [USER]
    assert given_to["allocation"]["devices"]["results"][0]["request"] == "container-0-request-1"
    written = {**made, "status": given_to}
    here.objects.assume(RESOURCECLAIMS, written)
    step = PLUGIN.pre_bind(cycle, "n1")
    mapping = {"containerName": "main", "resourceName": RESOURCE, "requestName": "container-0-request-1"}
    told = {"requestMappings": [mapping], "resourceClaimName": "p-extended-resources-x"}
    body = {"metadata": {"uid": "p"}, "status": {"extendedResourceClaimStatus": told}}
    assert step == [Write(PODS, "default", "p", body, "status")]
    assert PLUGIN.pre_bind(cycle, "n1") == ()
    assert usable(here, asking(name="q")) == {"n2", "n3"}
    here.objects.changed(RESOURCECLAIMS, written, None)
    assert usable(here, asking(name="q")) == {"n1", "n2", "n3"}


def test_a_claim_that_was_not_even_allocated_is_deleted():
    here = extended_world()
    cycle = reserved(here, asking(), "n1")
    here.objects.assume(RESOURCECLAIMS, made_claim(cycle))
    (delete,) = PLUGIN.undo(cycle, "n1")
    assert isinstance(delete, Delete)


def test_what_was_never_reserved_is_not_given_back():
    here = world(claim("c", exactly()))
    cycle = reserved(here, user(), "n1")
    assert PLUGIN.undo(cycle, "n1") == []
    here.objects.changed(RESOURCECLAIMS, claim("c", exactly()), None)
    assert PLUGIN.undo(cycle, "n1") == []


def test_a_claim_that_was_made_in_vain_is_deleted():
    here = extended_world()
    cycle = reserved(here, asking(), "n1")
    made = made_claim(cycle)
    made["metadata"]["finalizers"] = ["resource.kubernetes.io/delete-protection"]
    here.objects.assume(RESOURCECLAIMS, made)
    PLUGIN.unreserve(cycle, "n1")
    patch, delete = PLUGIN.undo(cycle, "n1")
    assert isinstance(patch, Write)
    assert "$deleteFromPrimitiveList/finalizers" in patch.body["metadata"]
    assert delete == Delete(RESOURCECLAIMS, "default", "p-extended-resources-x", "x-uid")
    # Should that have failed, the next attempt does it.
    cycle = here.cycle(asking())
    assert {reject.reason for reject in PLUGIN.filter(cycle)} == {"cannot schedule extended resource claim"}
    relief = PLUGIN.post_filter(cycle)
    assert relief is not None
    assert (relief.note, relief.changes[-1]) == ("deletion of ResourceClaim completed", delete)


def test_devices_that_are_not_written_yet_are_free_again():
    here = extended_world()
    cycle = reserved(here, asking(), "n1")
    assert usable(here, asking(name="q")) == {"n2", "n3"}
    PLUGIN.unreserve(cycle, "n1")
    assert usable(here, asking(name="q")) == {"n1", "n2", "n3"}
