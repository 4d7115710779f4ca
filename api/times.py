"""Times on the wire: RFC 3339 in UTC, in seconds (metav1.Time) or microseconds (metav1.MicroTime).

Called wherever an object holds a time. Logic holds aware `datetime` values.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)


def format_time(moment: datetime) -> str:
    """`2026-01-02T03:04:05Z`: cut to seconds, as metav1.Time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def format_micro(moment: datetime) -> str:
    """`2026-01-02T03:04:05.000006Z`, as metav1.MicroTime."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def parse_time(text: str) -> datetime:
    """Return the moment of an RFC 3339 text with any offset and fraction; ValueError in upstream's words."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(_refusal(text))
    year, month, day, hour, minute, second, fraction, sign, offset_h, offset_m = match.groups()
    zone = UTC
    if sign:
        offset = timedelta(hours=int(offset_h), minutes=int(offset_m))
        zone = timezone(-offset if sign == "-" else offset)
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, zone)
    except ValueError as error:
        raise ValueError(f'parsing time "{text}": {error}') from error
    return moment.astimezone(UTC)


def _refusal(text: str) -> str:
    layout = "2006-01-02T15:04:05Z07:00"
    return f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'


_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([a-zµμ]+)")


def seconds_of(text: str) -> float:
    """Return the seconds of a duration as Go writes it (`1m30s`, `500ms`). Raises ValueError in Go's
    words."""
    total, position = 0.0, 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or term[2] not in _UNITS_S:
            raise ValueError(f'time: invalid duration "{text}"')
        total += float(term[1]) * _UNITS_S[term[2]]
        position = term.end()
    return total
