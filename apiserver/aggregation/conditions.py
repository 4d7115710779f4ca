"""Is an APIService available: what its Service and endpoints say of it, and its condition `Available`. Pure.

Called by `availability.py`, by the strategy of APIServices, and by `aggregator.py` for routing.
Source: kube-aggregator/pkg/controllers/status/{local,remote} (1.36).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from api.resource import Obj
from api.slices import service_of

AVAILABLE = "Available"


@dataclass(frozen=True)
class Finding:
    """The outcome of the checks: what the condition is to say."""

    status: str
    reason: str
    message: str


LOCAL = Finding("True", "Local", "Local APIServices are always available")
PASSED = Finding("True", "Passed", "all checks passed")


def failed_discovery(message: str) -> Finding:
    return Finding("False", "FailedDiscoveryCheck", message)


def service_finding(reference: Obj, service: Obj | None, slices: Iterable[Obj]) -> Finding | None:
    """Return what is wrong with the Service that an APIService names, None if it may be asked.

    `slices` are the EndpointSlices of the Service's namespace.
    """
    name, namespace, port = reference["name"], reference["namespace"], reference.get("port", 443)
    what = f'service/{name} in "{namespace}"'
    if service is None:
        return Finding("False", "ServiceNotFound", f"{what} is not present")
    if (service.get("spec") or {}).get("type", "ClusterIP") != "ClusterIP":
        return None
    ports = [item for item in service["spec"].get("ports") or () if item.get("port") == port]
    if not ports:
        return Finding("False", "ServicePortError", f"{what} is not listening on port {port}")
    own = [item for item in slices if (key := service_of(item)) is not None and key.name == name]
    if not own:
        return Finding("False", "EndpointsNotFound", f"cannot find endpointslices for {what}")
    port_name = ports[0].get("name") or ""
    if not any(_has_endpoint(item, port_name) for item in own):
        text = f'endpointslices for {what} have no addresses with port name "{port_name}"'
        return Finding("False", "MissingEndpoints", text)
    return None


def _has_endpoint(item: Obj, port_name: str) -> bool:
    ready = any((one.get("conditions") or {}).get("ready", True) for one in item.get("endpoints") or ())
    ports: Iterable[Any] = item.get("ports") or ()
    return ready and any((one.get("name") or "") == port_name and one.get("port") for one in ports)


def with_available(obj: Obj, finding: Finding, now: str) -> Obj:
    """Return the APIService with this condition `Available`, others kept: itself if it has it."""
    status = obj.get("status") or {}
    conditions = status.get("conditions") or []
    old: Obj = next((item for item in conditions if item.get("type") == AVAILABLE), {})
    wanted = {"status": finding.status, "reason": finding.reason, "message": finding.message}
    if all(old.get(name) == value for name, value in wanted.items()):
        return obj
    since = old.get("lastTransitionTime", now) if old.get("status") == finding.status else now
    new = {"type": AVAILABLE, "status": finding.status, "lastTransitionTime": since, **wanted}
    merged = [new if item is old else item for item in conditions] if old else [*conditions, new]
    return {**obj, "status": {**status, "conditions": merged}}


def is_available(obj: Obj) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(item.get("type") == AVAILABLE and item.get("status") == "True" for item in conditions)
