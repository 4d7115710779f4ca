"""Label selectors: the text form of queries and the JSON form of specs, and whether labels match.

Called by lists and watches, controllers, the scheduler and the service proxy.
Source: k8s.io/apimachinery/pkg/labels and pkg/apis/meta/v1 helpers.go (1.36).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from api.names import is_label_value, is_qualified_name

IN, NOT_IN, EXISTS, NOT_EXISTS = "in", "notin", "exists", "!"
EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS = "=", "==", "!=", "gt", "lt"

_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)
_ONE_VALUE = (EQUALS, DOUBLE_EQUALS, NOT_EQUALS)
_EXPRESSIONS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        present = self.key in labels
        match self.operator:
            case "in" | "=" | "==":
                return present and labels[self.key] in self.values
            case "notin" | "!=":
                return not present or labels[self.key] not in self.values
            case "exists":
                return present
            case "!":
                return not present
        return present and self._compares(labels[self.key])

    def _compares(self, text: str) -> bool:
        try:
            actual, wanted = int(text), int(next(iter(self.values)))
        except ValueError:
            return False
        return actual > wanted if self.operator == GREATER else actual < wanted

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "!":
                return f"!{self.key}"
            case "exists":
                return self.key
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == GREATER else '<'}{values}"
        return f"{self.key}{self.operator}{values}"


@dataclass(frozen=True)
class Selector:
    """All requirements must hold. Without requirements everything matches, unless `nothing` is set."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    # Requirements that demand one value, as pairs: the common case, matched without calls.
    _exact: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _others: tuple[Requirement, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exact, others = [], []
        for item in self.requirements:
            if item.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(item.values) == 1:
                exact.append((item.key, next(iter(item.values))))
            else:
                others.append(item)
        object.__setattr__(self, "_exact", tuple(exact))
        object.__setattr__(self, "_others", tuple(others))

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.nothing

    @property
    def exact(self) -> tuple[tuple[str, str], ...]:
        """The labels that every matching object must have: what an index can look up."""
        return self._exact

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        if labels is None:
            labels = {}
        for key, value in self._exact:
            if labels.get(key) != value:
                return False
        return all(item.matches(labels) for item in self._others) if self._others else True

    def __str__(self) -> str:
        return ",".join(str(item) for item in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """Return the selector that demands these labels; none demand nothing."""
    return _of(Requirement(key, EQUALS, frozenset((value,))) for key, value in (labels or {}).items())


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """Return the selector of a `LabelSelector` object: None matches nothing, {} everything.

    Raises ValueError in upstream's words for an unknown operator or values that do not fit it.
    """
    if selector is None:
        return NOTHING
    found = [
        new_requirement(key, EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = _EXPRESSIONS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(new_requirement(expression.get("key", ""), operator, expression.get("values") or ()))
    return _of(found)


def _of(requirements: Iterable[Requirement]) -> Selector:
    ordered = tuple(sorted(requirements, key=lambda item: item.key))
    return Selector(ordered) if ordered else EVERYTHING


def new_requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """Return a checked requirement; ValueError in upstream's words."""
    listed = list(values)
    errors = [_key_error(key, "key")] if is_qualified_name(key) else []
    if complaint := _count_error(operator, listed):
        errors.append(f"values: Invalid value: {_go_list(listed)}: {complaint}")
    for number, value in enumerate(listed):
        if found := is_label_value(value):
            errors.append(f'values[{number}][{key}]: Invalid value: "{value}": {"; ".join(found)}')
    if errors:
        raise ValueError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return Requirement(key, operator, frozenset(listed))


def _count_error(operator: str, values: list[str]) -> str:
    if operator in (IN, NOT_IN):
        return "" if values else "for 'in', 'notin' operators, values set can't be empty"
    if operator in _ONE_VALUE:
        return "" if len(values) == 1 else "exact-match compatibility requires one single value"
    if operator in (EXISTS, NOT_EXISTS):
        return "values set must be empty for exists and does not exist" if values else ""
    if len(values) != 1:
        return "for 'Gt', 'Lt' operators, exactly one value is required"
    digits = values[0].removeprefix("-").removeprefix("+")
    return "" if digits.isdecimal() else "for 'Gt', 'Lt' operators, the value must be an integer"


def _key_error(key: str, path: str) -> str:
    return f'{path}: Invalid value: "{key}": {"; ".join(is_qualified_name(key))}'


def _go_list(values: list[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


@lru_cache(maxsize=1024)
def parse_selector(text: str) -> Selector:
    """Return the selector a query text says; ValueError in upstream's words."""
    return _of(_Parser(text).parse())


_END, _IDENTIFIER, _ERROR = "end", "identifier", "error"
_SPECIAL = "=!(),><"
# The longest symbol wins; `in` and `notin` are words, but not where values stand.
_SYMBOLS = frozenset((")", ",", "!", "==", "=", "!=", "(", ">", "<"))
_WORD_END = frozenset(_SPECIAL + " \t\r\n")


class _Parser:
    """Recursive descent over tokens of (type, literal); a symbol's type is its text."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.position = 0

    def peek(self, values: bool = False) -> tuple[str, str]:
        kind, literal = self.tokens[self.position]
        return (_IDENTIFIER if values and kind in (IN, NOT_IN) else kind), literal

    def take(self, values: bool = False) -> tuple[str, str]:
        token = self.peek(values)
        if self.position < len(self.tokens) - 1:
            self.position += 1
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, literal = self.peek(values=True)
            if kind == _END:
                return found
            if kind not in (_IDENTIFIER, NOT_EXISTS):
                raise ValueError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from error
            kind, literal = self.take()
            if kind == _END:
                return found
            if kind != ",":
                raise ValueError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self.peek(values=True)
            if kind not in (_IDENTIFIER, NOT_EXISTS):
                raise ValueError(f"found '{literal}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        kind, literal = self.take(values=True)
        negated = kind == NOT_EXISTS
        if negated:
            kind, literal = self.take(values=True)
        if kind != _IDENTIFIER:
            raise ValueError(f"found '{literal}', expected: identifier")
        if is_qualified_name(literal):
            raise ValueError(_key_error(literal, "<nil>"))
        if negated:
            return new_requirement(literal, NOT_EXISTS, ())
        if self.peek(values=True)[0] in (_END, ","):
            return new_requirement(literal, EXISTS, ())
        operator = self.operator()
        values = self.listed() if operator in (IN, NOT_IN) else self.single()
        return new_requirement(literal, operator, sorted(values))

    def operator(self) -> str:
        kind, literal = self.take()
        if kind in (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS):
            return kind
        if kind in (">", "<"):
            return GREATER if kind == ">" else LESS
        raise ValueError(f"found '{literal}', expected: {', '.join(_BINARY)}")

    def single(self) -> set[str]:
        if self.peek(values=True)[0] in (_END, ","):
            return {""}
        kind, literal = self.take(values=True)
        if kind != _IDENTIFIER:
            raise ValueError(f"found '{literal}', expected: identifier")
        return {literal}

    def listed(self) -> set[str]:
        kind, literal = self.take(values=True)
        if kind != "(":
            raise ValueError(f"found '{literal}' expected: '('")
        kind, literal = self.peek(values=True)
        if kind == ")":
            self.take()
            return set()
        if kind not in (_IDENTIFIER, ","):
            raise ValueError(f"found '{literal}', expected: ',', ')' or identifier")
        return self.items()

    def items(self) -> set[str]:
        """Read up to the closing bracket; nothing between commas is the empty value."""
        found: set[str] = set()
        pending = True
        while True:
            kind, literal = self.take(values=True)
            if kind == ")":
                return found | {""} if pending else found
            if kind == ",":
                if pending:
                    found.add("")
                pending = True
            elif kind == _IDENTIFIER and pending:
                found.add(literal)
                pending = False
            elif pending:
                raise ValueError(f"found '{literal}', expected: ',', or identifier")
            else:
                raise ValueError(f"found '{literal}', expected: ',' or ')'")


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    position, end = 0, len(text)
    while position < end:
        letter = text[position]
        if letter in " \t\r\n":
            position += 1
        elif letter in _SPECIAL:
            symbol = text[position : position + 2]
            symbol = symbol if symbol in _SYMBOLS else letter
            yield symbol, symbol
            position += len(symbol)
        else:
            start = position
            while position < end and text[position] not in _WORD_END:
                position += 1
            word = text[start:position]
            yield (word if word in (IN, NOT_IN) else _IDENTIFIER), word
    yield _END, ""
