"""Field errors: what is wrong with one field of an object, in upstream's words.

Source: k8s.io/apimachinery/pkg/util/validation/field (1.36).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

REQUIRED = "Required value"
INVALID = "Invalid value"
NOT_SUPPORTED = "Unsupported value"
DUPLICATE = "Duplicate value"
NOT_FOUND = "Not found"
FORBIDDEN = "Forbidden"
TOO_LONG = "Too long"
TOO_MANY = "Too many"
INTERNAL = "Internal error"
# Says "Invalid value" as well; only the reason of the cause differs.
TYPE_INVALID = "Invalid type"

_REASONS = {
    REQUIRED: "FieldValueRequired",
    INVALID: "FieldValueInvalid",
    NOT_SUPPORTED: "FieldValueNotSupported",
    DUPLICATE: "FieldValueDuplicate",
    NOT_FOUND: "FieldValueNotFound",
    FORBIDDEN: "FieldValueForbidden",
    TOO_LONG: "FieldValueTooLong",
    TOO_MANY: "FieldValueTooMany",
    INTERNAL: "InternalError",
    TYPE_INVALID: "FieldValueTypeInvalid",
}


class Path:
    """A path to a field: `Path("spec").child("containers").index(0).child("name")` is
    `spec.containers[0].name`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def child(self, *names: str) -> "Path":
        return Path(".".join((self._text, *names) if self._text else names))

    def index(self, number: int) -> "Path":
        return Path(f"{self._text}[{number}]")

    def key(self, key: str) -> "Path":
        return Path(f"{self._text}[{key}]")

    def __str__(self) -> str:
        return self._text or "<nil>"


@dataclass(frozen=True)
class FieldError:
    """One fault. `kind` is one of the constants above; `body` is all that follows the path and the colon."""

    kind: str
    path: str
    body: str

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"

    def to_cause(self) -> dict[str, Any]:
        return {"reason": _REASONS[self.kind], "message": self.body, "field": self.path}


def required(path: Path, detail: str = "") -> FieldError:
    return FieldError(REQUIRED, str(path), f"{REQUIRED}: {detail}" if detail else REQUIRED)


def invalid(path: Path, value: Any, detail: str) -> FieldError:
    text = f"{INVALID}: {quote(value)}"
    return FieldError(INVALID, str(path), f"{text}: {detail}" if detail else text)


def not_supported(path: Path, value: Any, supported: Iterable[str]) -> FieldError:
    names = ", ".join(f'"{name}"' for name in supported)
    text = f"{NOT_SUPPORTED}: {quote(value)}"
    return FieldError(NOT_SUPPORTED, str(path), f"{text}: supported values: {names}" if names else text)


def invalid_whole(path: Path, detail: str) -> FieldError:
    """Return the fault of an object as a whole, which is not shown."""
    return FieldError(INVALID, str(path), f"{INVALID}: {detail}")


def duplicate(path: Path, value: Any, detail: str = "") -> FieldError:
    text = f"{DUPLICATE}: {quote(value)}"
    return FieldError(DUPLICATE, str(path), f"{text}: {detail}" if detail else text)


def not_found(path: Path, value: Any, detail: str = "") -> FieldError:
    text = f"{NOT_FOUND}: {quote(value)}"
    return FieldError(NOT_FOUND, str(path), f"{text}: {detail}" if detail else text)


def forbidden(path: Path, detail: str) -> FieldError:
    return FieldError(FORBIDDEN, str(path), f"{FORBIDDEN}: {detail}" if detail else FORBIDDEN)


def too_long(path: Path, max_length: int) -> FieldError:
    return FieldError(TOO_LONG, str(path), f"{TOO_LONG}: may not be more than {max_length} bytes")


def too_many(path: Path, actual: int, most: int) -> FieldError:
    return FieldError(TOO_MANY, str(path), f"{TOO_MANY}: {actual}: must have at most {most} items")


def quote(value: Any) -> str:
    """Return a value as messages show it: texts in quotes, and so is null, other shapes as JSON."""
    if value is None:
        return '"null"'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return go_float(value)
    return orjson.dumps(value, default=str).decode()


def go_float(number: float) -> str:
    """Return a floating-point number as Go's `%v` writes it: with an exponent from a million on."""
    sign, digits, power = Decimal(repr(float(number))).normalize().as_tuple()
    exponent = len(digits) + int(power) - 1
    if -4 <= exponent < 6 or not number:
        return repr(float(number)).removesuffix(".0")
    text = "".join(map(str, digits))
    mantissa = f"{text[0]}.{text[1:]}" if text[1:] else text
    return f"{'-' if sign else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
