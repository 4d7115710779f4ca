"""What budgets allow."""

from datetime import UTC, datetime

import pytest

from api.errors import InternalError, TooManyRequests
from apiserver.subresources.eviction import decide, spent, targeted

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(phase="Running", ready=True, **metadata):
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    meta = {"name": "p", "labels": {"app": "a"}, **metadata}
    return {"metadata": meta, "spec": {}, "status": {"phase": phase, "conditions": conditions}}


def budget(allowed=0, spec=None, **status):
    counted = {
        "observedGeneration": 1,
        "disruptionsAllowed": allowed,
        "desiredHealthy": 3,
        "currentHealthy": 3,
    }
    return {
        "metadata": {"name": "b", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, **(spec or {})},
        "status": {**counted, **status},
    }


@pytest.mark.parametrize(
    ("found", "budgets", "expected"),
    [
        pytest.param(pod(), [], "", id="no-budget"),
        pytest.param(pod(), [budget(1)], "b", id="charged"),
        pytest.param(pod("Pending"), [budget(0)], "", id="never-up"),
        pytest.param(pod(deletionTimestamp="x"), [budget(0)], "", id="going-anyway"),
        pytest.param(pod(ready=False), [budget(0)], "", id="unready-while-healthy"),
        pytest.param(
            pod(ready=False),
            [budget(0, {"unhealthyPodEvictionPolicy": "AlwaysAllow"}, currentHealthy=0)],
            "",
            id="unready-always",
        ),
    ],
)  # fmt: skip
def test_decide(found, budgets, expected):
    assert decide(found, budgets).budget == expected


def test_refusal_says_what_the_budget_needs():
    with pytest.raises(TooManyRequests) as caught:
        decide(pod(), [budget(0)])
    cause = caught.value.details["causes"][0]
    assert cause["reason"] == "DisruptionBudget"
    assert cause["message"] == "The disruption budget b needs 3 healthy pods and has 3 currently"


def test_refusal_says_that_the_budget_is_at_a_loss():
    lost = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
    with pytest.raises(TooManyRequests) as caught:
        decide(pod(), [budget(0, conditions=[lost])])
    assert caught.value.details["causes"][0]["message"] == (
        "The disruption budget b does not allow evicting pods currently because it failed sync: no scale"
    )


def test_a_budget_not_seen_by_its_controller_refuses_for_a_while():
    with pytest.raises(TooManyRequests) as caught:
        decide(pod(), [budget(1, observedGeneration=0)])
    assert caught.value.retry_after_s == 10


def test_two_budgets_are_too_many():
    with pytest.raises(InternalError):
        decide(pod(), [budget(1), budget(1)])


def test_spending():
    status = spent(budget(1), pod(), NOW)["status"]
    assert status["disruptionsAllowed"] == 0
    assert status["disruptedPods"] == {"p": "2026-01-01T00:00:00Z"}
    assert status["conditions"][0]["reason"] == "InsufficientPods"


def test_the_pod_says_why():
    condition = targeted(pod(), NOW)["status"]["conditions"][-1]
    assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "EvictionByEvictionAPI")
