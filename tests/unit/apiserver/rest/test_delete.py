"""What a deletion makes of an object."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.resource import Obj, Resource
from api.types.core_v1 import CONFIGMAPS, NAMESPACES, PODS, REPLICATIONCONTROLLERS
from apiserver.resources.catalog import strategy_of
from apiserver.rest.delete import mark
from apiserver.rest.strategy import Deletion

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deleted(resource: Resource[Any], obj: Obj, deletion: Deletion) -> Obj | None:
    return mark(strategy_of(resource), obj, deletion, NOW)


def held(resource: Resource[Any], obj: Obj, deletion: Deletion) -> Obj:
    """Return what a deletion leaves of the object."""
    marked = deleted(resource, obj, deletion)
    assert marked is not None
    return marked


def obj(finalizers=None, **metadata):
    made = {"name": "x", "uid": "u", **metadata}
    if finalizers:
        made["finalizers"] = finalizers
    return {"metadata": made}


def running(grace=30, **metadata):
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": grace}
    return {
        "metadata": {"name": "p", "generation": 1, **metadata},
        "spec": spec,
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize(
    ("resource", "found", "deletion"),
    [
        pytest.param(CONFIGMAPS, obj(), Deletion(), id="plain"),
        pytest.param(
            PODS, {**running(), "spec": {"terminationGracePeriodSeconds": 30}}, Deletion(), id="unscheduled"
        ),
        pytest.param(PODS, running(), Deletion(grace_s=0), id="forced"),
        pytest.param(PODS, {**running(), "status": {"phase": "Succeeded"}}, Deletion(), id="finished"),
        pytest.param(
            PODS,
            running(deletionTimestamp="2026-01-01T00:00:30Z", deletionGracePeriodSeconds=30),
            Deletion(grace_s=0),
            id="forced-later",
        ),
    ],
)  # fmt: skip
def test_goes_at_once(resource, found, deletion):
    assert deleted(resource, found, deletion) is None


@pytest.mark.parametrize(
    ("deletion", "finalizers"),
    [
        pytest.param(Deletion(propagation="Foreground"), ["foregroundDeletion"], id="foreground"),
        pytest.param(Deletion(propagation="Orphan"), ["orphan"], id="orphan"),
        pytest.param(Deletion(orphan_dependents=True), ["orphan"], id="orphan-the-old-way"),
    ],
)
def test_the_garbage_collector_holds_it(deletion, finalizers):
    metadata = held(CONFIGMAPS, obj(), deletion)["metadata"]
    assert metadata["finalizers"] == finalizers
    assert metadata["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["deletionGracePeriodSeconds"] == 0


def test_replication_controllers_orphan_by_default():
    assert held(REPLICATIONCONTROLLERS, obj(), Deletion())["metadata"]["finalizers"] == ["orphan"]
    assert deleted(REPLICATIONCONTROLLERS, obj(), Deletion(propagation="Background")) is None


def test_grace():
    marked = held(PODS, running(), Deletion())
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["generation"] == 2
    again = held(PODS, marked, Deletion())
    assert again is marked
    shorter = held(PODS, marked, Deletion(grace_s=5))
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
    assert shorter["metadata"]["generation"] == 2
    assert held(PODS, marked, Deletion(grace_s=60)) is marked


def test_a_marked_object_with_finalizers_is_left_alone():
    waiting = obj(["a/b"], deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=0)
    assert deleted(CONFIGMAPS, waiting, Deletion()) is waiting


def test_namespaces_wait_for_their_content():
    found = {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    marked = held(NAMESPACES, found, Deletion())
    assert marked["status"]["phase"] == "Terminating"
    assert marked["metadata"]["deletionTimestamp"]
