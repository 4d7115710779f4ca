from datetime import UTC, datetime, timedelta

import pytest

from nodeagent.pod import order
from nodeagent.pod.observed import ContainerObserved, PodObserved, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(**spec):
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}], **spec}}


def running(name, **more):
    return ContainerObserved(f"id-{name}", name, State.RUNNING, **more)


def test_sidecars_end_last_and_in_reverse():
    sides = [{"name": name, "restartPolicy": "Always"} for name in ("s1", "s2")]
    observed = PodObserved((), tuple(running(name) for name in ("s1", "s2", "a", "b")))
    waves = order.termination_waves(pod(initContainers=sides), observed)
    assert [[seen.name for seen in wave] for wave in waves] == [["a", "b"], ["s2"], ["s1"]]


def test_what_has_ended_is_in_no_wave():
    observed = PodObserved((), (ContainerObserved("x", "a", State.EXITED),))
    assert order.termination_waves(pod(), observed) == []


@pytest.mark.parametrize(
    ("metadata", "spec", "expected"),
    [
        pytest.param({}, {}, 30, id="default"),
        pytest.param({}, {"terminationGracePeriodSeconds": 5}, 5, id="spec"),
        pytest.param(
            {"deletionGracePeriodSeconds": 0}, {"terminationGracePeriodSeconds": 5}, 0, id="deletion-wins"
        ),
    ],
)
def test_grace_period(metadata, spec, expected):
    one = pod(**spec)
    one["metadata"].update(metadata)
    assert order.grace_period_s(one) == expected


def test_deadline():
    assert order.deadline(pod(activeDeadlineSeconds=5), NOW) == NOW + timedelta(seconds=5)
    assert order.deadline(pod(), NOW) is None
    assert order.deadline(pod(activeDeadlineSeconds=5), None) is None


def test_only_two_attempts_of_each_container_are_kept():
    attempts = tuple(ContainerObserved(f"a{n}", "a", State.EXITED, restarts=n) for n in (3, 2, 1, 0))
    assert [seen.id for seen in order.dead_attempts(PodObserved((), attempts))] == ["a1", "a0"]


def test_kinds():
    one = pod(
        initContainers=[{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
        ephemeralContainers=[{"name": "e"}],
    )
    kinds = [order.kind_of(one, name) for name in ("i", "s", "a", "e")]
    assert kinds == ["init", "sidecar", "app", "ephemeral"]
    assert order.find_container(one, "s") == {"name": "s", "restartPolicy": "Always"}
    assert order.find_container(one, "x") is None
