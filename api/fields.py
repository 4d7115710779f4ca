"""Field selectors: `metadata.name=web,status.phase!=Failed`.

Called by the API server for lists and watches, and by the client's informers.
Source: k8s.io/apimachinery/pkg/fields (1.36).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_ESCAPED = {"\\": "\\\\", ",": "\\,", "=": "\\="}


class Term(NamedTuple):
    """One comparison; `operator` is `=` or `!=`."""

    path: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}{self.operator}{escape(self.value)}"


@dataclass(frozen=True)
class FieldSelector:
    """All terms must hold; without terms everything matches."""

    terms: tuple[Term, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.terms

    def matches(self, get: Callable[[str], str]) -> bool:
        """Tell whether an object matches; `get` returns the text of a field, "" if it is absent."""
        return all((get(path) == value) is (operator == "=") for path, operator, value in self.terms)

    def exact(self, path: str) -> str | None:
        """Return the value that the selector demands of a path, if it demands one."""
        return next((term.value for term in self.terms if term.path == path and term.operator == "="), None)

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


def parse_field_selector(text: str) -> FieldSelector:
    """Return the selector a text says; ValueError in upstream's words."""
    terms = []
    for part in _split(text):
        if not part:
            continue
        term = _parse_term(part)
        if term is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(term)
    return FieldSelector(tuple(terms))


def escape(value: str) -> str:
    """Return a value as it must be written in a selector."""
    return "".join(_ESCAPED.get(letter, letter) for letter in value)


def _split(text: str) -> list[str]:
    """Split at commas that no backslash precedes."""
    parts, start, skip = [], 0, False
    for position, letter in enumerate(text):
        if skip:
            skip = False
        elif letter == "\\":
            skip = True
        elif letter == ",":
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _parse_term(part: str) -> Term | None:
    for position in range(len(part)):
        rest = part[position:]
        for written, meant in (("!=", "!="), ("==", "="), ("=", "=")):
            if rest.startswith(written):
                return Term(part[:position], meant, _unescape(rest[len(written) :]))
    return None


def _unescape(value: str) -> str:
    if not any(letter in value for letter in "\\,="):
        return value
    letters, skip = [], False
    for letter in value:
        if skip:
            if letter not in _ESCAPED:
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{letter}")
            letters.append(letter)
            skip = False
        elif letter == "\\":
            skip = True
        elif letter in _ESCAPED:
            raise ValueError(f"invalid field selector: unescaped character in value: {letter}")
        else:
            letters.append(letter)
    if skip:
        raise ValueError("invalid field selector: invalid escape sequence: \\")
    return "".join(letters)
