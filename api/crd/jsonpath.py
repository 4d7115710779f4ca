"""The JSONPath of printer columns, scales and selectable fields, compiled to functions.

    .spec.replicas   .metadata.annotations['a.b/c']   .metadata.labels.a\\.b
    .items[0]   .items[-1]   .items[0:2]   .items[*].name   ..name
    .status.conditions[?(@.type=="Ready")].status

Called by the files of this folder. Source: k8s.io/client-go/util/jsonpath (1.36).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from api.resource import Obj

Values: TypeAlias = list[Any]
Step: TypeAlias = Callable[[Values], Values]

_NAME = re.compile(r"(?:[^.\[\]\\]|\\.)+", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+")
_SLICE = re.compile(r"(-?[0-9]*):(-?[0-9]*)(?::(-?[0-9]+))?")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_FILTER = re.compile(r"\?\((.*)\)", re.DOTALL)
_COMPARISON = re.compile(r"(==|!=|<=|>=|<|>)")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def compile_path(text: str) -> Callable[[Obj], Values]:
    """Return what finds all values at a path, in order; none is an error. ValueError for a malformed path."""
    steps = tuple(_steps(text.removeprefix("$")))

    def find(obj: Obj) -> Values:
        found: Values = [obj]
        for step in steps:
            found = step(found)
            if not found:
                break
        return found

    return find


def _steps(text: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            yield _everything
            # The second dot belongs to the name that follows.
            at += 2 if text.startswith("..[", at) else 1
        elif text[at] == "[":
            inner, at = _bracket(text, at)
            yield _of_bracket(inner)
        elif text[at] == ".":
            at += 1
            match = _NAME.match(text, at)
            if match is not None:
                at = match.end()
                name = re.sub(r"\\(.)", r"\1", match[0], flags=re.DOTALL)
                yield _members if name == "*" else _member(name)
            elif at < len(text) and text[at] != "[":
                raise ValueError(f"unexpected {text[at]!r} in path {text!r}")
        else:
            raise ValueError(f"path {text!r} must start with a dot")


def _bracket(text: str, start: int) -> tuple[str, int]:
    """Return what stands between brackets, and the place behind them; quoted brackets do not count."""
    depth, at = 0, start
    while at < len(text):
        letter = text[at]
        if letter in "'\"":
            match = _QUOTED.match(text, at)
            if match is None:
                break
            at = match.end()
            continue
        depth += (letter == "[") - (letter == "]")
        at += 1
        if depth == 0:
            return text[start + 1 : at - 1], at
    raise ValueError(f"unterminated array in path {text!r}")


def _of_bracket(inner: str) -> Step:
    inner = inner.strip()
    if inner == "*":
        return _members
    if match := _FILTER.fullmatch(inner):
        return _filter(match[1].strip())
    if match := _SLICE.fullmatch(inner):
        low, high, stride = (int(part) if part else None for part in match.groups())
        if stride is not None and stride <= 0:
            raise ValueError("step must be > 0")
        return _slice(slice(low, high, stride))
    parts = _union(inner)
    return _either([_item(part) for part in parts]) if len(parts) > 1 else _item(parts[0])


def _union(inner: str) -> list[str]:
    parts, at = [], 0
    while at <= len(inner):
        match = _QUOTED.match(inner, at) or re.compile("[^,'\"]*").match(inner, at)
        assert match is not None
        parts.append(match[0].strip())
        at = match.end()
        if at < len(inner) and inner[at] not in ", ":
            raise ValueError(f"invalid array index {inner}")
        at = inner.find(",", at) + 1 or len(inner) + 1
        while at < len(inner) and inner[at] == " ":
            at += 1
    return parts


def _item(part: str) -> Step:
    if match := _QUOTED.fullmatch(part):
        return _member(
            re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2], flags=re.DOTALL)
        )
    if _NUMBER.fullmatch(part):
        return _index(int(part))
    raise ValueError(f"invalid array index {part}")


def _member(name: str) -> Step:
    return lambda found: [value[name] for value in found if value.__class__ is dict and name in value]


def _index(number: int) -> Step:
    return lambda found: [
        value[number] for value in found if value.__class__ is list and -len(value) <= number < len(value)
    ]


def _slice(part: slice) -> Step:
    return lambda found: [item for value in found if value.__class__ is list for item in value[part]]


def _either(steps: list[Step]) -> Step:
    return lambda found: [item for step in steps for item in step(found)]


def _children(value: Any) -> Values:
    if value.__class__ is dict:
        return list(value.values())
    return value if value.__class__ is list else []


def _members(found: Values) -> Values:
    return [item for value in found for item in _children(value)]


def _everything(found: Values) -> Values:
    """Return the values and all that is in them."""
    made: Values = []
    waiting = list(reversed(found))
    while waiting:
        value = waiting.pop()
        made.append(value)
        waiting += reversed(_children(value))
    return made


def _filter(text: str) -> Step:
    parts = _COMPARISON.split(text, maxsplit=1)
    left = _operand(parts[0].strip())
    if len(parts) == 1:
        return lambda found: [item for item in _members(found) if left(item)]
    compare, right = _OPERATORS[parts[1]], _operand(parts[2].strip())

    def keeps(item: Any) -> bool:
        ours, theirs = left(item), right(item)
        if not ours or not theirs:
            return False
        try:
            return compare(ours[0], theirs[0])
        except TypeError:
            return False

    return lambda found: [item for item in _members(found) if keeps(item)]


def _operand(text: str) -> Callable[[Any], Values]:
    if text.startswith("@"):
        return compile_path(text[1:])
    constant = _constant(text)
    return lambda item: [constant]


def _constant(text: str) -> Any:
    if match := _QUOTED.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2], flags=re.DOTALL)
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if _NUMBER.fullmatch(text) else float(text)
    except ValueError as error:
        raise ValueError(f"unrecognized operand {text!r} in filter") from error
