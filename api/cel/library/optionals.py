"""Functions on values that may be absent. `optMap` and `optFlatMap` are macros.

Spec: github.com/google/cel-go cel/library.go (optional types).
"""

from typing import Any

from api.cel.declarations import Library, Overload
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, A, optional_of
from api.cel.values import ABSENT, Optional, size

_MAYBE = optional_of(A)
_ZEROS = frozenset((bool, int, float, str, bytes, list, dict))


def _of(value: Any) -> Optional:
    return Optional(value, True)


def _none() -> Optional:
    return ABSENT


def _of_non_zero(value: Any) -> Optional:
    empty = value is None or (not value if value.__class__ in _ZEROS else value == 0 or size(value) == 0)
    return ABSENT if empty else Optional(value, True)


def _value(maybe: Optional) -> Any:
    if not maybe.present:
        raise EvaluationError("optional.none() dereference")
    return maybe.value


FUNCTIONS: Library = {
    "optional.of": (Overload((A,), _MAYBE, _of),),
    "optional.none": (Overload((), _MAYBE, _none),),
    "optional.ofNonZeroValue": (Overload((A,), _MAYBE, _of_non_zero),),
    "value": (Overload((_MAYBE,), A, _value, member=True),),
    "hasValue": (Overload((_MAYBE,), BOOL, lambda maybe: maybe.present, member=True),),
    "or": (
        Overload(
            (_MAYBE, _MAYBE), _MAYBE, lambda first, other: first if first.present else other, member=True
        ),
    ),
    "orValue": (
        Overload((_MAYBE, A), A, lambda maybe, other: maybe.value if maybe.present else other, member=True),
    ),
}
