"""Validation of requests, limits and other lists of resources.

Source: pkg/apis/core/validation ValidateResourceRequirements, validateContainerResourceName (1.36).
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from api import field, names
from api.field import FieldError, Path
from api.quantity import Quantity, parse_quantity
from api.resource import Obj

_PLAIN = frozenset({"cpu", "memory", "ephemeral-storage"})
# Counted, never measured.
_COUNTS = frozenset({
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
    "services", "services.loadbalancers", "services.nodeports",
})  # fmt: skip
_STANDARD = _PLAIN | _COUNTS | {
    "storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage",
}  # fmt: skip
_POD_LEVEL = ("cpu", "memory")
_HUGE = "hugepages-"
_NATIVE = "kubernetes.io/"


def requirement_errors(
    resources: Obj, claims: Collection[str], path: Path, pod_level: bool = False
) -> list[FieldError]:
    """Check the `resources` of a container, or of a pod as a whole."""
    errors: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for which, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            if not _fine(name, quantity, pod_level):
                errors += _amount_errors(name, quantity, pod_level, path.child(which).key(name))
    for name, quantity in requests.items():
        if name in limits:
            errors += _beside_limit_errors(name, quantity, limits[name], path)
        elif not is_overcommittable(name):
            errors.append(
                field.required(path.child("limits"), "Limit must be set for non overcommitable resources")
            )
    if (_has_huge(limits) or _has_huge(requests)) and not ({"cpu", "memory"} & {*limits, *requests}):
        errors.append(field.forbidden(path, "HugePages require cpu or memory"))
    if "claims" in resources:
        errors += _claims_errors(resources["claims"] or (), claims, path.child("claims"))
    return errors


def _beside_limit_errors(name: str, request: Any, limit: Any, path: Path) -> list[FieldError]:
    if request == limit:
        return []
    wanted, allowed = parse_quantity(request), parse_quantity(limit)
    at = path.child("requests")
    if wanted.nano != allowed.nano and not is_overcommittable(name):
        return [field.invalid(at, str(wanted), f"must be equal to {name} limit of {allowed}")]
    if wanted.nano > allowed.nano:
        return [field.invalid(at, str(wanted), f"must be less than or equal to {name} limit of {allowed}")]
    return []


def _amount_errors(name: str, quantity: Any, pod_level: bool, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if name not in _PLAIN or pod_level:
        errors += _pod_level_name_errors(name, path) if pod_level else resource_name_errors(name, path)
    errors += quantity_errors(name, quantity, path)
    if name.startswith(_HUGE) and not _is_divisible(name, quantity):
        text = f"{parse_quantity(quantity)} is not positive integer multiple of {name}"
        errors.append(field.invalid(path, str(parse_quantity(quantity)), text))
    return errors


def _is_divisible(name: str, quantity: Any) -> bool:
    """Say whether an amount is so many whole pages of the size that the resource's name says."""
    try:
        page = parse_quantity(name.removeprefix(_HUGE)).nano
    except ValueError:
        return False
    return page > 0 and page % 10**9 == 0 and parse_quantity(quantity).nano % page == 0


@lru_cache(maxsize=4096)
def _fine(name: str, quantity: Any, pod_level: bool) -> bool:
    return not _amount_errors(name, quantity, pod_level, Path())


def quantity_errors(name: str, quantity: Any, path: Path) -> list[FieldError]:
    """Check that an amount is not negative and, where the resource has no fractions, whole."""
    amount = parse_quantity(quantity)
    if amount.nano < 0:
        return [field.invalid(path, str(amount), "must be greater than or equal to 0")]
    if is_whole(name) and amount.nano % 10**9:
        return [field.invalid(path, str(amount), "must be an integer")]
    return []


def is_native(name: str) -> bool:
    """Say whether a resource is Kubernetes' own."""
    return "/" not in name or _NATIVE in name


def is_extended(name: str) -> bool:
    """Say whether a resource is a device that a node advertises."""
    return not is_native(name) and not name.startswith("requests.")


def is_overcommittable(name: str) -> bool:
    """Say whether limits may exceed requests."""
    return is_native(name) and not name.startswith(_HUGE)


def is_whole(name: str) -> bool:
    """Say whether amounts of a resource have no fractions."""
    return name in _COUNTS or is_extended(name)


@lru_cache(maxsize=4096)
def _standard_complaints(name: str) -> tuple[str, ...]:
    if found := names.is_qualified_name(name):
        return tuple(found)
    if "/" in name or name in _STANDARD or name.startswith((_HUGE, f"requests.{_HUGE}")):
        return ()
    return ("must be a standard resource type or fully qualified",)


@lru_cache(maxsize=4096)
def _container_complaints(name: str) -> tuple[str, ...]:
    found = _standard_complaints(name)
    if "/" not in name and name not in _PLAIN and not name.startswith(_HUGE):
        return (*found, "must be a standard resource for containers")
    if (
        "/" in name
        and not is_native(name)
        and (not is_extended(name) or names.is_qualified_name(f"requests.{name}"))
    ):
        return (*found, "doesn't follow extended resource name standard")
    return found


def standard_name_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of any resource: a standard one, or one with a domain."""
    return [field.invalid(path, name, text) for text in _standard_complaints(name)]


def resource_name_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of a resource of a container."""
    return [field.invalid(path, name, text) for text in _container_complaints(name)]


def _pod_level_name_errors(name: str, path: Path) -> list[FieldError]:
    if found := standard_name_errors(name, path):
        return found
    fits = name in _POD_LEVEL or name.startswith(_HUGE)
    return [] if fits else [field.not_supported(path, name, ("cpu", _HUGE, "memory"))]


def _has_huge(quantities: Obj) -> bool:
    return any(name.startswith(_HUGE) for name in quantities)


def _claims_errors(used: Iterable[Obj], claims: Collection[str], path: Path) -> list[FieldError]:
    """Check which claims of the pod a container uses: a whole claim once, or each of its requests once."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, claim in enumerate(used):
        at, name, request = path.index(number), claim.get("name", ""), claim.get("request", "")
        if not name:
            errors.append(field.required(at))
            continue
        key = f"{name}/{request}" if request else name
        if request and name not in seen:
            errors += [
                field.invalid(at.child("request"), request, text) for text in names.is_dns1123_label(request)
            ]
        if name in seen:
            errors.append(field.duplicate(at, name))
        elif key in seen:
            errors.append(field.duplicate(at, key))
        elif not request and any(other.startswith(f"{name}/") for other in seen):
            errors.append(field.duplicate(at, name))
        seen.add(key)
        if name not in claims:
            known = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            text = f"must be one of the names in pod.spec.resourceClaims{known}"
            errors.append(field.not_found(at, name, text))
    return errors


def list_errors(quantities: Obj, path: Path) -> list[FieldError]:
    """Check a plain list of amounts: names and that none is negative."""
    errors: list[FieldError] = []
    for name, quantity in quantities.items():
        errors += [field.invalid(path.key(name), name, text) for text in names.is_qualified_name(name)]
        errors += quantity_errors(name, quantity, path.key(name))
    return errors


def exceeds(quantity: Any, limit: Any) -> bool:
    """Say whether one quantity is more than another."""
    first: Quantity = parse_quantity(quantity)
    return first.nano > parse_quantity(limit).nano
