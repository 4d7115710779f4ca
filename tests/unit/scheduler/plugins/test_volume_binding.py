"""VolumeBinding: whom it refuses and in which words, what it takes, what it has written and waits for."""

from typing import Any

import pytest

from api.types.core_v1 import PERSISTENTVOLUMECLAIMS as PVCS
from api.types.core_v1 import PERSISTENTVOLUMES as PVS
from scheduler.factories import volume_binding
from scheduler.framework import Failed, Wait, Write
from scheduler.plugins.node_volume_limits import NodeVolumeLimits
from scheduler.plugins.volume_binding import CROWDED, LOST, UNMATCHED, UNREACHABLE, VolumeBinding
from scheduler.plugins.volume_restrictions import VolumeRestrictions
from scheduler.plugins.volume_zone import VolumeZone
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.volumes.build import (
    SELECTED,
    StorageWorld,
    affinity,
    capacity,
    claim,
    csinode,
    driver,
    storage_class,
    uses,
    volume,
)

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NODES = [node("n1", {ZONE: "a"}), node("n2", {ZONE: "b"}), node("n3")]
LOCAL = storage_class("local", "kubernetes.io/no-provisioner")
WAIT = storage_class("wait")
NOBODY: dict[str, set[str]] = {"n1": set(), "n2": set(), "n3": set()}


def user(*claims: str, **more: Any) -> Any:
    return pod("new", volumes=uses(*claims), **more)


