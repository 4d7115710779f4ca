"""`Registry` over the verbs: how the API server's own parts read and write objects. Contract:
`apiserver/registry.py`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api.codec.shapes import copy
from api.resource import Key, Obj, Resource
from apiserver.http.message import APISERVER, User
from apiserver.rest.create import create
from apiserver.rest.delete import delete
from apiserver.rest.get import fetch
from apiserver.rest.hub import Hub, Operation
from apiserver.rest.strategy import Deletion
from apiserver.rest.update import update
from apiserver.watchcache.layout import decode
from apiserver.watchcache.select import Selection


class HubRegistry:
    """See `apiserver.registry.Registry`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def cached(self, resource: Resource[Any], namespace: str, name: str) -> Obj | None:
        cache = self._hub.of(resource).cache
        entry = cache.get(Key(namespace, name))
        return cache.decoded(entry) if entry is not None else None

    def cached_labels(self, resource: Resource[Any], namespace: str, name: str) -> Mapping[str, str] | None:
        entry = self._hub.of(resource).cache.get(Key(namespace, name))
        return entry.labels if entry is not None else None

    def cached_list(self, resource: Resource[Any], namespace: str = "") -> Iterable[Obj]:
        # Of this moment, but decoded one by one, so that whoever has much to do may do it in pieces.
        found = list(self._hub.of(resource).cache.scan(namespace))
        return (decode(entry.data) for entry in found)

    def cached_by_field(
        self, resource: Resource[Any], field: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        cache = self._hub.of(resource).cache
        selection = Selection(namespace, "", f"{field}={value}")
        return [cache.decoded(entry) for entry in cache.select(selection, selection.compiled())]

    def cached_by_label(
        self, resource: Resource[Any], label: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        cache = self._hub.of(resource).cache
        selection = Selection(namespace, f"{label}={value}", "")
        return [cache.decoded(entry) for entry in cache.select(selection, selection.compiled())]

    def cached_revision(self, resource: Resource[Any]) -> int:
        return self._hub.of(resource).cache.changed

    async def get(self, resource: Resource[Any], namespace: str, name: str) -> Obj:
        entry = await fetch(self._hub, self._hub.of(resource), Key(namespace, name))
        return decode(entry.data)

    async def create(self, resource: Resource[Any], namespace: str, obj: Obj, user: User = APISERVER) -> Obj:
        operation = Operation(user, field_manager="kube-apiserver")
        stored = await create(self._hub, self._hub.of(resource), namespace, copy(obj), operation)
        return decode(stored.data)

    async def update(
        self,
        resource: Resource[Any],
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj],
        subresource: str = "",
        user: User = APISERVER,
    ) -> Obj:
        operation = Operation(user, field_manager="kube-apiserver")
        stored = await update(
            self._hub, self._hub.of(resource), Key(namespace, name), change, operation, subresource
        )
        return decode(stored.data)

    async def delete(
        self, resource: Resource[Any], namespace: str, name: str, options: Obj, user: User = APISERVER
    ) -> Obj:
        preconditions = options.get("preconditions") or {}
        deletion = Deletion(
            options.get("gracePeriodSeconds"),
            options.get("propagationPolicy") or "",
            options.get("orphanDependents"),
            preconditions.get("uid") or "",
            preconditions.get("resourceVersion") or "",
            bool(options.get("dryRun")),
        )
        operation = Operation(user, options=options)
        obj, _ = await delete(self._hub, self._hub.of(resource), Key(namespace, name), deletion, operation)
        return obj
