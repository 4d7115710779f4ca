"""DynamicResources: devices for the claims of pods, and for extended resources that devices stand for.

    pre_enqueue   the claims must be there
    filter        allocated claims must be usable on a node, the others must be allocatable there
    post_filter   a claim that is allocated where its pod cannot go is freed
    score         the earlier an alternative stands in its list, the better
    reserve       the devices of the chosen node are taken, before anybody else knows
    pre_bind      allocation and reservation are written; conditions of devices are waited for

Features are as 1.36 has them by default: on are alternatives, admin access, partitions, consumable capacity,
taints, binding conditions and extended resources; off are taint rules, list attributes in constraints, claims
of workloads and devices that take from what nodes offer.
Source: pkg/scheduler/framework/plugins/dynamicresources (1.36).

DEVIATION: upstream ends the search on a node after a time, here it ends after so many steps, so that the same
input gives the same answer; and pods without claims are not told that there is nothing to deallocate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from api.core.node_selector import new_node_selector
from api.dra.claims import ClaimError, allocation_of, reserved_for
from api.resource import Key, key_of
from api.types.core_v1 import PODS, Pod
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES, ResourceClaim
from scheduler import hints
from scheduler.devices import binding
from scheduler.devices.extended import NAME, ExtendedClaim, claim_object
from scheduler.devices.inventory import EXTENDED_CLAIMS, Inventory
from scheduler.devices.matcher import Fault
from scheduler.devices.needs import Devices, Needs, claims_of, extended_of, label, needs_of
from scheduler.devices.result import allocation
from scheduler.devices.search import Found
from scheduler.devices.stirring import claim_helps, is_there
from scheduler.devices.verdicts import Wanted
from scheduler.framework import (
    Change,
    Create,
    Cycle,
    Failed,
    Reject,
    Relief,
    Step,
    Wait,
    Write,
    normalise,
)
from scheduler.groups import group_of
from scheduler.hints import Hints
from scheduler.objects import Objects
from scheduler.snapshot import Ints, Mask, Snapshot

NOT_AVAILABLE = "resourceclaim not available on the node"
# How often a search considers a device in a second, roughly.
_STEPS_PER_S = 20_000


@dataclass
class _State:
    """What one attempt has found out. `fault`: why the pod cannot be placed anywhere."""

    needs: Needs = field(default_factory=Needs)
    fault: str = ""
    # Claims that are allocated, but of no use on some node; for `post_filter`.
    unavailable: list[ResourceClaim] = field(default_factory=list)
    ranks: Ints | None = None
    # What the pod was placed for, by claim; those that are new are to be written.
    expected: dict[Key, Any] = field(default_factory=dict)
    new: set[Key] = field(default_factory=set)
    extended: ExtendedClaim | None = None
    extended_allocation: Any = None
    # Whether the pod's status tells of the claim for extended resources.
    told: bool = False


@dataclass(frozen=True)
class DynamicResources:
    """`filter_timeout_s` limits the search on one node (0: no limit), `binding_timeout_s` how long conditions
    of devices are waited for.
    """

    name: str = "DynamicResources"
    filter_timeout_s: float = 10.0
    binding_timeout_s: float = 600.0
    hints: ClassVar[Hints] = {
        hints.NODE_CHANGED: hints.either(hints.labels_differ, hints.allocatable_differs),
        hints.POD_CHANGED: None,
        RESOURCECLAIMS.kind: claim_helps,
        DEVICECLASSES.kind: is_there,
        RESOURCESLICES.kind: is_there,
    }

    # -- queue

    def pre_enqueue(self, pod: Pod, objects: Objects) -> str | None:
        if not pod["spec"].get("resourceClaims"):
            return None
        try:
            claims_of(pod, objects)
        except ClaimError as error:
            return str(error)
        return None

    # -- nodes

    def filter(self, cycle: Cycle) -> Sequence[Reject]:
        state = self._state(cycle)
        if state is None:
            return ()
        try:
            return self._rejects(cycle, state) if not state.fault else [_everywhere(cycle, state.fault)]
        except Fault as fault:
            claims = state.needs.open
            whose = f"claim {_label(cycle, claims, fault.claim)}: " if fault.claim is not None else ""
            return [_everywhere(cycle, f"{whose}{fault.text}")]

    def filter_is_static(self, cycle: Cycle) -> bool:
        return self._state(cycle) is None

    def _state(self, cycle: Cycle) -> _State | None:
        """Return the state of the attempt; None for a pod that needs no devices."""
        if self.name in cycle.state:
            found: _State | None = cycle.state[self.name]
            return found
        state: _State | None = None
        # The resources of a pod mostly have plain names.
        if cycle.pod["spec"].get("resourceClaims") or any("/" in name for name in cycle.shape.requests):
            devices = cycle.objects.derived(Devices)
            devices.inventory.follow()
            try:
                needs = needs_of(cycle.pod, cycle.shape.requests, cycle.objects, devices.inventory)
                state = _State(needs) if needs is not None else None
            except ClaimError as error:
                state = _State(fault=str(error))
        cycle.state[self.name] = state
        return state

    def _rejects(self, cycle: Cycle, state: _State) -> list[Reject]:
        snapshot, needs = cycle.snapshot, state.needs
        left = cycle.left if cycle.left is not None else snapshot.alive
        if needs.stale is not None:
            return [Reject("cannot schedule extended resource claim", snapshot.alive, final=True)]
        rejects, refused = self._allocatable(cycle, state, left)
        state.unavailable = []
        missing = np.zeros(len(snapshot.alive), dtype=bool)
        for claim in needs.claims:
            useless = self._useless(cycle, claim)
            if useless is not None and (useless & left & ~refused).any():
                state.unavailable.append(claim)
                missing |= useless
        if missing.any():
            rejects.append(Reject(NOT_AVAILABLE, missing & ~refused, final=True))
        return rejects

    def _useless(self, cycle: Cycle, claim: ResourceClaim) -> Mask | None:
        """Return the nodes where an allocated claim is of no use; None if there are none."""
        given, snapshot = allocation_of(claim), cycle.snapshot
        if given is None:
            return None
        if binding.is_out_of_reach(claim, cycle.now, self.binding_timeout_s):
            return snapshot.alive
        if given.get("nodeSelector") is None:
            return None
        selector = new_node_selector(given["nodeSelector"])
        usable = np.zeros(len(snapshot.alive), dtype=bool)
        if (names := selector.names) is not None:
            slots: Sequence[int] = [snapshot.index[name] for name in names if name in snapshot.index]
        else:
            slots = range(snapshot.size)
        for slot in slots:
            node = snapshot.nodes[slot]
            if node is not None:
                labels = node["metadata"].get("labels") or {}
                usable[slot] = selector.matches(snapshot.names[slot], labels)
        return snapshot.alive & ~usable

    def _allocatable(self, cycle: Cycle, state: _State, left: Mask) -> tuple[list[Reject], Mask]:
        """Return the nodes where the open claims cannot be allocated."""
        judge = cycle.objects.derived(Devices).judge(cycle.snapshot)
        rejects: list[Reject] = []
        refused = np.zeros(len(left), dtype=bool)
        ranks = np.zeros(len(left), dtype=np.int64)
        for resources, nodes in self._variants(cycle, state.needs, left):
            wanted = self._wanted(cycle, state.needs, resources)
            if wanted is None:
                continue
            verdicts = judge.judge(wanted, nodes, self._steps)
            ranks = np.where(nodes, verdicts.ranks, ranks) if wanted.is_ranked else ranks
            for number, lacking in enumerate(verdicts.reasons):
                hit = nodes & (verdicts.codes == number)
                if number and hit.any():
                    refused |= hit
                    whose = _label(cycle, state.needs.open, lacking.claim)
                    text = f"claim {whose}{lacking.reason}" if lacking.claim is not None else lacking.reason
                    rejects.append(Reject(text, hit, final=True))
        state.ranks = ranks if ranks.any() else None
        return rejects, refused

    @property
    def _steps(self) -> int:
        return int(self.filter_timeout_s * _STEPS_PER_S) or 1 << 62

    def _variants(self, cycle: Cycle, needs: Needs, left: Mask) -> list[tuple[frozenset[str], Mask]]:
        """Return which of the backed resources must come from devices, and on which nodes: those that do not
        offer the resource themselves.
        """
        found: list[tuple[frozenset[str], Mask]] = [(frozenset(), left)]
        for resource in needs.backed:
            offered = cycle.snapshot.allocatable.get(resource)
            lacks = offered == 0 if offered is not None else np.ones(len(left), dtype=bool)
            found = [
                (names, nodes)
                for known, among in found
                for names, nodes in ((known | {resource}, among & lacks), (known, among & ~lacks))
                if nodes.any()
            ]
        return found

    def _wanted(self, cycle: Cycle, needs: Needs, resources: frozenset[str]) -> Wanted | None:
        """Return what is to be allocated on nodes that lack these resources; None if nothing."""
        specs: list[Any] = [claim["spec"] for claim in needs.open]
        extended = extended_of(cycle.pod, needs, resources)
        if extended is not None:
            specs.append(extended.spec)
        return cycle.objects.derived(Devices).compiler.wanted(specs) if specs else None

    def score(self, cycle: Cycle, feasible: Mask) -> Ints | None:
        state = self._state(cycle)
        return normalise(state.ranks, feasible) if state is not None and state.ranks is not None else None

    def score_is_static(self, cycle: Cycle) -> bool:
        return self._state(cycle) is None

    def post_filter(self, cycle: Cycle) -> Relief | None:
        state = self._state(cycle)
        if state is None or state.fault:
            return None
        uid = cycle.pod["metadata"]["uid"]
        for claim in state.unavailable:
            if all(user == uid for user in reserved_for(claim)):
                return Relief("deallocation of ResourceClaim completed", [binding.deallocate(claim)])
        if state.needs.stale is not None:
            return Relief("deletion of ResourceClaim completed", binding.remove(state.needs.stale))
        return Relief("still not schedulable")

    # -- the chosen node

    def reserve(self, cycle: Cycle, node: str) -> str | None:
        state = self._state(cycle)
        if state is None:
            return None
        needs, slot = state.needs, cycle.snapshot.index[node]
        for claim in needs.claims:
            if (given := allocation_of(claim)) is not None:
                state.expected[key_of(claim)] = given
        resources = frozenset(name for name in needs.backed if not _offers(cycle.snapshot, slot, name))
        wanted = self._wanted(cycle, needs, resources)
        if wanted is None:
            return None
        devices = cycle.objects.derived(Devices)
        try:
            found = devices.judge(cycle.snapshot).search(wanted, slot, self._steps)
        except Fault as fault:
            return fault.text
        if not isinstance(found, Found):
            return "claim allocation not found for node"
        state.extended = extended_of(cycle.pod, needs, resources)
        self._take(cycle, state, wanted, found, node)
        return None

    def _take(self, cycle: Cycle, state: _State, wanted: Wanted, found: Found, node: str) -> None:
        inventory = cycle.objects.derived(Inventory)
        owners: list[tuple[Key, str, str]] = [
            (key_of(claim), claim["metadata"]["uid"], claim["metadata"].get("resourceVersion", ""))
            for claim in state.needs.open
        ]
        if state.extended is not None:
            uid = cycle.pod["metadata"]["uid"]
            owners.append((_extended_key(cycle.pod), uid, str(cycle.objects.version(RESOURCECLAIMS))))
        parts = zip(owners, wanted.claims, found.given, found.chosen, strict=True)
        for (key, uid, version), claim, given, chosen in parts:
            made = allocation(claim, given, chosen, wanted.classes, node, f"{uid}/{version}")
            inventory.reserve(key, uid, made, group_of(cycle.pod))
            if key == _extended_key(cycle.pod):
                state.extended_allocation = made
            else:
                state.expected[key] = made
                state.new.add(key)

    def unreserve(self, cycle: Cycle, node: str) -> None:
        state = self._state(cycle)
        if state is None:
            return
        inventory = cycle.objects.derived(Inventory)
        for claim in state.needs.claims:
            # What another pod of its group has decided is that one's.
            if key_of(claim) in state.new:
                inventory.release(key_of(claim), claim["metadata"]["uid"])
        inventory.release(_extended_key(cycle.pod), cycle.pod["metadata"]["uid"])

    # -- the writes

    def pre_bind(self, cycle: Cycle, node: str) -> Step:
        state = self._state(cycle)
        if state is None:
            return ()
        inventory = cycle.objects.derived(Inventory)
        for claim in state.needs.claims:
            key = key_of(claim)
            present = cycle.objects.get(RESOURCECLAIMS, *key)
            if present is None or present["metadata"]["uid"] != claim["metadata"]["uid"]:
                return Failed(f"claim {label(key)} got deleted in the meantime")
            is_new = key in state.new
            if not is_new and inventory.pending(key, claim["metadata"]["uid"]) is not None:
                return Wait(f"claim {label(key)} is not allocated yet", self.binding_timeout_s)
            step = binding.reserve(present, cycle.pod, state.expected[key], is_new, cycle.now)
            if step:
                return step
            # Written: from now on the claim itself tells what it has.
            if is_new:
                inventory.release(key, claim["metadata"]["uid"])
        if state.extended is not None and (step := self._bind_extended(cycle, state, state.extended)):
            return step
        return self._await_conditions(cycle, state, node)

    def _bind_extended(self, cycle: Cycle, state: _State, extended: ExtendedClaim) -> list[Change] | Failed:
        pod = cycle.pod
        made = _made_for(pod, cycle.objects)
        if made is None:
            return [Create(RESOURCECLAIMS, pod["metadata"]["namespace"], claim_object(pod, extended))]
        step = binding.reserve(made, pod, state.extended_allocation, True, cycle.now)
        if step:
            return step
        cycle.objects.derived(Inventory).release(_extended_key(pod), pod["metadata"]["uid"])
        if state.told:
            return []
        state.told = True
        mappings = {"requestMappings": list(extended.mappings), "resourceClaimName": made["metadata"]["name"]}
        metadata = pod["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": {"extendedResourceClaimStatus": mappings}}
        return [Write(PODS, metadata["namespace"], metadata["name"], body, "status")]

    def _await_conditions(self, cycle: Cycle, state: _State, node: str) -> Step:
        claims: list[Any] = [
            cycle.objects.get(RESOURCECLAIMS, *key_of(claim)) for claim in state.needs.claims
        ]
        if state.extended is not None:
            claims.append(_made_for(cycle.pod, cycle.objects))
        for claim in claims:
            ready = binding.readiness(claim)
            if isinstance(ready, str):
                return Failed(ready)
            if not ready:
                if binding.is_late(claim, cycle.now, self.binding_timeout_s):
                    return Failed(f"claim {claim['metadata']['name']} binding timeout")
                event = (
                    "BindingConditionsPending",
                    f"waiting for binding conditions for device on node {node}",
                )
                return Wait("device binding timeout", self.binding_timeout_s, event)
        return ()

    def undo(self, cycle: Cycle, node: str) -> Sequence[Change]:
        state = self._state(cycle)
        if state is None:
            return ()
        changes: list[Change] = []
        for claim in state.needs.claims:
            present = cycle.objects.get(RESOURCECLAIMS, *key_of(claim))
            if present is not None:
                changes += binding.unreserve(present, cycle.pod)
        made = _made_for(cycle.pod, cycle.objects)
        if made is not None:
            changes += binding.remove(made)
        return changes


def _everywhere(cycle: Cycle, reason: str) -> Reject:
    return Reject(reason, cycle.snapshot.alive, final=True, of_pod=True)


def _extended_key(pod: Pod) -> Key:
    """Return what stands for the claim for extended resources as long as it is not there."""
    return Key(pod["metadata"]["namespace"], f"{NAME}/{pod['metadata']['uid']}")


def _made_for(pod: Pod, objects: Objects) -> Any | None:
    """Return the claim that was made for a pod's extended resources."""
    return next(iter(objects.find(EXTENDED_CLAIMS, pod["metadata"]["uid"]).values()), None)


def _label(cycle: Cycle, claims: Sequence[ResourceClaim], number: int | None) -> str:
    if number is not None and number < len(claims):
        return label(key_of(claims[number]))
    return label(Key(cycle.pod["metadata"]["namespace"], NAME))


def _offers(snapshot: Snapshot, slot: int, resource: str) -> bool:
    offered = snapshot.allocatable.get(resource)
    return offered is not None and bool(offered[slot])
