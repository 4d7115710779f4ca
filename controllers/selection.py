"""Which pods belong to a service, and under which ports: for the controllers of endpoints and slices.

Pure. Source: pkg/controller/util/endpoint, k8s.io/endpointslice/util (1.36).
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api.podspec import is_pod_ready, is_sidecar, is_terminal
from api.resource import Key, Resource
from api.types.core_v1 import PODS, SERVICES, Pod, Service
from controllers.framework.controller import IndexFunctions, View, Watch

# On the endpoints and slices of headless services.
HEADLESS = "service.kubernetes.io/headless"


def label_pairs(obj: Mapping[str, Any]) -> list[str]:
    """Index of pods by each of their labels."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    return [f"{namespace}/{key}={value}" for key, value in (metadata.get("labels") or {}).items()]


def first_pair(service: Mapping[str, Any]) -> list[str]:
    """Index of services by the one label of their selector that sorts first."""
    selector = service["spec"].get("selector")
    if not selector:
        return []
    key, value = min(selector.items())
    return [f"{service['metadata'].get('namespace', '')}/{key}={value}"]


INDEXES: Mapping[Resource[Any], IndexFunctions] = {
    PODS: {"label": label_pairs},
    SERVICES: {"selector": first_pair},
}


def pods_of(service: Service, view: View) -> list[Pod]:
    """Return the pods with an address that the service selects, by name; terminating ones too."""
    selector = service["spec"].get("selector") or {}
    found = [
        pod
        for pair in first_pair(service)
        for pod in view.by(PODS, "label", pair)
        if selector.items() <= (pod["metadata"].get("labels") or {}).items() and has_address(pod)
    ]
    return sorted(found, key=lambda pod: pod["metadata"]["name"])


def has_address(pod: Pod) -> bool:
    return bool((pod.get("status") or {}).get("podIP")) and not is_terminal(pod)


def services_of(pod: Mapping[str, Any], view: View) -> Iterable[Key]:
    """Return the keys of the services that select a pod."""
    labels = pod["metadata"].get("labels") or {}
    for pair in label_pairs(pod):
        for service in view.by(SERVICES, "selector", pair):
            if (service["spec"].get("selector") or {}).items() <= labels.items():
                yield Key(service["metadata"].get("namespace", ""), service["metadata"]["name"])


def _relevant(pod: Mapping[str, Any]) -> Any:
    status = pod.get("status") or {}
    return (
        status.get("podIP"),
        status.get("podIPs"),
        is_pod_ready(pod),
        is_terminal(pod),
        "deletionTimestamp" in pod["metadata"],
        pod["metadata"].get("labels"),
        pod["spec"].get("nodeName"),
    )


POD_WATCH = Watch(services_of, _relevant)


def is_headless(service: Service) -> bool:
    return service["spec"].get("clusterIP") == "None"


def hostname_of(pod: Pod, service: Service) -> str:
    """Return the host name under which DNS knows the pod in this service, if it has one."""
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        return spec["hostname"]
    return ""


def ports_of(pod: Pod, service: Service) -> list[dict[str, Any]]:
    """Return the service's ports with the pod's numbers; a port whose name the pod lacks is left out."""
    ports: list[dict[str, Any]] = []
    for port in service["spec"].get("ports") or ():
        number = _number(pod, port.get("targetPort", port["port"]), port.get("protocol", "TCP"))
        if number is not None:
            shown: dict[str, Any] = {
                "name": port.get("name", ""),
                "port": number,
                "protocol": port.get("protocol", "TCP"),
            }
            if "appProtocol" in port:
                shown["appProtocol"] = port["appProtocol"]
            ports.append(shown)
    return ports


def _number(pod: Pod, target: int | str, protocol: str) -> int | None:
    if isinstance(target, int):
        return target
    sidecars = [c for c in pod["spec"].get("initContainers") or () if is_sidecar(c)]
    for container in (*(pod["spec"].get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def by_ports(
    pods: Iterable[Pod], service: Service, make: Callable[[Pod], Any]
) -> dict[str, tuple[list[dict[str, Any]], list[Any]]]:
    """Group pods whose ports are the same: `{text of the ports: (ports, [make(pod), ...])}`."""
    groups: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {}
    wants_ports = bool(service["spec"].get("ports"))
    for pod in pods:
        ports = ports_of(pod, service)
        if wants_ports and not ports:
            continue
        groups.setdefault(str(ports), (ports, []))[1].append(make(pod))
    return groups


def address_of(pod: Pod, family: str) -> str:
    """Return the pod's address of a family, "" if it has none."""
    status = pod.get("status") or {}
    addresses = [entry["ip"] for entry in status.get("podIPs") or ()] or [status.get("podIP", "")]
    for address in addresses:
        if address and f"IPv{ipaddress.ip_address(address).version}" == family:
            return address
    return ""
