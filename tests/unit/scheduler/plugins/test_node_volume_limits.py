"""NodeVolumeLimits: how many volumes of a driver a node takes."""

from typing import Any

import pytest

from scheduler.plugins.node_volume_limits import TOO_MANY, NodeVolumeLimits
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.volumes.build import (
    StorageWorld,
    attachment,
    claim,
    csinode,
    storage_class,
    uses,
    volume,
)

CSI, EBS, EBS_DRIVER = "csi.example.com", "kubernetes.io/aws-ebs", "ebs.csi.aws.com"
NODES = [node("n1"), node("n2")]
BOUND = [each for name in "abcd" for each in (claim(name, f"v{name}"), volume(f"v{name}"))]
REFUSED = {"n1": (TOO_MANY, False)}


def user(name: str, on: str, *claims: str) -> Any:
    return pod(name, on, volumes=uses(*claims))


def refused(limits: Any, placed: list[Any], objects: list[Any], new: Any, migrated: str = "") -> Any:
    world = StorageWorld(NODES, placed, [*BOUND, csinode("n1", limits, migrated), *objects])
    return world.refused(NodeVolumeLimits(), new)


@pytest.mark.parametrize(
    ("limit", "placed", "objects", "full"),
    [
        pytest.param(1, [], [], False, id="just-fits"),
        pytest.param(0, [], [], True, id="none-at-all"),
        pytest.param(None, [user("p", "n1", "b")], [], False, id="no-limit"),
        pytest.param(1, [user("p", "n1", "b")], [], True, id="full"),
        pytest.param(1, [user("p", "n2", "b")], [], False, id="in-use-on-another-node"),
        pytest.param(1, [user("p", "n1", "a")], [], False, id="shared-with-a-pod-there"),
        pytest.param(2, [user("p", "n1", "b"), user("q", "n1", "b")], [], False, id="one-volume-of-two-pods"),
        pytest.param(1, [user("p", "n1", "gone")], [], False, id="a-claim-that-is-not-there"),
        pytest.param(1, [user("p", "n1", "w")], [claim("w")], False, id="a-claim-without-class"),
        pytest.param(1, [user("p", "n1", "w")], [claim("w", storage="s")], False, id="class-is-not-there"),
        pytest.param(
            1, [user("p", "n1", "w")], [claim("w", storage="s"), storage_class("s")], True, id="to-be-made"
        ),
        pytest.param(
            1,
            [user("p", "n1", "w")],
            [claim("w", "gone", "s"), storage_class("s")],
            True,
            id="volume-is-lost",
        ),
        pytest.param(
            1,
            [user("p", "n1", "w")],
            [claim("w", "vw"), volume("vw", source={"hostPath": {"path": "/x"}})],
            False,
            id="not-attached",
        ),
        pytest.param(
            1,
            [user("p", "n1", "w")],
            [claim("w", "vw"), volume("vw", source={"csi": {"driver": "other", "volumeHandle": "h"}})],
            False,
            id="of-another-driver",
        ),
        pytest.param(1, [], [attachment("x", "n1", "vb")], True, id="still-attached"),
        pytest.param(1, [], [attachment("x", "n2", "vb")], False, id="attached-elsewhere"),
        pytest.param(
            2, [user("p", "n1", "b")], [attachment("x", "n1", "vb")], False, id="attached-for-a-pod"
        ),
        pytest.param(1, [], [attachment("x", "n1", "va")], True, id="own-volume-counts-twice"),
        pytest.param(1, [], [attachment("x", "n1", "gone")], False, id="attachment-of-nothing-known"),
    ],
)
def test_limits(limit: int | None, placed: list[Any], objects: list[Any], full: bool) -> None:
    assert refused({CSI: limit}, placed, objects, user("new", "", "a")) == (REFUSED if full else {})


def test_several_volumes_and_drivers() -> None:
    other = [claim("o", "vo"), volume("vo", source={"csi": {"driver": "other", "volumeHandle": "h"}})]
    new = user("new", "", "a", "b", "o")
    assert refused({CSI: 2, "other": 1}, [], other, new) == {}
    assert refused({CSI: 1, "other": 1}, [], other, new) == REFUSED
    assert refused({CSI: 2, "other": 0}, [], other, new) == REFUSED


INLINE = [{"name": "disk", "awsElasticBlockStore": {"volumeID": "aws://zone-a/vol-1"}}]
ON_DISK = [claim("e", "ve"), volume("ve", source={"awsElasticBlockStore": {"volumeID": "vol-2"}})]


@pytest.mark.parametrize(
    ("migrated", "placed", "full"),
    [
        pytest.param("", [user("p", "n1", "e")], False, id="not-handed-over"),
        pytest.param(EBS, [], False, id="just-fits"),
        pytest.param(EBS, [user("p", "n1", "e")], True, id="a-disk-by-claim"),
        pytest.param(f"x,{EBS}", [pod("p", "n1", volumes=INLINE)], False, id="the-same-disk"),
        pytest.param(EBS, [user("p", "n1", "t")], True, id="a-disk-to-be-made"),
    ],
)
def test_disks_of_plugins_that_were_handed_over(migrated: str, placed: list[Any], full: bool) -> None:
    objects = [*ON_DISK, storage_class("aws", EBS), claim("t", storage="aws")]
    found = refused({EBS_DRIVER: 1}, placed, objects, pod("new", volumes=INLINE), migrated)
    assert found == (REFUSED if full else {})


def test_a_disk_under_two_names_counts_once() -> None:
    csi = [claim("x", "vx"), volume("vx", source={"csi": {"driver": EBS_DRIVER, "volumeHandle": "vol-1"}})]
    new = pod("new", volumes=[*INLINE, *uses("x")])
    assert refused({EBS_DRIVER: 1}, [], csi, new, EBS) == {}


