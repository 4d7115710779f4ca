"""Claims, volumes and classes stay while something uses them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.resource import Key, Resource
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from api.types.storage_v1 import VOLUMEATTRIBUTESCLASSES
from controllers.framework.controller import Controller
from controllers.framework.plan import NOTHING, Update
from controllers.persistentvolume_protection import persistentvolume_protection
from controllers.persistentvolumeclaim_protection import persistentvolumeclaim_protection
from controllers.volumeattributesclass_protection import volumeattributesclass_protection
from tests.sim.world import World

CLAIMS = PERSISTENTVOLUMECLAIMS
CLAIM, VOLUME = Key("default", "data"), Key("", "pv")
PROTECTED = {
    CLAIMS: "kubernetes.io/pvc-protection",
    PERSISTENTVOLUMES: "kubernetes.io/pv-protection",
    VOLUMEATTRIBUTESCLASSES: "kubernetes.io/vac-protection",
}
BY_CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
EPHEMERAL = {"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}
SHUT_DOWN: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
ENDING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}


def protection_of(resource: Resource[Any]) -> Controller[Any]:
    made: dict[Resource[Any], Controller[Any]] = {
        CLAIMS: persistentvolumeclaim_protection(),
        PERSISTENTVOLUMES: persistentvolume_protection,
        VOLUMEATTRIBUTESCLASSES: volumeattributesclass_protection,
    }
    return made[resource]


def key_in(resource: Resource[Any], name: str) -> Key:
    return Key("default" if resource.namespaced else "", name)


def thing(resource: Resource[Any], name: str, *finalizers: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "finalizers": list(finalizers)}
    if resource.namespaced:
        metadata["namespace"] = "default"
    return {"metadata": metadata, **rest}


def claim(owner: str = "") -> dict[str, Any]:
    made = thing(CLAIMS, "data", PROTECTED[CLAIMS])
    if owner:
        ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": True}
        made["metadata"]["ownerReferences"] = [ref]
    return made


def pod(volume: Any, node: str = "n1", phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    spec = {"volumes": [{"name": "tmp", "emptyDir": {}}, volume], **({"nodeName": node} if node else {})}
    metadata = {"name": "p", "namespace": "default", "uid": "p", **metadata}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("using", "owner", "stays"),
    [
        pytest.param(pod(BY_CLAIM), "", True, id="running"),
        pytest.param(pod(BY_CLAIM, node=""), "", False, id="without-a-node"),
        pytest.param(pod(BY_CLAIM, phase="Succeeded"), "", True, id="ended-but-there"),
        pytest.param(pod(BY_CLAIM, **SHUT_DOWN), "", True, id="shut-down-but-there"),
        pytest.param(pod({"name": "data", "emptyDir": {}}), "", False, id="other-volume"),
        pytest.param(
            pod({"name": "v", "persistentVolumeClaim": {"claimName": "other"}}), "", False, id="other-claim"
        ),
        pytest.param(pod(BY_CLAIM, namespace="other"), "", False, id="other-namespace"),
        pytest.param(pod(EPHEMERAL), "p", False, id="ephemeral-of-another-name"),
    ],
)
def test_a_claim_waits_for_its_pods(using: Any, owner: str, stays: bool) -> None:
    world = World(protection_of(CLAIMS))
    world.put(CLAIMS, claim(owner))
    world.put(PODS, using)
    world.settle()
    assert CLAIM in world.table(CLAIMS).objects
    world.remove(CLAIMS, CLAIM)
    world.settle()
    assert (CLAIM in world.table(CLAIMS).objects) is stays
    world.table(PODS).objects.clear()
    world.settle()
    assert CLAIM not in world.table(CLAIMS).objects


@pytest.mark.parametrize(
    ("using", "owner", "stays"),
    [
        pytest.param(pod(EPHEMERAL), "p", True, id="its-own"),
        pytest.param(pod(EPHEMERAL), "another", False, id="made-for-another-pod"),
        pytest.param(pod(EPHEMERAL), "", False, id="made-by-hand"),
        pytest.param(pod(EPHEMERAL, node=""), "p", False, id="without-a-node"),
        pytest.param(pod(EPHEMERAL, **ENDING), "p", True, id="ending"),
        pytest.param(pod(EPHEMERAL, **SHUT_DOWN), "p", False, id="shut-down"),
    ],
)
def test_ephemeral_volumes(using: Any, owner: str, stays: bool) -> None:
    world, key = World(protection_of(CLAIMS)), Key("default", "p-data")
    made = claim(owner)
    world.put(CLAIMS, {**made, "metadata": {**made["metadata"], "name": key.name}})
    world.put(PODS, using)
    world.remove(CLAIMS, key)
    world.settle()
    assert (key in world.table(CLAIMS).objects) is stays


@pytest.mark.parametrize(
    ("phase", "stays"),
    [
        pytest.param("Bound", True, id="bound"),
        pytest.param("Released", False, id="released"),
        pytest.param("Available", False, id="available"),
        pytest.param("", False, id="new"),
    ],
)
def test_a_volume_waits_until_it_is_not_bound(phase: str, stays: bool) -> None:
    world = World(persistentvolume_protection)
    status = {"status": {"phase": phase}} if phase else {}
    world.put(PERSISTENTVOLUMES, thing(PERSISTENTVOLUMES, "pv", PROTECTED[PERSISTENTVOLUMES], **status))
    world.remove(PERSISTENTVOLUMES, VOLUME)
    world.settle()
    assert (VOLUME in world.table(PERSISTENTVOLUMES).objects) is stays


def test_which_changes_of_a_volume_matter() -> None:
    relevant: Any = persistentvolume_protection.relevant
    held = thing(PERSISTENTVOLUMES, "pv", PROTECTED[PERSISTENTVOLUMES], status={"phase": "Bound"})
    assert relevant(held) is None
    going = {**held, "metadata": {**held["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert relevant(going) is not None
    assert relevant(going) != relevant({**going, "status": {"phase": "Released"}})


@pytest.mark.parametrize(
    ("resource", "using", "stays"),
    [
        pytest.param(PERSISTENTVOLUMES, {"spec": {"volumeAttributesClassName": "gold"}}, True, id="volume"),
        pytest.param(CLAIMS, {"spec": {"volumeAttributesClassName": "gold"}}, True, id="wanted"),
        pytest.param(CLAIMS, {"status": {"currentVolumeAttributesClassName": "gold"}}, True, id="present"),
        pytest.param(
            CLAIMS,
            {"status": {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "gold"}}},
            True,
            id="on-its-way",
        ),
        pytest.param(CLAIMS, {"spec": {"volumeAttributesClassName": "silver"}}, False, id="another"),
        pytest.param(PERSISTENTVOLUMES, {"spec": {}}, False, id="none"),
    ],
)
def test_a_class_waits_for_volumes_and_claims(resource: Resource[Any], using: Any, stays: bool) -> None:
    world, key = World(volumeattributesclass_protection), Key("", "gold")
    vac = thing(VOLUMEATTRIBUTESCLASSES, "gold", PROTECTED[VOLUMEATTRIBUTESCLASSES])
    world.put(VOLUMEATTRIBUTESCLASSES, vac)
    world.put(resource, thing(resource, "user", **using))
    world.remove(VOLUMEATTRIBUTESCLASSES, key)
    world.settle()
    assert (key in world.table(VOLUMEATTRIBUTESCLASSES).objects) is stays


@pytest.mark.parametrize("resource", PROTECTED, ids=lambda resource: resource.plural)
def test_finalizers(resource: Resource[Any]) -> None:
    world, key = World(protection_of(resource)), key_in(resource, "old")
    world.put(resource, thing(resource, "old", "example.com/mine"))
    world.settle()
    mine = ["example.com/mine"]
    assert world.table(resource).objects[key]["metadata"]["finalizers"] == [*mine, PROTECTED[resource]]
    world.remove(resource, key)
    world.settle()
    assert world.table(resource).objects[key]["metadata"]["finalizers"] == mine


def test_only_whom_an_event_may_set_free_is_looked_at_again() -> None:
    world = World(protection_of(CLAIMS), volumeattributesclass_protection)
    (of_pods,) = protection_of(CLAIMS).watches.values()
    of_claims = volumeattributesclass_protection.watches[CLAIMS]
    vac = thing(VOLUMEATTRIBUTESCLASSES, "gold", PROTECTED[VOLUMEATTRIBUTESCLASSES])
    world.put(VOLUMEATTRIBUTESCLASSES, vac)
    user = world.put(CLAIMS, {**claim(), "spec": {"volumeAttributesClassName": "gold"}})
    assert not list(of_pods.keys(pod(BY_CLAIM), world.view()))
    assert not list(of_claims.keys(user, world.view()))
    world.remove(CLAIMS, CLAIM)
    world.remove(VOLUMEATTRIBUTESCLASSES, Key("", "gold"))
    assert list(of_pods.keys(pod(BY_CLAIM), world.view())) == [CLAIM]
    assert list(of_claims.keys(user, world.view())) == [Key("", "gold")]
    assert of_pods.relevant is not None
    assert of_pods.relevant(pod(BY_CLAIM)) == of_pods.relevant(pod(BY_CLAIM, phase="Failed"))
    assert of_pods.relevant(pod(EPHEMERAL, **ENDING)) != of_pods.relevant(pod(EPHEMERAL, **SHUT_DOWN))


def test_a_claim_with_users_that_only_the_server_knows_waits() -> None:
    world = World(protection_of(CLAIMS))
    world.put(CLAIMS, claim())
    world.remove(CLAIMS, CLAIM)
    going = world.table(CLAIMS).objects[CLAIM]
    planned = protection_of(CLAIMS)(going, world.view(), world.now, True)
    assert planned.changes == ()
    assert planned.requeue_after is not None
    let_go = protection_of(CLAIMS)(going, world.view(), world.now, False)
    assert [type(change) for change in let_go.changes] == [Update]
    assert protection_of(CLAIMS)(claim(), world.view(), world.now, False) == NOTHING


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=6))
def test_a_claim_goes_exactly_when_no_pod_holds_it(pods: list[tuple[bool, bool, bool]]) -> None:
    world = World(protection_of(CLAIMS))
    world.put(CLAIMS, claim())
    for number, (placed, using, ended) in enumerate(pods):
        volume = BY_CLAIM if using else {"name": "v", "emptyDir": {}}
        phase = "Failed" if ended else "Running"
        world.put(PODS, pod(volume, "n1" if placed else "", phase, name=f"p{number}", uid=f"p{number}"))
    world.remove(CLAIMS, CLAIM)
    world.settle()
    assert (CLAIM in world.table(CLAIMS).objects) is any(placed and using for placed, using, _ in pods)
