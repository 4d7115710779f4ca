"""What is written before a pod is bound to its devices, step by step, from what the claims say now.

    made for extended resources? -> create the claim
    not allocated                -> finalizer, then allocation and reservation in one write
    allocated, not reserved      -> reservation
    conditions to wait for       -> wait until they hold; a failure, or too long, ends the attempt

Lists are merged by the server (strategic patches), so that pods which share a claim do not undo each other.
Pure. Called by the plugin. Source: pkg/scheduler/framework/plugins/dynamicresources bindClaim,
isClaimReadyForBinding (1.36).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from api.dra.claims import FINALIZER, allocation_of, reserved_for, results_of
from api.resource import key_of
from api.times import format_time, parse_time
from api.types.core_v1 import Pod
from api.types.resource_v1 import RESOURCECLAIMS, ResourceClaim
from scheduler.devices.needs import label
from scheduler.framework import Change, Delete, Failed, Write

Allocation = Mapping[str, Any]


def reserve(
    claim: ResourceClaim, pod: Pod, expected: Allocation, is_new: bool, now: datetime
) -> list[Change] | Failed:
    """Return what reserves a claim for a pod; nothing if that has been done.

    `expected` is the allocation that the pod was placed for; `is_new`: it has to be written.
    """
    metadata, present = claim["metadata"], allocation_of(claim)
    name = label(key_of(claim))
    if metadata.get("deletionTimestamp"):
        return Failed(f"claim {name} got deleted in the meantime")
    if present is not None and not _is_same(present, expected):
        return Failed(f"claim {name} got allocated elsewhere in the meantime")
    is_reserved = pod["metadata"]["uid"] in reserved_for(claim)
    if present is not None and is_reserved:
        return []
    if present is None and not is_new:
        return Failed(f"claim {name} got deallocated in the meantime")
    writes: list[Change] = []
    if present is None and FINALIZER not in (metadata.get("finalizers") or ()):
        writes.append(_patch(claim, {}, {"finalizers": [FINALIZER]}))
    status: dict[str, Any] = {"reservedFor": [_consumer(pod)]}
    if present is None:
        status["allocation"] = {**expected, "allocationTimestamp": format_time(now)}
    return [*writes, _patch(claim, {"status": status}, subresource="status")]


def _is_same(present: Allocation, expected: Allocation) -> bool:
    """Say whether two allocations are of the same devices; the server fills in what else there is."""
    return [_device(each) for each in results_of(present)] == [_device(each) for each in results_of(expected)]


def _device(result: Mapping[str, Any]) -> list[Any]:
    return [result.get(name) for name in ("request", "driver", "pool", "device", "shareID")]


def _consumer(pod: Pod) -> dict[str, str]:
    return {"resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}


def _patch(
    claim: ResourceClaim,
    body: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    subresource: str = "",
) -> Write:
    own = claim["metadata"]
    full = {**body, "metadata": {"uid": own["uid"], **(metadata or {})}}
    return Write(RESOURCECLAIMS, own["namespace"], own["name"], full, subresource, "strategic")


def unreserve(claim: ResourceClaim, pod: Pod) -> list[Change]:
    """Return what takes a pod's reservation back."""
    uid = pod["metadata"]["uid"]
    if allocation_of(claim) is None or uid not in reserved_for(claim):
        return []
    gone = {"status": {"reservedFor": [{"$patch": "delete", "uid": uid}]}}
    return [_patch(claim, gone, subresource="status")]


def deallocate(claim: ResourceClaim) -> Write:
    """Return what frees the devices of a claim, if nobody has changed it meanwhile."""
    own = claim["metadata"]
    body = {
        "metadata": {"uid": own["uid"], "resourceVersion": own["resourceVersion"]},
        "status": {"allocation": None, "reservedFor": None, "devices": None},
    }
    return Write(RESOURCECLAIMS, own["namespace"], own["name"], body, "status")


def remove(claim: ResourceClaim) -> list[Change]:
    """Return what deletes a claim that the scheduler has made."""
    own = claim["metadata"]
    writes: list[Change] = []
    if FINALIZER in (own.get("finalizers") or ()):
        writes.append(_patch(claim, {}, {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}))
    return [*writes, Delete(RESOURCECLAIMS, own["namespace"], own["name"], own["uid"])]


# -- conditions


def must_wait(claim: ResourceClaim) -> bool:
    """Say whether any device of a claim has conditions that must hold before a pod is bound."""
    return any(result.get("bindingConditions") for result in results_of(allocation_of(claim)))


def readiness(claim: ResourceClaim) -> bool | str:
    """Say whether all conditions of a claim's devices hold; why not, if one has failed."""
    reports = (claim.get("status") or {}).get("devices") or ()
    for result in results_of(allocation_of(claim)):
        wanted = result.get("bindingConditions") or ()
        if not wanted:
            continue
        conditions = next((each.get("conditions") or () for each in reports if _is_of(each, result)), None)
        if conditions is None:
            return False
        holding = {each["type"]: each for each in conditions if each.get("status") == "True"}
        for failure in result.get("bindingFailureConditions") or ():
            if (found := holding.get(failure)) is not None:
                why = f'reason={found.get("reason", "")}, message="{found.get("message", "")}"'
                return f"claim {claim['metadata']['name']} binding failed: {why}"
        if not all(name in holding for name in wanted):
            return False
    return True


def _is_of(report: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    return all(report.get(name) == result.get(name) for name in ("driver", "pool", "device"))


def is_late(claim: ResourceClaim, now: datetime, limit_s: float) -> bool:
    """Say whether the conditions of a claim's devices have had their time."""
    since = (allocation_of(claim) or {}).get("allocationTimestamp")
    return since is not None and must_wait(claim) and parse_time(since) + timedelta(seconds=limit_s) < now


def is_out_of_reach(claim: ResourceClaim, now: datetime, limit_s: float) -> bool:
    """Say whether an allocated claim is of no use on any node: a condition has failed, or takes too long."""
    ready = readiness(claim)
    return isinstance(ready, str) or (not ready and is_late(claim, now, limit_s))