@pytest.mark.parametrize(
    ("volumes", "reason"),
    [
        pytest.param(
            uses("gone"), 'looking up PVC default/gone: persistentvolumeclaim "gone" not found', id="missing"
        ),
        pytest.param(
            [{"name": "s", "ephemeral": {}}],
            "PVC default/new-s was not created for pod default/new (pod is not owner)",
            id="not-made-for-it",
        ),
    ],
)
def test_claims_that_will_not_do(volumes: Any, reason: str) -> None:
    found = refused({}, [], [claim("new-s")], pod("new", volumes=volumes))
    assert found == dict.fromkeys(("n1", "n2"), (reason, True))


class Full:
    """n1 takes one volume, and has one."""

    def __init__(self) -> None:
        objects = [*BOUND, csinode("n1", {CSI: 1}), attachment("x", "n1", "vb")]
        self.world = StorageWorld(NODES, objects=objects)
        assert self.refused() == REFUSED

    def refused(self) -> Any:
        return self.world.refused(NodeVolumeLimits(), user("new", "", "a"))


def test_what_changes_is_noticed() -> None:
    changes: list[Any] = [
        lambda world: world.drop(attachment("x", "n1", "vb")),
        lambda world: world.drop(volume("vb")),
        lambda world: world.put(csinode("n1", {CSI: 2})),
        lambda world: world.drop(csinode("n1", {})),
        lambda world: world.put(volume("va", source={"nfs": {}})),
    ]
    for change in changes:
        full = Full()
        change(full.world)
        assert full.refused() == {}


def test_pods_and_claims_that_change_are_noticed() -> None:
    world = StorageWorld(NODES, objects=[*BOUND, csinode("n1", {CSI: 1}), storage_class("s")])
    new = user("new", "", "a")
    steps: list[tuple[Any, Any]] = [
        (lambda: world.place(user("p", "n1", "w")), {}),
        (lambda: world.put(claim("w", storage="s")), REFUSED),
        (lambda: world.put(claim("w", "va", "s")), {}),
        (lambda: world.put(claim("w", "vb", "s")), REFUSED),
        (lambda: world.snapshot.remove_pod("p"), {}),
        (lambda: world.place(user("q", "n1", "b")), REFUSED),
        (lambda: world.snapshot.remove_node("n1"), {}),
        (lambda: world.snapshot.set_node(node("n0")), {}),
        (lambda: world.snapshot.set_node(node("n1")), REFUSED),
    ]
    for change, expected in steps:
        change()
        assert world.refused(NodeVolumeLimits(), new) == expected


def test_more_changes_than_are_remembered() -> None:
    world = StorageWorld(NODES, [user("p", "n1", "b")], [*BOUND, csinode("n1", {CSI: 1})])
    assert world.refused(NodeVolumeLimits(), user("new", "", "a")) == REFUSED
    world.snapshot.remove_pod("p")
    for number in range(5000):
        world.put(claim(f"x{number % 7}"))
    assert world.refused(NodeVolumeLimits(), user("new", "", "a")) == {}


def test_disks_that_no_driver_has_taken_over_do_not_count() -> None:
    disk = pod("new", volumes=[{"name": "d", "iscsi": {"iqn": "i"}}])
    assert refused({CSI: 0}, [], [], disk) == {}


def test_a_cluster_that_grows() -> None:
    world = StorageWorld(NODES, [user("p", "n1", "b")], [*BOUND, csinode("n1", {CSI: 1})])
    assert world.refused(NodeVolumeLimits(), user("new", "", "a")) == REFUSED
    for number in range(3, 100):
        world.snapshot.set_node(node(f"n{number}"))
    assert world.refused(NodeVolumeLimits(), user("new", "", "a")) == REFUSED


@pytest.mark.parametrize(
    ("event", "old", "new", "woken"),
    [
        pytest.param("CSINode", None, csinode("n", {}), True, id="csinode"),
        pytest.param("CSINode", csinode("n", {CSI: 1}), csinode("n", {CSI: 2}), True, id="more"),
        pytest.param("CSINode", csinode("n", {CSI: 2}), csinode("n", {CSI: 1}), False, id="fewer"),
        pytest.param("CSINode", csinode("n", {CSI: 2}), None, False, id="csinode-goes"),
        pytest.param("Pod/Gone", user("x", "n1", "z"), None, True, id="a-pod-with-a-claim-goes"),
        pytest.param("Pod/Gone", pod("x", "n1", volumes=INLINE), None, True, id="a-pod-with-a-disk-goes"),
        pytest.param("Pod/Gone", pod("x", "n1"), None, False, id="a-pod-goes"),
        pytest.param("PersistentVolumeClaim", None, claim("a"), True, id="its-claim-comes"),
        pytest.param("PersistentVolumeClaim", claim("a"), claim("a"), False, id="its-claim-changes"),
        pytest.param("PersistentVolumeClaim", None, claim("b"), False, id="another-claim-comes"),
        pytest.param("VolumeAttachment", attachment("x", "n", "v"), None, True, id="detached"),
        pytest.param("VolumeAttachment", None, attachment("x", "n", "v"), False, id="attached"),
    ],
)
def test_hints(event: str, old: Any, new: Any, woken: bool) -> None:
    look = NodeVolumeLimits.hints[event]
    assert look is not None
    assert look(user("new", "", "a"), old, new) == woken


def test_a_disk_waits_for_its_own_driver() -> None:
    look = NodeVolumeLimits.hints["VolumeAttachment"]
    assert look is not None
    for attacher, woken in ((EBS_DRIVER, True), (CSI, False)):
        assert look(pod("new", volumes=INLINE), attachment("x", "n", "v", attacher), None) == woken
