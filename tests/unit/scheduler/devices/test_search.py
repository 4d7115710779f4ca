"""Which devices claims get: first fit, in order, with everything that can stand against it."""

from typing import Any

import pytest

from scheduler.devices.matcher import Fault
from tests.unit.scheduler.devices.build import (
    DRIVER,
    cel,
    claim,
    class_,
    device,
    exactly,
    first,
    is_,
    names,
    outcome,
    slice_,
    wish,
)

CANNOT = "cannot allocate all claims"
TWO = [slice_("s", device("a"), device("b"), node="n1")]
BIG, SMALL = device("big", attributes={"size": "big"}), device("small", attributes={"size": "small"})
SIZES = [slice_("s", BIG, SMALL, node="n1")]


def taken(*devices: str, pool: str = "n1") -> Any:
    return claim("other", exactly(), given=[("r", pool, name) for name in devices], uses=["u"])


@pytest.mark.parametrize(
    ("given", "claims", "expected"),
    [
        pytest.param(TWO, [claim("c", exactly())], ["r: n1/a"], id="the-first-device"),
        pytest.param(TWO, [claim("c", exactly(count=2))], ["r: n1/a", "r: n1/b"], id="two-devices"),
        pytest.param(TWO, [claim("c", exactly(count=3))], CANNOT, id="more-than-there-are"),
        pytest.param([], [claim("c", exactly())], CANNOT, id="no-devices"),
        pytest.param([*TWO, taken("a")], [claim("c", exactly())], ["r: n1/b"], id="one-is-taken"),
        pytest.param([*TWO, taken("a", "b")], [claim("c", exactly())], CANNOT, id="all-are-taken"),
        pytest.param(
            TWO, [claim("c", exactly()), claim("d", exactly())], ["r: n1/a", "r: n1/b"], id="two-claims"
        ),
        pytest.param(
            TWO, [claim("c", exactly(count=2)), claim("d", exactly())], CANNOT, id="two-claims-want-too-much"
        ),
        pytest.param(TWO, [claim("c")], [], id="nothing-is-wanted"),
        pytest.param(
            SIZES, [claim("c", exactly(selectors=is_(size="small")))], ["r: n1/small"], id="selector"
        ),
        pytest.param(
            SIZES,
            [claim("c", exactly("any"), exactly("big", selectors=is_(size="big")))],
            ["any: n1/small", "big: n1/big"],
            id="an-earlier-request-steps-back",
        ),
        pytest.param(
            SIZES,
            [claim("c", exactly()), claim("d", exactly(selectors=is_(size="big")))],
            ["r: n1/small", "r: n1/big"],
            id="an-earlier-claim-steps-back",
        ),
        pytest.param(
            [*SIZES, class_("small", f'device.attributes["{DRIVER}"].size == "small"')],
            [claim("c", exactly(of="small"))],
            ["r: n1/small"],
            id="selector-of-the-class",
        ),
        pytest.param(
            [
                class_("one", driver="one.example.com"),
                slice_("s", device("x"), node="n1"),
                slice_("t", device("y"), node="n1", driver="one.example.com"),
            ],
            [claim("c", exactly(of="one"))],
            ["r: n1/y"],
            id="driver-of-the-class",
        ),
    ],
)
def test_devices_are_taken_in_order(given, claims, expected):
    assert names(given, *claims) == expected


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        pytest.param(
            [slice_("z", device("a"), node="n1", pool="p2"), slice_("y", device("a"), node="n1", pool="p1")],
            exactly(count=2),
            ["r: p1/a", "r: p2/a"],
            id="pools-by-name",
        ),
        pytest.param(
            [slice_("z", device("a"), node="n1", count=2), slice_("y", device("b"), node="n1", count=2)],
            exactly(count=2),
            ["r: n1/b", "r: n1/a"],
            id="slices-by-name",
        ),
        pytest.param(
            [slice_("s", device("b"), device("a"), node="n1")],
            exactly(count=2),
            ["r: n1/b", "r: n1/a"],
            id="devices-as-listed",
        ),
        pytest.param(
            [
                slice_("z", device("x"), node="n1", driver="a.example.com"),
                slice_("y", device("x"), node="n1", driver="b.example.com", pool="a"),
                class_(CLASS_ALL := "all", "true"),
            ],
            exactly(of=CLASS_ALL, count=2),
            ["r: n1/x", "r: a/x"],
            id="drivers-before-pools",
        ),
        pytest.param(
            [
                slice_(
                    "y",
                    device("a", bindingConditions=["up"], bindingFailureConditions=["no"]),
                    node="n1",
                    pool="p1",
                ),
                slice_("z", device("a"), node="n1", pool="p2"),
            ],
            exactly(),
            ["r: p2/a"],
            id="those-to-wait-for-come-last",
        ),
    ],
)
def test_the_order_of_devices(given, wanted, expected):
    assert names(given, claim("c", wanted)) == expected


