"""Devices that are parts of one, and devices of which several claims have a share."""

from typing import Any

import pytest

from tests.unit.scheduler.devices.build import (
    claim,
    consumes,
    counters,
    device,
    exactly,
    is_,
    names,
    slice_,
)

CANNOT = "cannot allocate all claims"
ADMIN: Any = {"adminAccess": True}


def taken(*devices: str) -> Any:
    return claim("other", exactly(), given=[("r", "n1", name) for name in devices], uses=["u"])


# One GPU of 80 GiB that can be used as a whole, in halves or in quarters.
PARTS = [
    slice_(
        "counters",
        node="n1",
        count=2,
        sharedCounters=[{"name": "gpu-0", "counters": counters(memory="80Gi")}],
    ),
    slice_(
        "devices",
        device("whole", attributes={"share": 1}, consumesCounters=consumes(memory="80Gi")),
        *(
            device(f"half-{n}", attributes={"share": 2}, consumesCounters=consumes(memory="40Gi"))
            for n in range(2)
        ),
        *(
            device(f"quarter-{n}", attributes={"share": 4}, consumesCounters=consumes(memory="20Gi"))
            for n in range(4)
        ),
        node="n1",
        count=2,
    ),
]


def part(name: str, share: int, count: int = 1, **more: Any) -> Any:
    return exactly(name, count, selectors=is_(share=share), **more)


@pytest.mark.parametrize(
    ("held", "requests", "expected"),
    [
        pytest.param([], [part("h", 2, 2)], ["h: n1/half-0", "h: n1/half-1"], id="two-halves"),
        pytest.param([], [part("w", 1), part("q", 4)], CANNOT, id="more-than-the-whole"),
        pytest.param(
            [],
            [part("h", 2), part("q", 4, 2)],
            ["h: n1/half-0", "q: n1/quarter-0", "q: n1/quarter-1"],
            id="mixed",
        ),
        pytest.param([], [part("h", 2), part("q", 4, 3)], CANNOT, id="one-quarter-too-many"),
        pytest.param(["whole"], [part("q", 4)], CANNOT, id="the-whole-is-taken"),
        pytest.param(["half-0"], [part("w", 1)], CANNOT, id="not-whole-any-more"),
        pytest.param(["half-0"], [part("h", 2)], ["h: n1/half-1"], id="the-other-half"),
        pytest.param(["half-1"], [exactly()], ["r: n1/half-0"], id="the-first-that-is-small-enough"),
        pytest.param(
            ["whole"], [part("w", 1, **ADMIN)], ["w: n1/whole"], id="administrators-consume-nothing"
        ),
    ],
)
def test_partitions_of_a_device(held, requests, expected):
    given = [*PARTS, taken(*held)] if held else PARTS
    assert names(given, claim("c", *requests)) == expected


def test_a_refused_device_consumes_nothing():
    """The whole is refused for its taint; that must not use up what the halves need."""
    tainted = slice_(
        "devices",
        device(
            "whole", consumesCounters=consumes(memory="80Gi"), taints=[{"key": "k", "effect": "NoSchedule"}]
        ),
        device("half", consumesCounters=consumes(memory="40Gi")),
        node="n1",
        count=2,
    )
    assert names([PARTS[0], tainted], claim("c", exactly())) == ["r: n1/half"]


SHARED: Any = {"allowMultipleAllocations": True}
NIC = slice_("s", device("nic", capacity={"bandwidth": "10G"}, **SHARED), node="n1")


def wants(amount: str, name: str = "r", **more: Any) -> Any:
    return exactly(name, capacity={"requests": {"bandwidth": amount}}, **more)


def shares(*amounts: str, name: str = "nic") -> Any:
    made = claim("other", exactly(), given=[("r", "n1", name)] * len(amounts), uses=["u"])
    for number, (each, amount) in enumerate(
        zip(made["status"]["allocation"]["devices"]["results"], amounts, strict=True)
    ):
        each |= {"shareID": f"s{number}", "consumedCapacity": {"bandwidth": amount}}
    return made


@pytest.mark.parametrize(
    ("held", "claims", "expected"),
    [
        pytest.param(
            [], [claim("c", wants("4G")), claim("d", wants("6G"))], ["r: n1/nic"] * 2, id="two-shares"
        ),
        pytest.param([], [claim("c", wants("4G")), claim("d", wants("7G"))], CANNOT, id="more-than-there-is"),
        pytest.param(
            [], [claim("c", wants("4G", "a"), wants("4G", "b"))], ["a: n1/nic", "b: n1/nic"], id="one-claim"
        ),
        pytest.param([], [claim("c", exactly(count=2))], CANNOT, id="one-request-gets-a-device-once"),
        pytest.param(
            [], [claim("c", exactly()), claim("d", wants("1G"))], CANNOT, id="nothing-said-is-everything"
        ),
        pytest.param(["3G", "3G"], [claim("c", wants("4G"))], ["r: n1/nic"], id="what-is-left"),
        pytest.param(["3G", "3G"], [claim("c", wants("5G"))], CANNOT, id="more-than-is-left"),
        pytest.param(
            [], [claim("c", exactly(capacity={"requests": {"speed": "1"}}))], CANNOT, id="unknown-capacity"
        ),
    ],
)
def test_shares_of_capacity(held, claims, expected):
    given = [NIC, shares(*held)] if held else [NIC]
    assert names(given, *claims) == expected


def test_a_whole_device_must_have_the_capacity():
    sized = slice_(
        "s", device("a", capacity={"bandwidth": "1G"}), device("b", capacity={"bandwidth": "9G"}), node="n1"
    )
    assert names([sized], claim("c", wants("5G"))) == ["r: n1/b"]


def test_shares_of_a_partition_consume_its_counters_once():
    half: Any = {"consumesCounters": consumes(memory="40Gi"), **SHARED, "capacity": {"cores": "16"}}
    given = [PARTS[0], slice_("devices", device("a", **half), device("b", **half), node="n1", count=2)]
    cores: Any = {"capacity": {"requests": {"cores": "2"}}}
    four = [claim(f"c{n}", exactly("x", **cores), exactly("y", **cores)) for n in range(2)]
    both = claim("w", exactly(count=2, **cores))
    assert names(given, *four, both) == [*["x: n1/a", "y: n1/a"] * 2, "r: n1/a", "r: n1/b"]
    assert names([*given, shares("2", "2", name="a")], both) == ["r: n1/a", "r: n1/b"]
