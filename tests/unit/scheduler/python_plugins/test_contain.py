"""Whatever a function does, the decision goes on; who hears of it, and when the function is given up."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from scheduler.explain.asking import Question
from scheduler.framework import Cycle, Profile
from scheduler.python_plugins.contain import Containment
from scheduler.python_plugins.failures import LIMIT, Failures
from scheduler.python_plugins.wrap import Plugin, PythonFilter, PythonScore, extend
from tests.unit.scheduler.build import World, node, pod


def _raise(error: BaseException) -> Any:
    raise error


def _hang() -> Any:
    while True:
        pass


def _exit() -> Any:
    sys.exit(3)


def _deep() -> Any:
    return _deep()


class Told(list[tuple[str, str]]):
    def __call__(self, pod: Any, message: str) -> None:
        self.append((pod["metadata"]["name"], message))


def _plugin(function: Callable[..., Any], point: str = "score") -> Plugin:
    return Plugin("wild", point, function, __file__)


@pytest.fixture
def world() -> World:
    return World([node("n1"), node("n2")])


@pytest.mark.parametrize(
    ("wild", "text"),
    [
        pytest.param(lambda: _raise(KeyError("x")), "KeyError: 'x'", id="exception"),
        pytest.param(_hang, "interrupted after 200 ms", id="hang"),
        pytest.param(_exit, "SystemExit: 3", id="exit"),
        pytest.param(_deep, "RecursionError", id="recursion"),
        pytest.param(lambda: "garbage", "BadAnswer: returned 'garbage'", id="garbage"),
        pytest.param(lambda: _raise(GeneratorExit()), "GeneratorExit", id="no-exception-at-all"),
    ],
)
def test_left_out_of_the_decision(world, wild, text):
    told = Told()
    guard = Containment(0.2, told)
    plugin = PythonScore(_plugin(lambda pod, node: wild()), guard)
    cycle = world.cycle(pod("p"))
    assert plugin.score(cycle, world.snapshot.alive) is None
    assert guard.is_out(plugin.plugin, cycle)
    ((name, message),) = told
    assert name == "p"
    assert text in message
    assert message.startswith(f"score wild ({__file__}:")
    assert message.endswith("; the pod was judged without it")


def test_a_failed_filter_refuses_nobody_and_is_not_asked_again_for_this_pod(world):
    calls = []

    def wild(pod, node):
        calls.append(node.name)
        raise ValueError("no")

    plugin = PythonFilter(_plugin(wild, "filter"), Containment(0.2, Told()))
    cycle = world.cycle(pod("p"))
    assert plugin.filter(cycle) == ()
    assert plugin.filter(cycle) == ()
    assert calls == ["n1"]
    assert plugin.filter(world.cycle(pod("q"))) == ()
    assert calls == ["n1", "n1"]


def test_a_failure_is_told_once_and_the_last_one_again(world):
    told = Told()
    guard = Containment(0.2, told)
    plugin = PythonScore(_plugin(lambda pod, node: 1 // 0), guard)
    for number in range(LIMIT + 3):
        assert plugin.score(world.cycle(pod(f"p{number}")), world.snapshot.alive) is None
    assert [name for name, _ in told] == ["p0", f"p{LIMIT - 1}"]
    assert told[-1][1].endswith(f"switched off after {LIMIT} failures in a row, until the file changes")
    assert guard.is_out(plugin.plugin, world.cycle(pod("q")))
    guard.forget(plugin.plugin)
    assert not guard.is_out(plugin.plugin, world.cycle(pod("q")))


def test_a_success_ends_the_series(world):
    def moody(pod, node):
        if pod.labels.get("app") == "bad":
            raise ValueError("bad")
        return 5

    plugin = PythonScore(_plugin(moody), Containment(0.2, Told()))
    for number in range(2 * LIMIT):
        label = "bad" if number % 2 else f"good{number}"
        found = plugin.score(world.cycle(pod("p", labels={"app": label})), world.snapshot.alive)
        assert (found is None) == (label == "bad")


@pytest.mark.parametrize(
    ("wild", "is_off"), [(lambda: 1 // 0, False), (_hang, True)], ids=["raises", "hangs"]
)
def test_questions_switch_off_only_what_holds_up_the_scheduler(world, wild, is_off):
    """Whoever asks why a pod waits asks about many pods that are not there."""
    guard = Containment(0.01, Told())
    plugin = PythonFilter(_plugin(lambda pod, node: wild(), "filter"), guard)
    question = Question(world.cycle(pod("p")), Profile("p", (plugin,), ()))
    for _ in range(LIMIT):
        assert question.feasible().any()
    assert guard.is_out(plugin.plugin, world.cycle(pod("q"))) == is_off


def test_others_are_not_affected(world):
    guard = Containment(0.2, Told())
    plugins = [
        Plugin("wild", "filter", lambda pod, node: _hang(), __file__),
        Plugin("tame", "filter", lambda pod, node: node.name == "n1", __file__),
    ]
    profile = extend(Profile("p", (), ()), plugins, guard)
    cycle: Cycle = world.cycle(pod("p"))
    assert [len(each.filter(cycle)) for each in profile.filters] == [0, 1]


def test_control_c_is_nobodys_failure(world):
    plugin = PythonScore(_plugin(lambda pod, node: _raise(KeyboardInterrupt())), Containment(0.2, Told()))
    with pytest.raises(KeyboardInterrupt):
        plugin.score(world.cycle(pod("p")), world.snapshot.alive)


def test_kinds_of_failures_are_told_each():
    plugin = _plugin(lambda pod, node: 1)
    failures = Failures()
    told = [failures.failed(plugin, kind, "x", line).is_new for kind, line in (("A", 1), ("A", 2), ("A", 1))]
    assert told == [True, True, False]
    many = [failures.failed(plugin, "B", "x", line).is_new for line in range(30)]
    assert 0 < sum(many) < 20
