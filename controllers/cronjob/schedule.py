"""Cron schedules: five fields, lists, ranges, steps, names, `?`, and the `@` words. Pure.

Source: github.com/robfig/cron/v3 parser.go, as kube-controller-manager uses it (1.36).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
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
class Schedule:
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


def parse_schedule(text: str, time_zone: str = "") -> Schedule:
    """Raises `ValueError` for what is no schedule or no time zone."""
    fields = _WORDS.get(text.strip(), text).split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: {text!r}")
    sets = [_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (KeyError, OSError) as error:
        raise ValueError(f"unknown time zone {time_zone}") from error
    either = not any(field.startswith(("*", "?")) for field in (fields[2], fields[4]))
    return Schedule(sets[0], sets[1], sets[2], sets[3], sets[4], either, zone)


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step_text = part.partition("/")
        step = int(step_text) if step_text else 1
        if span in ("*", "?"):
            first, last = low, high
        else:
            first_text, dash, last_text = span.partition("-")
            first = names[first_text] if first_text in names else int(first_text)
            last = first if not dash else names[last_text] if last_text in names else int(last_text)
            if step_text and not dash:
                last = high
        if step < 1 or not low <= first <= last <= high:
            raise ValueError(f"{part!r} is out of range [{low}, {high}]")
        found.update(range(first, last + 1, step))
    return frozenset(found)
