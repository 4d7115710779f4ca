"""A pod's claims: which are bound, which wait for the pod's node to be chosen, and which keep the pod from
running anywhere.

Source: pkg/scheduler/framework/plugins/volumebinding podHasPVCs, GetPodVolumeClaims,
k8s.io/component-helpers/storage/{ephemeral,volume} (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.owners import is_controlled_by
from api.quantity import parse_quantity
from api.types.core_v1 import PERSISTENTVOLUMECLAIMS, PersistentVolumeClaim, Pod
from api.types.storage_v1 import STORAGECLASSES
from scheduler.objects import Objects
from scheduler.volumes.uses import EPHEMERAL, Use

# Written by the volume controller when a claim and its volume have found each other for good.
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
# Written by the scheduler: make a volume that this node can reach. Taken away by a provisioner that cannot.
SELECTED_NODE = "volume.kubernetes.io/selected-node"
WAITS = "WaitForFirstConsumer"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
_CLASS = "volume.beta.kubernetes.io/storage-class"


@dataclass(frozen=True)
class PodClaims:
    """The claims of a pod that could run somewhere, each once, in its order."""

    bound: tuple[PersistentVolumeClaim, ...] = ()
    # Without a volume until a node has been chosen.
    waiting: tuple[PersistentVolumeClaim, ...] = ()


def not_found(name: str) -> str:
    return f'persistentvolumeclaim "{name}" not found'


def class_of(obj: Mapping[str, Any]) -> str:
    """Return the storage class of a claim or a volume, "" if it has none."""
    annotations: Mapping[str, str] = obj["metadata"].get("annotations") or {}
    if _CLASS in annotations:
        return annotations[_CLASS]
    return (obj.get("spec") or {}).get("storageClassName") or ""


def annotation(obj: Mapping[str, Any], name: str) -> str | None:
    found: str | None = (obj["metadata"].get("annotations") or {}).get(name)
    return found


def volume_name(claim: Mapping[str, Any]) -> str:
    """Return the volume that a claim is for, "" if there is none yet."""
    return claim["spec"].get("volumeName") or ""


def is_bound(claim: Mapping[str, Any]) -> bool:
    """Say whether a claim has its volume for good: both sides know."""
    return bool(volume_name(claim)) and annotation(claim, BIND_COMPLETED) is not None


def requested(claim: Mapping[str, Any]) -> int:
    """Return how much storage a claim asks for, in billionths of a byte (quantities are compared exactly)."""
    resources = (claim["spec"].get("resources") or {}).get("requests") or {}
    return parse_quantity(resources.get("storage", "0")).nano


def waits_for_node(claim: Mapping[str, Any], objects: Objects) -> bool:
    """Say whether the claim's class leaves binding until a pod has a node."""
    name = class_of(claim)
    found = objects.get(STORAGECLASSES, "", name) if name else None
    return found is not None and found.get("volumeBindingMode") == WAITS


def sort_out(pod: Pod, uses: Sequence[Use], objects: Objects) -> PodClaims | str:
    """Return the pod's claims, or why it can run nowhere for now."""
    found: list[PersistentVolumeClaim] = []
    for use, claim in claims(uses, objects):
        fault = _missing(use) if claim is None else _fault(pod, use, claim)
        if fault is not None:
            return fault
        assert claim is not None
        found.append(claim)
    bound = tuple(claim for claim in found if is_bound(claim))
    others = tuple(claim for claim in found if not is_bound(claim))
    if any(volume_name(claim) or not waits_for_node(claim, objects) for claim in others):
        return UNBOUND_IMMEDIATE
    return PodClaims(bound, others)


def claims(uses: Sequence[Use], objects: Objects) -> Iterator[tuple[Use, PersistentVolumeClaim | None]]:
    """Yield the claims among the uses, None for those that are not there."""
    for use in uses:
        if use.is_claim:
            yield use, objects.get(PERSISTENTVOLUMECLAIMS, use.namespace, use.name)


def _missing(use: Use) -> str:
    if use.source == EPHEMERAL:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{use.name}"'
    return not_found(use.name)


def _fault(pod: Pod, use: Use, claim: PersistentVolumeClaim) -> str | None:
    if (claim.get("status") or {}).get("phase") == "Lost":
        lost = volume_name(claim)
        return f'persistentvolumeclaim "{use.name}" bound to non-existent persistentvolume "{lost}"'
    if "deletionTimestamp" in claim["metadata"]:
        return f'persistentvolumeclaim "{use.name}" is being deleted'
    if use.source == EPHEMERAL and not is_controlled_by(claim, pod):
        return not_owned(pod, use)
    return None


def not_owned(pod: Pod, use: Use) -> str:
    """Return what is wrong with a claim that only looks as if it were made for the pod's volume."""
    owner = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    return f"PVC {use.namespace}/{use.name} was not created for pod {owner} (pod is not owner)"
