"""How much of a capacity a request consumes."""

from typing import Any

import pytest

from api.quantity import format_quantity, parse_quantity
from scheduler.devices.capacity import consumption, new_capacity

VALUES: Any = {"default": "2Gi", "validValues": ["1Gi", "2Gi", "4Gi"]}
RANGE: Any = {"default": "2Gi", "validRange": {"min": "1Gi"}}
STEPS: Any = {"default": "1", "validRange": {"min": "1", "max": "10", "step": "3"}}


@pytest.mark.parametrize(
    ("policy", "requested", "expected"),
    [
        pytest.param(None, None, "8Gi", id="everything"),
        pytest.param(None, "3Gi", "3Gi", id="as-requested"),
        pytest.param(None, "9Gi", None, id="too-much"),
        pytest.param({"default": "1Gi"}, None, "1Gi", id="default"),
        pytest.param({"default": "1Gi"}, "3Gi", "3Gi", id="any-amount"),
        pytest.param(VALUES, None, "2Gi", id="default-of-values"),
        pytest.param(VALUES, "1Gi", "1Gi", id="a-value"),
        pytest.param(VALUES, "3Gi", "4Gi", id="the-next-value"),
        pytest.param(VALUES, "5Gi", None, id="more-than-all-values"),
        pytest.param(RANGE, "512Mi", "1Gi", id="at-least"),
        pytest.param(RANGE, "3Gi", "3Gi", id="within"),
        pytest.param(STEPS, "1", "1", id="the-first-step"),
        pytest.param(STEPS, "2", "4", id="the-next-step"),
        pytest.param(STEPS, "1500m", "4", id="part-of-a-step"),
        pytest.param(STEPS, "10", "10", id="the-last-step"),
        pytest.param(STEPS, "11", None, id="past-the-last-step"),
        pytest.param({"default": "5", "validRange": {"min": "1", "step": "3"}}, None, "5", id="odd-default"),
        pytest.param(
            {"default": "1", "validRange": {"min": "1", "max": "3"}}, "4", None, id="above-the-range"
        ),
    ],
)
def test_what_is_consumed(policy, requested, expected):
    capacity = {"value": "8Gi", **({"requestPolicy": policy} if policy else {})}
    requests = {"memory": parse_quantity(requested)} if requested else {}
    found = consumption(requests, {"memory": new_capacity(capacity)}, {})
    assert (found and format_quantity(found["memory"])) == expected


def test_what_is_taken_counts():
    capacities = {"memory": new_capacity({"value": "4"}), "cores": new_capacity({"value": "2"})}
    requests = {"memory": parse_quantity("3"), "cores": parse_quantity("1")}
    assert consumption(requests, capacities, {"memory": 10**9}) is not None
    assert consumption(requests, capacities, {"memory": 10**9 + 1}) is None
    assert consumption({"speed": parse_quantity("1")}, capacities, {}) is None
