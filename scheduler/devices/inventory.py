"""All devices of the cluster and what of them is taken: an index over slices and claims that keeps itself
current, shared by all pods and profiles (`Objects.derived(Inventory)`).

    local pool    all its slices name one node: what is taken of it concerns that node alone
    shared pool   every other: the network's, a rack's, all nodes'

Pure. Owned by `Objects`, read and reserved from by the plugin. Source: pkg/scheduler/framework/plugins/
dynamicresources dra_manager.go (1.36).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.dra.claims import EXTENDED_ANNOTATION, allocation_of
from api.resource import Key, key_of
from api.types.resource_v1 import DEVICECLASSES, RESOURCECLAIMS, RESOURCESLICES
from scheduler.changes import Changes
from scheduler.devices.matcher import Matcher
from scheduler.devices.pools import Pool, gather
from scheduler.devices.slices import Kinds, PoolId, Reach, Slice, compile_slice
from scheduler.devices.usage import Held, Usage, held_by
from scheduler.indexes import Index
from scheduler.objects import Objects


def _pool_of(slice_: Mapping[str, Any]) -> list[PoolId]:
    return [(slice_["spec"]["driver"], slice_["spec"]["pool"]["name"])]


_SLICES: Index[Any] = Index(RESOURCESLICES, _pool_of, lambda obj: obj)
_HELD: Index[tuple[Held, ...]] = Index(
    RESOURCECLAIMS, lambda obj: [key_of(obj)], lambda obj: held_by(allocation_of(obj))
)


def _pod_of(claim: Mapping[str, Any]) -> list[str]:
    """Return the uid of the pod whose extended resources a claim stands for."""
    metadata = claim["metadata"]
    if (metadata.get("annotations") or {}).get(EXTENDED_ANNOTATION) != "true":
        return []
    return [each["uid"] for each in metadata.get("ownerReferences") or () if each.get("controller")]


EXTENDED_CLAIMS: Index[Any] = Index(RESOURCECLAIMS, _pod_of, lambda obj: obj)


def _resource_of(device_class: Mapping[str, Any]) -> list[str]:
    name = (device_class.get("spec") or {}).get("extendedResourceName")
    return [name] if name else []


CLASSES_BY_RESOURCE: Index[Any] = Index(DEVICECLASSES, _resource_of, lambda obj: obj)


@dataclass(frozen=True)
class Pending:
    """An allocation that has been decided but not written: of the claim with this uid. Pods of the `group`
    may share it already.
    """

    uid: str
    allocation: Mapping[str, Any]
    held: tuple[Held, ...]
    group: Key | None = None


class Inventory:
    # With more kinds of devices and pools than this, those long gone are forgotten.
    KINDS = 50_000

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # Nodes whose local pools, or what is taken of them, have changed.
        self.changed_nodes: Changes[str] = Changes()
        # Grows whenever that of all nodes may have changed at once.
        self.epoch = 0
        # Grows with what is taken of shared pools, and with the pools themselves.
        self.shared_version = 0
        # Grows with shared pools alone.
        self.reach_version = 0
        self._pending: dict[Key, Pending] = {}
        self._clear()

    def _clear(self) -> None:
        self._kinds, self.matcher, self.usage = Kinds(), Matcher(), Usage()
        self._slices: dict[PoolId, dict[str, tuple[Any, Slice]]] = {}
        # The node of each local pool, the local pools of each node, the shared pools.
        self._node_of: dict[PoolId, str] = {}
        self._local: dict[str, dict[PoolId, Pool]] = {}
        self._shared: dict[PoolId, list[Slice]] = {}
        self._reaches: list[Reach] | None = None
        self._shared_pools: dict[frozenset[Reach], tuple[Pool, ...]] = {}
        self._contents: dict[tuple[Any, ...], int] = {}
        # No place at all: everything is to be read.
        self._slice_place, self._claim_place = -1, -1
        self.epoch += 1
        self.shared_version += 1
        self.reach_version += 1

    # -- following

    def follow(self) -> None:
        """Take in what has happened to slices and claims since the last call."""
        if len(self._kinds) + len(self._contents) > self.KINDS:
            self._clear()
        slices, claims = self._objects.touched(_SLICES), self._objects.touched(_HELD)
        if self._slice_place != slices.now:
            self._follow_slices(slices)
        if self._claim_place != claims.now:
            self._follow_claims(claims)

    def _follow_slices(self, log: Changes[Any]) -> None:
        pools = log.since(self._slice_place) if self._slice_place >= 0 else None
        self._slice_place = log.now
        if pools is None:
            known = {pool for obj in self._objects.list(RESOURCESLICES) for pool in _pool_of(obj)}
            pools = [*known, *self._slices]
        for pool in dict.fromkeys(pools):
            self._set_pool(pool)

    def _follow_claims(self, log: Changes[Any]) -> None:
        keys = log.since(self._claim_place) if self._claim_place >= 0 else None
        self._claim_place = log.now
        if keys is None:
            keys = [*map(key_of, self._objects.list(RESOURCECLAIMS)), *self.usage.owners(), *self._pending]
        for key in dict.fromkeys(keys):
            self._set_held(key)

    def _set_pool(self, pool: PoolId) -> None:
        before = self._slices.get(pool, {})
        now: dict[str, tuple[Any, Slice]] = {}
        for key, obj in self._objects.find(_SLICES, pool).items():
            known = before.get(key.name)
            same = known is not None and known[0] is obj
            now[key.name] = known if same and known is not None else (obj, compile_slice(obj, self._kinds))
        self._forget_pool(pool)
        if not now:
            return
        self._slices[pool] = now
        slices = [compiled for _, compiled in now.values()]
        reaches = {each.reach for each in slices}
        only = next(iter(reaches))
        if len(reaches) == 1 and only is not None and only.name:
            self._set_local(pool, slices, only.name)
        else:
            self._shared[pool] = slices
            self._touch_shared()

    def _set_local(self, pool: PoolId, slices: list[Slice], node: str) -> None:
        built = gather(slices, lambda reach: reach.name == node)
        assert built is not None, "all of the pool is for this node"
        self._node_of[pool] = node
        self._local.setdefault(node, {})[pool] = built
        self.changed_nodes.add(node)

    def _forget_pool(self, pool: PoolId) -> None:
        self._slices.pop(pool, None)
        if self._shared.pop(pool, None) is not None:
            self._touch_shared()
        node = self._node_of.pop(pool, None)
        if node is not None:
            del self._local[node][pool]
            if not self._local[node]:
                del self._local[node]
            self.changed_nodes.add(node)

    def _touch_shared(self) -> None:
        self.reach_version += 1
        self.shared_version += 1
        self._reaches = None
        self._shared_pools = {}

    def _set_held(self, key: Key) -> None:
        pending = self._pending.get(key)
        held = pending.held if pending is not None else self._objects.find(_HELD, key).get(key, ())
        for pool in self.usage.put(key, held):
            node = self._node_of.get(pool)
            if node is not None:
                self.changed_nodes.add(node)
            elif pool in self._shared:
                self.shared_version += 1

    # -- reserving

    def reserve(self, key: Key, uid: str, allocation: Mapping[str, Any], group: Key | None = None) -> None:
        """Count an allocation as made, before the API server has heard of it."""
        self._pending[key] = Pending(uid, allocation, held_by(allocation), group)
        self._set_held(key)

    def release(self, key: Key, uid: str) -> None:
        """The allocation of a claim has been written, or will not be: what the claim says counts again."""
        if self.pending(key, uid) is not None:
            del self._pending[key]
            self._set_held(key)

    def pending(self, key: Key, uid: str) -> Pending | None:
        """Return the allocation of the claim that is on its way, if one is."""
        pending = self._pending.get(key)
        return pending if pending is not None and pending.uid == uid else None

    # -- pools of nodes

    @property
    def reaches(self) -> list[Reach]:
        """Return the different ways in which nodes reach shared pools."""
        if self._reaches is None:
            found = (each for slices in self._shared.values() for each in slices)
            self._reaches = list(dict.fromkeys(reach for each in found for reach in _reaches_of(each)))
        return self._reaches

    def pools(self, node: str, reached: frozenset[Reach]) -> list[Pool]:
        """Return the pools of a node, in the order in which devices are taken from them; `reached` are those
        of `reaches` that hold for the node.
        """
        shared = self._shared_pools.get(reached)
        if shared is None:
            gathered = [gather(slices, reached.__contains__) for slices in self._shared.values()]
            shared = self._shared_pools[reached] = tuple(pool for pool in gathered if pool is not None)
        return sorted((*self._local.get(node, {}).values(), *shared), key=lambda pool: pool.order)

    def local_state(self, node: str) -> tuple[Any, ...]:
        """Return what of a node's local pools matters to a search: equal for nodes that are alike."""
        pools = self._local.get(node)
        if not pools:
            return ()
        return tuple(self._state(pool) for pool in sorted(pools.values(), key=lambda pool: pool.order))

    def _state(self, pool: Pool) -> tuple[Any, ...]:
        content = self._contents.setdefault(pool.content, len(self._contents))
        used = self.usage.in_pool(pool.id)
        if not used:
            return (content,)
        devices = (*pool.devices, *pool.others)
        return content, *((n, used[d.id.name]) for n, d in enumerate(devices) if d.id.name in used)


def _reaches_of(each: Slice) -> list[Reach]:
    return [each.reach] if each.reach is not None else [device.reach for device in each.devices]
