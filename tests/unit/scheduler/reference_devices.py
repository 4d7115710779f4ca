"""A plain, slow allocator of devices, written from the documented rules: every combination is tried, and
looked at as a whole. What the scheduler finds must be among what this finds, and nothing may be found by this
alone.

It shares no code with `scheduler.devices`: objects are read as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from api.core.node_selector import new_node_selector
from api.core.pod_resources import is_extended
from api.dra.matching import bindings_of, satisfies
from api.podspec import pod_requests
from api.quantity import parse_quantity

RESULTS_MAX = 32
Use = tuple[int, str, Any, "Seen"]


@dataclass(frozen=True, eq=False)
class Seen:
    """A device that a node can see."""

    driver: str
    pool: str
    spec: Any

    @property
    def id(self) -> tuple[str, str, str]:
        return self.driver, self.pool, self.spec["name"]

    @property
    def is_shared(self) -> bool:
        return bool(self.spec.get("allowMultipleAllocations"))


def feasible_nodes(
    pod: Any, nodes: Iterable[Any], slices: Sequence[Any], classes: Sequence[Any], claims: Sequence[Any]
) -> set[str]:
    """Return the names of the nodes where the pod's claims are, or can be, allocated."""
    own = claims_of(pod, claims)
    if own is None:
        return set()
    taken = list(existing(claims))
    by_name = {each["metadata"]["name"]: each for each in classes}
    found = set()
    for node in nodes:
        wanted = [each["spec"] for each in own if not allocation(each)]
        if (extended := _extended(pod, node, classes)) is not None:
            wanted.append(extended)
        if all(_is_usable(each, node) for each in own) and can_allocate(wanted, node, slices, by_name, taken):
            found.add(node["metadata"]["name"])
    return found


def claims_of(pod: Any, claims: Sequence[Any]) -> list[Any] | None:
    """Return the claims of a pod, each once; None if one is not there."""
    found: dict[str, Any] = {}
    statuses = {each["name"]: each for each in (pod.get("status") or {}).get("resourceClaimStatuses") or ()}
    for entry in pod["spec"].get("resourceClaims") or ():
        name = entry.get("resourceClaimName")
        if name is None:
            if entry["name"] not in statuses:
                return None
            name = statuses[entry["name"]].get("resourceClaimName")
            if name is None:
                continue
        metadata = [each["metadata"] for each in claims]
        here = [
            n
            for n, m in enumerate(metadata)
            if (m["namespace"], m["name"]) == (pod["metadata"]["namespace"], name)
        ]
        if not here or metadata[here[0]].get("deletionTimestamp"):
            return None
        found[name] = claims[here[0]]
    return list(found.values())


def allocation(claim: Any) -> Any:
    return (claim.get("status") or {}).get("allocation")


def _is_usable(claim: Any, node: Any) -> bool:
    selector = (allocation(claim) or {}).get("nodeSelector")
    metadata = node["metadata"]
    return selector is None or new_node_selector(selector).matches(
        metadata["name"], metadata.get("labels") or {}
    )


def _extended(pod: Any, node: Any, classes: Sequence[Any]) -> Any:
    """Return what a claim for the pod's extended resources would ask of a node; None if nothing."""
    offered = (node.get("status") or {}).get("allocatable") or {}
    requests: list[Any] = []
    for resource, amount in pod_requests(pod).items():
        backing = [each for each in classes if resource in _resources(each)]
        if not amount or not backing or parse_quantity(offered.get(resource, "0")).nano:
            continue
        newest = max(backing, key=lambda each: each["metadata"].get("creationTimestamp", ""))
        wish = {
            "deviceClassName": newest["metadata"]["name"],
            "allocationMode": "ExactCount",
            "count": amount,
        }
        requests.append({"name": f"r{len(requests)}", "exactly": wish})
    return {"devices": {"requests": requests}} if requests else None


def _resources(device_class: Any) -> list[str]:
    named = device_class["spec"].get("extendedResourceName")
    implied = f"deviceclass.resource.kubernetes.io/{device_class['metadata']['name']}"
    return [implied, *([named] if named and is_extended(named) else [])]


def existing(claims: Iterable[Any]) -> Iterator[Any]:
    """Yield what all claims hold that others cannot have."""
    for claim in claims:
        for result in ((allocation(claim) or {}).get("devices") or {}).get("results") or ():
            if not result.get("adminAccess"):
                yield result


def can_allocate(
    wanted: Sequence[Any], node: Any, slices: Sequence[Any], classes: Mapping[str, Any], taken: Sequence[Any]
) -> bool:
    return next(solutions(wanted, node, slices, classes, taken), None) is not None


