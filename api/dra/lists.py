"""Checks of lists and maps with a largest size, of which each member has its own check; for the kinds of DRA.

Spec: pkg/apis/resource/validation validateSlice, validateSet, validateMap (1.36): past the largest size
nothing else is looked at.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from api import field
from api.field import FieldError, Path

# Checks one member at its path.
Check = Callable[[Any, Path], list[FieldError]]


def each_errors(items: Sequence[Any] | None, most: int, check: Check, path: Path) -> list[FieldError]:
    """Check every member of a list of at most `most`."""
    if len(items or ()) > most:
        return [field.too_many(path, len(items or ()), most)]
    return [error for number, item in enumerate(items or ()) for error in check(item, path.index(number))]


def set_errors(
    items: Sequence[Any] | None, most: int, check: Check, path: Path, key: Callable[[Any], Hashable] = str
) -> list[FieldError]:
    """Check every member of a list of at most `most`, of which no two have the same key."""
    errors = each_errors(items, most, check, path)
    if len(items or ()) > most:
        return errors
    seen: set[Hashable] = set()
    for number, item in enumerate(items or ()):
        found = key(item)
        if found in seen:
            errors.append(field.duplicate(path.index(number), found))
        seen.add(found)
    return errors


def map_errors(
    items: Mapping[str, Any] | None, most: int, check_key: Check, check: Check, path: Path, shown: int
) -> list[FieldError]:
    """Check the keys and values of a map of at most `most`; keys in paths are cut to `shown` letters."""
    if len(items or {}) > most:
        return [field.too_many(path, len(items or {}), most)]
    errors: list[FieldError] = []
    for key, item in (items or {}).items():
        errors += check_key(key, path)
        errors += check(item, path.key(shortened(key, shown)))
    return errors


def shortened(text: str, most: int) -> str:
    """Return a text cut in its middle if it is longer than `most` (at least 16)."""
    most = max(most, 16)
    if len(text) <= most:
        return text
    left = most - 3
    return f"{text[: (left + 1) // 2]}...{text[len(text) - left // 2 :]}"


def any_errors(item: Any, path: Path) -> list[FieldError]:
    """The check of what needs none."""
    return []
