"""What a pod needs in the way of devices: its claims as they are, and resources that devices stand for.

Pure. Called by the plugin before a pod is queued and at the start of each attempt.
Source: pkg/scheduler/framework/plugins/dynamicresources PreEnqueue, PreFilter (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.dra.claims import ClaimError, allocation_of, claim_names, owner_fault
from api.resource import Key, key_of
from api.types.core_v1 import Pod
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, ResourceClaim
from scheduler.devices.extended import ExtendedClaim, backed, extended_claim
from scheduler.devices.inventory import EXTENDED_CLAIMS, Inventory
from scheduler.devices.requests import class_names, compile_claim
from scheduler.devices.situations import Situations
from scheduler.devices.verdicts import Judge, Wanted
from scheduler.groups import group_of
from scheduler.objects import Objects
from scheduler.snapshot import Snapshot

Classes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Needs:
    claims: tuple[ResourceClaim, ...] = ()
    # The classes that stand for extended resources of the pod, by resource.
    backed: Classes = field(default_factory=dict)
    # The claim that an earlier attempt has made for extended resources: it must go first.
    stale: ResourceClaim | None = None

    @property
    def open(self) -> tuple[ResourceClaim, ...]:
        """The claims to which nothing is allocated yet."""
        return tuple(claim for claim in self.claims if allocation_of(claim) is None)


def claims_of(pod: Pod, objects: Objects) -> tuple[ResourceClaim, ...]:
    """Return the claims of a pod, each once. Raises ClaimError if one is not there, or cannot be used."""
    metadata = pod["metadata"]
    found: dict[str, ResourceClaim] = {}
    for name, is_made in claim_names(pod):
        claim = objects.get(RESOURCECLAIMS, metadata["namespace"], name)
        if claim is None:
            raise ClaimError(f'could not find ResourceClaim "{metadata["namespace"]}/{name}"')
        if claim["metadata"].get("deletionTimestamp"):
            raise ClaimError(f'resourceclaim "{name}" is being deleted')
        if is_made and (fault := owner_fault(pod, claim)) is not None:
            raise ClaimError(fault)
        found[name] = claim
    return tuple(found.values())


def needs_of(pod: Pod, requests: Mapping[str, int], objects: Objects, inventory: Inventory) -> Needs | None:
    """Return what a pod needs, None if no devices; `requests` are its resources.

    Raises ClaimError if it cannot be placed anywhere at the moment.
    """
    classes = backed(requests, objects)
    if not classes and not pod["spec"].get("resourceClaims"):
        return None
    claims = tuple(_present(claim, pod, objects, inventory) for claim in claims_of(pod, objects))
    stale = objects.find(EXTENDED_CLAIMS, pod["metadata"]["uid"]) if classes else {}
    return Needs(claims, classes, next(iter(stale.values()), None)) if claims or classes else None


def _present(claim: ResourceClaim, pod: Pod, objects: Objects, inventory: Inventory) -> ResourceClaim:
    """Return a claim as it is to the pod: what has been decided for one of its group holds for it too.

    Raises ClaimError if nothing can be allocated to the claim, whatever the node.
    """
    if allocation_of(claim) is not None:
        return claim
    key = key_of(claim)
    pending = inventory.pending(key, claim["metadata"]["uid"])
    if pending is not None:
        if pending.group is None or pending.group != group_of(pod):
            raise ClaimError(f"resource claim {label(key)} is in the process of being allocated")
        status: Any = {**(claim.get("status") or {}), "allocation": pending.allocation}
        return {**claim, "status": status}
    for request, name in class_names(claim["spec"]):
        if objects.get(DEVICECLASSES, "", name) is None:
            raise ClaimError(f"request {request}: device class {name} does not exist")
    return claim


def label(key: Key) -> str:
    """Return a claim's name as messages have it."""
    return f"{key.namespace}/{key.name}"


class Compiler:
    """Compiles sets of claims, and keeps what it has compiled."""

    LIMIT = 256

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[bytes, Wanted] = {}

    def wanted(self, specs: list[Mapping[str, Any]]) -> Wanted:
        """Return these specs of claims, compiled, with the classes that they name."""
        names = sorted({name for spec in specs for _, name in class_names(spec)})
        found = {name: self._objects.get(DEVICECLASSES, "", name) for name in names}
        classes: Classes = {name: each for name, each in found.items() if each is not None}
        contents = [classes[name].get("spec") for name in classes]
        key = orjson.dumps([specs, list(classes), contents], option=orjson.OPT_SORT_KEYS)
        wanted = self._known.get(key)
        if wanted is None:
            if len(self._known) >= self.LIMIT:
                self._known.clear()
            compiled = tuple(compile_claim(spec, classes) for spec in specs)
            wanted = self._known[key] = Wanted(key, compiled, classes)
        return wanted


def extended_of(pod: Pod, needs: Needs, resources: frozenset[str]) -> ExtendedClaim | None:
    """Return the claim for those resources that a node does not offer itself; None if there are none."""
    if not resources:
        return None
    return extended_claim(pod, {name: needs.backed[name] for name in resources})


class Devices:
    """What is known of devices, shared by all profiles (`Objects.derived(Devices)`)."""

    def __init__(self, objects: Objects) -> None:
        self.inventory = objects.derived(Inventory)
        self.compiler = Compiler(objects)
        self._judge: Judge | None = None

    def judge(self, snapshot: Snapshot) -> Judge:
        """Return who knows which nodes of the snapshot will do, up to date."""
        if self._judge is None or self._judge.situations.snapshot is not snapshot:
            self._judge = Judge(Situations(self.inventory, snapshot))
        self._judge.situations.follow()
        return self._judge
