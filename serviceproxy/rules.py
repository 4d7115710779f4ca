"""From a service and its endpoint slices to the elements of nftables maps. Pure; `app` calls it per changed
service.

One element says: packets for this address, protocol and port go to chain `n3` (3 endpoints) or `a3_10800` (3
endpoints, clients stick to one for 10800 s); the chain draws a number from 1 to 3, and a second map turns
address, protocol, port and number into an endpoint. So a service costs elements, never a chain, and a change
of one endpoint one element.

Source of the semantics: pkg/proxy/{topology,serviceport,endpoint}.go (1.36).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.types.core_v1 import Service, ServicePort
from api.types.discovery_v1 import Endpoint, EndpointSlice


class Vip(NamedTuple):
    """What a client sends to. `address` is "" for a node port: any address of the node."""

    address: str
    protocol: str  # tcp, udp, sctp
    port: int


class Backend(NamedTuple):
    address: str
    port: int


@dataclass(frozen=True)
class Target:
    """Where packets for one Vip go. Numbers of `backends` are from 1, and stay with a backend while it
    lives.
    """

    backends: Mapping[int, Backend] = field(default_factory=dict)
    affinity_s: int = 0
    # Packets must leave with the node's own address, or the answers would not come back through it.
    masquerade: bool = False
    # Without backends: refuse (True) or stay silent (False: another node may answer, externalTrafficPolicy
    # Local).
    refuse: bool = True


@dataclass(frozen=True)
class ServiceRules:
    """All that one service asks of the node. `addresses` are its cluster IPs: unserved ports on them are
    refused. External addresses are not among them, since one may be a node's own.
    """

    targets: Mapping[Vip, Target] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()


NOTHING = ServiceRules()


def compute_rules(
    service: Service, slices: Iterable[EndpointSlice], node: str, before: ServiceRules = NOTHING
) -> ServiceRules:
    """Return the rules of `service` on `node`; `before` are those in force, whose numbering is kept."""
    spec = service["spec"]
    addresses = [
        a
        for a in spec.get("clusterIPs") or [spec.get("clusterIP", "")]
        if a not in ("", "None") and ":" not in a
    ]
    if spec.get("type") == "ExternalName" or not addresses or _is_others(service):
        return NOTHING
    outside = [*(spec.get("externalIPs") or []), *_load_balancer_addresses(service)]
    ready = list(slices)
    targets: dict[Vip, Target] = {}
    for port in spec.get("ports") or []:
        protocol = port.get("protocol", "TCP").lower()
        inner = _target(service, port, ready, node, spec.get("internalTrafficPolicy") == "Local", False)
        outer = _target(service, port, ready, node, spec.get("externalTrafficPolicy") == "Local", True)
        for address in addresses:
            targets[Vip(address, protocol, port["port"])] = inner
        for address in outside:
            targets[Vip(address, protocol, port["port"])] = outer
        if port.get("nodePort"):
            targets[Vip("", protocol, port["nodePort"])] = outer
    return ServiceRules(
        {vip: _keep_numbers(target, before.targets.get(vip)) for vip, target in targets.items()},
        frozenset(addresses),
    )


def _is_others(service: Service) -> bool:
    """A service with this label is served by somebody else. Source: KEP-2447."""
    return "service.kubernetes.io/service-proxy-name" in (service["metadata"].get("labels") or {})


def _target(
    service: Service, port: ServicePort, slices: Sequence[EndpointSlice], node: str, local: bool, outer: bool
) -> Target:
    spec = service["spec"]
    backends = _backends(slices, port, node if local else "")
    affinity_s = 0
    if spec.get("sessionAffinity") == "ClientIP":
        affinity_s = spec.get("sessionAffinityConfig", {}).get("clientIP", {}).get("timeoutSeconds", 10800)
    numbered = dict(enumerate(backends, 1))
    # With a Local policy packets for other nodes' backends are dropped, not refused: health checks steer
    # clients away.
    elsewhere = local and bool(_backends(slices, port, ""))
    return Target(numbered, affinity_s, masquerade=outer and not local, refuse=not elsewhere)


def _backends(slices: Sequence[EndpointSlice], port: ServicePort, node: str) -> list[Backend]:
    """Return ready backends; where there is none, those that still serve while they terminate."""
    found: list[Backend] = []
    fallback: list[Backend] = []
    for slice_ in slices:
        number = _port_number(slice_, port)
        if number is None or slice_.get("addressType") == "IPv6":
            continue
        for endpoint in slice_.get("endpoints") or []:
            if node and endpoint.get("nodeName") != node:
                continue
            rank = _rank(endpoint)
            if rank is not None:
                (found if rank == 0 else fallback).append(Backend(endpoint["addresses"][0], number))
    return sorted(set(found or fallback))


def _rank(endpoint: Endpoint) -> int | None:
    conditions = endpoint.get("conditions") or {}
    if conditions.get("ready") is not False:
        return 0
    return 1 if conditions.get("serving") is not False and conditions.get("terminating") else None


def _port_number(slice_: EndpointSlice, wanted: ServicePort) -> int | None:
    for port in slice_.get("ports") or []:
        same_protocol = port.get("protocol", "TCP") == wanted.get("protocol", "TCP")
        if (port.get("name") or "") == (wanted.get("name") or "") and same_protocol:
            return port.get("port")
    return None


def _load_balancer_addresses(service: Service) -> list[str]:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry["ip"] for entry in ingress if entry.get("ip") and ":" not in entry["ip"]]


def _keep_numbers(new: Target, old: Target | None) -> Target:
    """Give backends that are still there the numbers they had; newcomers fill the holes, the last ones move
    down.
    """
    if old is None or not old.backends or set(old.backends.values()) == set(new.backends.values()):
        return (
            new
            if old is None or not old.backends
            else Target(old.backends, new.affinity_s, new.masquerade, new.refuse)
        )
    wanted = set(new.backends.values())
    count = len(wanted)
    kept = {
        number: backend for number, backend in old.backends.items() if backend in wanted and number <= count
    }
    free = (number for number in range(1, count + 1) if number not in kept)
    placed = set(kept.values())
    rest = sorted(wanted - placed)
    return Target({**kept, **dict(zip(free, rest, strict=True))}, new.affinity_s, new.masquerade, new.refuse)


def removed_udp(before: ServiceRules, after: ServiceRules) -> list[tuple[Vip, Backend | None]]:
    """Return what the kernel's connection table must forget: UDP "connections" to backends that are gone.

    A Vip with None: packets went nowhere and are remembered as going there, now that there are backends.
    """
    stale: list[tuple[Vip, Backend | None]] = []
    for vip, old in before.targets.items():
        if vip.protocol != "udp":
            continue
        new = after.targets.get(vip, Target())
        stale += [(vip, backend) for backend in set(old.backends.values()) - set(new.backends.values())]
        if not old.backends and new.backends:
            stale.append((vip, None))
    return stale
