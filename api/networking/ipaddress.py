"""IPAddresses: the name is a canonical address. Spec: networking validation ValidateIPAddress (1.36)."""

from api import field, names
from api.codec.shapes import equal
from api.core.address import parse_ip
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.networking.references import segment_errors
from api.resource import Obj

_PARENT = Path("spec").child("parentRef")

defaults = unchanged


def _name_rule(name: str) -> list[str]:
    address = parse_ip(name)
    if address is None:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if str(address) == name else [f'must be in canonical form ("{address}")']


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False, rule=_name_rule)
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [*errors, field.required(_PARENT)]
    group, at = parent.get("group", ""), _PARENT.child("group")
    if group:
        errors += [field.invalid(at, group, text) for text in names.is_dns1123_subdomain(group)]
    for name in ("resource", "name", "namespace"):
        value = parent.get(name, "")
        if not value and name != "namespace":
            errors.append(field.required(_PARENT.child(name)))
        errors += segment_errors(value, _PARENT.child(name))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    now, before = (new.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    return errors if equal(now, before) else [*errors, field.invalid(_PARENT, now, IMMUTABLE)]
