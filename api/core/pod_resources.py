"""Validation of requests, limits and other lists of resources.

Source: pkg/apis/core/validation ValidateResourceRequirements, validateContainerResourceName (1.36).
"""

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
_HUGE = "hugepages-"
_NATIVE = "kubernetes.io/"


def requirement_errors(resources: Obj, claims: set[str], path: Path) -> list[FieldError]:
    """Check the `resources` of a container."""
    errors: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, quantity in limits.items():
        errors += _amount_errors(name, quantity, path, "limits")
    for name, quantity in requests.items():
        errors += _amount_errors(name, quantity, path, "requests")
        if name in limits:
            errors += _beside_limit_errors(name, quantity, limits[name], path)
        elif not is_overcommittable(name):
            errors.append(
                field.required(path.child("limits"), "Limit must be set for non overcommitable resources")
            )
    if (_has_huge(limits) or _has_huge(requests)) and not ({"cpu", "memory"} & {*limits, *requests}):
        errors.append(field.forbidden(path, "HugePages require cpu or memory"))
    for number, claim in enumerate(resources.get("claims") or ()):
        errors += _claim_errors(claim, claims, path.child("claims").index(number))
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


def _amount_errors(name: str, quantity: Any, path: Path, which: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if name not in _PLAIN:
        errors += resource_name_errors(name, path.child(which).key(name))
    return (
        errors + quantity_errors(name, quantity, path.child(which).key(name))
        if not _fine(name, quantity)
        else errors
    )


@lru_cache(maxsize=4096)
def _fine(name: str, quantity: Any) -> bool:
    return not quantity_errors(name, quantity, Path())


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
def _name_complaints(name: str) -> tuple[str, ...]:
    found = names.is_qualified_name(name)
    if found:
        return tuple(found)
    if "/" not in name and name not in _PLAIN and not name.startswith(_HUGE):
        return (
            "must be a standard resource type or fully qualified",
            "must be a standard resource for containers",
        )
    if "/" in name and not is_native(name) and names.is_qualified_name("requests." + name):
        return ("doesn't follow extended resource name standard",)
    return ()


def resource_name_errors(name: str, path: Path) -> list[FieldError]:
    """Check the name of a resource of a container."""
    return [field.invalid(path, name, text) for text in _name_complaints(name)]


def _has_huge(quantities: Obj) -> bool:
    return any(name.startswith(_HUGE) for name in quantities)


def _claim_errors(claim: Obj, claims: set[str], path: Path) -> list[FieldError]:
    name = claim.get("name", "")
    if not name:
        return [field.required(path)]
    return [] if name in claims else [field.not_found(path, name)]


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
