"""What evaluations cost: budgets at run time, ranges of costs and sizes before it.

Called by programs (budgets), the estimator and the libraries (ranges).
Spec: github.com/google/cel-go checker/cost.go, interpreter/runtimecost.go;
k8s.io/apiserver/pkg/apis/cel/config.go.
"""

from math import ceil
from typing import NamedTuple, TypeAlias

# The most that one evaluation of one expression may cost.
PER_CALL_LIMIT = 1_000_000
# The most that all rules of one validation of a custom resource, or all expressions of one policy, may cost.
RUNTIME_BUDGET = 10_000_000
# The most that a rule of a custom resource definition may be estimated to cost, and all its rules together.
ESTIMATED_RULE_LIMIT = 10_000_000
ESTIMATED_TOTAL_LIMIT = 100_000_000

# What a character costs that is looked at, and a character of a regular expression.
CHARACTER, PATTERN_CHARACTER = 0.1, 0.25
LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40
UNBOUNDED = (1 << 64) - 1


class Budget:
    """What several evaluations may cost together; `used` says what they have cost."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Range(NamedTuple):
    """The least and the most that a cost or a size can be; what is too large stays at the largest number."""

    low: int
    high: int

    def plus(self, other: "Range") -> "Range":
        """Return the sum."""
        return Range(min(self.low + other.low, UNBOUNDED), min(self.high + other.high, UNBOUNDED))

    def times(self, other: "Range") -> "Range":
        """Return the product."""
        return Range(min(self.low * other.low, UNBOUNDED), min(self.high * other.high, UNBOUNDED))

    def scaled(self, factor: float) -> "Range":
        """Return the range times a cost per character, rounded up."""
        return Range(_scale(self.low, factor), _scale(self.high, factor))

    def union(self, other: "Range") -> "Range":
        """Return the range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def _scale(count: int, factor: float) -> int:
    return UNBOUNDED if count >= UNBOUNDED else min(ceil(count * factor), UNBOUNDED)


FREE, ONE, ANY_SIZE = Range(0, 0), Range(1, 1), Range(0, UNBOUNDED)
CostEstimate: TypeAlias = Range


class Sized(NamedTuple):
    """What is known of an argument's size: its own, and that of its items where it is a list of texts."""

    size: Range
    item: Range | None = None
    is_list: bool = False


class Estimate(NamedTuple):
    """What a call may cost, and how large its result may be (None: unknown)."""

    cost: Range
    size: Range | None = None


def traverse(count: int, factor: float = CHARACTER) -> int:
    """Return what it costs to look at so many characters."""
    return ceil(count * factor)
