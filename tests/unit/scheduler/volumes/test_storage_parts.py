"""The smaller parts: which volumes matter, who uses them, scores, built-in plugins that were handed over."""

from typing import Any

import numpy as np
import pytest

from api.resource import Key
from scheduler.allocation import curve_scores
from scheduler.shape import Shapes
from scheduler.volumes.migration import BY_SOURCE, disk_handle, driver_topology, migrated_plugins, plugin_of
from scheduler.volumes.scoring import by_class, fill_scores
from scheduler.volumes.usage import Usage
from scheduler.volumes.uses import CLAIM, EPHEMERAL, Use, claims_of, uses_of
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.volumes.build import StorageWorld, affinity, csinode, uses, volume

ZONE, BETA = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"
REGION, BETA_REGION = "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        pytest.param({"emptyDir": {}}, None, id="fits-anywhere"),
        pytest.param({"csi": {"driver": "d"}}, None, id="inline-csi"),
        pytest.param({"persistentVolumeClaim": {"claimName": "c"}}, Use(CLAIM, "c", "default"), id="claim"),
        pytest.param({"ephemeral": {}}, Use(EPHEMERAL, "p-x", "default"), id="ephemeral"),
        pytest.param(
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            Use("gcePersistentDisk", "d", read_only=True),
            id="gce",
        ),
        pytest.param({"awsElasticBlockStore": {"volumeID": "d"}}, Use("awsElasticBlockStore", "d"), id="ebs"),
        pytest.param({"iscsi": {"iqn": "i", "targetPortal": "t"}}, Use("iscsi", "i"), id="iscsi"),
        pytest.param(
            {"rbd": {"image": "i", "monitors": ["m"]}}, Use("rbd", "rbd/i", monitors=("m",)), id="rbd"
        ),
        pytest.param({"azureDisk": {"diskURI": "d", "diskName": "n"}}, Use("azureDisk", "d"), id="azure"),
        pytest.param({"cinder": {"volumeID": "d"}}, Use("cinder", "d"), id="cinder"),
        pytest.param({"portworxVolume": {"volumeID": "d"}}, Use("portworxVolume", "d"), id="portworx"),
    ],
)
def test_volumes_that_matter(each: Any, expected: Use | None) -> None:
    assert uses_of(pod("p", volumes=[{"name": "x", **each}])) == ((expected,) if expected else ())


def test_each_volume_once() -> None:
    twice = pod("p", volumes=[*uses("c", "d", "c"), {"name": "x", "ephemeral": {}}])
    assert [use.name for use in uses_of(twice)] == ["c", "d", "p-x"]
    assert claims_of(twice) == {"c", "d", "p-x"}
    assert uses_of(pod("p")) == ()


def test_shapes_differ_by_volumes_but_share_the_rest() -> None:
    shapes = Shapes()
    plain, other = shapes.of(pod("a", volumes=[{"name": "x", "emptyDir": {}}])), shapes.of(pod("b"))
    assert plain is other
    assert (plain.volumes, plain.base) == ((), plain.key)
    one, two = shapes.of(pod("a", volumes=uses("c"))), shapes.of(pod("b", volumes=uses("d")))
    assert one is shapes.of(pod("z", volumes=uses("c")))
    assert one.key != two.key
    assert one.base == two.base == plain.key


def test_usage() -> None:
    usage, claim, disk = Usage(), Use(CLAIM, "c", "ns"), Use("iscsi", "i", read_only=True)
    same = Use(EPHEMERAL, "c", "ns")
    usage.add(1, (claim, disk), 1)
    usage.add(1, (claim,), 1)
    usage.add(2, (same,), 1)
    assert set(usage.at(1)) == {claim, disk}
    assert usage.users(claim) == {(1, claim): 2, (2, same): 1}
    assert usage.users_of_claim(Key("ns", "c")) == usage.users(same)
    for slot, left in ((1, (claim, disk)), (1, (claim,)), (2, (same,))):
        usage.add(slot, left, -1)
    assert (list(usage.at(1)), usage.users(claim), usage.users(disk)) == ([], {}, {})
    assert usage.changed.since(0) == [1, 1, 2, 1, 1, 2]