def verdict(objects: list[Any], *claims: str) -> Any:
    return StorageWorld(NODES, objects=objects).verdict(user(*claims))


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param([], 'persistentvolumeclaim "c" not found', id="missing"),
        pytest.param(
            [claim("c", "v", metadata={"deletionTimestamp": "now"})],
            'persistentvolumeclaim "c" is being deleted',
            id="going-away",
        ),
        pytest.param(
            [claim("c", "v", phase="Lost")],
            'persistentvolumeclaim "c" bound to non-existent persistentvolume "v"',
            id="lost",
        ),
        pytest.param([claim("c")], "pod has unbound immediate PersistentVolumeClaims", id="no-class"),
        pytest.param(
            [claim("c", storage="gone")],
            "pod has unbound immediate PersistentVolumeClaims",
            id="class-is-not-there",
        ),
        pytest.param(
            [storage_class("now", waits=False), claim("c", storage="now")],
            "pod has unbound immediate PersistentVolumeClaims",
            id="immediate",
        ),
        pytest.param(
            [WAIT, claim("c", storage="wait", spec={"volumeName": "v"})],
            "pod has unbound immediate PersistentVolumeClaims",
            id="chosen-but-not-bound-for-good",
        ),
        pytest.param([claim("c", "v")], 'persistentvolume "v" not found', id="volume-is-not-there"),
    ],
)
def test_pods_that_can_run_nowhere(objects: list[Any], reason: str) -> None:
    assert verdict(objects, "c") == reason


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        pytest.param(volume("v"), NOBODY, id="anywhere"),
        pytest.param(
            volume("v", near=(HOST, ["n1"])),
            {"n1": set(), "n2": {UNREACHABLE}, "n3": {UNREACHABLE}},
            id="on-a-node",
        ),
        pytest.param(
            volume("v", nodeAffinity=affinity([{"key": ZONE, "operator": "Exists"}])),
            {"n1": set(), "n2": set(), "n3": {UNREACHABLE}},
            id="in-any-zone",
        ),
        pytest.param(
            volume("v", nodeAffinity=affinity()),
            {"n1": {UNREACHABLE}, "n2": {UNREACHABLE}, "n3": {UNREACHABLE}},
            id="nowhere",
        ),
        pytest.param(
            volume("v", nodeAffinity={"required": {"nodeSelectorTerms": [{"matchFields": [{}]}]}}),
            None,
            id="fields",
        ),
    ],
)
def test_bound_claims(bound: Any, expected: Any) -> None:
    if expected is None:
        field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
        bound["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] = [{"matchFields": [field]}]
        expected = NOBODY
    assert verdict([claim("c", "v"), bound], "c") == expected


def test_what_it_says_of_claims_that_others_would_have_refused() -> None:
    world = StorageWorld(NODES)
    [reject] = VolumeBinding().filter(world.cycle(user("c")))
    assert (reject.reason, reject.of_pod) == ('persistentvolumeclaim "c" not found', True)
    disk = pod("new", volumes=[{"name": "d", "iscsi": {"iqn": "i"}}])
    assert VolumeBinding().filter(world.cycle(disk)) == ()


def test_an_ephemeral_volume_needs_the_claim_that_was_made_for_it() -> None:
    new = pod("new", volumes=[{"name": "scratch", "ephemeral": {}}])
    world = StorageWorld(NODES)
    waiting = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "new-scratch"'
    assert world.verdict(new) == waiting
    world.put(claim("new-scratch", "v"))
    reason = "PVC default/new-scratch was not created for pod default/new (pod is not owner)"
    assert world.verdict(new) == reason
    owner = {"kind": "Pod", "name": "new", "uid": "new", "controller": True}
    world.put(claim("new-scratch", "v", metadata={"ownerReferences": [owner]}))
    assert world.verdict(new) == {name: {LOST} for name in NOBODY}


def test_the_beta_annotation_names_the_class() -> None:
    named = claim("c", annotations={"volume.beta.kubernetes.io/storage-class": "wait"})
    assert verdict([WAIT, named], "c") == NOBODY


def test_a_volume_that_exists_or_can_be_made() -> None:
    made = verdict([LOCAL, claim("c", storage="local"), volume("v", "local", near=(HOST, ["n1"]))], "c")
    assert made == {"n1": set(), "n2": {UNMATCHED}, "n3": {UNMATCHED}}
    terms = [{"matchLabelExpressions": [{"key": ZONE, "values": ["b"]}]}]
    allowed = storage_class("wait", allowedTopologies=terms)
    both = [allowed, claim("c", storage="wait"), volume("v", "wait", near=(HOST, ["n1"]))]
    assert verdict(both, "c") == {"n1": set(), "n2": set(), "n3": {UNMATCHED}}


def refused(objects: list[Any], *claims: str) -> dict[str, set[str]]:
    """Return what the plugin alone says of each node."""
    world = StorageWorld(NODES, objects=objects)
    found: dict[str, set[str]] = {name: set() for name in NOBODY}
    for reject in VolumeBinding().filter(world.cycle(user(*claims))):
        for name in world.names(reject.nodes):
            found[name].add(reject.reason)
    return found


def test_of_bound_claims_the_first_fault_is_told() -> None:
    objects = [claim("c", "v"), volume("v", near=(HOST, ["n1"])), claim("d", "gone")]
    assert refused(objects, "c", "d") == {"n1": {LOST}, "n2": {UNREACHABLE}, "n3": {UNREACHABLE}}
    assert refused(objects, "d", "c") == {name: {LOST} for name in NOBODY}


def test_of_claims_to_be_made_the_first_fault_is_told() -> None:
    terms = [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]
    in_a = storage_class("in-a", "other", allowedTopologies=terms)
    objects = [in_a, WAIT, driver(), claim("c", storage="in-a"), claim("d", storage="wait")]
    assert refused(objects, "c", "d") == {"n1": {CROWDED}, "n2": {UNMATCHED}, "n3": {UNMATCHED}}
    assert refused(objects, "d", "c") == {name: {CROWDED} for name in NOBODY}


def test_faults_of_bound_and_of_waiting_claims_are_both_told() -> None:
    objects = [LOCAL, claim("c", "v"), volume("v", near=(HOST, ["n1"])), claim("d", storage="local")]
    both = {UNREACHABLE, UNMATCHED}
    assert refused(objects, "c", "d") == {"n1": {UNMATCHED}, "n2": both, "n3": both}


def test_a_claim_stays_where_its_volume_is_being_made() -> None:
    chosen = claim("c", storage="wait", annotations={SELECTED: "n2"})
    assert verdict([WAIT, chosen], "c") == {"n1": {UNMATCHED}, "n2": set(), "n3": {UNMATCHED}}
    elsewhere = claim("c", storage="wait", annotations={SELECTED: "gone"})
    assert verdict([WAIT, elsewhere], "c") == {name: {UNMATCHED} for name in NOBODY}


def test_room() -> None:
    objects = [
        WAIT,
        driver(),
        claim("c", storage="wait", size="2Gi"),
        capacity("a", "wait", {"matchLabels": {ZONE: "a"}}, capacity="5Gi", maximumVolumeSize="1Gi"),
        capacity("b", "wait", {"matchLabels": {ZONE: "b"}}, capacity="2Gi"),
        capacity("other", "other", {}, capacity="9Gi"),
        capacity("nowhere", "wait", None, capacity="9Gi"),
        capacity("unknown", "wait", {}),
    ]
    assert verdict(objects, "c") == {"n1": {CROWDED}, "n2": set(), "n3": {CROWDED}}
    assert verdict([*objects, driver(counts=False)], "c") == NOBODY
    wide = capacity(
        "wide", "wait", {"matchExpressions": [{"key": HOST, "operator": "Exists"}]}, capacity="2Gi"
    )
    assert verdict([*objects, wide], "c") == NOBODY


def test_capacity_is_looked_at_anew() -> None:
    classes = [WAIT, storage_class("other")]
    claims = [claim("c", storage="wait"), claim("d", storage="other")]
    world = StorageWorld(NODES, objects=[*classes, driver(), *claims])
    world.put(capacity("elsewhere", "wait", {"matchLabels": {HOST: "gone"}}, capacity="9Gi"))
    for amount, expected in (("1Gi", set()), ("1Mi", {CROWDED})):
        world.put(capacity("all", "wait", {}, capacity=amount))
        for _ in range(2):
            assert world.verdict(user("c"))["n1"] == expected
            assert world.verdict(user("d"))["n1"] == {CROWDED}


@pytest.mark.parametrize(
    ("migrated", "expected"),
    [
        pytest.param("", {"n1": set(), "n2": {UNREACHABLE}}, id="as-the-volume-says"),
        pytest.param(
            "kubernetes.io/aws-ebs", {"n1": {UNREACHABLE}, "n2": {UNREACHABLE}}, id="as-drivers-say"
        ),
    ],
)
def test_nodes_that_have_handed_a_plugin_over(migrated: str, expected: Any) -> None:
    disk = volume("v", near=(ZONE, ["a"]), source={"awsElasticBlockStore": {"volumeID": "vol-1"}})
    objects = [claim("c", "v"), disk, csinode("n1", {}, migrated)]
    found = StorageWorld(NODES, objects=objects).verdict(user("c"))
    assert {name: found[name] for name in expected} == expected


def annotations(world: StorageWorld, name: str) -> Any:
    """Return the annotations of a claim, as they are or are assumed to be."""
    found: Any = world.objects.get(PVCS, "default", name)
    return found["metadata"]["annotations"]


class Bound:
    """A pod that has been placed on n1, and how its volumes come along."""

    def __init__(self, *objects: Any, claims: tuple[str, ...] = ("c",), **arguments: Any) -> None:
        self.world = StorageWorld(NODES, objects=objects)
        self.plugin = VolumeBinding(**arguments)
        self.cycle = self.world.cycle(user(*claims))
        assert not any(reject.of_pod for reject in self.plugin.filter(self.cycle))
        assert self.plugin.reserve(self.cycle, "n1") is None

    def step(self) -> Any:
        return self.plugin.pre_bind(self.cycle, "n1")

    def answer(self, write: Write) -> None:
        """Do what the API server does with a write."""
        before: Any = self.world.objects.get(write.resource, write.namespace, write.name)
        metadata = {**before["metadata"], "resourceVersion": "7"}
        self.world.objects.assume(write.resource, {**before, "metadata": metadata})

    def watch(self, obj: Any, revision: str = "9") -> None:
        metadata = {**obj["metadata"], "resourceVersion": revision}
        self.world.put({**obj, "metadata": metadata})


PROVISIONED = (WAIT, claim("c", storage="wait"))


def test_provisioning() -> None:
    bound = Bound(*PROVISIONED, bind_timeout_s=60)
    [write] = bound.step()
    body = {"metadata": {"resourceVersion": "5", "annotations": {SELECTED: "n1"}}}
    assert write == Write(PVCS, "default", "c", body)
    bound.answer(write)
    assert bound.step() == Wait("binding volumes", 60)
    bound.watch(claim("c", "v", "wait", annotations={SELECTED: "n1"}))
    assert bound.step() == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            claim("c", storage="wait"), 'provisioning failed for PVC "c"', id="the-provisioner-gives-up"
        ),
        pytest.param(
            claim("c", storage="wait", annotations={SELECTED: "n2"}),
            'provisioning failed for PVC "c"',
            id="somebody-chose-otherwise",
        ),
        pytest.param(
            claim("c", "v", "wait", annotations={SELECTED: "n1"}),
            'pv "v" node affinity doesn\'t match node "n1"',
            id="it-made-a-volume-elsewhere",
        ),
        pytest.param(None, 'persistentvolumeclaim "c" not found', id="the-claim-has-gone"),
    ],
)
def test_provisioning_that_fails(change: Any, reason: str) -> None:
    bound = Bound(*PROVISIONED, volume("v", near=(HOST, ["n2"])))
    bound.answer(bound.step()[0])
    if change is None:
        bound.world.drop(claim("c"))
    else:
        bound.watch(change)
    assert bound.step() == Failed(f"binding volumes: {reason}")


