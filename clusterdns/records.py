"""What DNS says about services and pods: the questions a cluster's objects answer. Pure; called by `answer`.

Spec: kubernetes/dns docs/specification.md 1.1.0.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.slices import SERVICE_NAME
from api.types.core_v1 import Service
from api.types.discovery_v1 import Endpoint, EndpointSlice


class View(Protocol):
    """The cluster's objects, as the informers hold them."""

    def service(self, namespace: str, name: str) -> Service | None: ...

    def slices(self, namespace: str, service: str) -> Sequence[EndpointSlice]: ...

    def services_at(self, address: str) -> Sequence[Service]:
        """Return the services with this cluster IP."""

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        """Return the slices with an endpoint of this address."""

    def has_namespace(self, namespace: str) -> bool: ...


@dataclass(frozen=True)
class Address:
    """An A or AAAA record."""

    name: str
    address: str

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True)
class Target:
    """An SRV record with the address that its target resolves to."""

    name: str
    port: int
    target: str
    address: str


def service_addresses(view: View, service: Service, name: str) -> list[Address]:
    """Return the addresses of a service: its cluster IPs, or its ready endpoints if it is headless."""
    if not is_headless(service):
        spec = service["spec"]
        return [
            Address(name, address)
            for address in spec.get("clusterIPs") or [spec.get("clusterIP", "")]
            if address
        ]
    found = {address: None for _, _, address in _endpoints(view, service)}
    return [Address(name, address) for address in found]


def endpoint_addresses(view: View, service: Service, label: str, name: str) -> list[Address]:
    """Return the addresses of one endpoint of a headless service, by its host name or its dashed address."""
    found = [
        address
        for _, endpoint, address in _endpoints(view, service)
        if endpoint_label(endpoint, address) == label
    ]
    return [Address(name, address) for address in dict.fromkeys(found)]


def service_targets(
    view: View, service: Service, port: str, protocol: str, base: str, name: str
) -> list[Target]:
    """Return SRV records of a named port. `base` is the service's own name; "" or `*` names any port or
    protocol.
    """
    if is_headless(service):
        return list(dict.fromkeys(_headless_targets(view, service, port, protocol, base, name)))
    addresses = service_addresses(view, service, base)
    return [
        Target(name, entry["port"], base, address.address)
        for entry in service["spec"].get("ports", [])
        if _is_port(entry.get("name", ""), entry.get("protocol", "TCP"), port, protocol)
        for address in addresses
    ]


def _headless_targets(
    view: View, service: Service, port: str, protocol: str, base: str, name: str
) -> Iterable[Target]:
    for slice_, endpoint, address in _endpoints(view, service):
        for entry in slice_.get("ports") or []:
            if _is_port(entry.get("name", ""), entry.get("protocol", "TCP"), port, protocol):
                yield Target(
                    name, entry.get("port", 0), f"{endpoint_label(endpoint, address)}.{base}", address
                )


def names_of_address(view: View, address: str, domain: str) -> list[str]:
    """Return what a reverse query for `address` is answered: services, or endpoints with a host name of
    their own.
    """
    names = [
        _service_name(s["metadata"]["namespace"], s["metadata"]["name"], domain)
        for s in view.services_at(address)
    ]
    if names:
        return names
    for slice_ in view.slices_at(address):
        metadata = slice_["metadata"]
        base = _service_name(metadata["namespace"], metadata["labels"][SERVICE_NAME], domain)
        found = [endpoint for endpoint in slice_.get("endpoints") or [] if address in endpoint["addresses"]]
        names += [f"{endpoint_label(endpoint, address)}.{base}" for endpoint in found]
    return list(dict.fromkeys(names))


def pod_address(label: str) -> str:
    """Return the address in `10-1-2-3`; "" if it is none."""
    text = label.replace("-", ".") if label.count("-") == 3 else label.replace("-", ":")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def endpoint_label(endpoint: Endpoint, address: str) -> str:
    return endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")


def is_headless(service: Service) -> bool:
    return service["spec"].get("clusterIP") == "None"


def _endpoints(view: View, service: Service) -> Iterable[tuple[EndpointSlice, Endpoint, str]]:
    metadata = service["metadata"]
    everything = service["spec"].get("publishNotReadyAddresses", False)
    for slice_ in view.slices(metadata["namespace"], metadata["name"]):
        for endpoint in slice_.get("endpoints") or []:
            # Unset means ready: discovery/v1 EndpointConditions.
            if everything or endpoint.get("conditions", {}).get("ready", True) is not False:
                for address in endpoint["addresses"]:
                    yield slice_, endpoint, address


def _is_port(name: str, protocol: str, wanted_name: str, wanted_protocol: str) -> bool:
    return wanted_name in ("*", "", name) and wanted_protocol in ("*", "", protocol.lower())


def _service_name(namespace: str, name: str, domain: str) -> str:
    return f"{name}.{namespace}.svc.{domain}"
