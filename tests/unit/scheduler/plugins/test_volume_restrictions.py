"""VolumeRestrictions: disks that do not go together, claims for one pod alone."""

from typing import Any

import pytest

from scheduler.plugins.volume_restrictions import NO_DISK, TAKEN, VolumeRestrictions
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.volumes.build import StorageWorld, claim, uses

NODES = [node("n1"), node("n2")]


def disk(source: str, **fields: Any) -> Any:
    return {"name": "disk", source: fields}


def image(monitors: list[str], pool: str = "p", read_only: bool = False, **fields: Any) -> Any:
    return disk("rbd", monitors=monitors, pool=pool, image="i", readOnly=read_only, **fields)


@pytest.mark.parametrize(
    ("wanted", "used", "clash"),
    [
        pytest.param(
            disk("gcePersistentDisk", pdName="d"), disk("gcePersistentDisk", pdName="d"), True, id="gce"
        ),
        pytest.param(
            disk("gcePersistentDisk", pdName="d", readOnly=True),
            disk("gcePersistentDisk", pdName="d", readOnly=True),
            False,
            id="gce-both-read",
        ),
        pytest.param(
            disk("gcePersistentDisk", pdName="d", readOnly=True),
            disk("gcePersistentDisk", pdName="d"),
            True,
            id="gce-one-writes",
        ),
        pytest.param(
            disk("gcePersistentDisk", pdName="d"),
            disk("gcePersistentDisk", pdName="e"),
            False,
            id="gce-other",
        ),
        pytest.param(
            disk("awsElasticBlockStore", volumeID="v", readOnly=True),
            disk("awsElasticBlockStore", volumeID="v", readOnly=True),
            True,
            id="ebs-even-if-both-read",
        ),
        pytest.param(disk("iscsi", iqn="i"), disk("iscsi", iqn="i", readOnly=True), True, id="iscsi"),
        pytest.param(
            disk("iscsi", iqn="i", readOnly=True),
            disk("iscsi", iqn="i", readOnly=True),
            False,
            id="iscsi-read",
        ),
        pytest.param(image(["m1", "m2"]), image(["m2", "m3"]), True, id="rbd-a-shared-monitor"),
        pytest.param(image(["m1"]), image(["m2"]), False, id="rbd-other-monitors"),
        pytest.param(image(["m1"]), image(["m1"], pool="q"), False, id="rbd-other-pool"),
        pytest.param(image(["m1"], read_only=True), image(["m1"], read_only=True), False, id="rbd-both-read"),
        pytest.param(
            disk("gcePersistentDisk", pdName="v"),
            disk("awsElasticBlockStore", volumeID="v"),
            False,
            id="kinds",
        ),
        pytest.param(disk("azureDisk", diskURI="v"), disk("azureDisk", diskURI="v"), False, id="azure"),
    ],
)
def test_disks(wanted: Any, used: Any, clash: bool) -> None:
    world = StorageWorld(NODES, [pod("old", "n1", volumes=[used])])
    refused = world.refused(VolumeRestrictions(), pod("new", volumes=[wanted]))
    assert refused == ({"n1": (NO_DISK, False)} if clash else {})


def test_a_disk_is_free_when_its_last_user_goes() -> None:
    writes = [disk("gcePersistentDisk", pdName="d")]
    world = StorageWorld(NODES, [pod(name, "n1", volumes=writes) for name in ("a", "b")])
    for name, left in (("a", {"n1": (NO_DISK, False)}), ("b", {})):
        world.snapshot.remove_pod(name)
        assert world.refused(VolumeRestrictions(), pod("new", volumes=writes)) == left


ONE_POD = claim("c", "v", spec={"accessModes": ["ReadWriteOncePod"]})


@pytest.mark.parametrize(
    ("mine", "user", "taken"),
    [
        pytest.param(ONE_POD, pod("old", "n1", volumes=uses("c")), True, id="in-use"),
        pytest.param(ONE_POD, pod("old", "n1", volumes=uses("d")), False, id="another-claim"),
        pytest.param(ONE_POD, pod("old", "n1", volumes=uses("c"), namespace="x"), False, id="elsewhere"),
        pytest.param(claim("c", "v"), pod("old", "n1", volumes=uses("c")), False, id="for-one-node"),
        pytest.param(ONE_POD, pod("old", "n9", volumes=uses("c")), False, id="on-no-known-node"),
    ],
)
def test_claims_for_one_pod(mine: Any, user: Any, taken: bool) -> None:
    world = StorageWorld(NODES, [user], [mine])
    refused = world.refused(VolumeRestrictions(), pod("new", volumes=uses("c")))
    assert refused == (dict.fromkeys(("n1", "n2"), (TAKEN, False)) if taken else {})


def test_of_a_node_one_reason_is_told() -> None:
    both = [*uses("c"), disk("awsElasticBlockStore", volumeID="v")]
    world = StorageWorld(NODES, [pod("old", "n1", volumes=both)], [ONE_POD])
    refused = world.refused(VolumeRestrictions(), pod("new", volumes=both))
    assert refused == {"n1": (NO_DISK, False), "n2": (TAKEN, False)}


def test_a_claim_that_is_not_there() -> None:
    [reject] = VolumeRestrictions().filter(StorageWorld(NODES).cycle(pod("new", volumes=uses("c"))))
    assert (reject.reason, reject.of_pod) == ('persistentvolumeclaim "c" not found', True)


@pytest.mark.parametrize(
    ("event", "old", "new", "woken"),
    [
        pytest.param("Pod/Gone", pod("x", volumes=uses("c")), None, True, id="its-claim-is-free"),
        pytest.param("Pod/Gone", pod("x", volumes=uses("d")), None, False, id="another-claim-is-free"),
        pytest.param(
            "Pod/Gone", pod("x", volumes=[disk("iscsi", iqn="i")]), None, True, id="its-disk-is-free"
        ),
        pytest.param("PersistentVolumeClaim", None, claim("c"), True, id="its-claim-comes"),
        pytest.param("PersistentVolumeClaim", claim("c"), claim("c"), False, id="its-claim-changes"),
        pytest.param("PersistentVolumeClaim", None, claim("d"), False, id="another-claim-comes"),
    ],
)
def test_hints(event: str, old: Any, new: Any, woken: bool) -> None:
    waiting = pod("new", volumes=[*uses("c"), disk("iscsi", iqn="i")])
    look = VolumeRestrictions.hints[event]
    assert look is not None
    assert look(waiting, old, new) == woken
