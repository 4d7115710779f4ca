"""Runs functions of users within a time, and lets nothing that they raise get further. An edge: it reads the
clock.
"""

import traceback
from collections.abc import Callable
from typing import TypeVar

from api.types.core_v1 import Pod
from kit import log
from kit.deadline import TooLong, run_within
from kit.metrics import REGISTRY
from scheduler.framework import IN_THOUGHT, Cycle
from scheduler.python_plugins.failures import Failure, Failures
from scheduler.python_plugins.wrap import LeftOut, Plugin

T = TypeVar("T")
_OUT = "python_plugins/out"
_log = log.get("scheduler.python_plugins")
_failures = REGISTRY.counter(
    "scheduler_python_plugin_failures_total", "Failures of functions in plugin files.", ("plugin",)
)
_off = REGISTRY.gauge(
    "scheduler_python_plugin_off",
    "1 for a function that is not asked any more because it failed.",
    ("plugin",),
)


class Containment:
    """The guard of all functions. `tell` is called for failures that a user should hear of, with the pod."""

    def __init__(self, limit_s: float, tell: Callable[[Pod, str], None]) -> None:
        self._limit_s = limit_s
        self._tell = tell
        self._record = Failures()

    def is_out(self, plugin: Plugin, cycle: Cycle) -> bool:
        return plugin in cycle.state.get(_OUT, ()) or self._record.is_off(plugin)

    def run(self, plugin: Plugin, cycle: Cycle, ask: Callable[[], T]) -> T:
        try:
            answer = run_within(self._limit_s, ask)
        except TooLong as error:
            what = f"interrupted after {self._limit_s * 1000:g} ms"
            self._fail(plugin, cycle, "TooLong", what, line_of(error.__cause__, plugin.path))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - code of users, whatever it raises: also SystemExit
            self._fail(plugin, cycle, type(error).__name__, describe(error), line_of(error, plugin.path))
        else:
            self._record.succeeded(plugin)
            return answer
        raise LeftOut

    def loaded(self, plugin: Plugin) -> None:
        """The function is new: it may be asked."""
        _off.set(0, (plugin.name,))

    def forget(self, plugin: Plugin) -> None:
        """The function is not in force any more."""
        self._record.forget(plugin)

    def _fail(self, plugin: Plugin, cycle: Cycle, kind: str, what: str, line: int | None) -> None:
        cycle.state.setdefault(_OUT, set()).add(plugin)
        if IN_THOUGHT in cycle.state and kind != "TooLong":
            # Whoever asks what would be must not be able to switch a function off; but nobody is held up.
            return
        first_line = getattr(getattr(plugin.function, "__code__", None), "co_firstlineno", 0)
        failure = self._record.failed(plugin, kind, what, line or first_line)
        _failures.add((plugin.name,))
        if failure.is_last:
            _off.set(1, (plugin.name,))
        if failure.is_new or failure.is_last:
            self._announce(failure, cycle.pod)

    def _announce(self, failure: Failure, pod: Pod) -> None:
        metadata = pod["metadata"]
        _log.warning(
            "plugin failed",
            plugin=failure.plugin.name,
            where=f"{failure.plugin.path}:{failure.line}",
            error=failure.what,
            off=failure.is_last,
            pod=f"{metadata['namespace']}/{metadata['name']}",
        )
        self._tell(pod, failure.message)


def describe(error: BaseException) -> str:
    """Return an exception in one line."""
    return " ".join("".join(traceback.format_exception_only(error)).split())[:500]


def line_of(error: BaseException | None, path: str) -> int | None:
    """Return the innermost line of the file that an exception has passed; None if there is none."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return lines[-1] if lines else None