STATIC = (LOCAL, claim("c", storage="local"), volume("v", "local", near=(HOST, ["n1"])))


def test_taking_a_volume() -> None:
    bound = Bound(*STATIC)
    [write] = bound.step()
    reference = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "default", "name": "c",
        "uid": "uid-c", "resourceVersion": "5",
    }  # fmt: skip
    metadata = {
        "resourceVersion": "5", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"},
    }  # fmt: skip
    assert write == Write(PVS, "", "v", {"metadata": metadata, "spec": {"claimRef": reference}})
    bound.answer(write)
    assert isinstance(bound.step(), Wait)
    bound.watch(claim("c", "v", "local"))
    assert bound.step() == ()


def test_a_volume_that_was_kept_for_the_claim() -> None:
    kept = volume("v", kept="c")
    bound = Bound(
        WAIT, claim("c", storage="wait"), {**kept, "spec": {**kept["spec"], "storageClassName": "wait"}}
    )
    [write] = bound.step()
    assert "annotations" not in write.body["metadata"], "it is the user's pairing"
    assert write.body["spec"]["claimRef"]["uid"] == "uid-c"


def test_a_volume_that_was_taken_before() -> None:
    """The pod was to be bound before, and was not: there is nothing to write, only to wait for."""
    reference = {"namespace": "default", "name": "c", "uid": "uid-c"}
    bound = Bound(LOCAL, claim("c", storage="local"), volume("v", "local", claimRef=reference))
    assert isinstance(bound.step(), Wait)


