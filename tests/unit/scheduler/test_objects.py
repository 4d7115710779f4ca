"""What is assumed of an object shows until the watch shows something newer."""

from typing import Any

from api.types.core_v1 import PERSISTENTVOLUMES as PVS
from scheduler.objects import Objects


def volume(revision: int, holder: str = "") -> Any:
    return {"metadata": {"name": "v", "resourceVersion": str(revision)}, "holder": holder}


def seen() -> Objects:
    objects = Objects()
    objects.changed(PVS, None, volume(5))
    return objects


def holder(objects: Objects) -> str | None:
    found = objects.get(PVS, "", "v")
    listed = [each["holder"] for each in objects.list(PVS)]
    assert listed == ([found["holder"]] if found else [])
    return found["holder"] if found else None


def test_assumed_then_restored() -> None:
    objects = seen()
    objects.assume(PVS, volume(5, "mine"))
    assert holder(objects) == "mine"
    objects.restore(PVS, "", "v")
    assert holder(objects) == ""


def test_an_old_event_does_not_undo_an_assumption() -> None:
    objects = seen()
    objects.assume(PVS, volume(7, "mine"))
    objects.changed(PVS, volume(5), volume(6, "other"))
    assert holder(objects) == "mine"
    objects.changed(PVS, volume(6), volume(8, "newer"))
    assert holder(objects) == "newer"


def test_a_deletion_ends_it() -> None:
    objects = seen()
    objects.assume(PVS, volume(5, "mine"))
    objects.changed(PVS, volume(5), None)
    assert holder(objects) is None


def test_versions_grow_with_every_difference() -> None:
    objects = Objects()
    versions = [objects.version(PVS)]
    for change in (
        lambda: objects.changed(PVS, None, volume(5)),
        lambda: objects.assume(PVS, volume(5, "mine")),
        lambda: objects.restore(PVS, "", "v"),
        lambda: objects.changed(PVS, volume(5), None),
    ):
        change()
        versions.append(objects.version(PVS))
    assert versions == sorted(set(versions))
