"""Validation of a Service's spec.

Source: pkg/apis/core/validation ValidateService (1.36).
"""

from typing import Any

from api import field, names
from api.core.address import cidr_errors, ip_errors, ip_family, non_special_ip_errors, parse_ip
from api.field import FieldError, Path
from api.meta import validate_labels
from api.resource import Obj

PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_DAY_SECONDS = 86400
_AGENT_PORT = 10250


def spec_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check a whole spec, addresses as far as they are there."""
    kind, headless = spec.get("type", ""), spec.get("clusterIP") == "None"
    errors: list[FieldError] = []
    if not spec.get("ports") and not headless and kind != "ExternalName":
        errors.append(field.required(path.child("ports")))
    errors += _type_errors(spec, kind, headless, path)
    errors += _port_list_errors(spec, kind, path.child("ports"))
    if selector := spec.get("selector"):
        errors += validate_labels(selector, path.child("selector"))
    errors += _affinity_errors(spec, path)
    errors += _cluster_ip_errors(spec, path)
    for number, address in enumerate(spec.get("externalIPs") or ()):
        at = path.child("externalIPs").index(number)
        errors += ip_errors(address, at) or non_special_ip_errors(address, at)
    if kind not in _TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _TYPES) if kind
                      else field.required(path.child("type")))  # fmt: skip
    return errors + _balancer_errors(spec, kind, path) + _traffic_errors(spec, kind, path)


def _type_errors(spec: Obj, kind: str, headless: bool, path: Path) -> list[FieldError]:
    if kind in ("LoadBalancer", "NodePort"):
        if not headless:
            return []
        text = f"may not be set to 'None' for {kind} services"
        return [field.invalid(path.child("clusterIPs").index(0), "None", text)]
    if kind != "ExternalName":
        return []
    errors = []
    if spec.get("clusterIPs"):
        errors.append(field.forbidden(path.child("clusterIPs"), "may not be set for ExternalName services"))
    name = spec.get("externalName", "")
    if not name:
        errors.append(field.required(path.child("externalName")))
    # A trailing dot is allowed: such a name is complete.
    errors += [field.invalid(path.child("externalName"), name, text)
               for text in (names.is_dns1123_subdomain(name.removesuffix(".")) if name else ())]  # fmt: skip
    return errors


def _port_list_errors(spec: Obj, kind: str, path: Path) -> list[FieldError]:
    ports = spec.get("ports") or []
    errors: list[FieldError] = []
    seen_names: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    node_ports: set[tuple[Any, Any]] = set()
    for number, port in enumerate(ports):
        at = path.index(number)
        errors += _port_errors(port, len(ports) > 1, seen_names, at)
        if kind in ("ClusterIP", "ExternalName") and port.get("nodePort"):
            text = f"may not be used when `type` is '{kind}'"
            errors.append(field.forbidden(at.child("nodePort"), text))
        if kind == "LoadBalancer" and port.get("port") == _AGENT_PORT:
            text = f"may not expose port {_AGENT_PORT} externally since it is used by kubelet"
            errors.append(field.invalid(at, port["port"], text))
        protocol = port.get("protocol")
        if port.get("nodePort"):
            if (protocol, port["nodePort"]) in node_ports:
                errors.append(field.duplicate(at.child("nodePort"), port["nodePort"]))
            node_ports.add((protocol, port["nodePort"]))
        if (protocol, port.get("port")) in seen:
            errors.append(field.duplicate(at, {"protocol": protocol, "port": port.get("port")}))
        seen.add((protocol, port.get("port")))
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
    if app := port.get("appProtocol"):
        errors += [
            field.invalid(path.child("appProtocol"), app, text) for text in names.is_qualified_name(app)
        ]
    return errors


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


def _cluster_ip_errors(spec: Obj, path: Path) -> list[FieldError]:
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    first = spec.get("clusterIP") or ""
    at = path.child("clusterIPs")
    errors: list[FieldError] = []
    if not addresses and first:
        return [field.required(at)]
    if addresses and not first:
        errors.append(field.invalid(at, addresses, "must be empty when `clusterIP` is not specified"))
    elif addresses and addresses[0] != first:
        errors.append(field.invalid(at, addresses, "first value must match `clusterIP`"))
    policy = spec.get("ipFamilyPolicy")
    if policy and policy not in _POLICIES:
        errors.append(field.not_supported(path.child("ipFamilyPolicy"), policy, _POLICIES))
    for number, family in enumerate(families):
        if family not in _FAMILIES:
            errors.append(field.not_supported(path.child("ipFamilies").index(number), family, _FAMILIES))
        if family in families[:number]:
            errors.append(field.duplicate(path.child("ipFamilies").index(number), family))
    if addresses == ["None"]:
        return errors
    for number, address in enumerate(addresses):
        errors += _address_errors(address, number, addresses, families, at)
    if len(addresses) > 2:
        errors.append(field.invalid(at, addresses, "may only hold up to 2 values"))
    return errors


def _address_errors(
    address: str, number: int, every: list[str], families: list[str], path: Path
) -> list[FieldError]:
    at = path.index(number)
    if address == "None":
        return [field.invalid(at, "None", "cannot be used with other clusterIPs") if len(every) > 1
                else field.invalid(at, address, "must be a valid IP address")]  # fmt: skip
    if parse_ip(address) is None:
        return ip_errors(address, at)
    family = ip_family(address)
    if number < len(families) and families[number] != family:
        return [
            field.invalid(
                at, address, f"expected an {families[number]} value as indicated by `ipFamilies[{number}]`"
            )
        ]
    return []


def _balancer_errors(spec: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if ranges := spec.get("loadBalancerSourceRanges"):
        at = path.child("LoadBalancerSourceRanges")
        if kind != "LoadBalancer":
            errors.append(field.forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
        for number, text in enumerate(ranges):
            errors += cidr_errors(text.strip(), path.child("loadBalancerSourceRanges").index(number))
    if kind == "LoadBalancer" and "allocateLoadBalancerNodePorts" not in spec:
        errors.append(field.required(path.child("allocateLoadBalancerNodePorts")))
    if kind != "LoadBalancer" and "allocateLoadBalancerNodePorts" in spec:
        at = path.child("allocateLoadBalancerNodePorts")
        errors.append(field.forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
    if name := spec.get("loadBalancerClass"):
        at = path.child("loadBalancerClass")
        if kind != "LoadBalancer":
            errors.append(field.forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
        errors += [field.invalid(at, name, text) for text in names.is_qualified_name(name)]
    return errors


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
    checked = kind == "LoadBalancer" and external == "Local"
    if spec.get("healthCheckNodePort") and not checked:
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(field.invalid(path.child("healthCheckNodePort"), spec["healthCheckNodePort"], text))
    at = path.child("internalTrafficPolicy")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        if internal is None:
            errors.append(field.required(at))
        elif internal not in _TRAFFIC:
            errors.append(field.not_supported(at, internal, _TRAFFIC))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        errors.append(field.not_supported(path.child("trafficDistribution"), distribution, _DISTRIBUTIONS))
    return errors
