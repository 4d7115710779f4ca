"""Functions of users as filters and scores: what their answers mean, and how seldom they are asked."""

import math

import numpy as np
import pytest

from scheduler import hints
from scheduler.framework import Profile, StaticFilter, StaticScore
from scheduler.python_plugins.wrap import BadAnswer, Plugin, extend
from tests.unit.scheduler.build import World, node, pod
from tests.unit.scheduler.python_plugins.asked import Open, filter_of, score_of


def _world() -> World:
    return World([node("n1", {"zone": "a"}), node("n2", {"zone": "b"}), node("n3")])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(True, None, id="true"),
        pytest.param(None, None, id="none"),
        pytest.param(np.bool_(True), None, id="numpy-true"),
        pytest.param(False, "node(s) were refused by says", id="false"),
        pytest.param(np.bool_(False), "node(s) were refused by says", id="numpy-false"),
        pytest.param("node(s) had\n no  licence", "node(s) had no licence", id="reason"),
    ],
)
def test_verdicts_of_a_filter(answer, told):
    def says(pod, node):
        return answer if node.name == "n2" else True

    refused = _world().refused(filter_of(says), pod("p"))
    assert refused == ({"n2": (told, False)} if told else {})


@pytest.mark.parametrize("answer", [1, "", [], object(), "x" * 0])
def test_verdicts_that_mean_nothing(answer):
    with pytest.raises(BadAnswer, match="neither True, False, None nor a reason"):
        _world().refused(filter_of(lambda pod, node: answer), pod("p"))


def test_several_reasons_and_what_preemption_cannot_change():
    def by_zone(pod, node):
        return {"a": "node(s) were in a", "b": "node(s) were in b"}.get(node.labels.get("zone", ""), True)

    expected = {"n1": ("node(s) were in a", True), "n2": ("node(s) were in b", True)}
    assert _world().refused(filter_of(by_zone, node_only=True), pod("p")) == expected


def test_a_reason_of_the_decorator():
    refused = _world().refused(filter_of(lambda pod, node: False, reason="node(s) were odd"), pod("p"))
    assert set(refused.values()) == {("node(s) were odd", False)}


def test_reasons_must_not_be_counted_out():
    world = World([node(f"n{number}") for number in range(70)])
    with pytest.raises(BadAnswer, match="more than 64 different reasons"):
        world.refused(filter_of(lambda pod, node: f"node(s) named {node.name}"), pod("p"))


@pytest.mark.parametrize(
    ("answer", "value"),
    [(0, 0), (100, 100), (49.6, 50), (np.float32(3), 3), (np.int64(7), 7)],
)
def test_answers_of_a_score(answer, value):
    assert _world().scores(score_of(lambda pod, node: answer), pod("p")) == dict.fromkeys(
        ("n1", "n2", "n3"), value
    )


@pytest.mark.parametrize("answer", [-1, 101, math.nan, math.inf, None, True, "5", [5]])
def test_answers_of_a_score_that_mean_nothing(answer):
    with pytest.raises(BadAnswer, match="not a number from 0 to 100"):
        _world().scores(score_of(lambda pod, node: answer), pod("p"))


def test_vectorised_filter():
    def not_in_a(pod, nodes):
        return nodes.label("zone") != "a", "node(s) were in a"

    def in_no_zone(pod, nodes):
        return nodes.label("zone") == ""

    world = _world()
    assert world.refused(filter_of(not_in_a, vectorised=True), pod("p")) == {
        "n1": ("node(s) were in a", False)
    }
    reason = ("node(s) were refused by in_no_zone", True)
    found = world.refused(filter_of(in_no_zone, vectorised=True, node_only=True), pod("p"))
    assert found == {"n1": reason, "n2": reason}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([True], id="too-short"),
        pytest.param(True, id="one-for-all"),
        pytest.param([1, 1, 0], id="numbers"),
        pytest.param(([True, True, False], 5), id="reason-that-is-none"),
    ],
)
def test_vectorised_verdicts_that_mean_nothing(answer):
    with pytest.raises(BadAnswer):
        _world().refused(filter_of(lambda pod, nodes: answer, vectorised=True), pod("p"))


def test_vectorised_score():
    def by_zone(pod, nodes):
        return np.where(nodes.label("zone") == "a", 99.5, 0)

    assert _world().scores(score_of(by_zone, vectorised=True), pod("p")) == {"n1": 100, "n2": 0, "n3": 0}