def solutions(
    wanted: Sequence[Any], node: Any, slices: Sequence[Any], classes: Mapping[str, Any], taken: Sequence[Any]
) -> Iterator[list[Use]]:
    """Yield every way to satisfy the specs of claims on a node, as (claim, request, wish, device)."""
    pools = list(_pools(node, slices))
    devices = [device for fault, seen, _ in pools if not fault for device in seen]
    ways = [
        list(_ways(number, request, devices, classes, taken, any(fault for fault, _, _ in pools)))
        for number, spec in enumerate(wanted)
        for request in spec["devices"].get("requests") or ()
    ]
    for choice in product(*ways):
        uses = [use for way in choice for use in way]
        if is_valid(uses, wanted, [slice_ for _, _, whole in pools for slice_ in whole], taken):
            yield uses


def _pools(node: Any, slices: Sequence[Any]) -> Iterator[tuple[bool, list[Seen], list[Any]]]:
    """Yield (whether nothing may be taken, devices for the node, all slices) of each pool."""
    names = {(s["spec"]["driver"], s["spec"]["pool"]["name"]) for s in slices}
    for driver, pool in sorted(names):
        every = [s for s in slices if (s["spec"]["driver"], s["spec"]["pool"]["name"]) == (driver, pool)]
        here = [s for s in every if _is_relevant(s["spec"], node)]
        if not here:
            continue
        newest = max(_generation(s) for s in here)
        current = [s for s in here if _generation(s) == newest]
        whole = [s for s in every if _generation(s) == newest]
        count = current[0]["spec"]["pool"]["resourceSliceCount"]
        if len(current) != count and any(_generation(s) > newest for s in every):
            continue
        fault = count not in (len(current), len(whole)) or _is_invalid(current, whole)
        seen = [
            Seen(driver, pool, device)
            for s in current
            for device in s["spec"].get("devices") or ()
            if not s["spec"].get("perDeviceNodeSelection") or _is_for(device, node)
        ]
        yield fault, seen, whole


def _generation(slice_: Any) -> int:
    return int(slice_["spec"]["pool"]["generation"])


def _is_relevant(spec: Any, node: Any) -> bool:
    if spec.get("sharedCounters"):
        return spec.get("nodeName") in (None, node["metadata"]["name"])
    if spec.get("perDeviceNodeSelection"):
        return any(_is_for(device, node) for device in spec["devices"])
    return _is_for(spec, node)


def _is_for(holder: Any, node: Any) -> bool:
    metadata = node["metadata"]
    if holder.get("nodeName"):
        return bool(holder["nodeName"] == metadata["name"])
    if holder.get("nodeSelector"):
        labels = metadata.get("labels") or {}
        return new_node_selector(holder["nodeSelector"]).matches(metadata["name"], labels)
    return bool(holder.get("allNodes"))


def _is_invalid(current: Sequence[Any], whole: Sequence[Any]) -> bool:
    names = [device["name"] for s in current for device in s["spec"].get("devices") or ()]
    sets = [each for s in current for each in s["spec"].get("sharedCounters") or ()]
    known = {(each["name"], counter) for each in sets for counter in each["counters"]}
    used = {
        (each["counterSet"], counter)
        for s in whole
        for device in s["spec"].get("devices") or ()
        for each in device.get("consumesCounters") or ()
        for counter in each["counters"]
    }
    twice = len(set(names)) < len(names) or len({each["name"] for each in sets}) < len(sets)
    return twice or not used <= known


def _ways(
    claim: int, request: Any, devices: list[Seen], classes: Any, taken: Sequence[Any], faults: bool
) -> Iterator[list[Use]]:
    """Yield every set of devices that a request might get, by each of its alternatives."""
    name = request["name"]
    wishes = [(f"{name}/{each['name']}", each) for each in request.get("firstAvailable") or ()]
    for full_name, wish in wishes or [(name, request["exactly"])]:
        fitting = [device for device in devices if _selects(wish, classes, device)]
        if wish.get("allocationMode") == "All":
            enough = [device for device in fitting if _has_capacity([(wish, device)], device, taken)]
            sets: Iterable[Sequence[Seen]] = [enough] if enough and not faults else []
        else:
            sets = combinations(fitting, wish.get("count", 1))
        for chosen in sets:
            if not any(_is_tainted(wish, device) for device in chosen):
                yield [(claim, full_name, wish, device) for device in chosen]


def _selects(wish: Any, classes: Mapping[str, Any], device: Seen) -> bool:
    selectors = [
        *(classes[wish["deviceClassName"]]["spec"].get("selectors") or ()),
        *(wish.get("selectors") or ()),
    ]
    seen = bindings_of(device.spec, device.driver)
    return all(satisfies(selector["cel"]["expression"], seen) for selector in selectors)


def _is_tainted(wish: Any, device: Seen) -> bool:
    return any(
        taint["effect"] in ("NoSchedule", "NoExecute")
        and not any(_tolerates(each, taint) for each in wish.get("tolerations") or ())
        for taint in device.spec.get("taints") or ()
    )


def _tolerates(toleration: Any, taint: Any) -> bool:
    if toleration.get("effect", taint["effect"]) != taint["effect"]:
        return False
    if toleration.get("key", taint["key"]) != taint["key"]:
        return False
    return bool(toleration["operator"] == "Exists" or toleration.get("value", "") == taint.get("value", ""))


