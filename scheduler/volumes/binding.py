"""Giving a pod's claims their volumes on the node that was chosen: what to write, and when it is done.

    reserve    the volume shows as taken, the claim as to be provisioned, to the pods that come next
    writes     claimRef on the volume; on the claim, the node that its volume must be within reach of
    wait       until the volume controller or the provisioner has bound every claim
    failed     a provisioner gives up by taking its annotation away; volumes may be lost or taken meanwhile

Source: volumebinding/binder.go AssumePodVolumes, bindAPIUpdate, checkBindings, component-helpers
storage/volume GetBindVolumeToClaim (1.36).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.resource import Resource
from api.types.core_v1 import (
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
)
from api.types.storage_v1 import CSINODES
from scheduler.framework import Failed, Step, Wait, Write
from scheduler.objects import Objects
from scheduler.volumes.claims import SELECTED_NODE, annotation, is_bound, volume_name
from scheduler.volumes.migration import driver_topology, migrated_plugins, plugin_of
from scheduler.volumes.topology import matches, node_terms

# The scheduler has paired volume and claim, not the user: the pairing may be undone.
BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"


@dataclass(frozen=True)
class Pairing:
    """This volume for this claim."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume


@dataclass(frozen=True)
class Bindings:
    """What is to be done for a pod on its node."""

    pairings: tuple[Pairing, ...] = ()
    provisions: tuple[PersistentVolumeClaim, ...] = ()


@dataclass
class Progress:
    """Bindings under way: what shows otherwise than it is, and what must still be written."""

    bindings: Bindings
    assumed: list[tuple[Resource[Any], str, str]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


def begin(bindings: Bindings, node: str, objects: Objects) -> Progress:
    """Show volumes and claims as they are going to be."""
    progress = Progress(bindings)
    for write in (*_takings(bindings), *_requests(bindings, node)):
        now = objects.get(write.resource, write.namespace, write.name)
        assert now is not None, "bindings are made of what is there"
        objects.assume(write.resource, _merged(now, write.body))
        progress.assumed.append((write.resource, write.namespace, write.name))
        progress.writes.append(write)
    return progress


def give_back(progress: Progress, objects: Objects) -> None:
    """Show volumes and claims as they are."""
    for resource, namespace, name in progress.assumed:
        objects.restore(resource, namespace, name)
    progress.assumed.clear()


def _takings(bindings: Bindings) -> Iterator[Write]:
    for pairing in bindings.pairings:
        if (body := _taking(pairing.volume, pairing.claim)) is not None:
            yield Write(PERSISTENTVOLUMES, "", pairing.volume["metadata"]["name"], body)


def _taking(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Mapping[str, Any] | None:
    """Return the patch that takes a volume for a claim, None if it is taken so already."""
    metadata: Any = claim["metadata"]
    reference: Any = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == metadata["uid"]:
        return None
    changes: dict[str, Any] = {"resourceVersion": volume["metadata"].get("resourceVersion")}
    # A volume that the user has kept for the claim stays the user's pairing.
    if not reference and annotation(volume, BY_CONTROLLER) is None:
        changes["annotations"] = {BY_CONTROLLER: "yes"}
    whom = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {"metadata": changes, "spec": {"claimRef": whom}}


def _requests(bindings: Bindings, node: str) -> Iterator[Write]:
    for claim in bindings.provisions:
        metadata: Any = claim["metadata"]
        if annotation(claim, SELECTED_NODE) != node:
            changes = {
                "resourceVersion": metadata.get("resourceVersion"),
                "annotations": {SELECTED_NODE: node},
            }
            body = {"metadata": changes}
            yield Write(PERSISTENTVOLUMECLAIMS, metadata["namespace"], metadata["name"], body)


def _merged(obj: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a merge patch makes of an object."""
    found = dict(obj)
    for key, value in patch.items():
        before = found.get(key)
        is_deep = isinstance(value, Mapping)
        found[key] = _merged(before if isinstance(before, Mapping) else {}, value) if is_deep else value
    return found


def advance(progress: Progress, node: Node | None, objects: Objects, limit_s: float) -> Step:
    """Return what is next; `node` is None if it has gone."""
    if progress.writes:
        writes = tuple(progress.writes)
        progress.writes.clear()
        return writes
    if node is None:
        return Failed("binding volumes: the node has gone")
    fault = next(_faults(progress.bindings, node, objects), None)
    if fault is not None:
        return Failed(f"binding volumes: {fault}")
    claims = [_now(claim, objects) for claim in _claims(progress.bindings)]
    if all(claim is not None and is_bound(claim) for claim in claims):
        return ()
    return Wait("binding volumes", limit_s)


def _claims(bindings: Bindings) -> Sequence[PersistentVolumeClaim]:
    return (*(pairing.claim for pairing in bindings.pairings), *bindings.provisions)


def _now(claim: PersistentVolumeClaim, objects: Objects) -> Any | None:
    metadata: Any = claim["metadata"]
    return objects.get(PERSISTENTVOLUMECLAIMS, metadata["namespace"], metadata["name"])


def _faults(bindings: Bindings, node: Node, objects: Objects) -> Iterator[str]:
    """Yield why the pod cannot have its volumes on this node after all."""
    for pairing in bindings.pairings:
        name = pairing.volume["metadata"]["name"]
        volume = objects.get(PERSISTENTVOLUMES, "", name)
        if volume is None:
            yield f'persistentvolume "{name}" not found'
        elif not ((volume["spec"].get("claimRef") or {}).get("uid")):
            yield f'ClaimRef got reset for pv "{name}"'
        elif not is_reachable(volume, node, objects):
            yield _unreachable(name, node)
        elif _now(pairing.claim, objects) is None:
            yield f'persistentvolumeclaim "{pairing.claim["metadata"]["name"]}" not found'
    for claim in bindings.provisions:
        yield from _provisioning_faults(claim, node, objects)


def _provisioning_faults(claim: PersistentVolumeClaim, node: Node, objects: Objects) -> Iterator[str]:
    name, now = claim["metadata"]["name"], _now(claim, objects)
    volume = objects.get(PERSISTENTVOLUMES, "", volume_name(now)) if now is not None else None
    if now is None:
        yield f'persistentvolumeclaim "{name}" not found'
    elif annotation(now, SELECTED_NODE) != node["metadata"]["name"]:
        yield f'provisioning failed for PVC "{name}"'
    elif volume is not None and not is_reachable(volume, node, objects):
        yield _unreachable(volume_name(now), node)


def _unreachable(volume: str, node: Node) -> str:
    return f'pv "{volume}" node affinity doesn\'t match node "{node["metadata"]["name"]}"'


def is_reachable(volume: PersistentVolume, node: Node, objects: Objects) -> bool:
    """Say whether a node is where a volume can be used."""
    required: Any = (volume["spec"].get("nodeAffinity") or {}).get("required")
    plugin = plugin_of(volume["spec"])
    if plugin is not None and plugin.name in migrated_plugins(
        objects.get(CSINODES, "", node["metadata"]["name"])
    ):
        required = driver_topology(volume, plugin)
    return matches(node_terms(required), node["metadata"].get("labels") or {})
