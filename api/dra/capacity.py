"""How much of a capacity a request may consume: some amounts, or a range in steps.

Spec: pkg/apis/resource/validation validateRequestPolicy (1.36).
"""

from typing import Any

from api import field
from api.dra.lists import set_errors
from api.field import FieldError, Path
from api.quantity import NANO, Quantity, parse_quantity
from api.resource import Obj

OPTIONS_MAX = 10
_BOTH = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'


def policy_errors(policy: Obj, capacity: Any, path: Path) -> list[FieldError]:
    """Check the policy of a capacity of this size."""
    values, span = policy.get("validValues"), policy.get("validRange")
    if values and span is not None:
        return [field.forbidden(path, _BOTH)]
    name = "validValues" if values else "validRange"
    if not values and span is None:
        return []
    if policy.get("default") is None:
        return [field.required(path.child("default"), f"required when {name} is defined")]
    default, most, at = parse_quantity(policy["default"]), parse_quantity(capacity), path.child(name)
    return (
        _values_errors(values, default, most, at) if values else _range_errors(span or {}, default, most, at)
    )


def _values_errors(values: list[Any], default: Quantity, most: Quantity, path: Path) -> list[FieldError]:
    amounts = [parse_quantity(value) for value in values]
    errors = [
        field.invalid(path.index(number), str(amounts[number]), "values must be sorted in ascending order")
        for number in range(1, len(amounts))
        if amounts[number - 1].nano > amounts[number].nano
    ]

    def check(option: Quantity, where: Path) -> list[FieldError]:
        text = f"option is larger than capacity value: {most}"
        return [field.invalid(where, str(option), text)] if option.nano > most.nano else []

    errors += set_errors(amounts, OPTIONS_MAX, check, path, key=lambda option: str(_units(option)))
    if all(option.nano != default.nano for option in amounts):
        text = "default value is not valid according to the requestPolicy"
        errors.append(field.invalid(path, str(default), text))
    return errors


def _range_errors(span: Obj, default: Quantity, most: Quantity, path: Path) -> list[FieldError]:
    if span.get("min") is None:
        return [field.required(path.child("min"), "required when validRange is defined")]
    low = parse_quantity(span["min"])
    high = parse_quantity(span["max"]) if span.get("max") is not None else None
    errors: list[FieldError] = []

    def expect(fine: bool, name: str, value: Quantity, text: str) -> None:
        if not fine:
            errors.append(field.invalid(path.child(name), str(value), text))

    expect(low.nano <= most.nano, "min", low, f"min is larger than capacity value: {most}")
    expect(default.nano >= low.nano, "default", default, f"default is less than min: {low}")
    if high is not None:
        expect(low.nano <= high.nano, "max", low, f"min is larger than max: {high}")
        expect(high.nano <= most.nano, "max", high, f"max is larger than capacity value: {most}")
        expect(default.nano <= high.nano, "default", default, f"default is more than max: {high}")
    if span.get("step") is None:
        return errors
    step = parse_quantity(span["step"])
    return errors + _step_errors(step, low, [default, *([high] if high else [])], most, path.child("step"))


def _step_errors(
    step: Quantity, low: Quantity, reached: list[Quantity], most: Quantity, path: Path
) -> list[FieldError]:
    if step.nano <= 0:
        return [field.invalid(path, str(step), "must be greater than zero")]
    errors: list[FieldError] = []
    first = Quantity(low.nano + step.nano, low.form)
    if first.nano > most.nano:
        text = f"one step {first} is larger than capacity value: {most}"
        errors.append(field.invalid(path, str(step), text))
    for value in reached:
        if (_units(value) - _units(low)) % _units(step):
            text = f"value is not a multiple of a given step ({step}) from ({low})"
            errors.append(field.invalid(path, str(value), text))
    return errors


def _units(quantity: Quantity) -> int:
    """Return the amount in whole units, rounded up."""
    return -(-quantity.nano // NANO)
