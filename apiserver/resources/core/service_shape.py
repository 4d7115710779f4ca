"""What follows from a service's type, and what of it the server has chosen before. Pure.

Called by `service.py`. Source: pkg/registry/core/service/{strategy.go,storage/alloc.go} (1.36).
"""

from api.core.service_spec import needs_health_check
from api.resource import Obj

HEADLESS = "None"
WITH_PORTS = ("NodePort", "LoadBalancer")


def addresses_of(service: Obj) -> tuple[str, ...]:
    """Return the cluster addresses of a service."""
    spec = service.get("spec") or {}
    found = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return tuple(address for address in found if address and address != HEADLESS)


def ports_of(service: Obj) -> tuple[str, ...]:
    """Return the node ports of a service, as text."""
    return tuple(map(str, node_ports(service.get("spec") or {})))


def node_ports(spec: Obj) -> list[int]:
    """Return the node ports of a service."""
    found = [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]
    return [*found, spec["healthCheckNodePort"]] if spec.get("healthCheckNodePort") else found


def shaped(spec: Obj, old: Obj | None) -> Obj:
    """Return the spec with what follows from its type, and with what the server chose before if the client
    leaves it out.

    Spec: patchAllocatedValues, dropTypeDependentFields (1.36).
    """
    spec = dict(spec)
    spec.setdefault("type", "ClusterIP")
    if old:
        _carry(spec, old)
    if spec["type"] == "ExternalName" and (not old or old.get("type") != "ExternalName"):
        _drop(spec, old, ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"))
    if old and spec["type"] not in WITH_PORTS and old.get("type") in WITH_PORTS:
        _drop_node_ports(spec, old)
    if old and not needs_health_check(spec):
        _drop(spec, old, ("healthCheckNodePort",))
    if old and spec["type"] != "LoadBalancer" and old.get("type") == "LoadBalancer":
        _drop(spec, old, ("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    return spec


def _drop(spec: Obj, old: Obj | None, names: tuple[str, ...]) -> None:
    """Drop what the new type does not have, unless the client has just set it: then validation says so."""
    for name in names:
        if old is None or spec.get(name) == old.get(name):
            spec.pop(name, None)


def _drop_node_ports(spec: Obj, old: Obj) -> None:
    if _numbers(spec) == _numbers(old) and "ports" in spec:
        spec["ports"] = [{key: v for key, v in port.items() if key != "nodePort"} for port in spec["ports"]]
    if not spec.get("externalIPs"):
        _drop(spec, old, ("externalTrafficPolicy",))


def _carry(spec: Obj, old: Obj) -> None:
    """Keep addresses and node ports that the client does not mention."""
    if spec["type"] != "ExternalName" and old.get("type") != "ExternalName":
        _carry_addresses(spec, old)
    if spec["type"] in WITH_PORTS and old.get("type") in WITH_PORTS:
        known = {_port_key(port): port.get("nodePort") for port in old.get("ports") or ()}
        spec["ports"] = [
            {**port, "nodePort": known[_port_key(port)]}
            if not port.get("nodePort") and known.get(_port_key(port))
            else port
            for port in spec.get("ports") or ()
        ]
    if needs_health_check(spec) and not spec.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _carry_addresses(spec: Obj, old: Obj) -> None:
    """Keep what the client leaves out; who writes `clusterIP` alone means the first of `clusterIPs` too.

    Spec: patchAllocatedValues, NormalizeClusterIPs (1.36).
    """
    for name in ("clusterIP", "ipFamilies", "ipFamilyPolicy"):
        if name in old and not spec.get(name):
            spec[name] = old[name]
    changed = spec.get("clusterIP") != old.get("clusterIP")
    if changed and spec.get("clusterIPs") == old.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif not changed and old.get("clusterIPs") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = old["clusterIPs"]


def _port_key(port: Obj) -> tuple[str, int]:
    return port.get("protocol", "TCP"), port.get("port", 0)


def _numbers(spec: Obj) -> set[int]:
    return {port.get("nodePort") or 0 for port in spec.get("ports") or ()}
