"""A cluster with a GPU on two of three nodes, and pods with claims; for the tests of DynamicResources."""

from datetime import UTC, datetime
from typing import Any

from scheduler.framework import Cycle
from scheduler.plugins.dynamic_resources import DynamicResources
from tests.unit.scheduler.build import World, node, pod
from tests.unit.scheduler.devices.build import claim, class_, device, exactly, resource_of, slice_

PLUGIN = DynamicResources()
NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
CANNOT = "cannot allocate all claims"
NODES = ["n1", "n2", "n3"]
# Two nodes have a GPU each.
GPUS = [slice_(f"s-{name}", device("gpu"), node=name) for name in ("n1", "n2")]
ON_N1: Any = {
    "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
}
USES: Any = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "c"}]}
MADE: Any = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}]}


def world(*objects: Any, nodes: Any = None) -> World:
    made = World(nodes or [node(name, {"zone": "a" if name == "n1" else "b"}) for name in NODES])
    for obj in (class_(), *GPUS, *objects):
        made.objects.changed(resource_of(obj), None, obj)
    return made


def cycle_of(here: World, each: Any) -> Cycle:
    made = here.cycle(each)
    made.now = NOW
    return made


def user(name: str = "p", **more: Any) -> Any:
    return pod(name, **{**USES, **more})


def given(name: str = "c", **more: Any) -> Any:
    """Return a claim that has the GPU of n1."""
    return claim(name, exactly(), given=[("r", "n1", "gpu")], **more)


def usable(here: World, each: Any) -> set[str]:
    refused = here.refused(PLUGIN, each)
    return set(here.snapshot.index) - set(refused)


def reserved(here: World, each: Any, on: str) -> Cycle:
    """Return the cycle of a pod for which devices of a node have been taken."""
    cycle = cycle_of(here, each)
    PLUGIN.filter(cycle)
    assert PLUGIN.reserve(cycle, on) is None
    return cycle
