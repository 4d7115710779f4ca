"""Validation of the cluster addresses and address families of a Service.

Source: pkg/apis/core/validation ValidateServiceClusterIPsRelatedFields, validateUpgradeDowngradeClusterIPs,
validateUpgradeDowngradeIPFamilies (1.36).
"""

from api import field
from api.core.address import ip_errors, ip_family
from api.field import FieldError, Path
from api.resource import Obj

_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_FIXED = "may not change once set"


def is_headless(spec: Obj) -> bool:
    """Say whether a service has no address of its own."""
    return spec.get("clusterIPs") == ["None"]


def addresses_errors(spec: Obj, path: Path) -> list[FieldError]:
    """Check addresses, families and the policy about them, as far as they are there."""
    addresses, first = spec.get("clusterIPs") or [], spec.get("clusterIP") or ""
    families, at = spec.get("ipFamilies") or [], path.child("clusterIPs")
    errors: list[FieldError] = []
    if first and not addresses:
        errors.append(field.required(at))
    elif first and addresses[0] != first:
        errors.append(field.invalid(at, addresses, "first value must match `clusterIP`"))
    elif addresses and not first:
        errors.append(field.invalid(at, addresses, "must be empty when `clusterIP` is not specified"))
    for number, family in enumerate(families):
        here = path.child("ipFamilies").index(number)
        if family not in _FAMILIES:
            errors.append(field.not_supported(here, family, _FAMILIES))
        if family in families[:number]:
            errors.append(field.duplicate(here, family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(field.not_supported(path.child("ipFamilyPolicy"), policy, _POLICIES))
    return errors + _list_errors(addresses, families, at)


def _list_errors(addresses: list[str], families: list[str], path: Path) -> list[FieldError]:
    wrong: list[FieldError] = []
    for number, address in enumerate(addresses):
        if number == 0 and address == "None":
            if len(addresses) > 1:
                wrong.append(field.invalid(path, addresses, "'None' must be the first and only value"))
            continue
        wrong += ip_errors(address, path.index(number))
    many = [field.invalid(path, addresses, "may only hold up to 2 values")] if len(addresses) > 2 else []
    if wrong or addresses == ["None"]:
        return wrong + many
    if len(addresses) > 1 and len({ip_family(address) for address in addresses}) < 2:
        many.append(field.invalid(path, addresses, "may specify no more than one IP for each IP family"))
    return many + [
        field.invalid(
            path.index(number), address, f"expected an {family} value as indicated by `ipFamilies[{number}]`"
        )
        for number, (address, family) in enumerate(zip(addresses, families, strict=False))
        if family in _FAMILIES and ip_family(address) != family
    ]


def addresses_update_errors(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    """Check that the first address and family stay; a second one may come and go."""
    if "ExternalName" in (new.get("type"), old.get("type")):
        return []
    headless, was_headless = is_headless(new), is_headless(old)
    errors: list[FieldError] = []
    if not (headless and was_headless):
        errors += _ip_changes(new, old, path)
    if not headless and not was_headless:
        errors += _family_changes(new, old, path)
    return errors


def _ip_changes(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    now, before = new.get("clusterIPs") or [], old.get("clusterIPs") or []
    at = path.child("clusterIPs")
    if len(now) == len(before):
        pairs = enumerate(zip(now, before, strict=True))
        return [
            field.invalid(at.index(number), now, _FIXED) for number, (one, other) in pairs if one != other
        ]
    if not now:
        return [field.invalid(at.index(0), now, "primary clusterIP can not be unset")]
    errors = [field.invalid(at.index(0), now, _FIXED)] if before and now[0] != before[0] else []
    return errors + _release_errors(new, len(now) < len(before), len(now), "clusterIP", path)


def _family_changes(new: Obj, old: Obj, path: Path) -> list[FieldError]:
    now, before = new.get("ipFamilies") or [], old.get("ipFamilies") or []
    at = path.child("ipFamilies").index(0)
    if len(now) == len(before):
        return [
            field.invalid(at, now, _FIXED) for one, other in zip(now, before, strict=True) if one != other
        ]
    released = len(now) < len(before)
    errors: list[FieldError] = []
    if released and not new.get("clusterIPs"):
        errors.append(field.invalid(at, now, "primary ipFamily can not be unset"))
    if now and before and now[0] != before[0]:
        errors.append(field.invalid(at, new.get("clusterIPs"), _FIXED))
    return errors + _release_errors(new, released, len(now), "ipFamily", path)


def _release_errors(new: Obj, released: bool, left: int, what: str, path: Path) -> list[FieldError]:
    """Who gives up the second address says that one family is enough."""
    policy = new.get("ipFamilyPolicy")
    if not released or left != 1 or policy == "SingleStack":
        return []
    text = f"must be set to 'SingleStack' when releasing the secondary {what}"
    return [field.invalid(path.child("ipFamilyPolicy"), policy, text)]
