"""VolumeZone: volumes with zone labels are used in their zone."""

from typing import Any

import pytest

from scheduler.plugins.volume_zone import CONFLICT, VolumeZone
from tests.unit.scheduler.build import node, pod
from tests.unit.scheduler.volumes.build import StorageWorld, claim, storage_class, uses, volume

ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
BETA_ZONE, BETA_REGION = "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"
NODES = [node("a", {ZONE: "a"}), node("b", {ZONE: "b"}), node("old", {BETA_ZONE: "a"}), node("bare")]
REGIONS = [node("r", {REGION: "r", ZONE: "a"}), node("s", {REGION: "s", ZONE: "a"})]


def refused(labels: Any, nodes: Any = NODES) -> set[str]:
    world = StorageWorld(nodes, objects=[claim("c", "v"), volume("v", labels=labels)])
    found = world.refused(VolumeZone(), pod("new", volumes=uses("c")))
    assert set(found.values()) <= {(CONFLICT, True)}
    return set(found)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, set(), id="no-labels"),
        pytest.param({ZONE: "a"}, {"b", "old"}, id="zone"),
        pytest.param({ZONE: "a__b"}, {"old"}, id="two-zones"),
        pytest.param({ZONE: "a__"}, set(), id="a-label-that-says-nothing"),
        pytest.param({BETA_ZONE: "a"}, {"b"}, id="old-label-matches-both"),
        pytest.param({BETA_ZONE: "a", ZONE: "a"}, {"b", "old"}, id="both-labels"),
        pytest.param({ZONE: "c"}, {"a", "b", "old"}, id="nowhere"),
    ],
)
def test_zones(labels: Any, expected: set[str]) -> None:
    assert refused(labels) == expected


def test_regions() -> None:
    assert refused({REGION: "r", ZONE: "a"}, REGIONS) == {"s"}
    assert refused({BETA_REGION: "s"}, REGIONS) == {"r"}


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param([], 'persistentvolumeclaim "c" not found', id="claim"),
        pytest.param([claim("c", "v")], 'persistentvolume "v" not found', id="volume"),
        pytest.param(
            [claim("c")], "PersistentVolumeClaim had no pv name and storageClass name", id="neither-nor"
        ),
        pytest.param([claim("c", storage="s")], 'storageclass.storage.k8s.io "s" not found', id="class"),
        pytest.param(
            [claim("c", storage="s"), storage_class("s", waits=False)],
            "PersistentVolume had no name",
            id="mode",
        ),
        pytest.param(
            [claim("c", storage="s"), {"kind": "StorageClass", "metadata": {"name": "s"}}],
            'VolumeBindingMode not set for StorageClass "s"',
            id="no-mode",
        ),
        pytest.param([claim("c", storage="s"), storage_class("s")], None, id="bound-later"),
    ],
)
def test_pods_that_can_run_nowhere(objects: list[Any], reason: str | None) -> None:
    rejects = VolumeZone().filter(StorageWorld(NODES, objects=objects).cycle(pod("new", volumes=uses("c"))))
    assert [(each.reason, each.of_pod) for each in rejects] == ([(reason, True)] if reason else [])


@pytest.mark.parametrize(
    ("event", "old", "new", "woken"),
    [
        pytest.param("StorageClass", None, storage_class("s"), True, id="class-that-waits"),
        pytest.param("StorageClass", None, storage_class("s", waits=False), False, id="class"),
        pytest.param("PersistentVolumeClaim", claim("c"), claim("c", "v"), True, id="its-claim"),
        pytest.param("PersistentVolumeClaim", None, claim("d"), False, id="another-claim"),
        pytest.param("PersistentVolumeClaim", claim("c"), None, False, id="its-claim-goes"),
        pytest.param("PersistentVolume", None, volume("v"), True, id="volume"),
        pytest.param("PersistentVolume", volume("v"), None, False, id="volume-goes"),
        pytest.param("PersistentVolume", volume("v"), volume("v", labels={ZONE: "a"}), True, id="labels"),
        pytest.param(
            "PersistentVolume", volume("v"), volume("v", labels={"x": "a"}), False, id="other-labels"
        ),
    ],
)
def test_hints(event: str, old: Any, new: Any, woken: bool) -> None:
    look = VolumeZone.hints[event]
    assert look is not None
    assert look(pod("new", volumes=uses("c")), old, new) == woken