def is_valid(uses: Sequence[Use], wanted: Sequence[Any], slices: Sequence[Any], taken: Sequence[Any]) -> bool:
    """Say whether devices may be used like this, all together."""
    return (
        all(sum(use[0] == number for use in uses) <= RESULTS_MAX for number in range(len(wanted)))
        and _are_free(uses, taken)
        and all(
            _has_capacity([(w, d) for _, _, w, d in uses if d is device], device, taken)
            for *_, device in uses
        )
        and _have_counters(uses, slices, taken)
        and all(
            _holds(constraint, uses, n) for n, spec in enumerate(wanted) for constraint in _constraints(spec)
        )
    )


def _are_free(uses: Sequence[Use], taken: Sequence[Any]) -> bool:
    held = {(r["driver"], r["pool"], r["device"]) for r in taken if not r.get("shareID")}
    for number, (claim, _, wish, device) in enumerate(uses):
        if device.id in held and not wish.get("adminAccess"):
            return False
        if device.is_shared:
            continue
        for other_claim, _, other, other_device in uses[:number]:
            if other_device is not device:
                continue
            both_look = wish.get("adminAccess") and other.get("adminAccess")
            if claim == other_claim or not both_look:
                # Who comes later as administrator may look at what an earlier claim of the pod gets.
                if wish.get("adminAccess") and claim != other_claim:
                    continue
                return False
    return True


def _has_capacity(uses: Sequence[tuple[Any, Seen]], device: Seen, taken: Sequence[Any]) -> bool:
    offered = device.spec.get("capacity") or {}
    shares = [r for r in taken if (r["driver"], r["pool"], r["device"]) == device.id and r.get("shareID")]
    for wish, _ in uses:
        if set((wish.get("capacity") or {}).get("requests") or {}) - set(offered):
            return False
    for name, capacity in offered.items():
        total = sum(_nano(r.get("consumedCapacity", {}).get(name, "0")) for r in shares)
        for wish, _ in uses:
            amount = _consumed(((wish.get("capacity") or {}).get("requests") or {}).get(name), capacity)
            if amount is None:
                return False
            # A device for one alone is not used up by what others have of it.
            total = total + amount if device.is_shared else max(total, amount)
        if total > _nano(capacity["value"]):
            return False
    return True


def _nano(text: Any) -> int:
    return parse_quantity(text).nano


def _consumed(requested: Any, capacity: Any) -> int | None:
    """Return what a request consumes, None if the policy forbids it. Ranges are not tried."""
    policy = capacity.get("requestPolicy") or {}
    if requested is None:
        return _nano(policy.get("default", capacity["value"]))
    if values := policy.get("validValues"):
        return min((_nano(v) for v in values if _nano(v) >= _nano(requested)), default=None)
    return _nano(requested)


def _have_counters(uses: Sequence[Use], slices: Sequence[Any], taken: Sequence[Any]) -> bool:
    left: dict[tuple[str, str, str, str], int] = {}
    specs = {}
    for s in slices:
        driver, pool = s["spec"]["driver"], s["spec"]["pool"]["name"]
        for each in s["spec"].get("sharedCounters") or ():
            for counter, amount in each["counters"].items():
                left[driver, pool, each["name"], counter] = _nano(amount["value"])
        for device in s["spec"].get("devices") or ():
            specs[driver, pool, device["name"]] = device
    held = {(r["driver"], r["pool"], r["device"]) for r in taken}
    now = {device.id for _, _, wish, device in uses if not wish.get("adminAccess")}
    touched = set()
    for driver, pool, name in held | now:
        for each in (specs.get((driver, pool, name)) or {}).get("consumesCounters") or ():
            for counter, amount in each["counters"].items():
                left[driver, pool, each["counterSet"], counter] -= _nano(amount["value"])
                if (driver, pool, name) in now - held:
                    touched.add((driver, pool, each["counterSet"], counter))
    return all(left[counter] >= 0 for counter in touched)


def _constraints(spec: Any) -> Sequence[Any]:
    return spec["devices"].get("constraints") or ()


def _holds(constraint: Any, uses: Sequence[Use], claim: int) -> bool:
    requests = constraint.get("requests") or ()
    attribute = constraint.get("matchAttribute") or constraint["distinctAttribute"]
    values = [
        _attribute(device, attribute)
        for number, name, _, device in uses
        if number == claim and (not requests or name in requests or name.split("/")[0] in requests)
    ]
    if None in values:
        return False
    if "matchAttribute" in constraint:
        return len(set(values)) < 2
    return len(set(values)) == len(values)


def _attribute(device: Seen, name: str) -> tuple[str, Any] | None:
    attributes = device.spec.get("attributes") or {}
    domain, _, bare = name.partition("/")
    found = attributes.get(name) or (attributes.get(bare) if domain == device.driver else None)
    return next(iter(found.items())) if found else None