ALL = exactly(all_=True)


@pytest.mark.parametrize(
    ("given", "claims", "expected"),
    [
        pytest.param(TWO, [claim("c", ALL)], ["r: n1/a", "r: n1/b"], id="all"),
        pytest.param([], [claim("c", ALL)], CANNOT, id="all-of-none"),
        pytest.param([*TWO, taken("b")], [claim("c", ALL)], CANNOT, id="one-is-taken"),
        pytest.param(
            SIZES,
            [claim("c", exactly(all_=True, selectors=is_(size="big")))],
            ["r: n1/big"],
            id="all-that-match",
        ),
        pytest.param(
            [slice_("s", device("a"), node="n1", count=2)],
            [claim("c", ALL)],
            ", request r: asks for all devices, but resource pool gpu.example.com/n1 is currently being "
            "updated",
            id="some-are-not-known-yet",
        ),
        pytest.param(
            [slice_("s", device("a"), device("a"), node="n1")],
            [claim("c", ALL)],
            ", request r: asks for all devices, but resource pool gpu.example.com/n1 is currently invalid",
            id="a-pool-is-invalid",
        ),
        pytest.param(
            [slice_("s", *(device(f"d{n}") for n in range(33)), node="n1")],
            [claim("c", ALL)],
            ": number of requested devices 33 exceeds the claim limit of 32",
            id="more-than-a-claim-can-have",
        ),
        pytest.param(
            [slice_("s", device("a"), device("x", taints=[{"key": "k", "effect": "NoExecute"}]), node="n1")],
            [claim("c", ALL)],
            CANNOT,
            id="one-is-tainted",
        ),
    ],
)
def test_all_devices(given, claims, expected):
    assert names(given, *claims) == expected


BIG_ELSE_SMALL = first("r", big=wish(selectors=is_(size="big")), small=wish(selectors=is_(size="small")))
MANY = slice_("s", *(device(f"d{n:02}", attributes={"size": "small"}) for n in range(40)), node="n1")


@pytest.mark.parametrize(
    ("given", "claims", "expected"),
    [
        pytest.param(SIZES, [claim("c", BIG_ELSE_SMALL)], ["r/big: n1/big"], id="the-first"),
        pytest.param(
            [*SIZES, taken("big")], [claim("c", BIG_ELSE_SMALL)], ["r/small: n1/small"], id="the-second"
        ),
        pytest.param([*SIZES, taken("big", "small")], [claim("c", BIG_ELSE_SMALL)], CANNOT, id="none"),
        pytest.param(
            SIZES,
            [claim("c", BIG_ELSE_SMALL, exactly("s", selectors=is_(size="big")))],
            ["r/small: n1/small", "s: n1/big"],
            id="the-second-for-the-sake-of-the-next",
        ),
        pytest.param(
            SIZES,
            [claim("c", BIG_ELSE_SMALL), claim("d", exactly("s", selectors=is_(size="big")))],
            ["r/small: n1/small", "s: n1/big"],
            id="the-second-for-the-sake-of-the-next-claim",
        ),
        pytest.param(
            SIZES,
            [claim("c", first("r", two=wish(2, selectors=is_(size="big")), one=wish()))],
            ["r/one: n1/big"],
            id="fewer-devices",
        ),
        pytest.param(
            [MANY],
            [claim("c", exactly("x", 30), first("r", many=wish(5), few=wish(2)))],
            [*(f"x: n1/d{n:02}" for n in range(30)), "r/few: n1/d30", "r/few: n1/d31"],
            id="fewer-devices-so-that-the-claim-can-have-them",
        ),
        pytest.param(
            [MANY],
            [claim("c", exactly("x", 30), exactly("y", 3))],
            ": number of requested devices 33 exceeds the claim limit of 32",
            id="too-many-in-any-case",
        ),
        pytest.param(
            [MANY],
            [claim("c", first("r", many=wish(30), few=wish(31)), first("s", m=wish(5), n=wish(3)))],
            ": number of requested devices 33 exceeds the claim limit of 32",
            id="too-many-with-every-alternative",
        ),
        pytest.param(
            [MANY],
            [claim("c", first("r", many=wish(31), few=wish(1)), first("s", m=wish(31), n=wish(5)))],
            ["r/few: n1/d00", *(f"s/m: n1/d{n:02}" for n in range(1, 32))],
            id="another-alternative-leaves-room",
        ),
        pytest.param(
            [slice_("s", device("a"), node="n1", count=2), slice_("t", device("b"), node="n1", pool="whole")],
            [claim("c", first("r", all=wish(all_=True), one=wish()))],
            ["r/one: whole/b"],
            id="all-cannot-be-told-but-one-can",
        ),
    ],
)
def test_the_first_alternative_that_can_be_had(given, claims, expected):
    assert names(given, *claims) == expected


