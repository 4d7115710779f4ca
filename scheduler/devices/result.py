"""An allocation as the status of a claim holds it: devices with what was asked of them, configuration, nodes.

Called by the plugin for the node that was chosen. Source: dynamic-resource-allocation/structured/internal/
incubating allocator_incubating.go (1.36).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from api.quantity import format_quantity
from scheduler.devices.requests import Claim
from scheduler.devices.search import Given

Json = dict[str, Any]


def allocation(
    claim: Claim,
    given: Sequence[Given],
    chosen: Sequence[int],
    classes: Mapping[str, Mapping[str, Any]],
    node: str,
    seed: str,
) -> Json:
    """Return the allocation of one claim. `chosen` numbers the alternatives; `seed` makes the names of shares
    unique: it must differ from allocation to allocation.
    """
    results = [_result(each, f"{seed}/{number}") for number, each in enumerate(given)]
    devices: Json = {"results": results}
    if config := _config(claim, chosen, classes):
        devices["config"] = config
    made: Json = {"devices": devices}
    if (selector := _node_selector(given, node)) is not None:
        made["nodeSelector"] = selector
    return made


def _result(given: Given, seed: str) -> Json:
    wish, device = given.wish, given.device
    made: Json = {
        "request": wish.full_name,
        "driver": device.id.driver,
        "pool": device.id.pool,
        "device": device.id.name,
    }
    if wish.admin:
        made["adminAccess"] = True
    if wish.tolerations:
        made["tolerations"] = list(wish.tolerations)
    if device.kind.binding:
        made["bindingConditions"] = list(device.kind.binding)
        made["bindingFailureConditions"] = list(device.kind.binding_failure)
    if given.consumed is not None:
        made["shareID"] = _uid(f"{device.id}/{seed}")
    if given.consumed:
        made["consumedCapacity"] = {name: format_quantity(it) for name, it in given.consumed.items()}
    return made


def _uid(text: str) -> str:
    """Return a UUID that the text determines."""
    digits = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _config(claim: Claim, chosen: Sequence[int], classes: Mapping[str, Mapping[str, Any]]) -> list[Json]:
    """Return the configuration: of each class once, for the requests that use it, then of the claim."""
    wishes = [request.alternatives[n] for request, n in zip(claim.requests, chosen, strict=True)]
    names = [(request.name, wish.full_name) for request, wish in zip(claim.requests, wishes, strict=True)]
    by_class: dict[str, list[str]] = {}
    for wish in wishes:
        by_class.setdefault(wish.class_name, []).append(wish.full_name)
    made = [
        _entry("FromClass", users, entry)
        for name, users in by_class.items()
        for entry in (classes[name].get("spec") or {}).get("config") or ()
    ]
    for entry in claim.config:
        wanted = entry.get("requests") or []
        if not wanted or any(name in wanted for pair in names for name in pair):
            made.append(_entry("FromClaim", list(wanted), entry))
    return [_shortened(entry, names) for entry in made]


def _entry(source: str, requests: list[str], entry: Mapping[str, Any]) -> Json:
    opaque = {name: value for name, value in entry.items() if name != "requests"}
    return {"source": source, "requests": requests, **opaque}


def _shortened(entry: Json, names: Sequence[tuple[str, str]]) -> Json:
    """Leave the names away where they are all: none named means that."""
    named = entry["requests"]
    if all(any(name in named for name in pair) for pair in names) or not named:
        return {name: value for name, value in entry.items() if name != "requests"}
    return entry


def _node_selector(given: Sequence[Given], node: str) -> Json | None:
    """Return the nodes that can use all of these devices; None if that are all."""
    parts: dict[str, list[Json]] = {"matchFields": [], "matchExpressions": []}
    for each in given:
        reach = each.device.reach
        terms = orjson.loads(reach.raw)["nodeSelectorTerms"] if reach.raw else []
        # Slices have one term; alternatives could not be joined with those of another device.
        if reach.name or each.device.kind.binds_to_node or len(terms) > 1:
            field = {"key": "metadata.name", "operator": "In", "values": [node]}
            return {"nodeSelectorTerms": [{"matchFields": [field]}]}
        for name, found in parts.items():
            known = [_canonical(one) for one in found]
            wanted = [one for term in terms for one in term.get(name) or ()]
            found += [one for one in wanted if _canonical(one) not in known]
    term = {name: found for name, found in parts.items() if found}
    return {"nodeSelectorTerms": [term]} if term else None


def _canonical(requirement: Mapping[str, Any]) -> Any:
    return requirement["key"], requirement["operator"], frozenset(requirement.get("values") or ())
