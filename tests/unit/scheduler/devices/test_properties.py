"""What is found is right, and what can be found is found: against a reference that tries everything."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.devices.search import Found
from tests.unit.scheduler.devices.build import (
    CLASS,
    DRIVER,
    claim,
    class_,
    consumes,
    counters,
    device,
    first,
    outcome,
    slice_,
    wish,
)
from tests.unit.scheduler.reference_devices import Seen, Use, existing, is_valid, solutions

NODE: Any = {"metadata": {"name": "n1", "labels": {"zone": "a"}}}
PLACES: list[Any] = [{"node": "n1"}, {"node": "n1"}, {"allNodes": True}, {"allNodes": True}, {"node": "n2"}]
TAINT = {"key": "k", "effect": "NoSchedule"}
ATTRIBUTES = st.fixed_dictionaries({"x": st.integers(0, 1)}, optional={"y": st.sampled_from(["u", "v"])})


@st.composite
def devices(draw: Any, name: str) -> Any:
    made: dict[str, Any] = {"attributes": draw(ATTRIBUTES)}
    match draw(st.sampled_from(["plain", "plain", "tainted", "part", "part", "shared", "shared-part"])):
        case "tainted":
            made["taints"] = [TAINT]
        case "part":
            made["consumesCounters"] = consumes("set", size=str(draw(st.integers(1, 3))))
        case "shared":
            made |= {"allowMultipleAllocations": True, "capacity": {"size": "4"}}
        case "shared-part":
            made |= {"allowMultipleAllocations": True, "capacity": {"size": "4"}}
            made["consumesCounters"] = consumes("set", size="2")
    return device(name, **made)


@st.composite
def pools(draw: Any) -> list[Any]:
    """Return slices of a few pools: local ones, one of all nodes, one that is not whole."""
    slices = []
    for number in range(draw(st.integers(1, 2))):
        pool, place = (
            f"p{number}",
            draw(st.sampled_from(PLACES)),
        )
        listed = [draw(devices(f"d{n}")) for n in range(draw(st.integers(2, 4)))]
        count = draw(st.sampled_from([2] * 7 + [3]))
        sets = [{"name": "set", "counters": counters(size="4")}]
        slices.append(slice_(f"{pool}-c", pool=pool, count=count, sharedCounters=sets, **place))
        slices.append(slice_(f"{pool}-d", *listed, pool=pool, count=count, **place))
    return slices


@st.composite
def wishes(draw: Any, alternative: bool = False) -> Any:
    more: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        more["selectors"] = [{"cel": {"expression": _guarded(draw(st.integers(0, 1)))}}]
    if draw(st.integers(0, 3)) == 0:
        more["tolerations"] = [{"key": "k", "operator": "Exists"}]
    if draw(st.integers(0, 3)) == 0:
        more["capacity"] = {"requests": {"size": str(draw(st.integers(1, 3)))}}
    if not alternative and draw(st.integers(0, 5)) == 0:
        more["adminAccess"] = True
    if draw(st.integers(0, 5)) == 0:
        return wish(all_=True, **more)
    return wish(draw(st.integers(1, 2)), **more)


def _guarded(value: int) -> str:
    return f'device.attributes["{DRIVER}"].?x.orValue(-1) == {value}'


@st.composite
def claims(draw: Any, name: str) -> Any:
    requests = [
        first(f"r{n}", a=draw(wishes(True)), b=draw(wishes(True)))
        if draw(st.integers(0, 2)) == 0
        else {"name": f"r{n}", "exactly": draw(wishes())}
        for n in range(draw(st.integers(1, 2)))
    ]
    constraints = draw(
        st.lists(
            st.builds(
                lambda kind, attribute, names: {
                    f"{kind}Attribute": f"{DRIVER}/{attribute}",
                    "requests": names,
                },
                st.sampled_from(["match", "distinct"]),
                st.sampled_from(["x", "y"]),
                st.sampled_from([[], ["r0"], ["r0/a"]]),
            ),
            max_size=2,
        )
    )
    return claim(name, *requests, constraints=constraints)


@st.composite
def held(draw: Any, slices: list[Any]) -> list[Any]:
    """Return a claim that has some of the devices, or shares of them."""
    made = claim("held", uses=["u"])
    results = []
    for each in slices:
        for one in each["spec"].get("devices", ()):
            if draw(st.integers(0, 4)):
                continue
            found = {
                "request": "r",
                "driver": DRIVER,
                "pool": each["spec"]["pool"]["name"],
                "device": one["name"],
            }
            if one.get("allowMultipleAllocations"):
                found |= {"shareID": "s", "consumedCapacity": {"size": str(draw(st.integers(1, 4)))}}
            results.append(found)
    made["status"]["allocation"] = {"devices": {"results": results}}
    return [made]


def as_uses(found: Found, specs: list[Any]) -> list[Use]:
    """Return a solution as the reference writes it."""
    seen: dict[Any, Seen] = {}
    uses = []
    for number, given_to in enumerate(found.given):
        raw = {name: each for request in specs[number]["devices"]["requests"] for name, each in _raw(request)}
        for each in given_to:
            spec = {**each.device.kind.spec, "name": each.device.id.name}
            one = seen.setdefault(each.device.id, Seen(each.device.id.driver, each.device.id.pool, spec))
            uses.append((number, each.wish.full_name, raw[each.wish.full_name], one))
    return uses


def _raw(request: Any) -> list[tuple[str, Any]]:
    if listed := request.get("firstAvailable"):
        return [(f"{request['name']}/{each['name']}", each) for each in listed]
    return [(request["name"], request["exactly"])]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_search_finds_what_there_is_and_nothing_else(data):
    slices = data.draw(pools())
    others = data.draw(held(slices))
    wanted = [data.draw(claims(f"c{n}")) for n in range(data.draw(st.integers(1, 2)))]
    specs, taken = [each["spec"] for each in wanted], list(existing(others))
    found, _ = outcome([*slices, *others], *wanted)
    expected = next(solutions(specs, NODE, slices, {CLASS: class_()}, taken), None)
    assert isinstance(found, Found) == (expected is not None), (found, expected)
    if isinstance(found, Found):
        uses = as_uses(found, specs)
        assert is_valid(uses, specs, slices, taken)
        for spec, number in zip(specs, range(len(specs)), strict=True):
            assert {name.split("/")[0] for n, name, _, _ in uses if n == number} == {
                request["name"] for request in spec["devices"]["requests"]
            }
