"""endpoints-controller: the addresses of a service's pods in one Endpoints object of the service's name.

Source: pkg/controller/endpoint (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.podspec import is_pod_ready
from api.resource import Key, Obj, key_of
from api.types.core_v1 import ENDPOINTS, PODS, SERVICES, Endpoints, Pod, Service
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Create, Plan, Update, delete
from controllers.selection import (
    HEADLESS,
    INDEXES,
    POD_WATCH,
    address_of,
    by_ports,
    hostname_of,
    is_headless,
    pods_of,
)

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAX_ADDRESSES = 1000


def _same_name(obj: Mapping[str, Any], view: View) -> Iterable[Key]:
    yield key_of(obj)


@controller(
    "endpoints-controller",
    of=SERVICES,
    watches={PODS: POD_WATCH, ENDPOINTS: _same_name},
    indexes=INDEXES,
)
def endpoints(service: Service, view: View, now: datetime) -> Plan:
    spec, metadata = service["spec"], service["metadata"]
    if not spec.get("selector") or spec.get("type") == "ExternalName" or "deletionTimestamp" in metadata:
        return NOTHING
    namespace = metadata.get("namespace", "")
    subsets, truncated = _subsets(service, view)
    labels = _labels(service)
    annotations = {OVER_CAPACITY: "truncated"} if truncated else {}
    present = view.get(ENDPOINTS, namespace, metadata["name"])
    if present is None:
        made: Obj = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": metadata["name"], "labels": labels, "annotations": annotations},
            "subsets": subsets,
        }
        return Plan((Create(ENDPOINTS, made, namespace),))
    if _is_current(present, labels, truncated, subsets):
        return NOTHING
    kept = {k: v for k, v in (present["metadata"].get("annotations") or {}).items() if k != OVER_CAPACITY}
    metadata_now = {**present["metadata"], "labels": labels, "annotations": {**kept, **annotations}}
    return Plan((Update(ENDPOINTS, {**present, "metadata": metadata_now, "subsets": subsets}),))


@controller("endpoints-controller", of=ENDPOINTS, watches={SERVICES: _same_name})
def abandoned_endpoints(obj: Endpoints, view: View, now: datetime) -> Plan:
    """Delete what this controller has made once the service is gone."""
    metadata = obj["metadata"]
    if (metadata.get("labels") or {}).get(MANAGED_BY) != MANAGER:
        return NOTHING
    if view.get(SERVICES, metadata.get("namespace", ""), metadata["name"]) is not None:
        return NOTHING
    return Plan((delete(ENDPOINTS, obj),))


def _labels(service: Service) -> dict[str, str]:
    labels = {**(service["metadata"].get("labels") or {})}
    labels.pop(HEADLESS, None)
    if is_headless(service):
        labels[HEADLESS] = ""
    return {**labels, MANAGED_BY: MANAGER}


def _is_current(present: Endpoints, labels: dict[str, str], truncated: bool, subsets: list[Obj]) -> bool:
    annotations = present["metadata"].get("annotations") or {}
    return (
        (present["metadata"].get("labels") or {}) == labels
        and (OVER_CAPACITY in annotations) == truncated
        and (present.get("subsets") or []) == subsets
    )


def _subsets(service: Service, view: View) -> tuple[list[Obj], bool]:
    """Return the addresses by ports, and whether there are more than fit."""
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    pods = [
        pod
        for pod in pods_of(service, view)
        if "deletionTimestamp" not in pod["metadata"] and address_of(pod, family)
    ]
    pods.sort(key=lambda pod: not is_pod_ready(pod))
    kept = sorted(pods[:MAX_ADDRESSES], key=lambda pod: address_of(pod, family))
    published = bool(service["spec"].get("publishNotReadyAddresses"))

    def make(pod: Pod) -> tuple[bool, Obj]:
        return published or is_pod_ready(pod), _address(pod, service, family)

    groups = by_ports(kept, service, make)
    subsets = [_subset(ports, addresses) for _, (ports, addresses) in sorted(groups.items())]
    return subsets, len(pods) > MAX_ADDRESSES


def _subset(ports: list[Obj], addresses: list[tuple[bool, Obj]]) -> Obj:
    subset: Obj = {}
    if ready := [address for is_ready, address in addresses if is_ready]:
        subset["addresses"] = ready
    if not_ready := [address for is_ready, address in addresses if not is_ready]:
        subset["notReadyAddresses"] = not_ready
    if ports:
        # Unlike a slice's, an unnamed port has no name here.
        subset["ports"] = [{key: value for key, value in port.items() if value != ""} for port in ports]
    return subset


def _address(pod: Pod, service: Service, family: str) -> Obj:
    metadata = pod["metadata"]
    address: Obj = {
        "ip": address_of(pod, family),
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
        },
    }
    if hostname := hostname_of(pod, service):
        address["hostname"] = hostname
    if node_name := pod["spec"].get("nodeName"):
        address["nodeName"] = node_name
    return address