def test_the_snapshot_follows_pods() -> None:
    world = StorageWorld([node("n1")], [pod("p", "n1", volumes=uses("c")), pod("q", "n1")])
    assert [use.name for use in world.snapshot.volumes.at(0)] == ["c"]
    world.snapshot.remove_node("n1")
    assert not world.snapshot.volumes.at(0)
    world.snapshot.set_node(node("n1"))
    assert [use.name for use in world.snapshot.volumes.at(0)] == ["c"]


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("filled", "expected"),
    [
        pytest.param([], [0, 0], id="nothing"),
        pytest.param([(ints(1, 3), ints(4, 4))], [25, 75], id="one-class"),
        pytest.param([(ints(0, 5), ints(4, 4))], [0, 100], id="too-much-is-full"),
        pytest.param([(ints(1, 1), ints(4, 0))], [25, 100], id="nothing-offered-is-full"),
        pytest.param([(ints(1, 1), ints(4, 4)), (ints(2, 0), ints(4, 4))], [38, 25], id="mean-rounded-up"),
    ],
)
def test_scores_over_classes(filled: Any, expected: list[int]) -> None:
    assert list(fill_scores(curve_scores([(0, 0), (100, 100)]), filled, 2)) == expected


def test_amounts_of_a_class_are_summed() -> None:
    found = by_class([("s", ints(1), ints(5)), ("t", ints(9), ints(9)), ("s", ints(2), ints(6))])
    assert {name: (list(asked), list(offered)) for name, (asked, offered) in found.items()} == {
        "s": ([3], [11]),
        "t": ([9], [9]),
    }


@pytest.mark.parametrize(
    ("source", "disk", "labels", "handle"),
    [
        pytest.param("awsElasticBlockStore", "vol-1", {}, "vol-1", id="ebs"),
        pytest.param("awsElasticBlockStore", "aws://eu-1a/vol-1", {}, "vol-1", id="ebs-with-zone"),
        pytest.param(
            "gcePersistentDisk", "d", {}, "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d", id="gce-inline"
        ),
        pytest.param(
            "gcePersistentDisk", "d", {ZONE: "eu-west1-b"}, "projects/UNSPECIFIED/zones/eu-west1-b/disks/d",
            id="gce-zonal",
        ),
        pytest.param(
            "gcePersistentDisk", "d", {BETA: "eu-west1-b__eu-west1-c"},
            "projects/UNSPECIFIED/regions/eu-west1/disks/d", id="gce-regional",
        ),
        pytest.param("azureDisk", "/subscriptions/d", {}, "/subscriptions/d", id="azure"),
    ],
)  # fmt: skip
def test_what_drivers_call_a_disk(source: str, disk: str, labels: Any, handle: str) -> None:
    assert disk_handle(BY_SOURCE[source], disk, labels) == handle


def test_plugins_handed_over() -> None:
    assert migrated_plugins(None) == set()
    assert migrated_plugins(csinode("n", {})) == set()
    found = migrated_plugins(csinode("n", {}, "kubernetes.io/cinder,kubernetes.io/azure-file"))
    assert found == {"kubernetes.io/cinder"}
    assert plugin_of({"nfs": {}}) is None


def zone(key: str, *values: str) -> Any:
    return {"key": key, "operator": "In", "values": list(values)}


OWN = "topology.ebs.csi.aws.com/zone"


@pytest.mark.parametrize(
    ("source", "more", "labels", "expected"),
    [
        pytest.param("awsElasticBlockStore", {}, {}, None, id="anywhere"),
        pytest.param(
            "awsElasticBlockStore",
            {"nodeAffinity": affinity([zone(ZONE, "a"), zone("x", "y")])}, {ZONE: "b"},
            affinity([zone(OWN, "a"), zone("x", "y")])["required"], id="zone-is-renamed",
        ),
        pytest.param(
            "awsElasticBlockStore",
            {"nodeAffinity": affinity([zone(BETA, "a"), zone(BETA_REGION, "r")])}, {},
            affinity([zone(OWN, "a"), zone(REGION, "r")])["required"], id="old-labels-are-renamed",
        ),
        pytest.param(
            "awsElasticBlockStore", {}, {ZONE: "b__a"}, affinity([zone(OWN, "a", "b")])["required"],
            id="zones-of-labels",
        ),
        pytest.param(
            "awsElasticBlockStore", {"nodeAffinity": affinity([zone("x", "y")])}, {BETA: "a"},
            affinity([zone("x", "y"), zone(OWN, "a")])["required"], id="labels-besides-a-selector",
        ),
        pytest.param(
            "awsElasticBlockStore", {"nodeAffinity": affinity([zone("x", "y")])}, {},
            affinity([zone("x", "y")])["required"], id="a-selector-without-zones",
        ),
        pytest.param(
            "portworxVolume", {"nodeAffinity": affinity([zone(ZONE, "a")])}, {},
            affinity([zone(ZONE, "a")])["required"], id="a-driver-without-zones",
        ),
    ],
)  # fmt: skip
def test_where_drivers_say_a_volume_is(source: str, more: Any, labels: Any, expected: Any) -> None:
    each = volume("v", source={source: {}}, labels=labels, **more)
    assert driver_topology(each, BY_SOURCE[source]) == expected
