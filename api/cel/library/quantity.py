"""Amounts such as `500Mi`. Spec: k8s.io/apiserver/pkg/cel/library/quantity.go (1.36)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from api import quantity
from api.cel.declarations import Library, Overload, first_traversal
from api.cel.errors import EvaluationError
from api.cel.types import BOOL, DOUBLE, INT, STRING, Type, opaque
from api.cel.values import INT_MAX, INT_MIN, Opaque

QUANTITY = opaque("kubernetes.Quantity")


@dataclass(frozen=True, slots=True, eq=False)
class QuantityValue(Opaque):
    """An amount; two are equal if they are the same amount, in whatever form."""

    cel_type: ClassVar[Type] = QUANTITY
    amount: quantity.Quantity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QuantityValue) and self.amount.nano == other.amount.nano

    def __hash__(self) -> int:
        return hash(self.amount.nano)


def _parse(text: str) -> QuantityValue:
    try:
        return QuantityValue(quantity.parse_quantity(text))
    except ValueError as error:
        raise EvaluationError(str(error)) from error


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse_quantity(text)
    except ValueError:
        return False
    return True


def _compare(first: QuantityValue, second: QuantityValue) -> int:
    return quantity.compare(first.amount, second.amount)


def _is_integer(value: QuantityValue) -> bool:
    units, rest = divmod(value.amount.nano, quantity.NANO)
    return rest == 0 and INT_MIN <= units <= INT_MAX


def _as_integer(value: QuantityValue) -> int:
    if not _is_integer(value):
        raise EvaluationError("cannot convert value to integer")
    return value.amount.nano // quantity.NANO


def _as_float(value: QuantityValue) -> float:
    return value.amount.nano / quantity.NANO


def _amount(value: Any) -> quantity.Quantity:
    return quantity.from_units(value, quantity.EXPONENT) if value.__class__ is int else value.amount


def _add(first: QuantityValue, second: Any) -> QuantityValue:
    return QuantityValue(quantity.add(first.amount, _amount(second)))


def _sub(first: QuantityValue, second: Any) -> QuantityValue:
    return QuantityValue(quantity.sub(first.amount, _amount(second)))


def _sign(value: QuantityValue) -> int:
    return (value.amount.nano > 0) - (value.amount.nano < 0)


def _arithmetic(run: Any) -> tuple[Overload, ...]:
    return tuple(Overload((QUANTITY, other), QUANTITY, run, member=True) for other in (QUANTITY, INT))


_COST, _BOUND = first_traversal()
_PAIR = (QUANTITY, QUANTITY)
FUNCTIONS: Library = {
    "quantity": (Overload((STRING,), QUANTITY, _parse, False, _COST, _BOUND),),
    "isQuantity": (Overload((STRING,), BOOL, _is_quantity, False, _COST, _BOUND),),
    # Upstream declares `sign` both as function and, by what its documentation says, as method.
    "sign": tuple(Overload((QUANTITY,), INT, _sign, member) for member in (False, True)),
    "isGreaterThan": (Overload(_PAIR, BOOL, lambda one, two: _compare(one, two) > 0, member=True),),
    "isLessThan": (Overload(_PAIR, BOOL, lambda one, two: _compare(one, two) < 0, member=True),),
    "compareTo": (Overload(_PAIR, INT, _compare, member=True),),
    "asApproximateFloat": (Overload((QUANTITY,), DOUBLE, _as_float, member=True),),
    "asInteger": (Overload((QUANTITY,), INT, _as_integer, member=True),),
    "isInteger": (Overload((QUANTITY,), BOOL, _is_integer, member=True),),
    "add": _arithmetic(_add),
    "sub": _arithmetic(_sub),
}
