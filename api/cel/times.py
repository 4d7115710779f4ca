"""Timestamps and durations: exact to the nanosecond, read and written as Go does. Called by values and
libraries.

Spec: github.com/google/cel-go common/types/{timestamp,duration}.go; Go's time.ParseDuration.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from api.cel.errors import EvaluationError

_NANO = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Years 1 to 9999.
_FIRST, _LAST = -62135596800 * _NANO, 253402300800 * _NANO - 1
_LONGEST = 1 << 63


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A span of time in nanoseconds."""

    nanos: int


@dataclass(frozen=True, order=True, slots=True)
class Timestamp:
    """A moment, in nanoseconds since 1970. `offset`: seconds east of Greenwich in which it was written."""

    nanos: int
    offset: int = field(default=0, compare=False)


def new_duration(nanos: int) -> Duration:
    """Return a duration; EvaluationError if it does not fit in 64 bits."""
    if not -_LONGEST <= nanos < _LONGEST:
        raise EvaluationError("duration overflow")
    return Duration(nanos)


def new_timestamp(nanos: int, offset: int = 0) -> Timestamp:
    """Return a moment; EvaluationError outside the years 1 to 9999."""
    if not _FIRST <= nanos <= _LAST:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanos, offset)


_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def parse_timestamp(text: str) -> Timestamp:
    """Return the moment of an RFC 3339 text; EvaluationError if it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _bad_timestamp(text)
    *parts, fraction, sign, hours, minutes = match.groups()
    try:
        seconds = int((datetime(*map(int, parts), tzinfo=UTC) - _EPOCH).total_seconds())  # type: ignore[arg-type, misc]
    except ValueError as error:
        raise _bad_timestamp(text) from error
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    nanos = int((fraction or "0")[:9].ljust(9, "0"))
    return new_timestamp((seconds - offset) * _NANO + nanos, offset)


def _bad_timestamp(text: str) -> EvaluationError:
    return EvaluationError(
        f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
    )


def parse_date(text: str) -> Timestamp:
    """Return midnight of a `2006-01-02` day."""
    return parse_timestamp(f"{text}T00:00:00Z")


_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": _NANO,
    "m": 60 * _NANO,
    "h": 3600 * _NANO,
}
_SPAN = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> Duration:
    """Return the span of a text such as `1h30m`; EvaluationError if it is none."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return Duration(0)
    total, pos = 0, 0
    while pos < len(rest):
        match = _SPAN.match(rest, pos)
        if match is None or not (match[1] or match[2]):
            break
        total += _amount(match[1], match[2] or "", _UNITS[match[3]])
        pos = match.end()
    if not rest or pos < len(rest) or total > _LONGEST:
        raise EvaluationError(f'time: invalid duration "{text}"')
    return new_duration(-total if negative else total)


def _amount(whole: str, fraction: str, unit: int) -> int:
    # Texts of more digits than any duration has are refused later, by their size.
    whole_units = int(whole[-25:] or "0") if len(whole.lstrip("0")) <= 25 else _LONGEST
    parts = fraction[:18]
    return whole_units * unit + (int(parts) * unit // 10 ** len(parts) if parts else 0)


def format_duration(span: Duration) -> str:
    """Return seconds with an `s`, as `string(duration)` does: `5400s`, `1.5s`."""
    sign = "-" if span.nanos < 0 else ""
    seconds, nanos = divmod(abs(span.nanos), _NANO)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{sign}{seconds}{fraction}s"


def format_timestamp(moment: Timestamp) -> str:
    """Return RFC 3339 with as many decimals as needed, with the offset in which the moment was written."""
    seconds, nanos = divmod(moment.nanos, _NANO)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    try:
        when = _EPOCH + timedelta(seconds=seconds + moment.offset)
    except OverflowError:
        raise EvaluationError("timestamp overflow") from None
    hours, minutes = divmod(abs(moment.offset) // 60, 60)
    zone = f"{'-' if moment.offset < 0 else '+'}{hours:02d}:{minutes:02d}" if moment.offset else "Z"
    return f"{when.year:04d}{when:-%m-%dT%H:%M:%S}{fraction}{zone}"


_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if match := _OFFSET.fullmatch(name):
        span = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if span < timedelta(hours=24):
            return timezone(-span if match[1] == "-" else span)
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise EvaluationError(f"unknown time zone {name}") from error


def local_time(moment: Timestamp, zone: str = "UTC") -> datetime:
    """Return the calendar's view of a moment in a zone (a name or an offset); EvaluationError if there
    is none.
    """
    try:
        return (_EPOCH + timedelta(microseconds=moment.nanos // 1000)).astimezone(_zone(zone))
    except (OverflowError, ValueError) as error:
        raise EvaluationError("timestamp overflow") from error
