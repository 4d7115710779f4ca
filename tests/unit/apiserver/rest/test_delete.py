"""What a deletion makes of an object."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from api.types.core_v1 import CONFIGMAPS, NAMESPACES, PODS, REPLICATIONCONTROLLERS
from apiserver.resources.catalog import strategy_of
from apiserver.rest.delete import mark
from apiserver.rest.strategy import Deletion

HUB = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def collection(resource):
    return SimpleNamespace(strategy=strategy_of(resource), resource=resource)


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
    assert mark(collection(resource), found, deletion, HUB) is None


@pytest.mark.parametrize(
    ("deletion", "finalizers"),
    [
        pytest.param(Deletion(propagation="Foreground"), ["foregroundDeletion"], id="foreground"),
        pytest.param(Deletion(propagation="Orphan"), ["orphan"], id="orphan"),
        pytest.param(Deletion(orphan_dependents=True), ["orphan"], id="orphan-the-old-way"),
    ],
)
def test_the_garbage_collector_holds_it(deletion, finalizers):
    metadata = mark(collection(CONFIGMAPS), obj(), deletion, HUB)["metadata"]
    assert metadata["finalizers"] == finalizers
    assert metadata["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["deletionGracePeriodSeconds"] == 0


def test_replication_controllers_orphan_by_default():
    assert mark(collection(REPLICATIONCONTROLLERS), obj(), Deletion(), HUB)["metadata"]["finalizers"] == [
        "orphan"
    ]
    assert mark(collection(REPLICATIONCONTROLLERS), obj(), Deletion(propagation="Background"), HUB) is None


def test_grace():
    marked = mark(collection(PODS), running(), Deletion(), HUB)
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["generation"] == 2
    again = mark(collection(PODS), marked, Deletion(), HUB)
    assert again is marked
    shorter = mark(collection(PODS), marked, Deletion(grace_s=5), HUB)
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
    assert shorter["metadata"]["generation"] == 2
    assert mark(collection(PODS), marked, Deletion(grace_s=60), HUB) is marked


def test_a_marked_object_with_finalizers_is_left_alone():
    held = obj(["a/b"], deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=0)
    assert mark(collection(CONFIGMAPS), held, Deletion(), HUB) is held


def test_namespaces_wait_for_their_content():
    found = {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    marked = mark(collection(NAMESPACES), found, Deletion(), HUB)
    assert marked["status"]["phase"] == "Terminating"
    assert marked["metadata"]["deletionTimestamp"]
