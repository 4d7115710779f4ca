"""Versions in the order in which clients prefer them; what conversion reviews must be."""

from typing import Any

import pytest

from apiserver.customresources import review
from apiserver.customresources.resource import version_rank
from apiserver.customresources.review import ReviewError


def test_versions_in_order() -> None:
    wanted = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    mixed = dict.fromkeys(sorted(wanted))
    assert sorted(mixed, key=version_rank) == wanted


BEFORE: dict[str, Any] = {
    "apiVersion": "a.b/v1",
    "kind": "Foo",
    "metadata": {"name": "x", "namespace": "n", "uid": "u", "labels": {"a": "b"}, "generation": 3},
}
AFTER: dict[str, Any] = {
    "apiVersion": "a.b/v2",
    "kind": "Foo",
    "metadata": {"name": "x", "namespace": "n", "uid": "u"},
    "y": 1,
}


def test_metadata_is_kept_but_for_labels_and_annotations() -> None:
    changed = {**AFTER, "metadata": {**AFTER["metadata"], "generation": 9, "annotations": {"c": "d"}}}
    made = review.accepted(BEFORE, changed, "a.b/v2")
    assert made["metadata"] == {
        "name": "x", "namespace": "n", "uid": "u", "generation": 3, "annotations": {"c": "d"},
    }  # fmt: skip
    assert made["y"] == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(
            {"apiVersion": "a.b/v3"}, "invalid groupVersion (expected a.b/v2, received a.b/v3)", id="version"
        ),
        pytest.param({"kind": "Bar"}, "invalid kind (expected Foo, received Bar)", id="kind"),
        pytest.param({"metadata": None}, "missing metadata in converted object", id="no-metadata"),
        pytest.param(
            {"metadata": {"name": "x", "namespace": "m", "uid": "u"}},
            "must have the same namespace: n != m",
            id="namespace",
        ),
        pytest.param(
            {"metadata": {**BEFORE["metadata"], "labels": {"a": 1}}},
            "metadata.labels: expected a map of strings",
            id="labels",
        ),
    ],
)
def test_objects_that_are_refused(change: dict, text: str) -> None:
    with pytest.raises(ReviewError) as refused:
        review.accepted(BEFORE, {**AFTER, **change}, "a.b/v2")
    assert str(refused.value) == text


V1 = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1"}


@pytest.mark.parametrize(
    ("version", "answer", "text"),
    [
        pytest.param(
            "v1",
            {},
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=",
            id="kind",
        ),
        pytest.param("v1", V1, "no response provided", id="no-response"),
        pytest.param(
            "v1", {**V1, "response": {"uid": "2"}}, 'expected response.uid="1", got "2"', id="another-uid"
        ),
        pytest.param(
            "v1",
            {**V1, "response": {"uid": "1"}},
            "response.result.status was '', not 'Success'",
            id="no-status",
        ),
        pytest.param(
            "v1beta1",
            {"response": {"result": {"status": "Failure", "message": "no"}}},
            "no",
            id="old-failure",
        ),
    ],
)
def test_answers_that_are_refused(version: str, answer: dict, text: str) -> None:
    with pytest.raises(ReviewError) as refused:
        review.converted(version, "1", answer)
    assert str(refused.value) == text


def test_the_first_version_that_there_is() -> None:
    assert review.version_of(["v2", "v1beta1", "v1"]) == "v1beta1"
    with pytest.raises(ReviewError, match="no supported conversion review versions"):
        review.version_of(["v2"])
