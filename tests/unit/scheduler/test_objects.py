"""What is assumed of an object shows until the watch shows something newer."""

from typing import Any

from api.types.core_v1 import PERSISTENTVOLUMES as PVS
from scheduler.indexes import Index
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


def test_an_answer_that_comes_late_does_not_hide_what_is_newer() -> None:
    objects = seen()
    objects.changed(PVS, volume(5), volume(9, "newer"))
    objects.assume(PVS, volume(7, "mine"))
    assert holder(objects) == "newer"


def test_what_is_derived_is_made_once() -> None:
    made: list[Objects] = []

    def index(objects: Objects) -> list[Objects]:
        made.append(objects)
        return made

    objects = Objects()
    assert objects.derived(index) is objects.derived(index)
    assert made == [objects]


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


BY_HOLDER = Index(
    PVS, lambda obj: [obj["holder"]] if obj["holder"] else (), lambda obj: obj["holder"].upper()
)


def held(objects: Objects, name: str) -> dict[str, str]:
    return {key.name: view for key, view in objects.find(BY_HOLDER, name).items()}


def test_an_index_is_built_when_asked_and_follows() -> None:
    objects = seen()
    assert held(objects, "mine") == {}
    place = objects.touched(BY_HOLDER).now
    objects.assume(PVS, volume(5, "mine"))
    assert held(objects, "mine") == {"v": "MINE"}
    objects.changed(PVS, volume(5), volume(6, "other"))
    assert (held(objects, "mine"), held(objects, "other")) == ({}, {"v": "OTHER"})
    objects.changed(PVS, volume(6, "other"), None)
    assert held(objects, "other") == {}
    assert objects.touched(BY_HOLDER).since(place) == ["mine", "mine", "other", "other"]


def test_an_index_sees_assumptions_end() -> None:
    objects = seen()
    objects.assume(PVS, volume(5, "mine"))
    assert held(objects, "mine") == {"v": "MINE"}
    objects.restore(PVS, "", "v")
    assert held(objects, "mine") == {}


def test_an_old_log_cannot_tell() -> None:
    objects = seen()
    place = objects.touched(BY_HOLDER).now
    for revision in range(6, 6 + 5000):
        objects.changed(PVS, None, volume(revision, "mine"))
    assert objects.touched(BY_HOLDER).since(place) is None
    assert objects.touched(BY_HOLDER).since(objects.touched(BY_HOLDER).now) == []
