"""Which names of a module are plugins, and what cannot be one."""

from typing import Any

import pytest

from pelamis.plugins import filter, score
from scheduler.python_plugins.marks import find_plugins


def test_marked_functions_in_the_order_of_definition():
    @score(weight=3)
    def second(pod, node):
        return 1

    @filter(reason="node(s) were odd")
    def first(pod, node):
        return True

    names = {"b": second, "also_b": second, "c": 5, "a": first, "d": lambda: None}
    found = find_plugins(names, "f.py")
    assert [(p.name, p.point, p.weight, p.reason, p.path) for p in found] == [
        ("second", "score", 3, "", "f.py"),
        ("first", "filter", 1, "node(s) were odd", "f.py"),
    ]


def _one(pod: Any) -> int:
    return 1


async def _waits(pod: Any, node: Any) -> int:
    return 1


def _yields(pod: Any, node: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "text"),
    [
        pytest.param(_one, r"_one must take two arguments, \(pod, node\)", id="arguments"),
        pytest.param(_waits, "must be a plain function", id="async"),
        pytest.param(_yields, "must be a plain function", id="generator"),
    ],
)
def test_what_cannot_be_a_plugin(function, text):
    copy: Any = type(function)(function.__code__, function.__globals__, function.__name__)
    with pytest.raises(ValueError, match=text):
        find_plugins({"x": score(copy)}, "f.py")


def test_names_are_told_apart():
    fit = filter(name="NodeResourcesFit")(lambda pod, node: True)
    with pytest.raises(ValueError, match="NodeResourcesFit is the name of a plugin of upstream"):
        find_plugins({"a": fit}, "f.py")
    one, two = score(name="x")(lambda pod, node: 1), score(name="x")(lambda pod, node: 2)
    with pytest.raises(ValueError, match="two score functions are called x"):
        find_plugins({"a": one, "b": two}, "f.py")
    other = filter(name="x")(lambda pod, node: True)
    assert len(find_plugins({"a": one, "b": other}, "f.py")) == 2
