"""Cron schedules: five fields, lists, ranges, steps, names, `?`, and the `@` words. Pure.

Errors are said in the words of the parser that upstream uses. Called by `cronjob`, and by the controller of
cron jobs. Source: github.com/robfig/cron/v3 parser.go ParseStandard, spec.go, constantdelay.go (1.36).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from api.cel.errors import EvaluationError
from api.cel.times import parse_duration

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s*").match
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
# A schedule that has no moment within this many days has none at all (30 February).
_SEARCH_DAYS = 5 * 366


@dataclass(frozen=True)
class Fields:
    """A schedule of five fields."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # A day must match both lists, unless both are restricted: then one of them is enough.
    either_day: bool
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment of the schedule after `moment`, in the same time zone as `moment`."""
        local = moment.astimezone(self.zone).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for offset in range(_SEARCH_DAYS):
            day = local.date() + timedelta(days=offset)
            weekday = (day.weekday() + 1) % 7
            if day.month not in self.months or not self._fits(day.day, weekday):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                    if found >= local:
                        return found.astimezone(moment.tzinfo)
        return None

    def _fits(self, day: int, weekday: int) -> bool:
        if self.either_day:
            return day in self.days or weekday in self.weekdays
        return day in self.days and weekday in self.weekdays


@dataclass(frozen=True)
class Every:
    """`@every 90m`: a moment when `delay`, whole seconds, has passed since the last one."""

    delay: timedelta

    def after(self, moment: datetime) -> datetime:
        """Return the moment that follows `moment`, on the second."""
        return moment.replace(microsecond=0) + self.delay


Schedule: TypeAlias = Fields | Every


def parse_schedule(text: str, time_zone: str = "") -> Schedule:
    """Return a schedule; a zone that the text begins with goes before `time_zone`.

    Raises `ValueError` for what is no schedule or no time zone.
    """
    if match := _ZONE(text):
        time_zone, text = match[1], text[match.end() :]
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (KeyError, OSError) as error:
        raise ValueError(f"unknown time zone {time_zone}") from error
    if text.startswith(_EVERY):
        return _every(text)
    if text.startswith("@") and text not in _WORDS:
        raise ValueError(f"unrecognized descriptor: {text}")
    parts = _WORDS.get(text, text).split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]")
    (minutes, _), (hours, _), (days, all_days), (months, _), (weekdays, all_weekdays) = (
        _field(part, *bounds) for part, bounds in zip(parts, _FIELDS, strict=True)
    )
    return Fields(minutes, hours, days, months, weekdays, not (all_days or all_weekdays), zone)


def _every(text: str) -> Every:
    try:
        span = parse_duration(text.removeprefix(_EVERY))
    except EvaluationError as error:
        raise ValueError(f"failed to parse duration {text}: {error}") from error
    return Every(timedelta(seconds=max(1, span.nanos // 10**9)))


def _field(text: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """Return the numbers of a field, and whether it leaves all open: only a star without a step does."""
    found: set[int] = set()
    every = False
    for piece in filter(None, text.split(",")):
        numbers, star = _piece(piece, low, high, names)
        found.update(numbers)
        every |= star
    return frozenset(found), every


def _piece(piece: str, low: int, high: int, names: dict[str, int]) -> tuple[range, bool]:
    """Return the numbers of one range with its step, and whether it is a star."""
    span, *steps = piece.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if star:
        start, end = low, high
    else:
        start = end = _number(ends[0], names)
        if len(ends) == 2:
            end = _number(ends[1], names)
        elif len(ends) > 2:
            raise ValueError(f"too many hyphens: {piece}")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {piece}")
    step = _number(steps[0], {}) if steps else 1
    if steps and len(ends) == 1:
        end = high
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {piece}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {piece}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {piece}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {piece}")
    return range(start, end + 1, step), star and step == 1


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    try:
        number = int(text) if text.isascii() and "_" not in text and text == text.strip() else None
    except ValueError:
        number = None
    if number is None:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
