"""Endpoints. Spec: pkg/apis/core/v1 SetDefaults_Endpoints, validation ValidateEndpoints (1.36)."""

from api import field, names
from api.core.address import ip_errors, non_special_ip_errors
from api.core.service_spec import PROTOCOLS, app_protocol_errors
from api.defaulting import defaulting, each
from api.field import FieldError, Path
from api.meta import validate_metadata, validate_metadata_update
from api.resource import Obj

_SUBSETS = Path("subsets")

defaults = defaulting(
    nested={
        "subsets": each(defaulting(nested={"ports": each(defaulting(empty={"protocol": "TCP"}))})),
    }
)


def _address_errors(address: Obj, path: Path) -> list[FieldError]:
    ip = address.get("ip", "")
    errors = ip_errors(ip, path.child("ip"))
    if host := address.get("hostname"):
        errors += [field.invalid(path.child("hostname"), host, text) for text in names.is_dns1123_label(host)]
    if (node := address.get("nodeName")) is not None:
        errors += [
            field.invalid(path.child("nodeName"), node, text) for text in names.is_dns1123_subdomain(node)
        ]
    return errors + non_special_ip_errors(ip, path.child("ip"))


def _port_errors(port: Obj, needs_name: bool, path: Path) -> list[FieldError]:
    name, number, protocol = port.get("name", ""), port.get("port", 0), port.get("protocol", "")
    errors: list[FieldError] = []
    if name:
        errors += [field.invalid(path.child("name"), name, text) for text in names.is_dns1123_label(name)]
    elif needs_name:
        errors.append(field.required(path.child("name")))
    errors += [field.invalid(path.child("port"), number, text) for text in names.is_port_number(number)]
    if protocol not in PROTOCOLS:
        at = path.child("protocol")
        errors.append(field.not_supported(at, protocol, PROTOCOLS) if protocol else field.required(at))
    return errors + app_protocol_errors(port, path)


def _subset_errors(subset: Obj, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        errors.append(field.required(path, "must specify `addresses` or `notReadyAddresses`"))
    for name in ("addresses", "notReadyAddresses"):
        for number, address in enumerate(subset.get(name) or ()):
            errors += _address_errors(address, path.child(name).index(number))
    ports = subset.get("ports") or ()
    for number, port in enumerate(ports):
        errors += _port_errors(port, len(ports) > 1, path.child("ports").index(number))
    return errors


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=True)
    for number, subset in enumerate(obj.get("subsets") or ()):
        errors += _subset_errors(subset, _SUBSETS.index(number))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    return validate_metadata_update(new, old) + validate(new)
