"""Text to tokens, and the values of literals. Called by the parser.

Spec: github.com/google/cel-spec langdef.md, cel-go parser/gen/CEL.g4 and parser/unescape.go.
"""

import re
from typing import NamedTuple

from api.cel.source import Report


class Token(NamedTuple):
    """One token: kind is the operator itself, `ident`, `int`, `uint`, `float`, `string`, `bytes` or `end`."""

    kind: str
    text: str
    pos: int


_ESC = r"""\\(?:[abfnrtv\\'"`?]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"""
_QUOTED = (
    *(rf"[rR]{quotes}.*?{quotes}" for quotes in ('"""', "'''")),
    *(rf"[rR]{quote}[^{quote}\n\r]*{quote}" for quote in "\"'"),
    *(rf"{quotes}(?:[^\\]|{_ESC})*?{quotes}" for quotes in ('"""', "'''")),
    *(rf"{quote}(?:[^{quote}\\\n\r]|{_ESC})*{quote}" for quote in "\"'"),
)
_STRING = "|".join(_QUOTED)
# How far a text in quotes can be read that does not end, or has an escape that is none.
_PARTIAL_ESC = r"(?:\\(?:[xXuU][0-9a-fA-F]*|[0-3][0-7]?)?)?"
_UNREADABLE = re.compile("|".join(rf"{quote}(?:[^{quote}\\\n\r]|{_ESC})*{_PARTIAL_ESC}" for quote in "\"'"))
_TOKEN = re.compile(
    rf"""
      (?P<skip>(?:[\t\ \r\n\f]+|//[^\n]*)+)
    | (?P<bytes>[bB](?:{_STRING}))
    | (?P<string>{_STRING})
    | (?P<float>[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.[0-9]+(?:[eE][-+]?[0-9]+)?)
    | (?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
    | (?P<ident>[_a-zA-Z][_a-zA-Z0-9]*)
    | (?P<op>==|!=|<=|>=|&&|\|\||[-<>+*/%!?:.,()\[\]{{}}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_WORDS = frozenset(("true", "false", "null", "in"))


def tokenize(text: str, report: Report) -> list[Token]:
    """Return the tokens, ended by one of kind `end`; characters that start no token are reported and
    skipped.
    """
    tokens = []
    pos, end = 0, len(text)
    match = _TOKEN.match
    while pos < end:
        found = match(text, pos)
        if found is None:
            after = _end_of_unreadable(text, pos)
            report.add(pos, f"Syntax error: token recognition error at: '{text[pos:after]}'")
            pos = after
            continue
        kind = found.lastgroup or ""
        if kind != "skip":
            word = found.group()
            tokens.append(Token(word if kind == "op" or word in _WORDS else kind, word, pos))
        pos = found.end()
    tokens.append(Token("end", "<EOF>", end))
    return tokens


def _end_of_unreadable(text: str, pos: int) -> int:
    """Return where reading goes on: after the first character that shows that there is no token."""
    if text[pos] in "&|=":
        return pos + 2
    partial = _UNREADABLE.match(text, pos)
    return partial.end() + 1 if partial else pos + 1


_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"`?])|x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
    r"|([0-3][0-7]{2}))"
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def string_value(text: str) -> str:
    """Return the value of a string literal; ValueError for an escape that is no character."""
    body, raw = _strip(text)
    if raw or "\\" not in body:
        return body
    return _ESCAPE.sub(_unescape, body)


def _strip(text: str) -> tuple[str, bool]:
    """Return what is between the quotes, with newlines as `\\n`, and whether it is raw."""
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    quotes = 3 if len(text) >= 6 and text[:3] in ('"""', "'''") else 1
    return text[quotes:-quotes].replace("\r\n", "\n").replace("\r", "\n"), raw


def _unescape(match: re.Match[str]) -> str:
    simple, *digits, octal = match.groups()
    if simple:
        return _SIMPLE.get(simple, simple)
    if octal:
        return chr(int(octal, 8))
    code = next(int(part, 16) for part in digits if part)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError("invalid unicode code point")
    return chr(code)


def bytes_value(text: str) -> bytes:
    """Return the value of a bytes literal: `\\x` and octal escapes are bytes, all else is UTF-8."""
    body, raw = _strip(text[1:])
    if raw or "\\" not in body:
        return body.encode()
    parts = []
    start = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[start : match.start()].encode())
        start = match.end()
        _, x, capital, u, long, octal = match.groups()
        if u or long:
            raise ValueError("unable to unescape string")
        byte = x or capital
        if byte or octal:
            parts.append(bytes([int(byte, 16) if byte else int(octal, 8)]))
        else:
            parts.append(_unescape(match).encode())
    return b"".join((*parts, body[start:].encode()))
