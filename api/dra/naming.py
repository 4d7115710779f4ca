"""Names of drivers, pools, devices, attributes, and other values that several kinds of DRA have.

Spec: pkg/apis/resource/validation/validation.go, staging/src/k8s.io/api/resource/v1/types.go (1.36).
"""

import re
from ipaddress import ip_interface
from typing import Any

import orjson

from api import field, names
from api.field import FieldError, Path
from api.resource import Obj
from api.storage.drivers import driver_errors

POOL_MAX = 253
ID_MAX = 32
DOMAIN_MAX = 63
# The longest qualified name: domain, slash and identifier.
QUALIFIED_MAX = DOMAIN_MAX + 1 + ID_MAX
OPAQUE_MAX_BYTES = 10 * 1024

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_OPERATORS = ("Equal", "Exists")


def label_errors(text: str, path: Path) -> list[FieldError]:
    """Check a DNS label, as requests, devices and counters are named."""
    return [field.invalid(path, text, why) for why in names.is_dns1123_label(text)]


def key_errors(text: str, path: Path) -> list[FieldError]:
    """Check a label key, as taints and binding conditions are named."""
    return [field.invalid(path, text, why) for why in names.is_qualified_name(text)]


def value_errors(text: str, path: Path) -> list[FieldError]:
    """Check a label value."""
    return [field.invalid(path, text, why) for why in names.is_label_value(text)]


def pool_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of a pool: subdomains separated by slashes."""
    if not text:
        return [field.required(path)]
    errors = [field.too_long(path, POOL_MAX)] if len(text) > POOL_MAX else []
    for part in text.split("/"):
        errors += [field.invalid(path, part, why) for why in names.is_dns1123_subdomain(part)]
    return errors


def class_errors(text: str, path: Path) -> list[FieldError]:
    """Check a reference to a DeviceClass."""
    if not text:
        return [field.required(path)]
    return [field.invalid(path, text, why) for why in names.is_dns1123_subdomain(text)]


def node_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of a node."""
    return [field.invalid(path, text, why) for why in names.is_dns1123_subdomain(text)]


def qualified_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of an attribute or a capacity: `name` or `domain/name`."""
    domain, slash, name = text.partition("/")
    if not slash:
        return identifier_errors(text, path)
    if "/" in name:
        return [field.invalid(path, text, "must not contain more than one slash")]
    errors = (
        driver_errors(domain, path) if domain else [field.invalid(path, "", "the domain must not be empty")]
    )
    if name:
        return errors + identifier_errors(name, path)
    return [*errors, field.invalid(path, "", "the name must not be empty")]


def fully_qualified_errors(text: str, path: Path) -> list[FieldError]:
    """Check the name of an attribute that must have a domain."""
    errors = qualified_errors(text, path)
    if "/" not in text:
        why = "a fully qualified name must be a domain and a name separated by a slash"
        errors.append(field.invalid(path, text, why))
    return errors


def identifier_errors(text: str, path: Path) -> list[FieldError]:
    """Check an identifier as C has them, of at most 32 letters."""
    errors = [field.too_long(path, ID_MAX)] if len(text) > ID_MAX else []
    return errors + [field.invalid(path, text, why) for why in names.is_c_identifier(text)]


def uid_errors(text: str, path: Path) -> list[FieldError]:
    """Check a UUID in its normal form."""
    if _UUID(text):
        return []
    if not _UUID(text.lower()):
        return [field.invalid(path, text, f"error validating uid: {_uuid_fault(text)}")]
    why = (
        "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
        "hexadecimal characters"
    )
    return [field.invalid(path, text, why)]


def _uuid_fault(text: str) -> str:
    return "invalid UUID format" if len(text) == 36 else f"invalid UUID length: {len(text)}"


def json_object_errors(value: Any, path: Path, most_bytes: int, stored: bool = False) -> list[FieldError]:
    """Check a piece of free JSON: there, an object, and (unless it was stored before) not too large."""
    if value is None:
        return [field.required(path)]
    if not stored and len(orjson.dumps(value)) > most_bytes:
        return [field.too_long(path, most_bytes)]
    if isinstance(value, dict):
        return []
    return [field.invalid(path, "<value omitted>", "must be a valid JSON object")]


def configuration_errors(config: Obj, path: Path, stored: bool = False) -> list[FieldError]:
    """Check what configures devices: parameters that only their driver understands."""
    opaque, at = config.get("opaque"), path.child("opaque")
    if opaque is None:
        return [field.required(at)]
    errors = driver_errors(opaque.get("driver", ""), at.child("driver"))
    parameters = opaque.get("parameters")
    return errors + json_object_errors(parameters, at.child("parameters"), OPAQUE_MAX_BYTES, stored)


def toleration_errors(toleration: Obj, path: Path) -> list[FieldError]:
    """Check what a request tolerates of devices."""
    key, value = toleration.get("key", ""), toleration.get("value", "")
    operator, effect = toleration.get("operator", ""), toleration.get("effect", "")
    errors = key_errors(key, path.child("key")) if key else []
    if operator == "Exists":
        if value:
            errors.append(field.invalid(path.child("value"), value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        errors += value_errors(value, path.child("value"))
    else:
        at = path.child("operator")
        errors.append(field.not_supported(at, operator, _OPERATORS) if operator else field.required(at))
    if effect and effect not in _EFFECTS:
        errors.append(field.not_supported(path.child("effect"), effect, _EFFECTS))
    return errors


def taint_errors(taint: Obj, path: Path) -> list[FieldError]:
    """Check a taint of a device."""
    errors = key_errors(taint.get("key", ""), path.child("key"))
    if value := taint.get("value"):
        errors += value_errors(value, path.child("value"))
    effect, at = taint.get("effect", ""), path.child("effect")
    if not effect:
        errors.append(field.required(at))
    elif effect not in _EFFECTS:
        errors.append(field.not_supported(at, effect, _EFFECTS))
    return errors


def interface_address_errors(text: str, path: Path) -> list[FieldError]:
    """Check the address of an interface with its prefix length, in canonical form."""
    try:
        if not re.fullmatch(r"[^/%]+/[0-9]+", text):
            raise ValueError(text)
        canonical = str(ip_interface(text))
    except ValueError:
        why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
        return [field.invalid(path, text, why)]
    return (
        [] if canonical == text else [field.invalid(path, text, f'must be in canonical form ("{canonical}")')]
    )
