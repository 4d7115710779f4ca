"""Keeps an APIService for each served version of a definition, and local ones marked as available.

Run by `aggregator.py`. Source: pkg/controlplane/controller/crdregistration,
kube-aggregator/pkg/controllers/{autoregister,status/local} (1.36).
"""

import asyncio

from api.errors import AlreadyExists, NotFound, StatusError
from api.resource import Key, Obj
from api.times import format_time
from api.types.apiregistration_v1 import APISERVICES
from apiserver.aggregation import conditions, registered
from apiserver.registry import Registry
from apiserver.watchcache.entry import Entry
from apiserver.watchcache.layout import decode
from kit import clock, log

_log = log.get("apiserver.aggregation")

# Changes come in bursts; each is one round.
_BURST_S = 0.05
_RETRY_S = 1.0


class Registration:
    """`mark` says that APIServices have changed, `learn` that a definition has."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._work = asyncio.Event()
        self._work.set()
        # Definitions not yet looked at; they are large, and there may be hundreds.
        self._pending: dict[Key, Entry | None] = {}
        # The APIServices of each definition, by name.
        self._wanted: dict[Key, dict[str, Obj]] = {}

    def mark(self) -> None:
        self._work.set()

    def learn(self, key: Key, entry: Entry | None) -> None:
        """A definition has changed, or is gone (None)."""
        self._pending[key] = entry
        self._work.set()

    async def run(self) -> None:
        """Do what is to be done, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await clock.sleep(_BURST_S)
            try:
                await self._round()
            except StatusError as error:
                _log.warning("APIServices not registered", error=error.message)
                self._work.set()
                await clock.sleep(_RETRY_S)

    async def _round(self) -> None:
        await self._digest()
        wanted = {name: obj for found in self._wanted.values() for name, obj in found.items()}
        present = {obj["metadata"]["name"]: obj for obj in self._registry.cached_list(APISERVICES)}
        for name in wanted.keys() - present.keys():
            await self._create(wanted[name])
        for name, obj in present.items():
            if registered.is_managed(obj, registered.ALWAYS) and name not in wanted:
                await self._delete(name)
            elif _as_local(obj, "") is not obj:
                await self._tell(name)

    async def _digest(self) -> None:
        while self._pending:
            key, entry = self._pending.popitem()
            self._wanted.pop(key, None)
            if entry is not None:
                self._wanted[key] = registered.of_definition(decode(entry.data))
                await clock.sleep(0)

    async def _create(self, obj: Obj) -> None:
        try:
            await self._registry.create(APISERVICES, "", obj)
        except AlreadyExists:
            # Another server was faster, or somebody has one of his own.
            return

    async def _delete(self, name: str) -> None:
        try:
            await self._registry.delete(APISERVICES, "", name, {})
        except NotFound:
            return

    async def _tell(self, name: str) -> None:
        now = format_time(clock.now())
        try:
            await self._registry.update(APISERVICES, "", name, lambda found: _as_local(found, now), "status")
        except NotFound:
            return


def _as_local(obj: Obj, now: str) -> Obj:
    """Return the APIService marked as available if it is a local one: itself if there is nothing to do."""
    local = obj["spec"].get("service") is None
    return conditions.with_available(obj, conditions.LOCAL, now) if local else obj
