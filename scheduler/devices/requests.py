"""What claims ask for, compiled: requests with their alternatives, and constraints between them.

Called by the plugin, once per set of alike claims.
Source: staging/src/k8s.io/api/resource/v1/types.go (1.36).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.quantity import Quantity, parse_quantity
from scheduler.devices.slices import Attribute, Kind

# The most devices that one claim can have.
RESULTS_MAX = 32


@dataclass(frozen=True, eq=False)
class Wish:
    """A request, or one of its alternatives. `count` None asks for all devices there are."""

    name: str
    # The request whose alternative it is.
    parent: str
    class_name: str
    count: int | None
    class_selectors: tuple[str, ...]
    selectors: tuple[str, ...]
    tolerations: tuple[Mapping[str, Any], ...]
    capacity: Mapping[str, Quantity]
    admin: bool

    @property
    def full_name(self) -> str:
        """As results name it."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


@dataclass(frozen=True, eq=False)
class Request:
    """One of the alternatives is to be satisfied, the first that can be. `listed`: it is `firstAvailable`."""

    name: str
    alternatives: tuple[Wish, ...]
    listed: bool = False


@dataclass(frozen=True)
class Constraint:
    """Devices of these requests (all, if none are named) have one value of an attribute, or all `distinct`
    ones.
    """

    requests: frozenset[str]
    attribute: str
    distinct: bool

    def concerns(self, wish: Wish) -> bool:
        if not self.requests:
            return True
        return (wish.parent or wish.name) in self.requests or wish.full_name in self.requests

    def allows(self, kind: Kind, taken: Sequence[Attribute]) -> bool:
        """Say whether such a device may join those with these values."""
        value = kind.attributes.get(self.attribute)
        if value is None:
            return False
        return value not in taken if self.distinct else not taken or value == taken[0]


@dataclass(frozen=True, eq=False)
class Claim:
    requests: tuple[Request, ...]
    constraints: tuple[Constraint, ...]
    # As in the spec.
    config: tuple[Mapping[str, Any], ...]


def compile_claim(spec: Mapping[str, Any], classes: Mapping[str, Mapping[str, Any]]) -> Claim:
    """Return the spec of a claim, compiled; `classes` are those that it names."""
    devices = spec.get("devices") or {}
    return Claim(
        tuple(_request(each, classes) for each in devices.get("requests") or ()),
        tuple(_constraint(each) for each in devices.get("constraints") or ()),
        tuple(devices.get("config") or ()),
    )


def _request(request: Mapping[str, Any], classes: Mapping[str, Mapping[str, Any]]) -> Request:
    name = request["name"]
    if (listed := request.get("firstAvailable")) is not None:
        return Request(name, tuple(_wish(each, each["name"], name, classes) for each in listed), True)
    return Request(name, (_wish(request["exactly"], name, "", classes),))


def _wish(
    wanted: Mapping[str, Any], name: str, parent: str, classes: Mapping[str, Mapping[str, Any]]
) -> Wish:
    device_class = classes.get(wanted["deviceClassName"]) or {}
    amounts = (wanted.get("capacity") or {}).get("requests") or {}
    return Wish(
        name,
        parent,
        wanted["deviceClassName"],
        None if wanted.get("allocationMode") == "All" else wanted.get("count") or 1,
        _expressions((device_class.get("spec") or {}).get("selectors")),
        _expressions(wanted.get("selectors")),
        tuple(wanted.get("tolerations") or ()),
        {capacity: parse_quantity(amount) for capacity, amount in amounts.items()},
        bool(wanted.get("adminAccess")),
    )


def _expressions(selectors: Any) -> tuple[str, ...]:
    return tuple(selector["cel"]["expression"] for selector in selectors or ())


def _constraint(constraint: Mapping[str, Any]) -> Constraint:
    matched = constraint.get("matchAttribute")
    return Constraint(
        frozenset(constraint.get("requests") or ()),
        matched if matched is not None else constraint["distinctAttribute"],
        matched is None,
    )


def class_names(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (full name of the request, name of the class) of all requests and alternatives of a spec."""
    found: list[tuple[str, str]] = []
    for request in (spec.get("devices") or {}).get("requests") or ():
        if (listed := request.get("firstAvailable")) is not None:
            found += [(f"{request['name']}/{each['name']}", each["deviceClassName"]) for each in listed]
        else:
            found.append((request["name"], request["exactly"]["deviceClassName"]))
    return found
