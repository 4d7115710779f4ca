"""node-ipam-controller: gives each node a range of pod addresses out of the cluster's.

Which ranges are taken is read from the nodes; what was just given out is remembered until the cache shows it.
Source: pkg/controller/nodeipam/ipam range_allocator.go (1.36).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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


def first_free(pool: Pool, taken: Iterable[str]) -> str | None:
    """Return the lowest range that overlaps none of `taken`."""
    used = {number for cidr in taken for number in pool.numbers(cidr)}
    number = next((number for number in range(pool.count) if number not in used), None)
    return None if number is None else pool.range(number)


class _Allocator:
    """Plans are made one at a time, so `_given` (node uid -> range) keeps two nodes from the same range."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._given: dict[str, str] = {}

    def plan(self, node: Node, view: View, now: datetime) -> Plan:
        uid = node["metadata"]["uid"]
        if node["spec"].get("podCIDR") or "deletionTimestamp" in node["metadata"]:
            self._given.pop(uid, None)
            return NOTHING
        nodes = view.list(NODES)
        alive = {other["metadata"]["uid"] for other in nodes}
        self._given = {key: value for key, value in self._given.items() if key in alive}
        cidr = self._given.get(uid) or first_free(self._pool, self._taken(nodes))
        if cidr is None:
            message = "Node status is now: CIDRNotAvailable"
            return Plan((Record(node, "Normal", "CIDRNotAvailable", message),), requeue_after=30.0)
        self._given[uid] = cidr
        body = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        return Plan((patch(NODES, node, body, kind="strategic", guarded=False),))

    def _taken(self, nodes: Iterable[Node]) -> Iterable[str]:
        yield from self._given.values()
        for node in nodes:
            spec = node["spec"]
            yield from spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])


def node_ipam(cluster_cidr: str, mask: int) -> Controller[Any]:
    """Return the controller for a cluster range. Raises `ValueError` for a bad one."""
    pool = Pool(ipaddress.ip_network(cluster_cidr), mask)
    if mask < pool.network.prefixlen:
        raise ValueError(f"--node-cidr-mask-size {mask} is wider than --cluster-cidr {cluster_cidr}")
    return controller("node-ipam-controller", of=NODES)(_Allocator(pool).plan)
