"""endpointslice-mirroring-controller: slices for Endpoints that users write for services without selector.

Source: pkg/controller/endpointslicemirroring (1.36).
"""

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api.owners import new_controller_ref
from api.resource import Key, Obj, key_of
from api.slices import SERVICE_NAME
from api.types.core_v1 import ENDPOINTS, SERVICES, Endpoints
from api.types.discovery_v1 import ENDPOINTSLICES
from controllers.framework.controller import View, controller
from controllers.framework.plan import NOTHING, Plan, delete
from controllers.slices import MANAGED_BY, Frame, Group, layout

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"


def _same_name(obj: Mapping[str, Any], view: View) -> Iterable[Key]:
    yield key_of(obj)


@controller(
    "endpointslice-mirroring-controller",
    of=ENDPOINTS,
    owns=(ENDPOINTSLICES,),
    watches={SERVICES: _same_name},
)
def endpointslice_mirroring(obj: Endpoints, view: View, now: datetime) -> Plan:
    metadata = obj["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    mirrors = [m for m in view.owned(ENDPOINTSLICES, obj) if "deletionTimestamp" not in m["metadata"]]
    service = view.get(SERVICES, namespace, name)
    if service is None or service["spec"].get("selector") or not _is_mirrored(obj):
        return Plan(tuple(delete(ENDPOINTSLICES, mirror) for mirror in mirrors)) if mirrors else NOTHING
    kept = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in (SERVICE_NAME, MANAGED_BY)}
    labels = {**kept, SERVICE_NAME: name, MANAGED_BY: MANAGER}
    frame = Frame(namespace, name, labels, new_controller_ref(obj, ENDPOINTS))
    return Plan(tuple(layout(frame, mirrors, _groups(obj))))


def _is_mirrored(obj: Endpoints) -> bool:
    labels = obj["metadata"].get("labels") or {}
    annotations = obj["metadata"].get("annotations") or {}
    return labels.get(SKIP) != "true" and _LEADER not in annotations


def _groups(obj: Endpoints) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    for subset in obj.get("subsets") or ():
        ports: list[Obj] = [
            {"name": port.get("name", ""), **port, "protocol": port.get("protocol", "TCP")}
            for port in subset.get("ports") or ()
        ]
        listed = [(True, a) for a in subset.get("addresses") or ()]
        listed += [(False, a) for a in subset.get("notReadyAddresses") or ()]
        for ready, address in listed:
            family = f"IPv{ipaddress.ip_address(address['ip']).version}"
            group = groups.setdefault((family, str(ports)), Group(family, ports, []))
            group.endpoints.append(_endpoint(address, ready))
    return [*groups.values()]


def _endpoint(address: Mapping[str, Any], ready: bool) -> Obj:
    kept = {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}