def test_a_volume_of_a_plugin_that_was_handed_over() -> None:
    disk = volume("v", "local", near=(ZONE, ["a"]), source={"awsElasticBlockStore": {"volumeID": "d"}})
    bound = Bound(LOCAL, claim("c", storage="local"), disk)
    bound.answer(bound.step()[0])
    assert isinstance(bound.step(), Wait)
    bound.world.put(csinode("n1", {}, "kubernetes.io/aws-ebs"))
    assert bound.step() == Failed('binding volumes: pv "v" node affinity doesn\'t match node "n1"')


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(volume("v", "local"), 'ClaimRef got reset for pv "v"', id="taken-away"),
        pytest.param(
            volume("v", "local", near=(HOST, ["n2"]), claimRef={"uid": "uid-c"}),
            'pv "v" node affinity doesn\'t match node "n1"',
            id="moved",
        ),
        pytest.param(volume("v"), 'persistentvolume "v" not found', id="gone"),
        pytest.param(claim("c"), 'persistentvolumeclaim "c" not found', id="the-claim-is-gone"),
    ],
)
def test_a_volume_that_is_lost_meanwhile(change: Any, reason: str) -> None:
    bound = Bound(*STATIC)
    bound.answer(bound.step()[0])
    if "not found" in reason:
        bound.world.drop(change)
    else:
        bound.watch(change)
    assert bound.step() == Failed(f"binding volumes: {reason}")


