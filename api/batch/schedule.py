"""What is wrong with a cron schedule, in the words of the parser that upstream uses.

Called by `cronjob`. Source: github.com/robfig/cron/v3 parser.go ParseStandard (1.36).
"""

import re

_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)").match
_ZONE = re.compile(r"(?:CRON_)?TZ=\S*\s*").match
_EVERY = "@every "
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


class _Fault(Exception):
    """Carries what is wrong."""


def schedule_fault(text: str) -> str:
    """Return what is wrong with a schedule, or ""."""
    if match := _ZONE(text):
        text = text[match.end() :]
    if text.startswith("@"):
        return _descriptor_fault(text)
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for part, (low, high, words) in zip(parts, _FIELDS, strict=True):
            for piece in part.split(","):
                if piece:
                    _check(piece, low, high, words)
    except _Fault as fault:
        return str(fault)
    return ""


def _descriptor_fault(text: str) -> str:
    if text in _MACROS:
        return ""
    if not text.startswith(_EVERY):
        return f"unrecognized descriptor: {text}"
    rest = duration = text.removeprefix(_EVERY)
    while rest and (match := _DURATION(rest)):
        rest = rest[match.end() :]
    fine = not rest and bool(duration)
    return "" if fine else f'failed to parse duration {text}: time: invalid duration "{duration}"'


def _check(piece: str, low: int, high: int, words: dict[str, int]) -> None:
    """Check one range with its step."""
    span, *steps = piece.split("/")
    ends = span.split("-")
    if ends[0] in ("*", "?"):
        start, end = low, high
    else:
        start = end = _number(ends[0], words)
        if len(ends) == 2:
            end = _number(ends[1], words)
        elif len(ends) > 2:
            raise _Fault(f"too many hyphens: {piece}")
    if len(steps) > 1:
        raise _Fault(f"too many slashes: {piece}")
    step = _number(steps[0], {}) if steps else 1
    if steps and len(ends) == 1:
        end = high
    if start < low:
        raise _Fault(f"beginning of range ({start}) below minimum ({low}): {piece}")
    if end > high:
        raise _Fault(f"end of range ({end}) above maximum ({high}): {piece}")
    if start > end:
        raise _Fault(f"beginning of range ({start}) beyond end of range ({end}): {piece}")
    if step == 0:
        raise _Fault(f"step of range should be a positive number: {piece}")


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    try:
        number = int(text) if text.isascii() and "_" not in text and text == text.strip() else None
    except ValueError:
        number = None
    if number is None:
        raise _Fault(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if number < 0:
        raise _Fault(f"negative number ({number}) not allowed: {text}")
    return number
