"""What each namespace gets, and what its conditions say while it goes."""

from typing import Any

import pytest

from api.resource import Key
from api.types.core_v1 import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from client.api import Client
from client.transport import RawRequest, RawResponse
from controllers.namespace import FINALIZER, Left, NamespaceController, compute_conditions
from controllers.root_ca_certificate_publisher import root_ca_certificate_publisher
from controllers.serviceaccount import serviceaccount
from tests.sim.world import START, World


def test_furnishing_is_repaired() -> None:
    publisher = root_ca_certificate_publisher("PEM")
    world = World(serviceaccount, publisher)
    world.put(NAMESPACES, {"metadata": {"name": "shop"}})
    world.settle()
    world.remove(SERVICEACCOUNTS, Key("shop", "default"))
    world.change(CONFIGMAPS, Key("shop", "kube-root-ca.crt"), {"data": {"ca.crt": "", "x": "y"}})
    world.settle()
    assert world.table(CONFIGMAPS).objects[Key("shop", "kube-root-ca.crt")]["data"] == {"ca.crt": "PEM"}
    assert world.table(SERVICEACCOUNTS).objects.keys() == {Key("shop", "default")}


def test_a_going_namespace_gets_nothing() -> None:
    world = World(serviceaccount, root_ca_certificate_publisher("PEM"))
    metadata = {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]}
    world.put(NAMESPACES, {"metadata": metadata})
    world.settle()
    assert not world.table(SERVICEACCOUNTS).objects


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param([], set(), id="nothing"),
        pytest.param(
            [Left("pods", 2, {"example.com/f": 1})],
            {"NamespaceDeletionContentFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining"},
            id="pods-go-first",
        ),
        pytest.param([Left("configmaps", 1)], {"NamespaceContentRemaining"}, id="others-on-their-way"),
        pytest.param([Left("configmaps", 0, error="no")], {"NamespaceDeletionContentFailure"}, id="refused"),
    ],
)
def test_conditions(left: Any, expected: set[str]) -> None:
    conditions = compute_conditions([], left, "", START)
    assert {c["type"] for c in conditions if c["status"] == "True"} == expected
    assert len(conditions) == 5


class _Discovery:
    """A transport that serves no groups, and counts who asks for them."""

    asked = 0

    async def request(self, request: RawRequest) -> RawResponse:
        self.asked += request.path == "/apis"
        return RawResponse(200, {}, b'{"kind": "APIGroupDiscoveryList", "items": []}')


async def test_what_is_served_is_asked_anew_for_a_deletion_that_begins() -> None:
    """A kind may have come, with objects in the namespace, since the last time."""
    transport: Any = _Discovery()
    client, emptier = Client(transport), NamespaceController()
    await emptier._discover(client)
    await emptier._discover(client)
    assert transport.asked == 1
    kept: Any = {"metadata": {"name": "shop"}, "spec": {"finalizers": [FINALIZER]}}
    going = {**kept, "metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    emptier._changed(kept, going)
    await emptier._discover(client)
    emptier._changed(going, going)
    await emptier._discover(client)
    assert transport.asked == 2
