"""Quantities: exact amounts with suffixes, as resources and sizes have (`500m`, `1.5Gi`, `1e3`).

An amount is a whole number of billionths, so arithmetic is exact; what is smaller is rounded up, as upstream
does. Called by validation and defaults (canonical form), the scheduler, quota and the node agent.
Source: k8s.io/apimachinery/pkg/api/resource (1.36).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

NANO = 10**9
_MAX = (2**63 - 1) * NANO

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_NAMES = ["", *_BINARY_SUFFIXES]
# Beyond this many digits upstream leaves its fast path and caps the amount at the largest int64.
_UNCAPPED_DIGITS = 18

_WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_WRONG_NUMBER = "unable to parse numeric part of quantity"
_WRONG_SUFFIX = "unable to parse quantity's suffix"

# What JSON may hold in the place of a quantity.
Text: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An amount in billionths (`nano`) and the family of suffixes in which it is written."""

    nano: int
    form: str = DECIMAL

    @property
    def is_zero(self) -> bool:
        return self.nano == 0

    def __str__(self) -> str:
        return format_quantity(self)


def parse_quantity(text: Text) -> Quantity:
    """Return the amount that a text (or JSON number) says; ValueError in upstream's words."""
    return _parse(text if isinstance(text, str) else _number_text(text))


def _number_text(number: int | float) -> str:
    return str(number) if isinstance(number, int) else format(number, "g")


@lru_cache(maxsize=8192)
def _parse(text: str) -> Quantity:
    if not text:
        raise ValueError(_WRONG_FORMAT)
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError(_WRONG_FORMAT)
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    if not whole and not fraction:
        raise ValueError(_WRONG_NUMBER if "." in text else _WRONG_FORMAT)
    base, exponent, form = _read_suffix(suffix)
    digits = int(whole + fraction or "0")
    nano = _scaled(digits * base, exponent - len(fraction))
    if len((whole + fraction).lstrip("0")) >= _UNCAPPED_DIGITS or base > 1:
        nano = min(nano, _MAX)
    return Quantity(-nano if sign == "-" else nano, form)


def _read_suffix(suffix: str) -> tuple[int, int, str]:
    """Return (factor, power of ten, form) of a suffix."""
    if suffix in _DECIMAL_SUFFIXES:
        return 1, _DECIMAL_SUFFIXES[suffix], DECIMAL
    if suffix in _BINARY_SUFFIXES:
        return 1024 ** _BINARY_SUFFIXES[suffix], 0, BINARY
    if re.fullmatch(r"[eE][-+]?[0-9]+", suffix) and len(suffix) <= 6:
        return 1, int(suffix[1:]), EXPONENT
    raise ValueError(_WRONG_SUFFIX)


def _scaled(digits: int, exponent: int) -> int:
    """Return digits * 10**exponent in billionths, rounded up."""
    power = exponent + 9
    if power >= 0:
        return int(digits * 10 ** min(power, 400))
    return int(-(-digits // 10 ** min(-power, 400)))


def format_quantity(quantity: Quantity) -> str:
    """Return the canonical text: no fraction, and the largest suffix that allows that."""
    nano = quantity.nano
    if nano == 0:
        return "0"
    if quantity.form == BINARY and nano % NANO == 0 and abs(nano) >= 1024 * NANO:
        return _binary_text(nano // NANO)
    return _decimal_text(nano, quantity.form == EXPONENT)


def _binary_text(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY_NAMES) - 1:
        number //= 1024
        power += 1
    return f"{number}{_BINARY_NAMES[power]}"


def _decimal_text(nano: int, exponential: bool) -> str:
    exponent = -9
    while nano % 1000 == 0 and (exponential or exponent < 18):
        nano //= 1000
        exponent += 3
    if exponential:
        return f"{nano}e{exponent}" if exponent else str(nano)
    return f"{nano}{_DECIMAL_NAMES[exponent]}"


def canonical(text: Text) -> str:
    """Return the text as the API server stores and shows it: `1000m` is `1`, `0.5Gi` is `512Mi`."""
    return _canonical(text if isinstance(text, str) else _number_text(text))


@lru_cache(maxsize=8192)
def _canonical(text: str) -> str:
    return format_quantity(_parse(text))


def value(text: Text) -> int:
    """Return the amount in units, rounded up."""
    return -(-parse_quantity(text).nano // NANO)


def milli(text: Text) -> int:
    """Return the amount in thousandths, rounded up."""
    return -(-parse_quantity(text).nano // (NANO // 1000))


def from_units(number: int, form: str = DECIMAL) -> Quantity:
    return Quantity(number * NANO, form)


def from_milli(number: int) -> Quantity:
    return Quantity(number * (NANO // 1000), DECIMAL)


def add(left: Quantity, right: Quantity) -> Quantity:
    """Return the sum; a zero takes over the other's form."""
    return Quantity(left.nano + right.nano, right.form if left.is_zero else left.form)


def sub(left: Quantity, right: Quantity) -> Quantity:
    """Return the difference; a zero takes over the other's form."""
    return Quantity(left.nano - right.nano, right.form if left.is_zero else left.form)


def compare(left: Quantity, right: Quantity) -> int:
    """Return -1, 0 or 1; the form does not matter."""
    return (left.nano > right.nano) - (left.nano < right.nano)
