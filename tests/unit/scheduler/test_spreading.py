"""Whom a pod is spread with by default: its services' and its controller's pods."""

from typing import Any

import pytest

from scheduler.shape import Shapes
from scheduler.spreading import Spreading
from tests.unit.scheduler.build import pod


def service(name: str, **selector: str) -> Any:
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"selector": selector}}


def owner(name: str, selector: Any) -> Any:
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"selector": selector}}


def answer(spreading: Spreading, **metadata: Any) -> str | None:
    found = spreading.selector_of(Shapes().of(pod("p", **metadata)))
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([service("s", app="web")], "app=web", id="one"),
        pytest.param([service("s", app="db")], None, id="of-others"),
        pytest.param([service("s")], None, id="without-selector"),
        pytest.param([service("s", app="web"), service("t", tier="x")], "app=web,tier=x", id="two"),
    ],
)
def test_services(services: list[Any], expected: str | None) -> None:
    spreading = Spreading()
    for each in services:
        spreading.service_changed(None, each)
    assert answer(spreading, labels={"app": "web", "tier": "x"}) == expected


@pytest.mark.parametrize(
    ("kind", "selector", "expected"),
    [
        pytest.param("ReplicaSet", {"matchLabels": {"app": "web"}}, "app=web", id="replicaset"),
        pytest.param("ReplicationController", {"app": "web"}, "app=web", id="replicationcontroller"),
        pytest.param("Job", {"matchLabels": {"app": "web"}}, None, id="others-do-not-spread"),
    ],
)
def test_controllers(kind: str, selector: Any, expected: str | None) -> None:
    spreading = Spreading()
    if kind != "Job":
        spreading.controller_changed(kind, None, owner("o", selector))
    assert answer(spreading, labels={"app": "web"}, owner=(kind, "o")) == expected


def test_answers_follow_changes() -> None:
    spreading = Spreading()
    spreading.service_changed(None, service("s", app="web"))
    assert answer(spreading, labels={"app": "web"}) == "app=web"
    spreading.service_changed(service("s", app="web"), service("s", app="db"))
    assert answer(spreading, labels={"app": "web"}) is None
    spreading.service_changed(service("s", app="db"), None)
    assert answer(spreading, labels={"app": "db"}) is None