def test_a_node_that_goes_meanwhile() -> None:
    bound = Bound(*STATIC)
    bound.answer(bound.step()[0])
    bound.world.snapshot.remove_node("n1")
    assert bound.step() == Failed("binding volumes: the node has gone")


def test_what_is_reserved_shows_and_is_given_back() -> None:
    bound = Bound(*STATIC, *PROVISIONED[:1], claim("d", storage="wait"), claims=("c", "d"))
    world, other = bound.world, pod("other", volumes=uses("e"))
    world.put(claim("e", storage="local"))
    assert world.verdict(other)["n1"] == {UNMATCHED}
    assert annotations(world, "d") == {SELECTED: "n1"}
    for _ in range(2):
        bound.plugin.unreserve(bound.cycle, "n1")
        assert world.verdict(other)["n1"] == set()
        assert annotations(world, "d") == {}


def test_two_pods_of_one_claim() -> None:
    """The second has nothing to write, and takes nothing back that is the first one's."""
    bound = Bound(*PROVISIONED)
    second = bound.world.cycle(pod("second", volumes=uses("c")))
    assert bound.world.names(bound.plugin.filter(second)[0].nodes) == {"n2", "n3"}
    bound.plugin.reserve(second, "n1")
    assert isinstance(bound.plugin.pre_bind(second, "n1"), Wait)
    bound.plugin.unreserve(second, "n1")
    assert annotations(bound.world, "c") == {SELECTED: "n1"}


def test_a_node_that_another_pod_has_used_up_since() -> None:
    """Nodes may be chosen for several pods before anything is reserved for them."""
    world, plugin = StorageWorld(NODES, objects=[*STATIC, claim("d", storage="local")]), VolumeBinding()
    first, second = world.cycle(user("c")), world.cycle(pod("second", volumes=uses("d")))
    for cycle in (first, second):
        assert world.names(plugin.filter(cycle)[0].nodes) == {"n2", "n3"}
    assert plugin.reserve(first, "n1") is None
    assert plugin.reserve(second, "n1") == UNMATCHED
    plugin.unreserve(second, "n1")
    assert plugin.pre_bind(second, "n1") == ()


def test_pods_with_volumes_are_decided_one_by_one() -> None:
    world = StorageWorld(NODES)
    plugins: list[Any] = [VolumeBinding(), VolumeRestrictions(), VolumeZone(), NodeVolumeLimits()]
    for each, static in ((pod("a"), True), (user("c"), False)):
        assert all(plugin.filter_is_static(world.cycle(each)) == static for plugin in plugins)
    assert VolumeBinding().score_is_static(world.cycle(pod("a")))


def test_arguments() -> None:
    shape = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
    made = volume_binding({"bindTimeoutSeconds": 5, "shape": shape})
    assert made == VolumeBinding(bind_timeout_s=5, shape=((0, 0), (100, 100)))
    assert volume_binding({"bindTimeoutSeconds": 600}) == VolumeBinding()


def test_nothing_to_do() -> None:
    done = Bound(claim("c", "v"), volume("v"))
    assert done.step() == ()
    world, plugin = StorageWorld(NODES), VolumeBinding(shape=((0, 0), (100, 100)))
    cycle = world.cycle(pod("new", volumes=[{"name": "tmp", "emptyDir": {}}]))
    assert plugin.filter(cycle) == ()
    assert plugin.score(cycle, world.snapshot.alive) is None
    assert plugin.reserve(cycle, "n1") is None
    plugin.unreserve(cycle, "n1")
    assert plugin.pre_bind(cycle, "n1") == ()
    assert cycle.state == {}


FULLER = ((0, 0), (100, 100))