NUMA = slice_(
    "s",
    device("a", attributes={"numa": 0, "kind": "gpu", "root": "x"}),
    device("b", attributes={"numa": 1, "kind": "gpu", "root": "y"}),
    device("c", attributes={"numa": 1, "kind": "nic", "root": "x"}),
    device("d", attributes={"kind": "nic"}),
    node="n1",
)
GPU_AND_NIC = (exactly("gpu", selectors=is_(kind="gpu")), exactly("nic", selectors=is_(kind="nic")))


def constraint(kind: str, attribute: str, *requests: str) -> Any:
    return {f"{kind}Attribute": f"{DRIVER}/{attribute}", **({"requests": list(requests)} if requests else {})}


@pytest.mark.parametrize(
    ("requests", "constraints", "expected"),
    [
        pytest.param(GPU_AND_NIC, [constraint("match", "numa")], ["gpu: n1/b", "nic: n1/c"], id="the-same"),
        pytest.param(GPU_AND_NIC, [constraint("distinct", "numa")], ["gpu: n1/a", "nic: n1/c"], id="others"),
        pytest.param(
            GPU_AND_NIC, [constraint("match", "numa", "gpu")], ["gpu: n1/a", "nic: n1/c"], id="of-one-request"
        ),
        pytest.param(
            GPU_AND_NIC, [constraint("match", "numa"), constraint("match", "root")], CANNOT, id="both-at-once"
        ),
        pytest.param(
            GPU_AND_NIC,
            [constraint("match", "root"), constraint("distinct", "numa")],
            ["gpu: n1/a", "nic: n1/c"],
            id="one-of-each",
        ),
        pytest.param(
            [exactly("r", 3)], [constraint("match", "numa")], CANNOT, id="three-alike-are-not-there"
        ),
        pytest.param(
            [exactly("r", 2)], [constraint("match", "numa")], ["r: n1/b", "r: n1/c"], id="two-alike"
        ),
        pytest.param(
            [exactly("r", 3)], [constraint("distinct", "numa")], CANNOT, id="three-unlike-are-not-there"
        ),
        pytest.param([exactly("r")], [constraint("match", "nothing")], CANNOT, id="nobody-has-it"),
        pytest.param(
            [exactly("r", all_=True)], [constraint("match", "numa")], CANNOT, id="all-are-not-alike"
        ),
        pytest.param(
            [first("r", four=wish(4), two=wish(2, selectors=is_(kind="gpu")))],
            [constraint("distinct", "numa", "r")],
            ["r/two: n1/a", "r/two: n1/b"],
            id="of-a-request-with-alternatives",
        ),
        pytest.param(
            [first("r", x=wish(2)), exactly("s")],
            [constraint("match", "numa", "r/x")],
            ["r/x: n1/b", "r/x: n1/c", "s: n1/a"],
            id="of-an-alternative",
        ),
        pytest.param(
            [first("r", x=wish(2)), exactly("s")],
            [constraint("match", "numa", "r/y")],
            ["r/x: n1/a", "r/x: n1/b", "s: n1/c"],
            id="of-an-alternative-that-was-not-chosen",
        ),
    ],
)
def test_constraints(requests, constraints, expected):
    assert names([NUMA], claim("c", *requests, constraints=constraints)) == expected


def test_values_of_other_types_are_others():
    mixed = slice_("s", device("a", attributes={"v": 1}), device("b", attributes={"v": True}), node="n1")
    both = claim("c", exactly(count=2), constraints=[constraint("match", "v")])
    assert names([mixed], both) == CANNOT
    both = claim("c", exactly(count=2), constraints=[constraint("distinct", "v")])
    assert names([mixed], both) == ["r: n1/a", "r: n1/b"]


