"""Custom resources in the hub: which versions are served, with which cache, as definitions come, change and
go. Called by `definitions.py`.

A version whose part of the definition is the same keeps its cache and its watches. Any other gets a new
cache, since new defaults are to be seen in old objects; the watches of the old one end, as upstream ends
them, and begin anew. The storage version's cache is always filled, those of others when somebody reads them
(`watchcache/lane.py`). The storage version always has a collection, though perhaps not a served
one: objects are deleted through it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.resource import Obj
from apiserver.customresources.resource import (
    LAST_VERBS,
    CustomResource,
    in_order,
    is_terminating,
    resources_of,
    stored_version,
)
from apiserver.customresources.strategy import CustomStrategy
from apiserver.customresources.translation import CustomTranslation
from apiserver.customresources.webhook import Converter
from apiserver.rest.hub import Collection, Hub
from apiserver.served import Served
from apiserver.watchcache.cache import Cache, Reached
from apiserver.watchcache.feed import Direct, Intake, Stored
from apiserver.watchcache.lane import Lane
from apiserver.webhooks.client import WebhookClient


@dataclass(frozen=True)
class Version:
    """A version as it stands in the hub. `made_of`: what its cache depends on."""

    collection: Collection
    made_of: Any
    served: bool


@dataclass(frozen=True)
class Definition:
    """A definition whose names are accepted. `key`: what all its versions depend on."""

    key: Any
    stored: Stored
    versions: tuple[Version, ...]
    storage: Collection
    terminating: bool


class CustomResources:
    """All custom resources that this server serves."""

    def __init__(self, hub: Hub, served: Served, webhooks: WebhookClient) -> None:
        self._hub = hub
        self._served = served
        self._webhooks = webhooks
        self._definitions: dict[str, Definition] = {}

    def storage(self, name: str) -> Collection | None:
        """Return the collection of the storage version of a definition that is served."""
        found = self._definitions.get(name)
        return found.storage if found is not None else None

    @property
    def names(self) -> Iterable[str]:
        return self._definitions.keys()

    async def close(self) -> None:
        """End what converts in the background."""
        for definition in self._definitions.values():
            for version in definition.versions:
                if version.collection.lane is not None:
                    await version.collection.lane.close()

    async def serve(self, definition: Obj) -> None:
        """Serve a definition with accepted names as it is now. Raises `StoreError`."""
        name, key = definition["metadata"]["name"], _key(definition)
        before = self._definitions.get(name)
        if before is not None and before.key == key:
            return
        made, joining = await self._made(definition, key, before)
        if joining:
            await self._hub.feed.join(joining, made.stored, anew=before is not None)
        self._put(name, before, made)

    async def remove(self, name: str) -> None:
        """Serve a definition no more: its watches end."""
        before = self._definitions.pop(name, None)
        if before is None:
            return
        for version in before.versions:
            self._hub.remove(version.collection.resource)
        await self._drop(before, [version.collection for version in before.versions])
        self._tell()

    def _put(self, name: str, before: Definition | None, made: Definition) -> None:
        """Swap what is served, at once."""
        self._definitions[name] = made
        for version in before.versions if before is not None else ():
            self._hub.remove(version.collection.resource)
        for version in made.versions:
            if version.served:
                self._hub.add(version.collection)
        kept = {id(version.collection.cache) for version in made.versions}
        gone = [
            version.collection
            for version in (before.versions if before is not None else ())
            if id(version.collection.cache) not in kept
        ]
        if before is not None and gone:
            self._leave(before, gone)
        self._tell()

    def _leave(self, definition: Definition, gone: Sequence[Collection]) -> None:
        for collection in gone:
            if collection.lane is not None:
                collection.lane.retire()
        self._hub.feed.leave([collection.cache for collection in gone], definition.stored)

    async def _drop(self, definition: Definition, gone: Sequence[Collection]) -> None:
        self._leave(definition, gone)
        for collection in gone:
            if collection.lane is not None:
                await collection.lane.close()

    def _tell(self) -> None:
        resources = []
        for definition in self._definitions.values():
            for version in definition.versions:
                resource = version.collection.resource
                if version.served and isinstance(resource, CustomResource):
                    last = replace(resource, verbs=LAST_VERBS) if definition.terminating else resource
                    resources.append(last)
        self._served.set_custom(in_order(resources))
        self._hub.admission.forget()

    async def _made(
        self, definition: Obj, key: Any, before: Definition | None
    ) -> tuple[Definition, list[Intake]]:
        """Return what is to be served, and the caches of it that the feed must fill first."""
        resources = resources_of(definition)
        wanted = stored_version(definition)
        storage = next(item for item in resources if item.version == wanted)
        await asyncio.to_thread(_compile, resources)
        present = (
            {version.collection.resource.version: version for version in before.versions} if before else {}
        )
        converter = self._converter(definition)
        versions, joining = [], []
        for resource in resources:
            if not (resource.spec.get("served") or resource is storage):
                continue
            old = present.get(resource.version)
            made_of = _made_of(definition, resource, storage)
            kept = old if old is not None and old.made_of == made_of else None
            collection, intake = self._collection(resource, storage, converter, old, kept)
            if intake is not None:
                joining.append(intake)
            _strategy_of(collection).terminating = is_terminating(definition)
            versions.append(Version(collection, made_of, bool(resource.spec.get("served"))))
        held = next(one.collection for one in versions if one.collection.resource is storage)
        stored = (storage.group, storage.plural)
        return Definition(key, stored, tuple(versions), held, is_terminating(definition)), joining

    def _collection(
        self,
        resource: CustomResource,
        storage: CustomResource,
        converter: Converter | None,
        old: Version | None,
        kept: Version | None,
    ) -> tuple[Collection, Intake | None]:
        """Return a version's collection, and its cache's intake if that is to join the feed now."""
        strategy = CustomStrategy(resource)
        translation = CustomTranslation(resource, storage, converter)
        if kept is not None:
            cache, lane = kept.collection.cache, kept.collection.lane
            return Collection(strategy, cache, storage, translation, lane), None

        def make(progress: Reached) -> Cache:
            return Cache(resource, strategy.fields, strategy.indexed_fields, self._hub.feed.pump, progress)

        if converter is not None or resource is not storage:
            stored = (storage.group, storage.plural)
            lane = Lane(make, translation, self._hub.feed, stored, anew=old is not None)
            return Collection(strategy, lane.cache, storage, translation, lane), None
        cache = make(self._hub.feed.progress)
        return Collection(strategy, cache, storage, translation), Direct(cache, translation)

    def _converter(self, definition: Obj) -> Converter | None:
        conversion = definition["spec"].get("conversion") or {}
        if conversion.get("strategy") != "Webhook":
            return None
        return Converter(self._webhooks, conversion.get("webhook") or {})


def _strategy_of(collection: Collection) -> CustomStrategy:
    assert isinstance(collection.strategy, CustomStrategy)
    return collection.strategy


def _compile(resources: Iterable[CustomResource]) -> None:
    for resource in resources:
        _ = resource.structural


def _key(definition: Obj) -> Any:
    status = definition.get("status") or {}
    return (definition["spec"], status.get("acceptedNames"), is_terminating(definition))


def _made_of(definition: Obj, resource: CustomResource, storage: CustomResource) -> Any:
    """Return what the bytes in a version's cache depend on."""
    spec = definition["spec"]
    conversion = spec.get("conversion") or {}
    asked = (conversion, storage.version) if conversion.get("strategy") == "Webhook" else None
    shape = {key: value for key, value in resource.spec.items() if key not in ("storage", "served")}
    stored = resource is storage
    return (shape, resource.kind, resource.list_kind, spec["scope"], asked, stored)
