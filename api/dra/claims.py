"""What pods and their ResourceClaims are to each other: which claim an entry of `spec.resourceClaims` means,
whom a claim was made for, who has reserved it, and what of devices is tolerated.

Called by the scheduler. Source: dynamic-resource-allocation/resourceclaim (1.36).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from api.types.core_v1 import Pod
from api.types.resource_v1 import ResourceClaim

# What keeps a claim while devices are allocated to it.
FINALIZER = "resource.kubernetes.io/delete-protection"
# Marks the claim that the scheduler makes for extended resources that devices back.
EXTENDED_ANNOTATION = "resource.kubernetes.io/extended-resource-claim"
# `<prefix><class>` asks for devices of a class as an extended resource.
CLASS_PREFIX = "deviceclass.resource.kubernetes.io/"


class ClaimError(Exception):
    """A claim that a pod cannot use; `str(error)` is why, in upstream's words."""


def claim_names(pod: Pod) -> list[tuple[str, bool]]:
    """Return the names of the pod's claims, and whether each must have been made for this pod.

    Entries for which no claim is needed are left out. Raises ClaimError for one that is not there yet.
    """
    return [found for entry in pod["spec"].get("resourceClaims") or () if (found := _name(pod, entry))]


def _name(pod: Pod, entry: Mapping[str, Any]) -> tuple[str, bool] | None:
    metadata = pod["metadata"]
    if (name := entry.get("resourceClaimName")) is not None:
        return name, False
    if entry.get("resourceClaimTemplateName") is None:
        text = f'spec.resourceClaim "{entry["name"]}": none of the supported fields are set'
        raise ClaimError(f'pod "{metadata["namespace"]}/{metadata["name"]}", {text}')
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        if status["name"] == entry["name"]:
            made = status.get("resourceClaimName")
            return (made, True) if made is not None else None
    raise ClaimError(f'pod "{metadata["namespace"]}/{metadata["name"]}": ResourceClaim not created yet')


def owner_fault(pod: Pod, claim: ResourceClaim) -> str | None:
    """Return why a claim is not the one that was made for this pod, None if it is."""
    metadata, owner = claim["metadata"], pod["metadata"]
    if metadata["namespace"] == owner["namespace"] and is_owned(claim, owner.get("uid", "")):
        return None
    names = f"{metadata['namespace']}/{metadata['name']}", f"{owner['namespace']}/{owner['name']}"
    return f"ResourceClaim {names[0]} was not created for pod {names[1]} (pod is not owner)"


def is_owned(claim: Mapping[str, Any], uid: str) -> bool:
    """Say whether the object with this uid is the claim's controller."""
    references = claim["metadata"].get("ownerReferences") or ()
    return any(each.get("controller") and each.get("uid") == uid for each in references)


def allocation_of(claim: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is allocated to a claim, None if nothing is."""
    found: Mapping[str, Any] | None = (claim.get("status") or {}).get("allocation")
    return found


def results_of(allocation: Mapping[str, Any] | None) -> Iterable[Mapping[str, Any]]:
    """Return the devices of an allocation, each with the request it is for."""
    return ((allocation or {}).get("devices") or {}).get("results") or ()


def reserved_for(claim: Mapping[str, Any]) -> list[str]:
    """Return the uids of those who use a claim."""
    return [each.get("uid", "") for each in (claim.get("status") or {}).get("reservedFor") or ()]


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Say whether a toleration of a request matches a taint of a device; an empty key or effect matches
    every one.
    """
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Equal":
        return (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(operator == "Exists")
