"""A guard that contains nothing, and functions as plugins without a file."""

from collections.abc import Callable
from typing import Any

from scheduler.framework import Cycle
from scheduler.python_plugins.wrap import Plugin, PythonFilter, PythonScore


class Open:
    """What a function raises is seen by the test."""

    def is_out(self, plugin: Plugin, cycle: Cycle) -> bool:
        return False

    def run(self, plugin: Plugin, cycle: Cycle, ask: Callable[[], Any]) -> Any:
        return ask()


def filter_of(function: Callable[..., Any], **options: Any) -> PythonFilter:
    return PythonFilter(Plugin(function.__name__, "filter", function, "test.py", **options), Open())


def score_of(function: Callable[..., Any], **options: Any) -> PythonScore:
    return PythonScore(Plugin(function.__name__, "score", function, "test.py", **options), Open())
