"""The object that a write begins with, and beginning again when another write came between.

    the cache's word --refused, or nothing to do--> the store's word, once
          |--another write came between--> what that write left, until none does
          +--> done

Called by `update` and `delete`. Spec: k8s.io/apiserver/pkg/storage/etcd3 GuaranteedUpdate (1.36).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from api import errors
from api.errors import InternalError, StatusError, Timeout
from api.resource import Key, Obj
from apiserver.rest.hub import Collection, Hub, translated
from apiserver.watchcache.layout import decode
from kit.apart import HEAVY_BYTES, apart
from store.backend import KeyValue, RevisionMismatch, StoreError

T = TypeVar("T")


@dataclass(frozen=True)
class Present:
    """The object as it stands: wire bytes and revision. `sure`: read from the store, not from the cache."""

    data: bytes
    revision: int
    obj: Obj
    sure: bool


class Moved(Exception):
    """Another write came between; `current` is what is there now."""

    def __init__(self, current: KeyValue | None) -> None:
        super().__init__("moved")
        self.current = current


async def write(hub: Hub, collection: Collection, key: Key, attempt: Callable[[Present], Awaitable[T]]) -> T:
    """Call `attempt` with the present object until it does not raise `Moved`. Raises `NotFound`, ..."""
    present = await _cached(collection, key) or await _read(hub, collection, key)
    while True:
        try:
            return await attempt(present)
        except Moved as moved:
            if moved.current is None:
                raise errors.not_found(collection.resource, key.name) from moved
            present = await _stored(collection, moved.current)
        except Timeout:
            # What became of the write is not known: trying again could answer for another one.
            raise
        except StatusError:
            # The cache may have been behind; only the store's word is final.
            if present.sure:
                raise
            fresh = await _read(hub, collection, key)
            if fresh.revision == present.revision:
                raise
            present = fresh


def failed(error: StoreError) -> Exception:
    """Return what to raise for a write that the store refused: `Moved` or an API error."""
    return Moved(error.current) if isinstance(error, RevisionMismatch) else translated(error)


async def _read(hub: Hub, collection: Collection, key: Key) -> Present:
    try:
        found = await hub.backend.get(collection.key(key.namespace, key.name))
    except StoreError as error:
        raise translated(error) from error
    if found is None:
        raise errors.not_found(collection.resource, key.name)
    return await _stored(collection, found)


async def _stored(collection: Collection, found: KeyValue) -> Present:
    try:
        data = await collection.served(found.value, found.revision)
    except ValueError as error:
        text = f'Internal error occurred: unable to decode the value of key "{found.key}": {error}'
        raise InternalError(text) from error
    return Present(data, found.revision, decode(data), True)


async def _cached(collection: Collection, key: Key) -> Present | None:
    entry = collection.cache.get(key)
    if entry is None:
        return None
    heavy = len(entry.data) >= HEAVY_BYTES
    obj = await apart(len(entry.data), decode, entry.data) if heavy else collection.cache.decoded(entry)
    return Present(entry.data, entry.revision, obj, False)