def test_a_score_sees_who_is_feasible():
    def among(pod, nodes):
        return nodes.feasible * 100

    found = _world().scores(score_of(among, vectorised=True), pod("p"), among=("n1", "n3"))
    assert found == {"n1": 100, "n3": 100}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param([1, 2], "shape", id="too-short"),
        pytest.param([[1], [2], [3]], "shape", id="too-deep"),
        pytest.param([1, 2, 101], r"101 for n3", id="too-much"),
        pytest.param([1, math.nan, 3], r"nan for n2", id="not-a-number"),
        pytest.param(["a", "b", "c"], "not numbers", id="text"),
        pytest.param([True, False, True], "not numbers", id="bool"),
        pytest.param(None, "shape", id="nothing"),
    ],
)
def test_vectorised_scores_that_mean_nothing(answer, text):
    with pytest.raises(BadAnswer, match=text):
        _world().scores(score_of(lambda pod, nodes: answer, vectorised=True), pod("p"))


class Counting:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, pod, node):
        self.asked.append(node.name)
        return 50

    __name__ = "counting"


@pytest.mark.parametrize("node_only", [False, True])
def test_a_node_is_asked_about_again_when_it_may_have_changed(node_only):
    world, function = _world(), Counting()
    plugin = score_of(function, node_only=node_only)

    def asked(name="p", **more):
        function.asked.clear()
        world.scores(plugin, pod(name, **more))
        return function.asked

    assert asked() == ["n1", "n2", "n3"]
    assert asked("q") == []
    world.place(pod("there", on="n2"))
    assert asked() == ([] if node_only else ["n2"])
    world.snapshot.set_node(node("n3", {"zone": "c"}))
    assert asked() == ["n3"]
    changed = node("n1", {"zone": "a"})
    changed["metadata"]["annotations"] = {"example.com/x": "1"}
    world.snapshot.set_node(changed)
    assert asked() == ["n1"]
    assert asked("r", labels={"a": "b"}) == ["n1", "n2", "n3"]
    assert asked("s", priority=5) == ["n1", "n2", "n3"]
    assert asked() == []


def test_vectorised_functions_are_asked_each_time_unless_node_only():
    def all_alike(pod, nodes):
        calls.append(1)
        return np.full(len(nodes), 5)

    for node_only, expected in ((False, 2), (True, 1)):
        world, calls = _world(), list[int]()
        plugin = score_of(all_alike, vectorised=True, node_only=node_only)
        world.scores(plugin, pod("p"))
        world.scores(plugin, pod("q"))
        assert len(calls) == expected
        world.snapshot.set_node(node("n4"))
        assert world.scores(plugin, pod("q")) == dict.fromkeys(("n1", "n2", "n3", "n4"), 5)


def test_what_is_kept_belongs_to_one_cluster():
    plugin = score_of(lambda pod, node: 100 if node.name == "n1" else 0)
    assert _world().scores(plugin, pod("p")) == {"n1": 100, "n2": 0, "n3": 0}
    other = World([node("x"), node("n1"), node("y")])
    assert other.scores(plugin, pod("p")) == {"x": 0, "n1": 100, "y": 0}


def test_what_may_change_a_filters_mind():
    assert set(filter_of(lambda pod, node: True, node_only=True).hints) == {
        hints.NODE_CHANGED,
        hints.POD_CHANGED,
    }
    assert {hints.POD_GONE, hints.POD_CAME} <= set(filter_of(lambda pod, node: True).hints)


def test_what_stays_whatever_pods_do():
    cycle = _world().cycle(pod("p"))
    assert isinstance(filter_of(lambda pod, node: True), StaticFilter)
    assert filter_of(lambda pod, node: True, node_only=True).filter_is_static(cycle)
    assert not filter_of(lambda pod, node: True).filter_is_static(cycle)
    assert isinstance(score_of(lambda pod, node: 1), StaticScore)
    assert score_of(lambda pod, node: 1, node_only=True).score_is_static(cycle)
    assert not score_of(lambda pod, node: 1).score_is_static(cycle)


def test_a_profile_with_functions():
    plugins = [
        Plugin("s", "score", lambda pod, node: 1, "f.py", weight=7),
        Plugin("f", "filter", lambda pod, node: True, "f.py"),
    ]
    profile = extend(Profile("p", (), ()), plugins, Open())
    assert [plugin.name for plugin in profile.filters] == ["f"]
    assert [(plugin.name, weight) for plugin, weight in profile.scores] == [("s", 7)]
