"""What compiled expressions are made of: functions of a frame. Called by all modules that compile.

A frame is a list: what the evaluation has cost, what it may cost, the bindings, then a place per macro
variable. A part of an expression compiles to a `Code`: its function, and the cost that whoever runs it must
add for it. Costs known beforehand are so added up at compile time; only branches and loops add at run time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

Frame: TypeAlias = "list[Any]"
Run: TypeAlias = "Callable[[Frame], Any]"

COST, LIMIT, BINDINGS, FIRST_SLOT = 0, 1, 2, 3


class Code(NamedTuple):
    """A compiled part and its fixed cost. `constant` says that the value is always `value`."""

    run: Run
    cost: int
    constant: bool = False
    value: Any = None


def constant(value: Any) -> Code:
    """Return the code of a value that is known already; it costs nothing."""
    return Code(lambda frame: value, 0, True, value)
