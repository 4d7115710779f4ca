"""Functions as libraries declare them. Called by the checker (types), the compiler (what to run, what
it costs).
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from api.cel.cost import CHARACTER, Estimate, Sized, traverse
from api.cel.types import Type
from api.cel.values import size

Run: TypeAlias = Callable[..., Any]
# The cost of a call, from its arguments and its result.
Cost: TypeAlias = Callable[[tuple[Any, ...], Any], int]
Bound: TypeAlias = Callable[[list[Sized]], Estimate]


class Overload(NamedTuple):
    """One form of a function; a receiver comes first in `args`. `run` takes values and returns one.

    `cost` and `bound` (what is known of the cost beforehand) are None where a call costs 1.
    """

    args: tuple[Type, ...]
    result: Type
    run: Run
    member: bool = False
    cost: Cost | None = None
    bound: Bound | None = None


Library: TypeAlias = "dict[str, tuple[Overload, ...]]"


def merge(libraries: Iterable[Library]) -> Library:
    """Return all functions of several libraries; overloads of the same name stand side by side."""
    merged: Library = {}
    for library in libraries:
        for name, overloads in library.items():
            merged[name] = (*merged.get(name, ()), *overloads)
    return merged


def first_traversal(factor: float = CHARACTER) -> tuple[Cost, Bound]:
    """Return cost and bound of a function that looks once at every character of its first argument."""

    def cost(args: tuple[Any, ...], result: Any) -> int:
        return traverse(size(args[0]), factor)

    def bound(args: list[Sized]) -> Estimate:
        return Estimate(args[0].size.scaled(factor))

    return cost, bound
