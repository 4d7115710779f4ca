"""Short ways to say slices, classes and claims, and to ask which devices a node would give."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.resource import key_of
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from scheduler.devices.inventory import Inventory
from scheduler.devices.requests import compile_claim
from scheduler.devices.result import allocation
from scheduler.devices.search import Found, search
from scheduler.objects import Objects

DRIVER = "gpu.example.com"
CLASS = "gpu"
STEPS = 20_000


def device(name: str, /, **more: Any) -> Any:
    """Return a device; attributes are given as `{"model": "a"}`, capacity as `{"memory": "8Gi"}`."""
    made: dict[str, Any] = {"name": name, **more}
    if attributes := more.get("attributes"):
        made["attributes"] = {key: _typed(value) for key, value in attributes.items()}
    if capacity := more.get("capacity"):
        made["capacity"] = {k: v if isinstance(v, dict) else {"value": v} for k, v in capacity.items()}
    return made


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {{bool: "bool", int: "int", str: "string"}[type(value)]: value}


def slice_(name: str, *devices: Any, node: str = "", **more: Any) -> Any:
    """Return a slice, of the pool that is named as the node unless `pool` is given; the only one of its pool
    unless `count` is.
    """
    pool = {
        "name": more.pop("pool", node or "pool"),
        "generation": more.pop("generation", 1),
        "resourceSliceCount": more.pop("count", 1),
    }
    spec: dict[str, Any] = {"driver": more.pop("driver", DRIVER), "pool": pool, **more}
    if node:
        spec["nodeName"] = node
    if devices:
        spec["devices"] = list(devices)
    return {"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec}


def counters(**amounts: str) -> dict[str, Any]:
    return {name: {"value": amount} for name, amount in amounts.items()}


def consumes(counter_set: str = "gpu-0", **amounts: str) -> list[Any]:
    return [{"counterSet": counter_set, "counters": counters(**amounts)}]


def cel(*expressions: str) -> list[Any]:
    return [{"cel": {"expression": expression}} for expression in expressions]


def is_(**attributes: Any) -> list[Any]:
    """Return the selectors that demand values of the driver's attributes."""
    return cel(*(f'device.attributes["{DRIVER}"].{key} == {_quoted(v)}' for key, v in attributes.items()))


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def class_(name: str = CLASS, *selectors: str, driver: str = DRIVER, **more: Any) -> Any:
    """Return a class of the devices of one driver."""
    chosen = selectors or (f'device.driver == "{driver}"',)
    return {"metadata": {"name": name, "resourceVersion": "1"}, "spec": {"selectors": cel(*chosen), **more}}


def exactly(name: str = "r", count: int = 1, **more: Any) -> Any:
    return {"name": name, "exactly": wish(count, **more)}


def wish(count: int = 1, **more: Any) -> Any:
    """Return what is exactly wanted; `all_=True` wants all devices."""
    made: dict[str, Any] = {"deviceClassName": more.pop("of", CLASS), **more}
    if made.pop("all_", False):
        return {**made, "allocationMode": "All"}
    return {**made, "allocationMode": "ExactCount", "count": count}


def first(name: str, **alternatives: Any) -> Any:
    return {"name": name, "firstAvailable": [{"name": key, **it} for key, it in alternatives.items()]}


def claim(name: str, *requests: Any, **more: Any) -> Any:
    """Return a claim; `given` are its devices as (request, pool, device), `uses` are uids of pods."""
    status: dict[str, Any] = {}
    if given := more.pop("given", None):
        status["allocation"] = {"devices": {"results": [result(*each) for each in given]}}
        if nodes := more.pop("nodes", None):
            status["allocation"]["nodeSelector"] = nodes
    if uses := more.pop("uses", None):
        status["reservedFor"] = [{"resource": "pods", "name": uid, "uid": uid} for uid in uses]
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-uid", "resourceVersion": "1"}
    metadata |= more.pop("metadata", {})
    made = {"metadata": metadata, "spec": {"devices": {"requests": list(requests), **more}}}
    return {**made, "status": status} if status else made


def result(request: str, pool: str, name: str, driver: str = DRIVER, **more: Any) -> Any:
    return {"request": request, "driver": driver, "pool": pool, "device": name, **more}


def objects(*each: Any) -> Objects:
    """Return the objects: slices, classes and claims are told apart by what they hold."""
    made = Objects()
    for obj in each:
        made.changed(resource_of(obj), None, obj)
    return made


def resource_of(obj: Any) -> Any:
    if "driver" in obj["spec"]:
        return RESOURCESLICES
    return RESOURCECLAIMS if "devices" in obj["spec"] else DEVICECLASSES


def outcome(
    given: Iterable[Any], *claims: Any, node: str = "n1", labels: Mapping[str, str] | None = None
) -> tuple[Any, Inventory]:
    """Return what a search finds on a node for these claims."""
    made = objects(*given)
    inventory = made.derived(Inventory)
    inventory.follow()
    classes = {key_of(obj).name: obj for obj in made.list(DEVICECLASSES)} or {CLASS: class_()}
    compiled = [compile_claim(each["spec"], classes) for each in claims]
    reached = frozenset(reach for reach in inventory.reaches if reaches(reach, node, labels or {}))
    pools = inventory.pools(node, reached)
    return search(pools, inventory.usage, compiled, inventory.matcher, STEPS), inventory


def reaches(reach: Any, node: str, labels: Mapping[str, str]) -> bool:
    selector = reach.compiled()
    return reach.everywhere or reach.name == node or (selector is not None and selector.matches(node, labels))


def names(given: Iterable[Any], *claims: Any, **more: Any) -> Any:
    """Return "request: pool/device" of all that is found, or the reason why nothing is."""
    found, _ = outcome(given, *claims, **more)
    if not isinstance(found, Found):
        return found.reason
    return [
        f"{each.wish.full_name}: {each.device.id.pool}/{each.device.id.name}"
        for devices in found.given
        for each in devices
    ]


def allocations(given: Iterable[Any], *claims: Any, node: str = "n1", **more: Any) -> list[Any]:
    """Return the allocations as they are written into the claims."""
    everything = list(given)
    found, _ = outcome(everything, *claims, node=node, **more)
    assert isinstance(found, Found), found
    classes = {obj["metadata"]["name"]: obj for obj in everything if resource_of(obj) is DEVICECLASSES} or {
        CLASS: class_()
    }
    return [
        allocation(compile_claim(each["spec"], classes), devices, chosen, classes, node, f"seed-{number}")
        for number, (each, devices, chosen) in enumerate(zip(claims, found.given, found.chosen, strict=True))
    ]
