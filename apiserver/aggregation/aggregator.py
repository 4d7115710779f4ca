"""The aggregation layer: which group versions other servers serve, and the way there.

    APIService with a Service    requests below /apis/GROUP/VERSION go to it; discovery and OpenAPI tell of it
    APIService without           served here; kept by bootstrap and by `registration.py`

Nothing is looked at per request while there is no remote APIService but one empty table.
Made by `app.py`. Source: kube-aggregator/pkg/apiserver/apiserver.go (1.36).
"""

import asyncio
from pathlib import Path

from api.resource import Key
from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from api.types.apiregistration_v1 import APISERVICES
from api.types.core_v1 import SERVICES
from api.types.discovery_v1 import ENDPOINTSLICES
from apiserver.aggregation import documents
from apiserver.aggregation.availability import Availability
from apiserver.aggregation.backend import Backend, backend_of
from apiserver.aggregation.connections import Connections
from apiserver.aggregation.openapi import MergedOpenAPI
from apiserver.aggregation.proxy import relay
from apiserver.aggregation.registration import Registration
from apiserver.discovery import Remote
from apiserver.http.message import Answer, Request
from apiserver.openapi.serve import OpenAPI
from apiserver.rest.hub import Hub
from apiserver.rest.registry import HubRegistry
from apiserver.served import Served
from apiserver.services import ServiceResolver
from apiserver.watchcache.entry import Entry


class Aggregator:
    """The remote group versions of one server. `cert` and `key` are ours as the front proxy."""

    def __init__(
        self, hub: Hub, served: Served, openapi: OpenAPI, cert: Path | None, key: Path | None
    ) -> None:
        registry = HubRegistry(hub)
        self._registry = registry
        self._served = served
        self._connections = Connections(ServiceResolver(registry), cert, key)
        self.openapi = MergedOpenAPI(openapi, self._connections)
        self._registration = Registration(registry)
        self._availability = Availability(registry, self._connections, self._tell)
        self._routes: dict[str, Backend] = {}
        self._changed = True
        self._listen(hub)

    def _listen(self, hub: Hub) -> None:
        def changed(key: Key, entry: Entry | None) -> None:
            self._changed = True
            self._registration.mark()
            self._wake.set()

        def touched(key: Key, entry: Entry | None) -> None:
            if self._routes:
                self._availability.touch(key.namespace)

        self._wake = asyncio.Event()
        hub.of(APISERVICES).cache.listeners.append(changed)
        hub.of(CUSTOMRESOURCEDEFINITIONS).cache.listeners.append(self._registration.learn)
        hub.of(SERVICES).cache.listeners.append(touched)
        hub.of(ENDPOINTSLICES).cache.listeners.append(touched)

    def route(self, path: str) -> Backend | None:
        """Return who serves what is at a path; None if that is this server."""
        if self._changed:
            self._refresh()
        return self._routes.get("/".join(path.split("/", 4)[:4])) if self._routes else None

    async def relay(self, backend: Backend, request: Request) -> Answer:
        """Answer a request that another server serves."""
        return await relay(self._connections, backend, request)

    async def run(self) -> None:
        """Check, register and tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._registration.run())
            group.create_task(self._availability.run())
            group.create_task(self._follow())

    async def close(self) -> None:
        await self._connections.close()

    async def _follow(self) -> None:
        """Take in changes even while nobody asks for anything."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._refresh()

    def _refresh(self) -> None:
        self._changed = False
        found = (backend_of(obj) for obj in self._registry.cached_list(APISERVICES))
        routes = {backend.root: backend for backend in found if backend is not None}
        if routes != self._routes:
            self._routes = routes
            self._availability.follow(routes.values())
            self._tell()

    def _tell(self) -> None:
        """Pass on what is known of remote group versions."""
        known = self._availability.described()
        remotes = []
        for backend, described, stale in known:
            resources = described.entry["resources"] if described is not None else []
            entry = documents.new_entry(backend.version, resources, "Stale" if stale else "Current")
            remotes.append(
                Remote(
                    backend.group, backend.version, entry, backend.group_priority, backend.version_priority
                )
            )
        self._served.set_remote(remotes)
        self.openapi.replace({backend.root: (backend, one) for backend, one, _ in known if one is not None})
