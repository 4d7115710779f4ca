"""Cached objects: smaller, and equal to what came in."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from client.slim import Slimmer

TEXTS = st.sampled_from(["True", "False", "Running", "main", "10m", "a" * 70])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def pod(number: int) -> Any:
    container = {"name": "main", "image": "busybox", "env": [{"name": "A", "value": "1"}]}
    mount = {"name": f"kube-api-access-{number}", "mountPath": "/var/run/secrets"}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": "t1"} for kind in ("Ready", "A")]
    return {
        "metadata": {"name": f"p{number}", "labels": {"app": "a"}, "managedFields": [{"x": number}]},
        "spec": {"nodeName": "n1", "containers": [{**container, "volumeMounts": [mount]}]},
        "status": {
            "conditions": conditions,
            "containerStatuses": [{"name": "main", "containerID": f"c{number}"}],
        },
    }


def test_nobody_reads_who_owns_fields():
    assert "managedFields" not in Slimmer().slim(pod(1))["metadata"]


def test_metadata_alone_is_kept_if_it_alone_is_asked_for():
    assert Slimmer(True).slim({**pod(1), "kind": "Pod"}).keys() == {"kind", "metadata"}


def test_equal_parts_are_held_once_and_parts_of_those_that_differ():
    slimmer = Slimmer()
    pods = [slimmer.slim(pod(number)) for number in range(4)]
    for one in pods:
        slimmer.compact(one)
    third, fourth = pods[2:]
    assert third["metadata"]["labels"] is fourth["metadata"]["labels"]
    assert third["status"]["conditions"] is fourth["status"]["conditions"]
    # A volume of its own keeps a pod's containers apart, but not what is in them.
    containers = [one["spec"]["containers"][0] for one in (third, fourth)]
    assert containers[0] is not containers[1]
    assert containers[0]["env"] is containers[1]["env"]
    assert third["spec"]["nodeName"] is fourth["spec"]["nodeName"]
    assert [one["metadata"]["name"] for one in pods] == ["p0", "p1", "p2", "p3"]


def test_what_occurs_once_is_not_kept():
    slimmer = Slimmer()
    for number in range(1000):
        slimmer.compact({"status": {"list": [{"containerID": f"c{number}"}]}})
    assert not slimmer._shared


@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=6))
def test_nothing_looks_different(objects):
    slimmer = Slimmer()
    before = [orjson.dumps(one) for one in objects]
    for one in objects * 2:
        slimmer.compact(one)
    assert [orjson.dumps(one) for one in objects] == before
