"""What is known of one node holds for all that are alike: the plugin against a search on every node."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.types.resource_v1 import RESOURCECLAIMS, RESOURCESLICES
from scheduler.devices import verdicts
from scheduler.devices.needs import Compiler
from scheduler.devices.situations import Situations
from scheduler.plugins.dynamic_resources import DynamicResources
from tests.unit.scheduler.build import World, node, pod
from tests.unit.scheduler.devices.build import (
    DRIVER,
    claim,
    class_,
    device,
    exactly,
    first,
    is_,
    resource_of,
    slice_,
    wish,
)
from tests.unit.scheduler.reference_devices import feasible_nodes

PLUGIN = DynamicResources()
NAMES = [f"n{number}" for number in range(6)]
RACK: Any = {
    "nodeSelectorTerms": [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["a"]}]}]
}
USER = pod("p", resourceClaims=[{"name": "x", "resourceClaimName": "wanted"}])


def world(objects: list[Any], nodes: list[Any]) -> World:
    made = World(nodes)
    for obj in objects:
        made.objects.changed(resource_of(obj), None, obj)
    return made


def racked(name: str, rack: str) -> Any:
    return node(name, {"rack": rack})


def feasible(here: World) -> set[str]:
    return set(here.snapshot.index) - set(here.refused(PLUGIN, USER))


def searches(here: World, monkeypatch: Any) -> int:
    """Return how many searches a look at all nodes takes."""
    count = 0
    real = verdicts.search  # type: ignore[attr-defined]

    def counted(*args: Any) -> Any:
        nonlocal count
        count += 1
        return real(*args)

    monkeypatch.setattr(verdicts, "search", counted)
    feasible(here)
    monkeypatch.setattr(verdicts, "search", real)
    return count


def test_nodes_that_are_alike_are_searched_once(monkeypatch):
    names = [f"m{number:03}" for number in range(200)]
    slices = [slice_(f"s-{name}", device("a"), device("b"), node=name) for name in names[:100]]
    here = world([class_(), claim("wanted", exactly()), *slices], [node(name) for name in names])
    assert searches(here, monkeypatch) == 2
    assert searches(here, monkeypatch) == 0
    here.objects.changed(RESOURCECLAIMS, None, claim("c", exactly(), given=[("r", "m000", "a")]))
    assert searches(here, monkeypatch) == 1
    here.objects.changed(RESOURCECLAIMS, None, claim("d", exactly(), given=[("r", "m001", "a")]))
    assert searches(here, monkeypatch) == 0
    here.objects.changed(RESOURCECLAIMS, None, claim("wanted", exactly(count=2)))
    assert searches(here, monkeypatch) == 3


def test_a_device_of_a_shared_pool_is_looked_at_again(monkeypatch):
    shared = slice_("net", device("a"), allNodes=True)
    here = world([class_(), claim("wanted", exactly()), shared], [node(name) for name in NAMES])
    assert searches(here, monkeypatch) == 1
    here.objects.changed(RESOURCECLAIMS, None, claim("c", exactly(), given=[("r", "pool", "a")]))
    assert searches(here, monkeypatch) == 1
    assert feasible(here) == set()


def test_few_sets_of_claims_are_remembered(monkeypatch):
    monkeypatch.setattr(verdicts.Judge, "LIMIT", 1)
    monkeypatch.setattr(Compiler, "LIMIT", 1)
    here = world([class_(), slice_("s", device("a"), node="n0")], [node(name) for name in NAMES])
    for count, expected in ((1, {"n0"}), (2, set()), (1, {"n0"})):
        here.objects.changed(RESOURCECLAIMS, None, claim("wanted", exactly(count=count)))
        assert searches(here, monkeypatch) == 2
        assert feasible(here) == expected


def test_a_fault_is_of_the_nodes_that_have_it():
    odd = slice_("s", device("a", attributes={"y": 1}), node="n0")
    fine = slice_("t", device("a", attributes={"x": 1}), node="n1")
    strict = claim("wanted", exactly(selectors=is_(x=1)))
    here = world([class_(), odd, fine, strict], [node(name) for name in NAMES])
    cycle = here.cycle(USER)
    (reject,) = PLUGIN.filter(cycle)
    assert reject.of_pod
    cycle.left = here.snapshot.alive.copy()
    cycle.left[here.snapshot.index["n0"]] = False
    assert here.names(PLUGIN.filter(cycle)[0].nodes) == set(NAMES) - {"n0", "n1"}


def test_situations_begin_anew_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(Situations, "LIMIT", 3)
    slices = [
        slice_(f"s-{name}", device("a", attributes={"n": n}), node=name) for n, name in enumerate(NAMES)
    ]
    here = world([class_(), claim("wanted", exactly()), *slices], [node(name) for name in NAMES])
    assert feasible(here) == set(NAMES)
    here.objects.changed(RESOURCECLAIMS, None, claim("c", exactly(), given=[("r", "n3", "a")]))
    assert feasible(here) == set(NAMES) - {"n3"}


@st.composite
def slices(draw: Any, number: int) -> Any:
    """Return a slice: of a node's own pool, of one of several nodes, or of a rack."""
    devices = [
        device(f"d{n}", attributes={"x": draw(st.integers(0, 1))}) for n in range(draw(st.integers(1, 3)))
    ]
    match draw(st.sampled_from(["local", "local", "local", "pool", "rack", "each"])):
        case "local":
            return slice_(f"s{number}", *devices, node=draw(st.sampled_from(NAMES)), pool=f"p{number}")
        case "pool":
            count = draw(st.integers(1, 2))
            return slice_(
                f"s{number}", *devices, node=draw(st.sampled_from(NAMES)), pool="several", count=count
            )
        case "rack":
            return slice_(f"s{number}", *devices, nodeSelector=RACK, pool=f"p{number}")
    places = [{"nodeName": draw(st.sampled_from(NAMES))}, {"nodeSelector": RACK}, {"allNodes": True}]
    each = [{**one, **draw(st.sampled_from(places))} for one in devices]
    return slice_(f"s{number}", *each, perDeviceNodeSelection=True, pool=f"p{number}")


