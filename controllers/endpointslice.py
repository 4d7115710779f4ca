"""endpointslice-controller: the addresses of a service's pods, in EndpointSlices.

Source: pkg/controller/endpointslice, k8s.io/endpointslice (1.36).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.owners import new_controller_ref
from api.podspec import is_pod_ready
from api.resource import Key, Obj
from api.slices import SERVICE_NAME
from api.types.core_v1 import NODES, PODS, SERVICES, Pod, Service
from api.types.discovery_v1 import ENDPOINTSLICES
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Plan
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
from controllers.slices import MANAGED_BY, Frame, Group, layout

MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
_SAME_ZONE = ("PreferClose", "PreferSameZone")


def _service_of(found: Mapping[str, Any], view: View) -> Iterable[Key]:
    """A slice that was changed or deleted by somebody else is put right."""
    labels = found["metadata"].get("labels") or {}
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        yield Key(found["metadata"].get("namespace", ""), labels[SERVICE_NAME])


@controller(
    "endpointslice-controller",
    of=SERVICES,
    owns=(ENDPOINTSLICES,),
    watches={PODS: POD_WATCH, ENDPOINTSLICES: _service_of},
    reads=(NODES,),
    indexes=INDEXES,
)
def endpointslice(service: Service, view: View, now: datetime) -> Plan:
    spec = service["spec"]
    if not spec.get("selector") or spec.get("type") == "ExternalName":
        return NOTHING
    if "deletionTimestamp" in service["metadata"]:
        return NOTHING
    metadata = service["metadata"]
    pods = pods_of(service, view)
    groups = [group for family in _families(service) for group in _groups(service, pods, family, view)]
    frame = Frame(
        metadata.get("namespace", ""),
        metadata["name"],
        _labels(service),
        new_controller_ref(service, SERVICES),
    )
    existing = [
        found
        for found in view.owned(ENDPOINTSLICES, service)
        if (found["metadata"].get("labels") or {}).get(MANAGED_BY, MANAGER) == MANAGER
    ]
    return Plan(tuple(layout(frame, existing, groups)))


def _families(service: Service) -> list[str]:
    return service["spec"].get("ipFamilies") or ["IPv4"]


def _labels(service: Service) -> dict[str, str]:
    labels = {**(service["metadata"].get("labels") or {})}
    labels.pop(HEADLESS, None)
    if is_headless(service):
        labels[HEADLESS] = ""
    return {**labels, SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER}


def _groups(service: Service, pods: Iterable[Pod], family: str, view: View) -> list[Group]:
    """Return the endpoints of one family by ports; one empty group if there are none."""
    reachable = [pod for pod in pods if address_of(pod, family)]

    def make(pod: Pod) -> Obj:
        return _endpoint(pod, service, family, view)

    groups = [
        Group(family, ports, endpoints) for ports, endpoints in by_ports(reachable, service, make).values()
    ]
    return groups or [Group(family, [], [])]


def _endpoint(pod: Pod, service: Service, family: str, view: View) -> Obj:
    metadata = pod["metadata"]
    serving = is_pod_ready(pod)
    terminating = "deletionTimestamp" in metadata
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    ready = published or (serving and not terminating)
    endpoint: Obj = {
        "addresses": [address_of(pod, family)],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
        },
    }
    if hostname := hostname_of(pod, service):
        endpoint["hostname"] = hostname
    node_name = pod["spec"].get("nodeName")
    if node_name:
        endpoint["nodeName"] = node_name
        node = view.get(NODES, "", node_name)
        zone = ((node["metadata"].get("labels") or {}) if node else {}).get(ZONE)
        if zone:
            endpoint["zone"] = zone
        if ready and (hints := _hints(service, node_name, zone)):
            endpoint["hints"] = hints
    return endpoint


def _hints(service: Service, node_name: str, zone: str | None) -> Obj:
    distribution = service["spec"].get("trafficDistribution")
    if distribution in _SAME_ZONE and zone:
        return {"forZones": [{"name": zone}]}
    if distribution == "PreferSameNode":
        zones = {"forZones": [{"name": zone}]} if zone else {}
        return {"forNodes": [{"name": node_name}], **zones}
    return {}
