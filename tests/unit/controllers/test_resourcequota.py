"""The status of quotas: what is counted, what is written, and when nothing is."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.quantity import NANO
from api.quota import Usage
from api.types.core_v1 import PODS
from controllers.resourcequota.status import compute_status, count, names_by_kind, next_freed_s
from tests.sim.world import START


def quota(hard: Any, status: Any = None, **spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"metadata": {"name": "q", "namespace": "n"}, "spec": {"hard": hard, **spec}}
    return made if status is None else {**made, "status": status}


def pod(name: str, cpu: str, **more: Any) -> dict[str, Any]:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **more}}


def test_names_by_kind() -> None:
    names = ("pods", "cpu", "secrets", "count/jobs.batch", "example.com/x")
    found = names_by_kind(quota(dict.fromkeys(names, "1")))
    assert found == {"pods": ["pods", "cpu"], "secrets": ["secrets"], "jobs.batch": ["count/jobs.batch"]}


def test_counting_sees_scopes_and_ends() -> None:
    pods = [
        pod("a", "500m", activeDeadlineSeconds=5),
        pod("b", "1"),
        {**pod("c", "1", activeDeadlineSeconds=5), "status": {"phase": "Failed"}},
    ]
    narrow = quota({"pods": "9", "cpu": "9", "count/pods": "9"}, scopes=["Terminating"])
    names = ("pods", "cpu", "count/pods", "requests.example.com/x")
    assert count(narrow, PODS, names, pods, START) == {
        "pods": NANO,
        "cpu": NANO // 2,
        "count/pods": 2 * NANO,
        "requests.example.com/x": 0,
    }


def test_the_next_pod_to_be_freed() -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:10Z", "deletionGracePeriodSeconds": 20}
    pods: list[Any] = [pod("a", "1"), {"metadata": {"name": "b", **going}}]
    assert next_freed_s(pods, START) == 30
    assert next_freed_s(pods, START + timedelta(seconds=31)) is None


HARD = {"memory": "1Gi", "pods": "2"}
USED = {"memory": "512Mi", "pods": "1"}
COUNTED = {"memory": (NANO << 29), "pods": NANO}


@pytest.mark.parametrize(
    ("status", "counted", "expected"),
    [
        pytest.param(None, COUNTED, {"hard": HARD, "used": USED}, id="new"),
        pytest.param(
            {"hard": {**HARD, "memory": "2Gi"}, "used": USED}, COUNTED, {"hard": HARD, "used": USED},
            id="foreign-limits",
        ),
        pytest.param({"hard": HARD}, COUNTED, {"hard": HARD, "used": USED}, id="lost-usage"),
        pytest.param(
            {"hard": HARD, "used": {**USED, "secrets": "1"}}, COUNTED, {"hard": HARD, "used": USED},
            id="no-longer-limited",
        ),
        pytest.param(
            {"hard": HARD, "used": {"pods": "2"}}, {"memory": 0},
            {"hard": HARD, "used": {"memory": "0", "pods": "2"}},
            id="what-cannot-be-counted-stays",
        ),
    ],
)  # fmt: skip
def test_status(status: Any, counted: Usage, expected: Any) -> None:
    assert compute_status(quota(HARD, status), counted) == expected


def test_what_is_equal_is_not_written() -> None:
    present = {"hard": {"memory": "1024Mi", "pods": "2"}, "used": {"memory": "524288Ki", "pods": "1"}}
    assert compute_status(quota(HARD, present), COUNTED) is present


@given(
    st.dictionaries(st.sampled_from(["memory", "pods", "cpu"]), st.integers(0, 10**15), min_size=1),
    st.dictionaries(st.sampled_from(["memory", "secrets", "cpu"]), st.sampled_from(["1", "2Gi", "30m"])),
)
def test_a_second_plan_is_empty(counted: Usage, before: dict[str, str]) -> None:
    hard = dict.fromkeys(counted, "1Gi")
    first = compute_status(quota(hard, {"hard": before, "used": before}), counted)
    assert first["hard"] == hard
    assert first["used"].keys() == counted.keys()
    assert compute_status(quota(hard, first), counted) is first
