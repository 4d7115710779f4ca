"""From a Service to an address that answers for it: for webhooks, aggregated APIs and the service proxy.

Source: k8s.io/apiserver/pkg/util/proxy/proxy.go ResolveEndpoint (1.36), on EndpointSlices.
"""

from collections.abc import Callable, Iterable

from api import errors
from api.resource import Obj
from api.slices import SERVICE_NAME
from api.types.core_v1 import SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from apiserver.registry import Registry
from kit import rand


class ServiceResolver:
    """Finds ready endpoints in the watch caches."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """Return host and port of a ready endpoint, or of what an ExternalName service names.

        Raises `NotFound` without the service, `ServiceUnavailable` without the port or a ready endpoint.
        """
        return self.resolve_all(namespace, name, port)[0]

    def resolve_all(self, namespace: str, name: str, port: int) -> list[tuple[str, int]]:
        """Return all of them, any one first: where one does not answer, another may. Raises as `resolve`."""
        service = self._registry.cached(SERVICES, namespace, name)
        if service is None:
            raise errors.not_found(SERVICES, name)
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return [(str(spec["externalName"]), port)]
        slices = self._registry.cached_by_label(ENDPOINTSLICES, SERVICE_NAME, name, namespace)
        found = service_addresses(service, str(port), slices)
        first = rand.integer(0, len(found) - 1)
        return found[first:] + found[:first]


def service_address(
    service: Obj, port: str, slices: Iterable[Obj], choose: Callable[[int, int], int]
) -> tuple[str, int]:
    """Return a ready endpoint of a service's port, given by name or number. Raises `ServiceUnavailable`."""
    found = service_addresses(service, port, slices)
    return found[choose(0, len(found) - 1)]


def service_addresses(service: Obj, port: str, slices: Iterable[Obj]) -> list[tuple[str, int]]:
    """Return all ready endpoints of a service's port; there is at least one. Raises `ServiceUnavailable`."""
    name = service["metadata"]["name"]
    if port.isdigit():
        found = [item for item in service["spec"].get("ports") or () if item["port"] == int(port)]
        if not found:
            raise errors.ServiceUnavailable(f'no service port {port} found for service "{name}"')
        port = found[0].get("name") or ""
    ready = [item for one in slices if _is_of(one, name) for item in _ready(one, port)]
    if not ready:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"')
    return ready


def _is_of(one: Obj, service: str) -> bool:
    return (one["metadata"].get("labels") or {}).get(SERVICE_NAME) == service


def _ready(one: Obj, port: str) -> Iterable[tuple[str, int]]:
    numbers = [item["port"] for item in one.get("ports") or () if (item.get("name") or "") == port]
    for endpoint in one.get("endpoints") or ():
        if numbers and (endpoint.get("conditions") or {}).get("ready", True):
            yield endpoint["addresses"][0], int(numbers[0])
