"""ServiceCIDRs. Spec: pkg/apis/networking/validation ValidateServiceCIDR (1.36)."""

from ipaddress import ip_network

from api import field
from api.core.address import cidr_errors, ip_family
from api.defaulting import unchanged
from api.field import FieldError, Path
from api.meta import IMMUTABLE, validate_metadata, validate_metadata_update
from api.resource import Obj

_CIDRS = Path("spec").child("cidrs")
_ONE_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"

defaults = unchanged


def _cidrs(obj: Obj) -> list[str]:
    return (obj.get("spec") or {}).get("cidrs") or []


def validate(obj: Obj) -> list[FieldError]:
    return validate_metadata(obj, namespaced=False) + _cidrs_errors(_cidrs(obj))


def _cidrs_errors(cidrs: list[str]) -> list[FieldError]:
    if not cidrs:
        return [field.required(_CIDRS, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [field.invalid(_CIDRS, cidrs, "may only hold up to 2 values")]
    families = {ip_family(cidr.partition("/")[0]) for cidr in cidrs}
    if len(families) < len(cidrs) or ("" in families and len(cidrs) > 1):
        return [field.invalid(_CIDRS, cidrs, _ONE_EACH)]
    return [error for number, cidr in enumerate(cidrs) for error in _strict(cidr, _CIDRS.index(number))]


def _strict(cidr: str, path: Path) -> list[FieldError]:
    """Check a range as new fields have it: nothing set beyond the prefix, in canonical form."""
    if errors := cidr_errors(cidr, path):
        return errors
    canonical = str(ip_network(cidr, strict=False))
    return (
        [] if canonical == cidr else [field.invalid(path, cidr, f'must be in canonical form ("{canonical}")')]
    )


def validate_update(new: Obj, old: Obj) -> list[FieldError]:
    """Check an update: ranges stay, but one may become dual-stack by a second."""
    errors = validate_metadata_update(new, old)
    now, before = _cidrs(new), _cidrs(old)
    if len(now) == len(before) or (len(before), len(now)) == (1, 2):
        errors += [
            field.invalid(_CIDRS.index(number), cidr, IMMUTABLE)
            for number, (cidr, known) in enumerate(zip(now, before, strict=False))
            if cidr != known
        ]
        return errors if len(now) == len(before) else errors + _cidrs_errors(now)
    return [*errors, field.invalid(_CIDRS, now, IMMUTABLE)]
