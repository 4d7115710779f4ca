"""Endpoints and EndpointSlices: what is in them, and how few changes keep them right."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.resource import Key
from api.types.core_v1 import ENDPOINTS, NODES, PODS, SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from controllers.endpoints import abandoned_endpoints, endpoints
from controllers.endpointslice import endpointslice
from controllers.endpointslice_mirroring import endpointslice_mirroring
from controllers.framework.plan import Create, Delete, Update
from tests.sim.world import World

KEY = Key("default", "web")


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {
        "metadata": {"name": "web", "namespace": "default", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.9", **spec},
    }


def pod(number: int, ready: bool = True, **more: Any) -> dict[str, Any]:
    status = {
        "phase": "Running",
        "podIP": f"10.1.{number // 250}.{number % 250 + 1}",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    return {
        "metadata": {"name": f"p{number}", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": more.get("containers", [])},
        "status": status,
    }


def new_world(**spec: Any) -> World:
    world = World(endpointslice, endpoints, abandoned_endpoints)
    world.put(SERVICES, service(**spec))
    return world


def slices(world: World) -> list[dict[str, Any]]:
    return list(world.table(ENDPOINTSLICES).list())


def listed(world: World) -> list[str]:
    return sorted(a for each in slices(world) for e in each["endpoints"] for a in e["addresses"])


def test_without_pods_there_is_one_empty_slice_and_empty_endpoints() -> None:
    world = new_world()
    world.settle()
    (found,) = slices(world)
    assert (found["endpoints"], found["ports"]) == ([], [])
    assert found["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
    assert world.table(ENDPOINTS).objects[KEY]["subsets"] == []


def test_the_empty_slice_is_filled_not_replaced() -> None:
    world = new_world()
    world.settle()
    world.put(PODS, pod(1))
    changes = world.plan(endpointslice, KEY).changes
    assert [type(change) for change in changes] == [Update]
    world.settle()
    (found,) = slices(world)
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("ready", "going", "published", "expected"),
    [
        pytest.param(True, False, False, (True, True, False), id="ready"),
        pytest.param(False, False, False, (False, False, False), id="not-ready"),
        pytest.param(False, False, True, (True, False, False), id="published-though-not-ready"),
        pytest.param(True, True, False, (False, True, True), id="terminating-still-serves"),
        pytest.param(True, True, True, (True, True, True), id="terminating-published"),
    ],
)
def test_conditions(ready: bool, going: bool, published: bool, expected: tuple[bool, ...]) -> None:
    world = new_world(publishNotReadyAddresses=published)
    world.put(
        NODES, {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}, "spec": {}}
    )
    obj = pod(1, ready)
    if going:
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.put(PODS, obj)
    world.settle()
    (endpoint,) = slices(world)[0]["endpoints"]
    conditions = endpoint["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected
    assert (endpoint["nodeName"], endpoint["zone"], endpoint["targetRef"]["name"]) == ("n1", "z1", "p1")
    subsets = world.table(ENDPOINTS).objects[KEY]["subsets"]
    if going:
        assert subsets == []
    else:
        assert [ready or published] == ["addresses" in subset for subset in subsets]


def test_a_named_port_makes_one_slice_for_each_number() -> None:
    world = new_world(ports=[{"port": 80, "targetPort": "http"}])
    for number, port in ((1, 8080), (2, 9090)):
        containers = [{"name": "c", "ports": [{"name": "http", "containerPort": port}]}]
        world.put(PODS, pod(number, containers=containers))
    world.put(PODS, pod(3, containers=[]))
    world.settle()
    assert sorted(s["ports"][0]["port"] for s in slices(world)) == [8080, 9090]
    subsets = world.table(ENDPOINTS).objects[KEY]["subsets"]
    assert [subset["ports"][0]["port"] for subset in subsets] == [8080, 9090]
    assert "name" not in subsets[0]["ports"][0]


def test_a_headless_service_without_ports_lists_names() -> None:
    world = new_world(clusterIP="None", ports=[])
    obj = pod(1)
    obj["spec"].update(hostname="db-0", subdomain="web")
    world.put(PODS, obj)
    world.settle()
    (found,) = slices(world)
    assert found["endpoints"][0]["hostname"] == "db-0"
    assert found["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_a_slice_that_was_deleted_or_changed_is_put_right() -> None:
    world = new_world()
    world.put(PODS, pod(1))
    world.settle()
    (found,) = slices(world)
    key = Key("default", found["metadata"]["name"])
    world.change(ENDPOINTSLICES, key, {"endpoints": []})
    world.settle()
    assert listed(world) == ["10.1.0.2"]
    world.remove(ENDPOINTSLICES, Key("default", slices(world)[0]["metadata"]["name"]))
    world.settle()
    assert listed(world) == ["10.1.0.2"]


def test_endpoints_of_a_deleted_service_are_deleted() -> None:
    world = new_world()
    world.put(ENDPOINTS, {"metadata": {"name": "mine", "namespace": "default"}, "subsets": []})
    world.settle()
    world.remove(SERVICES, KEY)
    world.settle()
    assert [key.name for key in world.table(ENDPOINTS).objects] == ["mine"]


def test_full_slices_are_left_alone() -> None:
    world = new_world()
    for number in range(150):
        world.put(PODS, pod(number))
    world.settle()
    assert sorted(len(s["endpoints"]) for s in slices(world)) == [50, 100]
    world.put(PODS, pod(200))
    changes = world.plan(endpointslice, KEY).changes
    assert [type(change) for change in changes] == [Update]


def test_services_without_selector_are_not_ours() -> None:
    world = new_world(selector=None)
    world.settle()
    assert slices(world) == []


def test_mirrors_follow_their_endpoints() -> None:
    world = World(endpointslice_mirroring)
    world.put(SERVICES, service(selector=None))
    subsets = [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]
    world.put(ENDPOINTS, {"metadata": {"name": "web", "namespace": "default"}, "subsets": subsets})
    world.settle()
    (found,) = slices(world)
    assert found["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].startswith(
        "endpointslicemirr"
    )
    subsets[0]["addresses"] = [{"ip": "10.0.0.2"}]
    world.change(ENDPOINTS, KEY, {"subsets": subsets})
    world.settle()
    assert listed(world) == ["10.0.0.2"]
    world.change(
        ENDPOINTS, KEY, {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
    )
    world.settle()
    assert slices(world) == []


STEP = st.tuples(st.sampled_from(["add", "remove", "unready", "ready"]), st.integers(0, 320))


@given(st.integers(0, 230), st.lists(STEP, max_size=30))
@settings(max_examples=30, deadline=None)
def test_slices_hold_exactly_the_pods(start: int, steps: list[tuple[str, int]]) -> None:
    world = World(endpointslice)
    world.put(SERVICES, service())
    for number in range(start):
        world.put(PODS, pod(number))
    world.settle()
    for position, (step, number) in enumerate(steps):
        key = Key("default", f"p{number}")
        if step == "remove":
            if key in world.table(PODS).objects:
                world.remove(PODS, key)
        else:
            world.put(PODS, pod(number, ready=step != "unready"))
        if position % 3 == 0:
            before = len(slices(world))
            changes = world.reconcile(endpointslice, KEY).changes
            assert sum(isinstance(change, Create | Delete) for change in changes) <= 1 + before
    world.settle()
    expected = sorted(obj["status"]["podIP"] for obj in world.table(PODS).list())
    assert listed(world) == expected
    assert all(len(each["endpoints"]) <= 100 for each in slices(world))
