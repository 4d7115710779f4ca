"""Plugins that are off unless asked for, as functions of objects."""

from typing import Any

import pytest

from apiserver.admission.plugins import (
    always_pull_images,
    event_rate_limit,
    extended_resource_toleration,
    limit_pod_hard_anti_affinity_topology,
    pod_node_selector,
    pod_toleration_restriction,
    pod_topology_labels,
)


def pod(**spec: Any) -> dict:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "x"}], **spec}}


def test_every_image_is_pulled() -> None:
    given = pod(
        initContainers=[{"name": "i", "image": "y", "imagePullPolicy": "Never"}],
        volumes=[{"name": "v", "image": {"reference": "z"}}, {"name": "w", "emptyDir": {}}],
    )
    spec = always_pull_images.pulling_always(given)["spec"]
    assert [item["imagePullPolicy"] for item in (*spec["containers"], *spec["initContainers"])] == [
        "Always"
    ] * 2
    assert spec["volumes"][0]["image"]["pullPolicy"] == "Always"
    assert spec["volumes"][1] == {"name": "w", "emptyDir": {}}


def test_updates_without_new_images_are_left_alone() -> None:
    new = pod(containers=[{"name": "a", "image": "y"}])
    assert always_pull_images.has_no_new_image(pod(), pod())
    assert not always_pull_images.has_no_new_image(new, pod())
    assert not always_pull_images.has_no_new_image(pod(), None)


def anti(key: str) -> dict:
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key}]}
    return {"podAntiAffinity": terms}


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(anti("kubernetes.io/hostname"), None, id="host"),
        pytest.param(anti("topology.kubernetes.io/zone"), "topology.kubernetes.io/zone", id="zone"),
    ],
)
def test_anti_affinity(affinity: Any, expected: str | None) -> None:
    assert limit_pod_hard_anti_affinity_topology.wider_topology(pod(affinity=affinity)) == expected


def test_extended_resources_are_tolerated() -> None:
    requests = {"example.com/gpu": "1", "cpu": "1", "requests.example.com/x": "1", "kubernetes.io/batch": "1"}
    containers = [{"name": "a", "resources": {"requests": requests}}]
    made = extended_resource_toleration.tolerating(pod(containers=containers))
    assert made["spec"]["tolerations"] == [{"key": "example.com/gpu", "operator": "Exists"}]
    assert extended_resource_toleration.tolerating(made) is made


def test_topology_labels_do_not_overwrite() -> None:
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o"}
    given = pod()
    given["metadata"]["labels"] = {"topology.kubernetes.io/zone": "mine"}
    made = pod_topology_labels.labelled(given, labels)
    assert made["metadata"]["labels"] == {
        "topology.kubernetes.io/zone": "mine",
        "topology.kubernetes.io/region": "r",
    }
    assert pod_topology_labels.labelled(made, labels) is made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("a=b, c==d", {"a": "b", "c": "d"}, id="two"),
    ],
)
def test_selectors_of_namespaces(text: str, expected: dict) -> None:
    assert pod_node_selector.parsed(text) == expected


def test_a_selector_without_value() -> None:
    with pytest.raises(ValueError, match=r"invalid selector: \[a\]"):
        pod_node_selector.parsed("a")


def toleration(key: str = "", **more: Any) -> dict:
    return {"key": key, "operator": "Exists", **more}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(toleration("a"), toleration("a", effect="NoSchedule"), True, id="any-effect"),
        pytest.param(toleration("a", effect="NoSchedule"), toleration("a"), False, id="one-effect"),
        pytest.param(toleration("a"), {"key": "a", "value": "x"}, True, id="any-value"),
        pytest.param({"key": "a", "value": "x"}, {"key": "a", "value": "y"}, False, id="other-value"),
        pytest.param(toleration(), toleration("a"), True, id="any-key"),
        pytest.param(toleration("b"), toleration("a"), False, id="other-key"),
        pytest.param(
            toleration("a", tolerationSeconds=60), toleration("a", tolerationSeconds=30), True, id="longer"
        ),
        pytest.param(toleration("a", tolerationSeconds=60), toleration("a"), False, id="not-for-ever"),
    ],
)
def test_tolerations_cover(one: dict, other: dict, expected: bool) -> None:
    assert pod_toleration_restriction.covers(one, other) is expected


def test_merged_tolerations_have_no_doubles() -> None:
    wide, narrow = toleration("a"), toleration("a", effect="NoSchedule")
    assert pod_toleration_restriction.merged([narrow, wide], [wide, toleration("b")]) == [
        wide,
        toleration("b"),
    ]


def test_buckets_fill_again() -> None:
    limit = event_rate_limit.Limit({"type": "Namespace", "qps": 2, "burst": 3})
    assert [limit.admits("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.admits("b", 0.0)
    assert [limit.admits("a", 0.5), limit.admits("a", 0.5)] == [True, False]


def test_an_unknown_type_of_limit() -> None:
    with pytest.raises(ValueError, match="unknown type of limit: 'Galaxy'"):
        event_rate_limit.EventRateLimit({"limits": [{"type": "Galaxy", "qps": 1, "burst": 1}]})