def test_lists_cannot_be_compared():
    several = slice_(
        "s", device("a", attributes={"v": {"strings": ["x"]}}), device("b", attributes={"v": 1}), node="n1"
    )
    alike = claim("c", exactly(), constraints=[constraint("match", "v")])
    assert names([several], alike) == ["r: n1/b"]


def test_the_name_with_the_drivers_domain_comes_first():
    both = {"numa": 0, f"{DRIVER}/numa": 1}
    mixed = slice_("s", device("a", attributes=both), device("b", attributes={"numa": 1}), node="n1")
    alike = claim("c", exactly(count=2), constraints=[constraint("match", "numa")])
    assert names([mixed], alike) == ["r: n1/a", "r: n1/b"]


@pytest.mark.parametrize(
    ("taint", "tolerations", "free"),
    [
        pytest.param({"effect": "NoSchedule"}, [], False, id="keeps-away"),
        pytest.param({"effect": "NoExecute"}, [], False, id="ends-pods"),
        pytest.param({"effect": "None"}, [], True, id="tells-only"),
        pytest.param({"effect": "NoSchedule"}, [{"key": "k", "operator": "Exists"}], True, id="tolerated"),
        pytest.param(
            {"effect": "NoSchedule"}, [{"key": "l", "operator": "Exists"}], False, id="another-is-tolerated"
        ),
    ],
)
def test_taints(taint, tolerations, free):
    tainted = slice_("s", device("a", taints=[{"key": "k", **taint}]), device("b"), node="n1")
    expected = ["r: n1/a"] if free else ["r: n1/b"]
    assert names([tainted], claim("c", exactly(tolerations=tolerations))) == expected


ADMIN: Any = {"adminAccess": True}


@pytest.mark.parametrize(
    ("given", "claims", "expected"),
    [
        pytest.param([*TWO, taken("a")], [claim("c", exactly(**ADMIN))], ["r: n1/a"], id="what-others-have"),
        pytest.param(
            [*TWO, taken("a")],
            [claim("c", exactly(all_=True, **ADMIN))],
            ["r: n1/a", "r: n1/b"],
            id="everything",
        ),
        pytest.param(
            TWO,
            [claim("c", exactly("x", **ADMIN), exactly("y", **ADMIN))],
            ["x: n1/a", "y: n1/b"],
            id="not-twice-in-one-claim",
        ),
        pytest.param(
            TWO,
            [claim("c", exactly(**ADMIN)), claim("d", exactly(**ADMIN))],
            ["r: n1/a", "r: n1/a"],
            id="twice-in-two-claims",
        ),
        pytest.param(
            TWO,
            [claim("c", exactly(**ADMIN)), claim("d", exactly())],
            ["r: n1/a", "r: n1/b"],
            id="a-user-in-the-same-pod-gets-another",
        ),
    ],
)
def test_administrators_see_what_others_have(given, claims, expected):
    assert names(given, *claims) == expected


def test_what_administrators_have_is_free_for_others():
    admin = claim("admin", exactly(**ADMIN), given=[("r", "n1", "a")])
    admin["status"]["allocation"]["devices"]["results"][0]["adminAccess"] = True
    assert names([*TWO, admin], claim("c", exactly())) == ["r: n1/a"]


def test_a_failing_selector_ends_the_search():
    with pytest.raises(Fault) as caught:
        outcome(SIZES, claim("c", exactly(selectors=is_(colour="red"))))
    assert caught.value.claim == 0
    assert caught.value.text.startswith(
        "selector #0 on device gpu.example.com/n1/big: CEL runtime error: no such key: colour."
    )


def test_a_failing_selector_of_a_class_names_it():
    odd = class_("odd", "true", "device.nothing")
    with pytest.raises(Fault) as caught:
        outcome([*SIZES, odd], claim("c", exactly(of="odd")))
    assert caught.value.claim is None
    assert caught.value.text.startswith(
        "class odd: selector #1: CEL compile error: compilation failed: ERROR:"
    )


def test_the_search_is_given_up():
    """Without a limit this would try all ways to place eleven of twelve devices with unlike halves."""
    devices = [device(f"d{n:02}", attributes={"v": n, "w": n % 2}) for n in range(30)]
    wanted = [exactly(f"r{n}", selectors=cel("true")) for n in range(12)]
    odd = [constraint("distinct", "v"), constraint("match", "w"), constraint("match", "x", "r11")]
    given = [slice_("s", *devices, node="n1")]
    assert names(given, claim("c", *wanted, constraints=odd)) == "timed out trying to allocate devices"
