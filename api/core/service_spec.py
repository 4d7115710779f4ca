"""Validation of a Service's spec.

Source: pkg/apis/core/validation ValidateService (1.36).
"""

from typing import Any

from api import field, names
from api.core.address import cidr_errors, ip_errors, non_special_ip_errors
from api.core.service_addresses import addresses_errors, is_headless
from api.field import FieldError, Path
from api.meta import validate_labels
from api.resource import Obj

PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_DAY_SECONDS = 86400
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def spec_errors(spec: Obj, path: Path, annotations: Obj) -> list[FieldError]:
    """Check a whole spec, addresses as far as they are there; `annotations`: the older form of one field."""
    kind, headless = spec.get("type", ""), is_headless(spec)
    errors: list[FieldError] = []
    if not spec.get("ports") and not headless and kind != "ExternalName":
        errors.append(field.required(path.child("ports")))
    errors += _type_errors(spec, kind, headless, path)
    ports = spec.get("ports") or []
    seen: set[str] = set()
    for number, port in enumerate(ports):
        errors += _port_errors(port, len(ports) > 1, seen, path.child("ports").index(number))
    if selector := spec.get("selector"):
        errors += validate_labels(selector, path.child("selector"))
    errors += _affinity_errors(spec, path)
    if kind != "ExternalName":
        errors += addresses_errors(spec, path)
    for number, address in enumerate(spec.get("externalIPs") or ()):
        at = path.child("externalIPs").index(number)
        errors += ip_errors(address, at) or non_special_ip_errors(address, at)
    if kind not in _TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _TYPES) if kind
                      else field.required(path.child("type")))  # fmt: skip
    errors += _port_list_errors(ports, kind, path.child("ports"))
    errors += _source_range_errors(spec, kind, path, annotations)
    return errors + _balancer_errors(spec, kind, path) + _traffic_errors(spec, kind, path)


def _type_errors(spec: Obj, kind: str, headless: bool, path: Path) -> list[FieldError]:
    if kind in ("LoadBalancer", "NodePort"):
        if not headless:
            return []
        text = f"may not be set to 'None' for {kind} services"
        return [field.invalid(path.child("clusterIPs").index(0), "None", text)]
    if kind != "ExternalName":
        return []
    errors = [
        field.forbidden(path.child(name), "may not be set for ExternalName services")
        for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
        if spec.get(name)
    ]
    at = path.child("externalName")
    # A trailing dot is allowed: such a name is complete.
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        return [*errors, field.required(at)]
    return errors + [field.invalid(at, name, text) for text in names.is_dns1123_subdomain(name)]


