"""How much of a device's capacities a request consumes. Amounts are billionths (`nano`).

    nothing requested      the policy's default, or all there is
    requested, no policy   what is requested
    requested, a policy    the least allowed amount that is enough

Called by the search. Source: dynamic-resource-allocation/structured/internal/incubating
consumable_capacity.go (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.quantity import BINARY, NANO, Quantity, parse_quantity


@dataclass(frozen=True)
class Policy:
    """The amounts that requests may consume: some (`values`, ascending), or a range in steps."""

    default: Quantity | None
    values: tuple[Quantity, ...] = ()
    is_range: bool = False
    low: Quantity | None = None
    high: Quantity | None = None
    step: Quantity | None = None


@dataclass(frozen=True)
class Capacity:
    total: Quantity
    policy: Policy | None = None


def new_capacity(capacity: Mapping[str, Any]) -> Capacity:
    """Return a `DeviceCapacity`, compiled."""
    policy = capacity.get("requestPolicy")
    total = parse_quantity(capacity.get("value", "0"))
    if policy is None:
        return Capacity(total)
    span = policy.get("validRange")
    made = Policy(
        _amount(policy, "default"),
        tuple(map(parse_quantity, policy.get("validValues") or ())),
        span is not None,
        _amount(span or {}, "min"),
        _amount(span or {}, "max"),
        _amount(span or {}, "step"),
    )
    return Capacity(total, made)


def _amount(holder: Mapping[str, Any], name: str) -> Quantity | None:
    return parse_quantity(holder[name]) if holder.get(name) is not None else None


def consumption(
    requests: Mapping[str, Quantity], capacities: Mapping[str, Capacity], taken: Mapping[str, int]
) -> dict[str, Quantity] | None:
    """Return what a request consumes of each capacity, None if the device cannot give that: it lacks a
    capacity, its policy forbids the amount, or too much is taken already (`taken`, in billionths).
    """
    if any(name not in capacities for name in requests):
        return None
    found: dict[str, Quantity] = {}
    for name, capacity in capacities.items():
        amount = _consumed(requests.get(name), capacity)
        if capacity.policy is not None and not _is_allowed(amount, capacity.policy):
            return None
        if taken.get(name, 0) + amount.nano > capacity.total.nano:
            return None
        found[name] = amount
    return found


def _consumed(requested: Quantity | None, capacity: Capacity) -> Quantity:
    policy = capacity.policy
    if requested is None:
        return capacity.total if policy is None or policy.default is None else policy.default
    if policy is None:
        return requested
    if policy.low is not None:
        return _rounded(requested, policy.low, policy.step)
    return next((value for value in policy.values if requested.nano <= value.nano), requested)


def _rounded(requested: Quantity, low: Quantity, step: Quantity | None) -> Quantity:
    if requested.nano < low.nano:
        return low
    if step is None:
        return requested
    steps = -(-(_units(requested) - _units(low)) // _units(step))
    return Quantity((_units(low) + _units(step) * steps) * NANO, BINARY)


def _is_allowed(amount: Quantity, policy: Policy) -> bool:
    if policy.default is not None and amount.nano == policy.default.nano:
        return True
    if policy.is_range:
        if policy.high is not None and amount.nano > policy.high.nano:
            return False
        low = _units(policy.low) if policy.low is not None else 0
        return policy.step is None or (_units(amount) - low) % _units(policy.step) == 0
    return not policy.values or any(amount.nano == value.nano for value in policy.values)


def _units(quantity: Quantity) -> int:
    """Return the amount in whole units, rounded up."""
    return -(-quantity.nano // NANO)
