"""Who is behind the Service `default/kubernetes`: the addresses of the API servers that are alive.

Every API server holds a Lease `kube-system/apiserver-<hash>` that names its address, and renews it. Each
of them writes the same Endpoints and EndpointSlice from the fresh leases, so that a dead server drops out
by itself.
Source: pkg/controlplane/reconcilers/lease.go, KEP-1965 (1.36).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address

from api.errors import AlreadyExists, NotFound
from api.resource import Obj
from api.slices import SERVICE_NAME
from api.types.coordination_v1 import LEASES
from api.types.core_v1 import ENDPOINTS
from api.types.discovery_v1 import ENDPOINTSLICES
from apiserver.bootstrap.objects import Settings
from apiserver.registry import Registry
from kit import clock

LEASE_NAMESPACE = "kube-system"
_LABEL = {"apiserver.kubernetes.io/identity": "kube-apiserver"}
_ADDRESS = "pelamis.dev/advertise-address"
# A server that has not renewed for this long is gone.
_LEASE_S = 30


class KubernetesService:
    """Keeps this server's lease, and the endpoints of all servers."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        digest = hashlib.sha256(f"{settings.advertise_address}:{settings.secure_port}".encode()).hexdigest()
        self._lease = f"apiserver-{digest[:26]}"

    async def reconcile(self) -> None:
        """Renew the lease and write the endpoints if they differ."""
        mine = await self._renew()
        others = (
            lease
            for lease in self._registry.cached_list(LEASES, LEASE_NAMESPACE)
            if lease["metadata"]["name"] != self._lease
        )
        addresses = live_addresses([mine, *others], clock.now())
        await self._write(addresses)

    async def withdraw(self) -> None:
        """Give up the lease and take the address away."""
        await self._registry.delete(LEASES, LEASE_NAMESPACE, self._lease, {})
        leases = self._registry.cached_list(LEASES, LEASE_NAMESPACE)
        left = [lease for lease in leases if lease["metadata"]["name"] != self._lease]
        await self._write(live_addresses(left, clock.now()))

    async def _renew(self) -> Obj:
        now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        def renewed(found: Obj) -> Obj:
            return {**found, "spec": {**found["spec"], "renewTime": now}}

        try:
            return await self._registry.update(LEASES, LEASE_NAMESPACE, self._lease, renewed)
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": self._lease,
                    "namespace": LEASE_NAMESPACE,
                    "labels": dict(_LABEL),
                    "annotations": {_ADDRESS: self._settings.advertise_address},
                },
                "spec": {"holderIdentity": self._lease, "leaseDurationSeconds": _LEASE_S, "renewTime": now},
            }
            return await self._registry.create(LEASES, LEASE_NAMESPACE, lease)

    async def _write(self, addresses: list[str]) -> None:
        endpoints = new_endpoints(addresses, self._settings.secure_port)
        slice_ = new_slice(addresses, self._settings.secure_port)
        try:
            await self._registry.update(
                ENDPOINTS, "default", "kubernetes", lambda found: with_fields(found, endpoints, ("subsets",))
            )
        except NotFound:
            await self._create(endpoints)
        try:
            await self._registry.update(
                ENDPOINTSLICES,
                "default",
                "kubernetes",
                lambda found: with_fields(found, slice_, ("endpoints", "ports")),
            )
        except NotFound:
            await self._create(slice_)

    async def _create(self, obj: Obj) -> None:
        resource = ENDPOINTS if obj["kind"] == "Endpoints" else ENDPOINTSLICES
        try:
            await self._registry.create(resource, "default", obj)
        except AlreadyExists:
            # Another server was faster; the next round compares.
            return


def live_addresses(leases: Iterable[Obj], now: datetime) -> list[str]:
    """Return the addresses of the servers whose leases are fresh, sorted.

    A loopback address, of a cluster that lives on one machine alone, is no endpoint for others.
    """
    found = set()
    for lease in leases:
        address = (lease["metadata"].get("annotations") or {}).get(_ADDRESS)
        renewed = lease["spec"].get("renewTime")
        if not address or not renewed or ip_address(address).is_loopback:
            continue
        if datetime.fromisoformat(renewed) + timedelta(seconds=_LEASE_S) > now:
            found.add(address)
    return sorted(found)


def with_fields(found: Obj, wanted: Obj, fields: tuple[str, ...]) -> Obj:
    """Return the stored object with these fields as wanted: itself if they are."""
    same = all((found.get(name) or []) == (wanted.get(name) or []) for name in fields)
    return found if same else {**found, **{name: wanted.get(name, []) for name in fields}}


def new_endpoints(addresses: list[str], port: int) -> Obj:
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    subsets = [{"addresses": [{"ip": ip} for ip in addresses], "ports": ports}] if addresses else []
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": subsets,
    }


def new_slice(addresses: list[str], port: int) -> Obj:
    is_v6 = bool(addresses) and ":" in addresses[0]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {SERVICE_NAME: "kubernetes"},
        },
        "addressType": "IPv6" if is_v6 else "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
