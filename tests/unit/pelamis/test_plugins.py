"""The decorators mark functions, and refuse what the scheduler could not use."""

import pytest

from pelamis import plugins
from scheduler.python_plugins import marks


def test_the_mark_is_the_one_that_the_scheduler_looks_for():
    assert plugins.MARK == marks.MARK


def test_bare_and_with_arguments():
    @plugins.score
    def bare(pod, node):
        return 1

    @plugins.filter(name="Other", node_only=True, vectorised=True, reason="node(s) odd")
    def named(pod, nodes):
        return True

    assert getattr(bare, plugins.MARK) == {
        "name": "bare", "point": "score", "node_only": False, "vectorised": False, "weight": 1,
    }  # fmt: skip
    assert getattr(named, plugins.MARK) == {
        "name": "Other", "point": "filter", "node_only": True, "vectorised": True, "reason": "node(s) odd",
    }  # fmt: skip
    assert bare(None, None) == 1


@pytest.mark.parametrize("weight", [0, -1, 101, 1.5, True, "3"])
def test_weights_that_mean_nothing(weight):
    with pytest.raises(ValueError, match="weight must be a whole number from 1 to 100"):
        plugins.score(weight=weight)


def test_a_function_is_one_thing_only():
    def both(pod, node):
        return 1

    plugins.score(both)
    with pytest.raises(TypeError, match="both is marked already"):
        plugins.filter(both)
    with pytest.raises(TypeError, match="a plugin must be a function"):
        plugins.filter(5)  # type: ignore[call-overload]
