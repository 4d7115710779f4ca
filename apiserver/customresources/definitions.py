"""Follows CustomResourceDefinitions: decides their names, writes their status, has them served, and empties
those that are being deleted.

    changed   -> names and conditions decided (api/crd/names) -> status written if it differs
              -> Established: served as it is now
    deleting  -> served, but nothing new may be created; instances deleted; finalizer taken away
    gone      -> no longer served; others may have wanted its names

Every API server of a cluster runs this and comes to the same decisions. The answer to a write of a definition
waits, a little, until this server has acted on it.
"""

import asyncio

from api.crd.names import decide
from api.errors import NotFound, StatusError
from api.resource import Key, Obj
from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from apiserver.customresources.cleanup import clean_up, must_clean_up
from apiserver.customresources.resource import is_established
from apiserver.customresources.serving import CustomResources
from apiserver.registry import Registry
from apiserver.rest.hub import Hub
from apiserver.watchcache.entry import Entry
from apiserver.watchcache.layout import decode
from kit import clock, log
from kit.tasks import Tasks
from store.backend import StoreError

_log = log.get("apiserver.customresources")
# A definition that could not be acted on is tried again after this long.
RETRY_S = 0.5


class Definitions:
    """The task that follows the definitions of one server."""

    def __init__(self, hub: Hub, registry: Registry, resources: CustomResources) -> None:
        self._hub = hub
        self._registry = registry
        self._resources = resources
        self._tasks = Tasks()
        # What all definitions are called, in short: they may be large.
        self._known: dict[str, Obj] = {}
        # Names of definitions to look at, in the order in which they changed.
        self._changed: dict[str, None] = {}
        # The one that is being looked at.
        self._current = ""
        self._wake = asyncio.Event()
        # Set, and replaced, whenever one has been looked at.
        self._step = asyncio.Event()
        self._cleaning: set[str] = set()
        hub.followers[CUSTOMRESOURCEDEFINITIONS] = self.settled
        hub.of(CUSTOMRESOURCEDEFINITIONS).cache.listeners.append(self._noted)

    def _noted(self, key: Key, entry: Entry | None) -> None:
        if entry is None:
            self._known.pop(key.name, None)
        else:
            self._known[key.name] = _in_short(decode(entry.data))
        self._add(key.name)

    def _add(self, name: str) -> None:
        self._changed[name] = None
        self._wake.set()

    async def start(self) -> None:
        """Serve what is defined already, then follow the changes."""
        self._tasks.spawn(self._run(), "custom resource definitions", fatal=True)
        for name in list(self._changed):
            await self.settled(name)

    async def settled(self, name: str) -> None:
        """Wait until every change of a definition that the caches hold has been acted on."""
        while name in self._changed or name == self._current:
            await self._step.wait()

    async def close(self) -> None:
        await self._tasks.close()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                self._current = next(iter(self._changed))
                del self._changed[self._current]
                await self._try(self._current)
                self._current = ""
                step, self._step = self._step, asyncio.Event()
                step.set()

    async def _try(self, name: str) -> None:
        try:
            await self._sync(name)
        except (StatusError, StoreError) as error:
            _log.info("definition not served yet", definition=name, error=str(error))
            self._tasks.spawn(self._later(name), "retry a definition")
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            # Another server's rules let it in. It must not keep this one from serving all else.
            _log.error("definition cannot be served", definition=name, error=repr(error))

    async def _later(self, name: str) -> None:
        await clock.sleep(RETRY_S)
        self._add(name)

    async def _sync(self, name: str) -> None:
        definition = self._cached(name)
        if definition is None:
            await self._resources.remove(name)
            self._look_at_group(name.partition(".")[2])
            return
        definition = await self._decided(definition)
        if is_established(definition):
            await self._resources.serve(definition)
        if must_clean_up(definition) and name not in self._cleaning:
            self._cleaning.add(name)
            self._tasks.spawn(self._clean_up(name), f"delete the instances of {name}")

    async def _decided(self, definition: Obj) -> Obj:
        """Return the definition with its names decided, and written."""
        if "deletionTimestamp" in definition["metadata"]:
            return definition
        name, others = definition["metadata"]["name"], self._others(definition)
        if decide(definition, others, self._hub.now()) == definition.get("status"):
            return definition

        def change(found: Obj) -> Obj:
            status = decide(found, others, self._hub.now())
            return found if status == found.get("status") else {**found, "status": status}

        return await self._registry.update(CUSTOMRESOURCEDEFINITIONS, "", name, change, "status")

    def _others(self, definition: Obj) -> list[Obj]:
        group, name = definition["spec"]["group"], definition["metadata"]["name"]
        return [
            other for key, other in self._known.items() if other["spec"]["group"] == group and key != name
        ]

    def _look_at_group(self, group: str) -> None:
        for name, other in list(self._known.items()):
            if other["spec"]["group"] == group:
                self._add(name)

    def _cached(self, name: str) -> Obj | None:
        return self._registry.cached(CUSTOMRESOURCEDEFINITIONS, "", name)

    async def _clean_up(self, name: str) -> None:
        try:
            await clean_up(self._hub, name, lambda: self._resources.storage(name))
        except NotFound:
            return
        except (StatusError, StoreError) as error:
            _log.info("instances not deleted yet", definition=name, error=str(error))
            self._tasks.spawn(self._later(name), "retry a definition")
        finally:
            self._cleaning.discard(name)


def _in_short(definition: Obj) -> Obj:
    """Return of a definition what decides whether others can have their names."""
    names = (definition.get("status") or {}).get("acceptedNames") or {}
    return {"spec": {"group": definition["spec"]["group"]}, "status": {"acceptedNames": names}}
