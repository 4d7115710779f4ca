"""node-ipam-controller: gives each node a range of pod addresses out of the cluster's.

Which ranges are taken is read from the nodes; what was just given out is remembered until the cache shows it.
Source: pkg/controller/nodeipam/ipam range_allocator.go (1.36).
"""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from api.resource import Obj
from api.types.core_v1 import NODES, Node
from controllers.framework.controller import Controller, View, controller
from controllers.framework.plan import NOTHING, Plan, Record, patch


@dataclass(frozen=True)
class Pool:
    """The cluster's range, cut into ranges of `mask` bits."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    mask: int

    @property
    def count(self) -> int:
        return 1 << max(0, self.mask - self.network.prefixlen)

    def range(self, number: int) -> str:
        size = 1 << (self.network.max_prefixlen - self.mask)
        return f"{self.network.network_address + number * size}/{self.mask}"

    def numbers(self, cidr: str) -> Iterable[int]:
        """Return the numbers of the ranges that `cidr` overlaps."""
        other = ipaddress.ip_network(cidr, strict=False)
        if other.version != self.network.version or not other.overlaps(self.network):
            return ()
        size = 1 << (self.network.max_prefixlen - self.mask)
        start = max(0, int(other.network_address) - int(self.network.network_address))
        end = int(other.broadcast_address) - int(self.network.network_address)
        return range(start // size, min(self.count - 1, end // size) + 1)


RANGE = "pod-range"
# Source: pkg/controller/nodeipam/ipam cidrUpdateWorkers (1.36).
WORKERS = 30
# (node, now) -> what else is to change in its spec, written with the range. DEVIATION: upstream's controllers
# write ranges and taints apart; of thousands of nodes that come at once, each is ready one write sooner.
Also: TypeAlias = "Callable[[Node, datetime], Obj]"


def taken_ranges(pool: Pool) -> Callable[[Node], Iterable[str]]:
    """Return the index function that says which of the pool's ranges a node has, by their numbers."""

    def numbers_of(node: Node) -> Iterable[str]:
        spec = node["spec"]
        cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
        return [str(number) for cidr in cidrs for number in pool.numbers(cidr)]

    return numbers_of


def first_free(pool: Pool, is_taken: Callable[[int], bool], start: int = 0) -> int | None:
    """Return the number of the first range from `start` on, and around, that is not taken.

    Source: pkg/controller/nodeipam/ipam/cidrset AllocateNext (1.36).
    """
    numbers = ((start + step) % pool.count for step in range(pool.count))
    return next((number for number in numbers if not is_taken(number)), None)


class _Allocator:
    """Plans are made one at a time, so `_given` (node uid -> number) keeps two nodes from the same range.

    The search goes on where the last one ended, so that with thousands of nodes it ends at once.
    """

    def __init__(self, pool: Pool, also: Also) -> None:
        self._pool = pool
        self._also = also
        self._given: dict[str, int] = {}
        self._next = 0

    def plan(self, node: Node, view: View, now: datetime) -> Plan:
        uid = node["metadata"]["uid"]
        if node["spec"].get("podCIDR") or "deletionTimestamp" in node["metadata"]:
            self._given.pop(uid, None)
            return NOTHING
        number = self._given.get(uid)
        if number is None:
            number = self._choose(view)
        if number is None:
            message = "Node status is now: CIDRNotAvailable"
            return Plan((Record(node, "Normal", "CIDRNotAvailable", message),), requeue_after=30.0)
        self._given[uid] = number
        cidr = self._pool.range(number)
        more = self._also(node, now)
        body = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr], **more}}
        return Plan((patch(NODES, node, body, kind="strategic", guarded=bool(more)),))

    def _choose(self, view: View) -> int | None:
        number = self._search(view)
        if number is None:
            # Nodes may have gone before they were seen with what they had been given.
            alive = {node["metadata"]["uid"] for node in view.list(NODES)}
            self._given = {key: value for key, value in self._given.items() if key in alive}
            number = self._search(view)
        return number

    def _search(self, view: View) -> int | None:
        given = set(self._given.values())
        number = first_free(
            self._pool, lambda one: one in given or bool(view.by(NODES, RANGE, str(one))), self._next
        )
        self._next = self._next if number is None else number + 1
        return number


def _nothing_else(node: Node, now: datetime) -> Obj:
    return {}


def node_ipam(cluster_cidr: str, mask: int, also: Also = _nothing_else) -> Controller[Any]:
    """Return the controller for a cluster range. Raises `ValueError` for a bad one."""
    pool = Pool(ipaddress.ip_network(cluster_cidr), mask)
    if mask < pool.network.prefixlen:
        raise ValueError(f"--node-cidr-mask-size {mask} is wider than --cluster-cidr {cluster_cidr}")
    index = {NODES: {RANGE: taken_ranges(pool)}}
    return controller("node-ipam-controller", of=NODES, indexes=index, workers=WORKERS)(
        _Allocator(pool, also).plan
    )