def _port_list_errors(ports: list[Obj], kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if kind == "ClusterIP":
        text = "may not be used when `type` is 'ClusterIP'"
        errors += [
            field.forbidden(path.index(number).child("nodePort"), text)
            for number, port in enumerate(ports)
            if port.get("nodePort")
        ]
    taken: set[tuple[Any, Any]] = set()
    for number, port in enumerate(ports):
        pair = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort") and pair in taken:
            errors.append(field.duplicate(path.index(number).child("nodePort"), port["nodePort"]))
        taken.add(pair)
    seen: set[tuple[Any, Any]] = set()
    for number, port in enumerate(ports):
        pair = (port.get("protocol"), port.get("port"))
        if pair in seen:
            errors.append(field.duplicate(path.index(number), {"protocol": pair[0], "port": pair[1]}))
        seen.add(pair)
    return errors


def _port_errors(port: Obj, needs_name: bool, seen: set[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    name, protocol = port.get("name", ""), port.get("protocol", "")
    if needs_name and not name:
        errors.append(field.required(path.child("name")))
    elif name:
        errors += [field.invalid(path.child("name"), name, text) for text in names.is_dns1123_label(name)]
        if name in seen:
            errors.append(field.duplicate(path.child("name"), name))
        seen.add(name)
    number = port.get("port", 0)
    errors += [field.invalid(path.child("port"), number, text) for text in names.is_port_number(number)]
    if not protocol:
        errors.append(field.required(path.child("protocol")))
    elif protocol not in PROTOCOLS:
        errors.append(field.not_supported(path.child("protocol"), protocol, PROTOCOLS))
    errors += port_or_name_errors(port.get("targetPort", 0), path.child("targetPort"))
    return errors + app_protocol_errors(port, path)


def app_protocol_errors(port: Obj, path: Path) -> list[FieldError]:
    """Check `appProtocol` of a port, if it has one."""
    text, at = port.get("appProtocol"), path.child("appProtocol")
    return [] if text is None else [field.invalid(at, text, why) for why in names.is_qualified_name(text)]


def port_or_name_errors(port: int | str, path: Path) -> list[FieldError]:
    """Check a port number or the name of a container's port."""
    found = names.is_port_number(port) if isinstance(port, int) else names.is_port_name(port)
    return [field.invalid(path, port, text) for text in found]


def _affinity_errors(spec: Obj, path: Path) -> list[FieldError]:
    affinity = spec.get("sessionAffinity", "")
    at = path.child("sessionAffinityConfig")
    if affinity not in _AFFINITIES:
        at = path.child("sessionAffinity")
        return [field.not_supported(at, affinity, _AFFINITIES) if affinity else field.required(at)]
    config = spec.get("sessionAffinityConfig")
    if affinity == "None":
        if config is None:
            return []
        return [field.forbidden(at, "must not be set when session affinity is None")]
    client = (config or {}).get("clientIP")
    if client is None:
        at = at if config is None else at.child("clientIP")
        return [field.required(at, "when session affinity type is ClientIP")]
    seconds = client.get("timeoutSeconds")
    at = at.child("clientIP").child("timeoutSeconds")
    if seconds is None:
        return [field.required(at, "when session affinity type is ClientIP")]
    if not 0 < seconds <= _DAY_SECONDS:
        return [field.invalid(at, seconds, f"must be greater than 0 and less than {_DAY_SECONDS}")]
    return []


def _source_range_errors(spec: Obj, kind: str, path: Path, annotations: Obj) -> list[FieldError]:
    if ranges := spec.get("loadBalancerSourceRanges"):
        at = path.child("LoadBalancerSourceRanges")
        pairs = [(text.strip(), at.index(number)) for number, text in enumerate(ranges)]
    elif SOURCE_RANGES in annotations:
        at = Path("metadata").child("annotations").key(SOURCE_RANGES)
        given = annotations[SOURCE_RANGES].strip()
        pairs = [(text.strip(), at) for text in given.split(",")] if given else []
    else:
        return []
    errors = [] if kind == "LoadBalancer" else [field.forbidden(at, _ONLY_BALANCED)]
    return errors + [error for text, here in pairs for error in cidr_errors(text, here)]


def _balancer_errors(spec: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    balanced, name = kind == "LoadBalancer", "allocateLoadBalancerNodePorts"
    if name in spec and not balanced:
        errors.append(field.forbidden(path.child(name), _ONLY_BALANCED))
    if balanced and name not in spec:
        # Upstream forgets that it is in the spec.
        errors.append(field.required(Path(name)))
    chosen, at = spec.get("loadBalancerClass"), path.child("loadBalancerClass")
    if chosen is None:
        return errors
    if not balanced:
        return [*errors, field.forbidden(at, _ONLY_BALANCED)]
    return errors + [field.invalid(at, chosen, text) for text in names.is_qualified_name(chosen)]


def needs_health_check(spec: Obj) -> bool:
    """Say whether the service has a port on which nodes tell if they have local endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _traffic_errors(spec: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    external, internal = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    reachable = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    at = path.child("externalTrafficPolicy")
    if reachable:
        if not external:
            errors.append(field.required(at))
        elif external not in _TRAFFIC:
            errors.append(field.not_supported(at, external, _TRAFFIC))
    elif external:
        errors.append(field.invalid(at, external, "may only be set for externally-accessible services"))
    errors += _health_errors(spec, path.child("healthCheckNodePort"))
    at = path.child("internalTrafficPolicy")
    if internal is None and kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        errors.append(field.required(at))
    if internal is not None and internal not in _TRAFFIC:
        errors.append(field.not_supported(at, internal, _TRAFFIC))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        errors.append(field.not_supported(path.child("trafficDistribution"), distribution, _DISTRIBUTIONS))
    return errors


def _health_errors(spec: Obj, path: Path) -> list[FieldError]:
    port = spec.get("healthCheckNodePort", 0)
    if needs_health_check(spec):
        if not port:
            return [field.required(path)]
        return [field.invalid(path, port, text) for text in names.is_port_number(port)]
    if not port:
        return []
    text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    return [field.invalid(path, port, text)]
