"""Who has which cluster address and node port, written in the store: no two API servers give out the same.

    take   before a service is written: the claim is made, or is this service's already; else `Taken`
    give   after a stored service has lost a number: the claim goes, if the store confirms that
    (a server killed in between leaves one without the other: `repair.py` mends both)

An address is claimed by an IPAddress object, as upstream does, which users can list; a port by a key that no
resource shows. Taking a claim again renews it, so that a late `give` for a service of the same name, made
anew, does nothing.
Source: pkg/registry/core/service/ipallocator/ipallocator.go, KEP-1880 (1.36).
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import orjson

from api.errors import AlreadyExists, Conflict, NotFound
from api.resource import Key, Obj
from api.times import parse_time
from api.types.core_v1 import SERVICES
from api.types.networking_v1 import IPADDRESSES
from apiserver.allocators.pool import Taken
from apiserver.registry import Registry
from kit import clock
from store.backend import Backend, KeyExists, RevisionMismatch

_PORTS = "/registry/ranges/servicenodeports/"
_LABELS = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
_FAMILY = "ipaddress.kubernetes.io/ip-family"
_RENEWED = "pelamis.dev/renewed"
# How often a claim that comes and goes is tried for.
_ATTEMPTS = 3

# Returns the numbers of a stored service, as text.
NumbersOf = Callable[[Obj], Iterable[str]]


class Claims(Protocol):
    """Claims of one kind of number, written as text."""

    async def take(self, number: str, owner: Key) -> None:
        """Claim a number for a service. Raises `Taken`, API errors, `StoreError`."""

    async def give(self, number: str, owner: Key) -> None:
        """Give up a claim if it is the owner's and the stored service does not have the number."""

    async def claimed(self, before: datetime) -> list[tuple[str, Key]]:
        """Return the claims that are older, with their owners."""


class AddressClaims:
    """Claims as IPAddress objects."""

    def __init__(self, registry: Registry, numbers_of: NumbersOf) -> None:
        self._registry = registry
        self._numbers_of = numbers_of

    async def take(self, number: str, owner: Key) -> None:
        family = "IPv6" if ":" in number else "IPv4"
        parent = {"group": "", "resource": "services", "namespace": owner.namespace, "name": owner.name}
        obj = {
            "metadata": {"name": number, "labels": {**_LABELS, _FAMILY: family}},
            "spec": {"parentRef": parent},
        }
        for _ in range(_ATTEMPTS):
            try:
                await self._registry.create(IPADDRESSES, "", obj)
                return
            except AlreadyExists:
                with suppress(NotFound):
                    await self._registry.update(IPADDRESSES, "", number, lambda found: _renewed(found, owner))
                    return
        raise Taken

    async def give(self, number: str, owner: Key) -> None:
        try:
            found = await self._registry.get(IPADDRESSES, "", number)
            if _owner(found) != owner or await has_number(self._registry, owner, number, self._numbers_of):
                return
            metadata = found["metadata"]
            only = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            await self._registry.delete(IPADDRESSES, "", number, {"preconditions": only})
        except (NotFound, Conflict):
            return

    async def claimed(self, before: datetime) -> list[tuple[str, Key]]:
        return [
            (obj["metadata"]["name"], _owner(obj))
            for obj in self._registry.cached_list(IPADDRESSES)
            if (obj["metadata"].get("labels") or {}).items() >= _LABELS.items()
            and parse_time(obj["metadata"]["creationTimestamp"]) < before
        ]


def _owner(obj: Obj) -> Key:
    parent = obj["spec"]["parentRef"]
    return Key(parent.get("namespace", ""), parent["name"])


def _renewed(found: Obj, owner: Key) -> Obj:
    if _owner(found) != owner:
        raise Taken
    notes = {**(found["metadata"].get("annotations") or {}), _RENEWED: _stamp()}
    return {**found, "metadata": {**found["metadata"], "annotations": notes}}


def _stamp() -> str:
    return clock.now().isoformat()


class PortClaims:
    """Claims as keys of the store; the value says whose and since when."""

    def __init__(self, backend: Backend, registry: Registry, numbers_of: NumbersOf) -> None:
        self._backend = backend
        self._registry = registry
        self._numbers_of = numbers_of

    async def take(self, number: str, owner: Key) -> None:
        value = orjson.dumps({"namespace": owner.namespace, "name": owner.name, "since": _stamp()})
        try:
            await self._backend.create(_PORTS + number, value)
        except KeyExists as error:
            if _port_owner(error.current.value) != owner:
                raise Taken from error
            try:
                await self._backend.update(_PORTS + number, value, error.current.revision)
            except RevisionMismatch as moved:
                raise Taken from moved

    async def give(self, number: str, owner: Key) -> None:
        found = await self._backend.get(_PORTS + number)
        if found is None or _port_owner(found.value) != owner:
            return
        if await has_number(self._registry, owner, number, self._numbers_of):
            return
        try:
            await self._backend.delete(_PORTS + number, found.revision)
        except RevisionMismatch:
            return

    async def claimed(self, before: datetime) -> list[tuple[str, Key]]:
        page = await self._backend.list(_PORTS)
        return [
            (item.key.removeprefix(_PORTS), _port_owner(item.value))
            for item in page.items
            if datetime.fromisoformat(orjson.loads(item.value)["since"]) < before
        ]


def _port_owner(value: bytes) -> Key:
    found = orjson.loads(value)
    return Key(found["namespace"], found["name"])


class Patient:
    """Claims, of which one that is being given up at this moment is waited for: a client that has been told
    that a service is gone may use its numbers.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._going: dict[str, asyncio.Event] = {}

    async def take(self, number: str, owner: Key) -> None:
        try:
            await self._claims.take(number, owner)
        except Taken:
            if (gone := self._going.get(number)) is None:
                raise
            await gone.wait()
            await self._claims.take(number, owner)

    async def give(self, number: str, owner: Key) -> None:
        gone = self._going[number] = asyncio.Event()
        try:
            await self._claims.give(number, owner)
        finally:
            gone.set()
            if self._going.get(number) is gone:
                del self._going[number]

    async def claimed(self, before: datetime) -> list[tuple[str, Key]]:
        return await self._claims.claimed(before)


async def has_number(registry: Registry, owner: Key, number: str, numbers_of: NumbersOf) -> bool:
    """Say whether the stored service has the number."""
    try:
        service = await registry.get(SERVICES, owner.namespace, owner.name)
    except NotFound:
        return False
    return number in numbers_of(service)
