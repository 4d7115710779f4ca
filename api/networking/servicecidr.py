"""ServiceCIDRs. Spec: pkg/apis/networking/validation ValidateServiceCIDR (1.36)."""

from api import field
from api.codec.shapes import equal
from api.core.address import cidr_errors, ip_family
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_CIDRS = Path("spec").child("cidrs")

defaults = unchanged


def validate(obj: Obj) -> list[FieldError]:
    errors = validate_metadata(obj, namespaced=False)
    cidrs = (obj.get("spec") or {}).get("cidrs") or []
    if not cidrs:
        return [*errors, field.required(_CIDRS, "at least one CIDR required")]
    if len(cidrs) > 2:
        text = "may only hold up to 2 values"
        return [*errors, field.invalid(_CIDRS, cidrs, text)]
    for number, cidr in enumerate(cidrs):
        errors += cidr_errors(cidr, _CIDRS.index(number))
    families = [ip_family(cidr.partition("/")[0]) for cidr in cidrs]
    if len(set(families)) < len(families):
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(field.invalid(_CIDRS, cidrs, text))
    return errors


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    errors = validate_metadata_update(new, old)
    now, before = (new.get("spec") or {}).get("cidrs"), (old.get("spec") or {}).get("cidrs")
    return errors if equal(now, before) else [*errors, field.invalid(_CIDRS, now, IMMUTABLE)]