@pytest.mark.parametrize(
    ("objects", "shape", "expected"),
    [
        pytest.param(STATIC, (), None, id="off"),
        pytest.param(
            [LOCAL, claim("c", storage="local"), volume("v", "local", near=(HOST, ["n1"]), size="4Gi"),
             volume("w", "local", near=(HOST, ["n2"]), size="2Gi")],
            FULLER, {"n1": 25, "n2": 50, "n3": 0}, id="volumes-that-exist",
        ),
        pytest.param(
            [WAIT, driver(), claim("c", storage="wait"), capacity("a", "wait", {"matchLabels": {ZONE: "a"}},
             capacity="4Gi"), capacity("b", "wait", {"matchLabels": {ZONE: "b"}}, capacity="1Gi")],
            ((0, 100), (100, 0)), {"n1": 75, "n2": 0, "n3": 0}, id="volumes-to-be-made",
        ),
        pytest.param([claim("c", "v"), volume("v")], FULLER, None, id="bound"),
        pytest.param([WAIT, claim("c", storage="wait")], FULLER, {"n1": 0, "n2": 0, "n3": 0}, id="not-known"),
    ],
)  # fmt: skip
def test_scores(objects: Any, shape: Any, expected: Any) -> None:
    world = StorageWorld(NODES, objects=objects)
    assert world.scores(VolumeBinding(shape=shape), user("c")) == expected


@pytest.mark.parametrize(
    ("event", "old", "new", "woken"),
    [
        pytest.param("PersistentVolumeClaim", None, claim("c"), True, id="its-claim"),
        pytest.param("PersistentVolumeClaim", claim("c"), None, False, id="its-claim-goes"),
        pytest.param("PersistentVolumeClaim", None, claim("d"), False, id="another-claim"),
        pytest.param(
            "PersistentVolumeClaim", None, claim("c", metadata={"namespace": "x"}), False, id="elsewhere"
        ),
        pytest.param("PersistentVolumeClaim", None, claim("new-s"), True, id="for-its-ephemeral-volume"),
        pytest.param("PersistentVolume", volume("v"), volume("v"), True, id="volume"),
        pytest.param("PersistentVolume", volume("v"), None, False, id="volume-goes"),
        pytest.param("StorageClass", None, WAIT, True, id="class"),
        pytest.param("StorageClass", WAIT, {**WAIT, "allowedTopologies": [{}]}, True, id="topologies"),
        pytest.param("StorageClass", WAIT, {**WAIT, "parameters": {}}, False, id="parameters"),
        pytest.param("StorageClass", WAIT, None, False, id="class-goes"),
        pytest.param("CSINode", None, csinode("n", {}), True, id="csinode"),
        pytest.param("CSINode", csinode("n", {}), csinode("n", {}, "p"), True, id="plugins-handed-over"),
        pytest.param("CSINode", csinode("n", {}), csinode("n", {"d": 1}), False, id="driver-comes"),
        pytest.param("CSIDriver", driver(), driver(counts=False), True, id="counts-no-more"),
        pytest.param("CSIDriver", driver(counts=False), driver(), False, id="counts-now"),
        pytest.param("CSIDriver", driver(), None, True, id="driver-goes"),
        pytest.param("CSIStorageCapacity", None, capacity("k", "s", {}), True, id="capacity"),
        pytest.param(
            "CSIStorageCapacity",
            capacity("k", "s", {}, capacity="1Gi"),
            capacity("k", "s", {}, capacity="2Gi"),
            True,
            id="more-room",
        ),
        pytest.param(
            "CSIStorageCapacity",
            capacity("k", "s", {}, capacity="2Gi"),
            capacity("k", "s", {}, capacity="1Gi"),
            False,
            id="less-room",
        ),
        pytest.param("Pod/Gone", user("x"), None, True, id="a-pod-gives-claims-back"),
        pytest.param("Pod/Gone", pod("x"), None, False, id="a-pod-without-claims-goes"),
    ],
)
def test_hints(event: str, old: Any, new: Any, woken: bool) -> None:
    waiting = pod("new", volumes=[*uses("c"), {"name": "s", "ephemeral": {}}])
    look = VolumeBinding.hints[event]
    assert look is not None
    assert look(waiting, old, new) == woken
