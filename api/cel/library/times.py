"""Accessors of timestamps (in UTC or a named zone) and durations.

Spec: github.com/google/cel-go common/types/{timestamp,duration}.go.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from api.cel.declarations import Library, Overload
from api.cel.times import Duration, Timestamp, local_time
from api.cel.types import DURATION, INT, STRING, TIMESTAMP

_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda when: when.year,
    "getMonth": lambda when: when.month - 1,
    "getDate": lambda when: when.day,
    "getDayOfMonth": lambda when: when.day - 1,
    "getDayOfWeek": lambda when: when.isoweekday() % 7,
    "getDayOfYear": lambda when: when.timetuple().tm_yday - 1,
    "getHours": lambda when: when.hour,
    "getMinutes": lambda when: when.minute,
    "getSeconds": lambda when: when.second,
    "getMilliseconds": lambda when: when.microsecond // 1000,
}
# Whole units of a duration, in nanoseconds.
_UNITS = {"getHours": 3600 * 10**9, "getMinutes": 60 * 10**9, "getSeconds": 10**9, "getMilliseconds": 10**6}


def _of_moment(part: Callable[[datetime], int]) -> tuple[Overload, ...]:
    def run(moment: Timestamp, zone: str = "UTC") -> int:
        return part(local_time(moment, zone))

    return (
        Overload((TIMESTAMP,), INT, run, member=True),
        Overload((TIMESTAMP, STRING), INT, run, member=True),
    )


def _of_span(unit: int) -> tuple[Overload, ...]:
    def run(span: Duration) -> int:
        whole = abs(span.nanos) // unit
        return -whole if span.nanos < 0 else whole

    return (Overload((DURATION,), INT, run, member=True),)


def _accessors() -> dict[str, Any]:
    return {
        name: _of_moment(part) + (_of_span(_UNITS[name]) if name in _UNITS else ())
        for name, part in _PARTS.items()
    }


FUNCTIONS: Library = _accessors()