def guarded(value: int) -> Any:
    return [{"cel": {"expression": f'device.attributes["{DRIVER}"].?x.orValue(-1) == {value}'}}]


WANTED = st.sampled_from(
    [
        claim("wanted", exactly()),
        claim("wanted", exactly(count=2)),
        claim("wanted", exactly("a", selectors=guarded(0)), exactly("b", selectors=guarded(1))),
        claim("wanted", first("r", two=wish(3), one=wish(selectors=guarded(1)))),
        claim("wanted", exactly(count=2), constraints=[{"matchAttribute": f"{DRIVER}/x"}]),
        claim("wanted", exactly(all_=True)),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_events_in_any_order_give_what_all_objects_give(data):
    """After each of some random events the feasible nodes are those of the plain reference."""
    nodes = {name: racked(name, data.draw(st.sampled_from("ab"))) for name in NAMES}
    here = world([class_()], list(nodes.values()))
    known: dict[str, Any] = {}
    for step in range(data.draw(st.integers(1, 8))):
        match data.draw(
            st.sampled_from(["slice", "slice", "unslice", "hold", "free", "want", "move", "leave"])
        ):
            case "slice":
                obj = data.draw(slices(data.draw(st.integers(0, 4))))
            case "unslice" | "free" as what:
                kind = RESOURCESLICES if what == "unslice" else RESOURCECLAIMS
                names = [n for n, each in known.items() if resource_of(each) is kind and n != "wanted"]
                if names:
                    gone = known.pop(data.draw(st.sampled_from(names)))
                    here.objects.changed(kind, gone, None)
                continue
            case "hold":
                places = [
                    (s["spec"]["pool"]["name"], d["name"])
                    for s in known.values()
                    if resource_of(s) is RESOURCESLICES
                    for d in s["spec"]["devices"]
                ]
                if not places:
                    continue
                obj = claim(f"c{step}", exactly(), given=[("r", *data.draw(st.sampled_from(places)))])
            case "want":
                obj = data.draw(WANTED)
            case "move":
                name = data.draw(st.sampled_from(NAMES))
                nodes[name] = racked(name, data.draw(st.sampled_from("ab")))
                here.snapshot.set_node(nodes[name])
                continue
            case _:
                name = data.draw(st.sampled_from(NAMES))
                nodes.pop(name, None)
                here.snapshot.remove_node(name)
                continue
        here.objects.changed(resource_of(obj), known.get(obj["metadata"]["name"]), obj)
        known[obj["metadata"]["name"]] = obj
        of = {
            kind: [each for each in known.values() if resource_of(each) is kind]
            for kind in (RESOURCESLICES, RESOURCECLAIMS)
        }
        expected = feasible_nodes(USER, nodes.values(), of[RESOURCESLICES], [class_()], of[RESOURCECLAIMS])
        assert feasible(here) == expected
