"""More functions on texts. Spec: github.com/google/cel-go ext/strings.go (version 2), ext/formatting.go."""

from typing import Any

from api.cel.cost import CHARACTER, PER_CALL_LIMIT, Estimate, Range, Sized, traverse
from api.cel.declarations import Library, Overload, first_traversal
from api.cel.errors import CostExceeded, EvaluationError, no_such_overload
from api.cel.library.formatting import format_text
from api.cel.types import DYN, INT, STRING, Type, list_of
from api.cel.values import size

# What Go's unicode.IsSpace and Python's strip agree on beyond ASCII; Python also strips four control
# characters.
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_QUOTES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _char_at(text: str, place: int) -> str:
    if not 0 <= place <= len(text):
        raise EvaluationError(f"index out of range: {place}")
    return text[place : place + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not part:
        return start
    if not 0 <= start <= len(text):
        if start < 0:
            raise EvaluationError(f"index out of range: {start}")
        return -1
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if not part:
        return len(text) if start is None else start
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    if not 0 <= last <= len(text):
        raise EvaluationError(f"index out of range: {last}")
    if start > last:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {last}")
    return text[start:last]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    # The cost counts the text, not what it becomes; no result may be larger than what any use of it could
    # cost.
    places = text.count(old) if count < 0 else min(text.count(old), count)
    _check_size(len(text) + places * len(new))
    return text.replace(old, new, max(count, -1))


def _check_size(length: int) -> None:
    if length * CHARACTER > PER_CALL_LIMIT:
        raise CostExceeded


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        chars = list(text)
        return chars if not 0 < count < len(chars) else [*chars[: count - 1], "".join(chars[count - 1 :])]
    return text.split(separator, count - 1 if count > 0 else -1)


def _join(parts: list[Any], separator: str = "") -> str:
    if any(part.__class__ is not str for part in parts):
        raise no_such_overload()
    _check_size(sum(map(len, parts)) + len(separator) * max(len(parts) - 1, 0))
    return separator.join(parts)


def _quote(text: str) -> str:
    return f'"{"".join(_QUOTES.get(char, char) for char in text)}"'


_COST, _ = first_traversal()
_TWICE, _ = first_traversal(0.2)


def _kept(args: list[Sized]) -> Estimate:
    """Bound what looks at a text once, with a result no longer than it."""
    return Estimate(args[0].size.scaled(0.1), args[0].size)


def _split_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[0].size.scaled(0.2), Range(0, args[0].size.high))


def _replace_bound(args: list[Sized]) -> Estimate:
    """Bound a replacement: the longest result puts the longest new text wherever the shortest old one
    fits.
    """
    text, old, new = (arg.size for arg in args[:3])
    if old.low == 0:
        most = Range(0, text.high).plus(Range(0, 1)).times(new).plus(Range(0, text.high)).high
    elif new.high <= old.low:
        most = text.high
    else:
        most = Range(0, -(-text.high // old.low)).times(new).high
    if old.high == 0:
        least = (text.low + 1) * new.low + text.low
    elif old.high <= new.low:
        least = text.low
    else:
        least = -(-text.low // old.high) * new.low
    return Estimate(text.scaled(0.2), Range(min(least, most), most))


def _join_bound(args: list[Sized]) -> Estimate:
    parts = args[0].size
    total = parts.times(args[0].item or Range(0, 0))
    if len(args) > 1:
        total = total.plus(args[1].size.times(Range(max(parts.low - 1, 0), max(parts.high - 1, 0))))
    return Estimate(total.scaled(0.1), total)


def _join_cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(size(result), 0.2)


def _format_cost(args: tuple[Any, ...], result: Any) -> int:
    return traverse(size(args[0]))


def _format_bound(args: list[Sized]) -> Estimate:
    return Estimate(args[0].size.scaled(0.1))


def _member(args: tuple[Type, ...], result: Type, run: Any, cost: Any = None, bound: Any = None) -> Overload:
    return Overload((STRING, *args), result, run, True, cost, bound)


_TEXTS = list_of(STRING)
FUNCTIONS: Library = {
    "charAt": (_member((INT,), STRING, _char_at),),
    "indexOf": tuple(_member(args, INT, _index_of, _COST, _kept) for args in ((STRING,), (STRING, INT))),
    "lastIndexOf": tuple(
        _member(args, INT, _last_index_of, _COST, _kept) for args in ((STRING,), (STRING, INT))
    ),
    "substring": tuple(_member(args, STRING, _substring, _COST, _kept) for args in ((INT,), (INT, INT))),
    "lowerAscii": (_member((), STRING, lambda text: text.translate(_LOWER), _COST, _kept),),
    "upperAscii": (_member((), STRING, lambda text: text.translate(_UPPER), _COST, _kept),),
    "trim": (_member((), STRING, lambda text: text.strip(_SPACES), _COST, _kept),),
    "replace": tuple(
        _member(args, STRING, _replace, _TWICE, _replace_bound)
        for args in ((STRING, STRING), (STRING, STRING, INT))
    ),
    "split": tuple(
        _member(args, _TEXTS, _split, _TWICE, _split_bound) for args in ((STRING,), (STRING, INT))
    ),
    "join": tuple(
        Overload(args, STRING, _join, True, _join_cost, _join_bound) for args in ((_TEXTS,), (_TEXTS, STRING))
    ),
    "format": (_member((list_of(DYN),), STRING, format_text, _format_cost, _format_bound),),
    "strings.quote": (Overload((STRING,), STRING, _quote, False, _COST, _kept),),
}
