"""The cluster as DNS sees it: informers of services, slices and namespaces, with the indexes that questions
need.
"""

from collections.abc import Sequence

from api.slices import by_service, service_of
from api.types.core_v1 import NAMESPACES, SERVICES, Service
from api.types.discovery_v1 import ENDPOINTSLICES, EndpointSlice
from client.informer import Informers


class InformerView:
    """A `records.View` over informers. `changes` grows with every event that may change an answer."""

    def __init__(self, informers: Informers) -> None:
        self.changes = 0
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES)
        self._namespaces = informers.of(NAMESPACES, metadata_only=True)
        self._services.index("address", _service_addresses)
        self._slices.index("service", by_service)
        self._slices.index("address", _slice_addresses)
        for informer in (self._services, self._slices, self._namespaces):
            informer.subscribe(self._count)

    def _count(self, old: object, new: object) -> None:
        self.changes += 1

    def service(self, namespace: str, name: str) -> Service | None:
        return self._services.get(namespace, name)

    def slices(self, namespace: str, service: str) -> Sequence[EndpointSlice]:
        return self._slices.by("service", f"{namespace}/{service}")

    def services_at(self, address: str) -> Sequence[Service]:
        return self._services.by("address", address)

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        return self._slices.by("address", address)

    def has_namespace(self, namespace: str) -> bool:
        return self._namespaces.get("", namespace) is not None


def _service_addresses(service: Service) -> list[str]:
    spec = service["spec"]
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
    return [address for address in addresses if address not in ("", "None")]


def _slice_addresses(slice_: EndpointSlice) -> list[str]:
    if service_of(slice_) is None:
        return []
    return [address for endpoint in slice_.get("endpoints") or [] for address in endpoint["addresses"]]
