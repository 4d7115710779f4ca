"""The string formats that schemas of custom resources may name, each as a test of a text.

A dash in a name does not count (`date-time` is `datetime`); a name that is not here allows every text, as
upstream has it. Called by the files of this folder. Source: kube-openapi pkg/validation/strfmt,
apiextensions-apiserver pkg/apiserver/validation/formats.go (1.36).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

import re2

from api import names

Test: TypeAlias = Callable[[str], bool]

_LETTER = r"[a-zA-Z0-9\p{S}\p{L}]"
_HOSTNAME = (
    rf"^({_LETTER}((-?{_LETTER}{{0,62}})?)"
    rf"|({_LETTER}(([a-zA-Z0-9-\p{{S}}\p{{L}}]{{0,61}}{_LETTER})?)(\.)){{1,}}([a-zA-Z\p{{L}}]){{2,63}})$"
)
_UUID = "(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_ADDRESS = rf"({_ATOM}(\.{_ATOM})*|\"([^\"\\\r\n]|\\.)*\")@({_ATOM}(\.{_ATOM})*|\[[^\[\]\\]*\])"
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|/)(?:[^%?]|%[0-9A-Fa-f]{2})*(?:\?.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"[^/:?]*://([^/?#]*)")
_HOST = re.compile(r"(?:[^\s<>\"\\^`{|}@\[\]]*@)?(?:\[[0-9A-Fa-f:.%]+\]|[^\s<>\"\\^`{|}@\[\]:]*)(?::[0-9]*)?")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})", re.DOTALL)
_GO_DURATION = re.compile(r"[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
_WORD_DURATION = re.compile(r"([0-9]+)\s*([A-Za-zµ]+)")
_DURATION_UNIT = re.compile(
    "ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?"
    "|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?"
)
_BYTES = "[0-9A-Fa-f]{2}"
_WORDS = r"[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4})"
_MAC = (
    rf"{_BYTES}([:-]){_BYTES}(?:\1{_BYTES}){{4}}(?:(?:\1{_BYTES}){{2}}|(?:\1{_BYTES}){{14}})?"
    rf"|{_WORDS}{{2}}|{_WORDS}{{3}}|{_WORDS}{{9}}"
)
# The empty text is none, as upstream has it.
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
_CARD = (
    "4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}"
    "|(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    "|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    "|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)
_BYTE = r"\s*([01]?[0-9]?[0-9]|2[0-4][0-9]|25[0-5])\s*"
_RGB = rf"rgb\({_BYTE},{_BYTE},{_BYTE}\)"


def _whole(pattern: str) -> Test:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _is_address(text: str, version: int = 0) -> bool:
    """Tell whether a text is an IP address; leading zeros are taken as decimal, as Go once did."""
    plain = re.sub(r"(?<![0-9A-Fa-f:])0+(?=[0-9])", "", text) if "." in text else text
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        return False
    return "%" not in text and (not version or found.version == version)


def _is_ipv4(text: str) -> bool:
    return "." in text and _is_address(text)


def _is_ipv6(text: str) -> bool:
    return ":" in text and _is_address(text, 6)


def _is_cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or not _is_address(address) or not re.fullmatch("[0-9]{1,3}", length):
        return False
    return int(length) <= (128 if ":" in address else 32)


def _is_uri(text: str) -> bool:
    if text == "*":
        return True
    if not _URI.fullmatch(text) or any(letter < " " or letter == "\x7f" for letter in text):
        return False
    authority = _AUTHORITY.match(text)
    return authority is None or _HOST.fullmatch(authority[1]) is not None


def _is_hostname(text: str) -> bool:
    if len(text.encode()) > 255 or not _hostname.search(text):
        return False
    return all(len(part.encode()) <= 63 for part in text.split("."))


def _is_date(text: str) -> bool:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date(max(int(text[:4]), 4), int(text[5:7]), int(text[8:]))
    except ValueError:
        return False
    return True


def _is_datetime(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    match = _TIME.fullmatch(time)
    return bool(_is_date(day) and match and match[1] <= "23" and match[2] <= "59" and match[3] <= "59")


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    return any(_DURATION_UNIT.fullmatch(match[2].lower()) for match in _WORD_DURATION.finditer(text))


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    values = [10 if digit == "X" else int(digit) for digit in digits]
    return sum((number + 1) * value for number, value in enumerate(values)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    return sum(int(digit) * (3 if number % 2 else 1) for number, digit in enumerate(digits)) % 10 == 0


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not _card(digits):
        return False
    doubled = [int(digit) * (2 if number % 2 else 1) for number, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_hostname = re2.compile(_HOSTNAME)
_card = _whole(_CARD)
_EMAIL = _whole(rf"\s*({_ADDRESS}|[^<>@]*<{_ADDRESS}>)\s*")

TESTS: Mapping[str, Test] = {
    "bsonobjectid": _whole("[0-9a-fA-F]{24}"),
    "uri": _is_uri,
    "email": _EMAIL,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "cidr": _is_cidr,
    "mac": _whole(_MAC),
    "uuid": _whole(_UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": _whole(_UUID % ("3", "[0-9a-f]")),
    "uuid4": _whole(_UUID % ("4", "[89ab]")),
    "uuid5": _whole(_UUID % ("5", "[89ab]")),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_credit_card,
    "ssn": _whole(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}"),
    "hexcolor": _whole("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _whole(_RGB),
    "byte": _whole(_BASE64),
    "password": lambda text: True,
    "date": _is_date,
    "duration": _is_duration,
    "datetime": _is_datetime,
    "k8sshortname": lambda text: not names.is_dns1123_label(text),
    "k8slongname": lambda text: not names.is_dns1123_subdomain(text),
}


def format_test(format_name: str) -> Test | None:
    """Return the test of a format; None if every text will do."""
    return TESTS.get(format_name.replace("-", "")) if format_name else None


_quiet = re2.Options()
_quiet.log_errors = False


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Any:
    """Return the compiled RE2 pattern. Raises ValueError in RE2's words for one that is none."""
    try:
        return re2.compile(pattern, options=_quiet)
    except re2.error as error:
        text = error.args[0] if error.args else ""
        raise ValueError(text.decode() if isinstance(text, bytes) else str(text)) from error


@lru_cache(maxsize=4096)
def pattern_test(pattern: str) -> Test:
    """Return what tells whether a text contains a match of the pattern; ValueError if it is none."""
    search = compile_pattern(pattern).search
    return lambda text: search(text) is not None
