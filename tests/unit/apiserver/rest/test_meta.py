"""The system's part of metadata."""

from datetime import UTC, datetime

import pytest

from api.errors import BadRequest, Conflict, Invalid
from api.types.core_v1 import CONFIGMAPS, NODES
from apiserver.rest import meta

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new(resource=CONFIGMAPS, namespace="ns", **metadata):
    return meta.for_create(resource, {"metadata": metadata}, namespace, NOW, "uid", "abcde")["metadata"]


def test_a_new_object():
    made = new(name="a", uid="mine", resourceVersion="3", labels={"x": "y"}, annotations={}, finalizers=None)
    assert made == {
        "name": "a",
        "namespace": "ns",
        "uid": "uid",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"x": "y"},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [("x-", "x-abcde"), ("y" * 70, "y" * 58 + "abcde")],
    ids=["short", "cut"],
)
def test_generated_names(given, expected):
    assert new(generateName=given)["name"] == expected


def test_the_namespace_must_be_the_requests():
    with pytest.raises(BadRequest, match="does not match the namespace sent on the request"):
        meta.check_namespace(CONFIGMAPS, {"namespace": "other"}, "ns")
    assert "namespace" not in new(NODES, "", name="n")
    with pytest.raises(BadRequest):
        meta.check_namespace(NODES, {"namespace": "x"}, "")


OLD = {
    "metadata": {
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "t",
        "generation": 2,
        "labels": {"x": "y"},
    }
}


def test_an_update_keeps_what_it_cannot_change():
    given = {
        "metadata": {
            "name": "b",
            "generation": 9,
            "creationTimestamp": None,
            "labels": {},
            "annotations": {"a": "b"},
        }
    }
    made = meta.for_update(CONFIGMAPS, given, OLD)["metadata"]
    assert made == {
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "t",
        "generation": 2,
        "annotations": {"a": "b"},
    }
    with pytest.raises(Conflict, match="UID in precondition: v, UID in object meta: u"):
        meta.for_update(CONFIGMAPS, {"metadata": {"uid": "v"}}, OLD)


@pytest.mark.parametrize("version", ["", "0", "7"])
def test_versions_that_pass(version):
    meta.check_version(CONFIGMAPS, {"metadata": {"resourceVersion": version}}, OLD, unconditional=True)


def test_versions_that_do_not():
    with pytest.raises(Conflict, match="the object has been modified"):
        meta.check_version(CONFIGMAPS, {"metadata": {"resourceVersion": "6"}}, OLD, unconditional=True)
    with pytest.raises(Invalid, match="resourceVersion: Invalid value: 0x0: must be specified"):
        meta.check_version(CONFIGMAPS, {"metadata": {}}, OLD, unconditional=False)


def test_marks_of_deletion():
    marked = meta.marked_deleted(OLD, NOW, 30)
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    assert marked["metadata"]["generation"] == 3
    assert meta.marked_deleted(marked, NOW, 0)["metadata"]["generation"] == 3
    assert meta.shortened(marked, 10)["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:15Z"
    assert "deletionTimestamp" not in OLD["metadata"]


def test_a_grace_beyond_all_dates():
    marked = meta.marked_deleted({"metadata": {"name": "a"}}, NOW, 2**63 - 1)
    assert marked["metadata"]["deletionTimestamp"] == "2342-11-22T20:50:45Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 2**63 - 1
    assert meta.shortened(marked, 5)["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:10Z"
