"""Semantic versions. Spec: k8s.io/apiserver/pkg/cel/library/semverlib.go (1.36), semver.org 2.0.0."""

import re
from dataclasses import dataclass
from typing import ClassVar

from api.cel.declarations import Library, Overload, first_traversal
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, INT, STRING, Type, opaque
from api.cel.values import UINT_MAX, Opaque

SEMVER = opaque("kubernetes.Semver")

_NUMBER = r"(0|[1-9][0-9]*)"
_FORM = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z.-]*))?(?:\+([0-9A-Za-z.-]*))?", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Version(Opaque):
    """A version; what is built (`+sha`) does not count in comparisons."""

    cel_type: ClassVar[Type] = SEMVER
    numbers: tuple[int, int, int]
    pre: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and (self.numbers, self.pre) == (other.numbers, other.pre)

    def __hash__(self) -> int:
        return hash((self.numbers, self.pre))


def parse_version(text: str, normalize: bool = False) -> Version:
    """Return the version of a text; EvaluationError if it is none."""
    match = _FORM.fullmatch(_normalized(text) if normalize else text)
    if match is None:
        raise EvaluationError(_reason(text))
    *numbers, pre, build = match.groups()
    parts = tuple(pre.split(".")) if pre is not None else ()
    for part in (*parts, *(build.split(".") if build is not None else ())):
        if not part:
            raise EvaluationError("Prerelease is empty" if part in parts else "Build meta data is empty")
    for part in parts:
        if part.isdigit() and len(part) > 1 and part[0] == "0":
            raise EvaluationError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
    if any(len(number) > 20 or int(number) > UINT_MAX for number in numbers):
        raise EvaluationError("Invalid character(s) found in major number: value out of range")
    major, minor, patch = map(int, numbers)
    return Version((major, minor, patch), parts)


def _reason(text: str) -> str:
    if not text:
        return "Version string empty"
    if text.count(".") < 2:
        return "No Major.Minor.Patch elements found"
    return f'Invalid character(s) found in version "{text}"'


def _normalized(text: str) -> str:
    """Return the text without a `v`, without leading zeros, and with three numbers."""
    parts = [_stripped(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and any(char in parts[-1] for char in "+-"):
        raise EvaluationError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][: max(len(parts), 3)])


def _stripped(part: str) -> str:
    rest = part.lstrip("0") if len(part) > 1 else part
    return rest if rest[:1].isdigit() or rest == part else f"0{rest}"


def _rank(version: Version) -> tuple[object, ...]:
    """Return what sorts versions: a release comes after what precedes it, numbers before words."""
    # Longer numbers are larger: their length compares them without reading thousands of digits.
    words = tuple((0, len(part), part) if part.isdigit() else (1, 0, part) for part in version.pre)
    return (*version.numbers, not version.pre, words)


def _compare(first: Version, second: Version) -> int:
    one, two = _rank(first), _rank(second)
    return (one > two) - (one < two)


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        parse_version(text, normalize)
    except EvaluationError:
        return False
    return True


def _part(place: int) -> tuple[Overload, ...]:
    return (Overload((SEMVER,), INT, lambda version: version.numbers[place], member=True),)


_COST, _BOUND = first_traversal()
_PAIR = (SEMVER, SEMVER)
FUNCTIONS: Library = {
    "semver": tuple(
        Overload(args, SEMVER, parse_version, False, _COST, _BOUND) for args in ((STRING,), (STRING, BOOL))
    ),
    "isSemver": tuple(
        Overload(args, BOOL, _is_semver, False, _COST, _BOUND) for args in ((STRING,), (STRING, BOOL))
    ),
    "isGreaterThan": (Overload(_PAIR, BOOL, lambda one, two: _compare(one, two) > 0, member=True),),
    "isLessThan": (Overload(_PAIR, BOOL, lambda one, two: _compare(one, two) < 0, member=True),),
    "compareTo": (Overload(_PAIR, INT, _compare, member=True),),
    "major": _part(0),
    "minor": _part(1),
    "patch": _part(2),
}
