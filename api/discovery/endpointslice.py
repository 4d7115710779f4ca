"""EndpointSlices. Spec: pkg/apis/discovery/v1 defaults, pkg/apis/discovery/validation (1.36)."""

from api import field, names
from api.core.address import ip_family, non_special_ip_errors
from api.core.service_spec import PROTOCOLS
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import NameRule, immutable, validate_labels, validate_metadata, validate_metadata_update
from api.resource import Obj

_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_ADDRESSES, _MAX_PORTS = 1000, 100, 20000
_MAX_HINTS = 8

defaults = defaulting(nested={"ports": each(defaulting(absent={"name": ""}, empty={"protocol": "TCP"}))})


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    kind = obj.get("addressType", "")
    if kind not in _TYPES:
        at = Path("addressType")
        errors.append(field.not_supported(at, kind, _TYPES) if kind else field.required(at))
    endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
    if len(endpoints) > _MAX_ENDPOINTS:
        errors.append(field.too_many(Path("endpoints"), len(endpoints), _MAX_ENDPOINTS))
    for number, endpoint in enumerate(endpoints):
        errors += _endpoint_errors(endpoint, kind, Path("endpoints").index(number))
    return errors + _ports_errors(ports)


def _endpoint_errors(endpoint: Obj, kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    addresses, at = endpoint.get("addresses") or [], path.child("addresses")
    if not addresses:
        errors.append(field.required(at, "must contain at least 1 address"))
    elif len(addresses) > _MAX_ADDRESSES:
        errors.append(field.too_many(at, len(addresses), _MAX_ADDRESSES))
    for number, address in enumerate(addresses):
        errors += _address_errors(address, kind, at.index(number))
    if host := endpoint.get("hostname"):
        errors += [field.invalid(path.child("hostname"), host, text) for text in names.is_dns1123_label(host)]
    if node := endpoint.get("nodeName"):
        errors += [
            field.invalid(path.child("nodeName"), node, text) for text in names.is_dns1123_subdomain(node)
        ]
    topology = endpoint.get("deprecatedTopology") or {}
    errors += validate_labels(topology, path.child("deprecatedTopology"))
    hints, at = endpoint.get("hints") or {}, path.child("hints")
    errors += _hints_errors(hints.get("forZones") or [], names.is_label_value, at.child("forZones"))
    return errors + _hints_errors(
        hints.get("forNodes") or [], names.is_dns1123_subdomain, at.child("forNodes")
    )


def _hints_errors(hints: list[Obj], rule: NameRule, path: Path) -> list[FieldError]:
    """Check for which zones or nodes an endpoint is meant."""
    if len(hints) > _MAX_HINTS:
        return [field.too_many(path, len(hints), _MAX_HINTS)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, hint in enumerate(hints):
        name, at = hint.get("name", ""), path.index(number).child("name")
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
        errors += [field.invalid(at, name, text) for text in rule(name)]
    return errors


def _address_errors(address: str, kind: str, path: Path) -> list[FieldError]:
    if kind == "FQDN":
        return _domain_errors(address, path)
    if kind not in _TYPES:
        return []
    if ip_family(address) != kind:
        return [field.invalid(path, address, f"must be a valid {kind} address")]
    return non_special_ip_errors(address, path)


def _domain_errors(address: str, path: Path) -> list[FieldError]:
    """Check a fully qualified domain name. Spec: IsFullyQualifiedDomainName (1.36)."""
    if not address:
        return [field.required(path)]
    name = address.removesuffix(".")
    if found := names.is_dns1123_subdomain(name):
        return [field.invalid(path, name, ",".join(found))]
    labels = name.split(".")
    if len(labels) < 2:
        text = "should be a domain with at least two segments separated by dots"
        return [field.invalid(path, name, text)]
    return [
        field.invalid(path, label, ",".join(found))
        for label in labels
        if (found := names.is_dns1123_label(label))
    ]


def _ports_errors(ports: list[Obj]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    path = Path("ports")
    if len(ports) > _MAX_PORTS:
        errors.append(field.too_many(path, len(ports), _MAX_PORTS))
    for number, port in enumerate(ports):
        at, name, protocol = path.index(number), port.get("name", ""), port.get("protocol", "")
        if name:
            errors += [field.invalid(at.child("name"), name, text) for text in names.is_dns1123_label(name)]
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
        if protocol not in PROTOCOLS:
            here = at.child("protocol")
            errors.append(
                field.not_supported(here, protocol, PROTOCOLS) if protocol else field.required(here)
            )
        if app := port.get("appProtocol"):
            errors += [
                field.invalid(at.child("appProtocol"), app, text) for text in names.is_qualified_name(app)
            ]
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new) + immutable(new, old, "addressType", Path())
