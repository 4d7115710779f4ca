"""Get: one object, linearizably, from the watch cache after a shared check of the store's revision.

Source: k8s.io/apiserver/pkg/storage/cacher Cacher.Get (1.36).
"""

from api import errors
from api.errors import BadRequest, InternalError, StatusError
from api.resource import Key
from apiserver.http.message import Request
from apiserver.rest.hub import Collection, Hub, translated
from apiserver.rest.list import reach
from apiserver.watchcache.entry import Entry
from store.backend import StoreError
from store.versions import InvalidResourceVersion, parse_resource_version


async def fetch(hub: Hub, collection: Collection, key: Key, request: Request | None = None) -> Entry:
    """Return the object as no acknowledged write is missed; "0" takes what the cache has. Raises
    `NotFound`."""
    text = request.param("resourceVersion") if request is not None else ""
    if not text:
        await hub.fresh()
    elif text != "0":
        try:
            await reach(hub, parse_resource_version(text))
        except InvalidResourceVersion as error:
            raise BadRequest(str(error)) from error
    collection = hub.present(collection)
    if collection.lane is not None and not await collection.lane.complete():
        return await _stored(hub, collection, key)
    entry = collection.cache.get(key)
    if entry is None:
        if key in collection.cache.unreadable:
            raise await unreadable(hub, collection, key)
        raise errors.not_found(collection.resource, key.name)
    return entry


async def unreadable(hub: Hub, collection: Collection, key: Key) -> StatusError:
    """Return the error for an object that is in the store but cannot be made out."""
    path = collection.key(key.namespace, key.name)
    try:
        await hub.backend.get(path)
    except StoreError as error:
        return translated(error)
    return InternalError(f'Internal error occurred: unable to decode the value of key "{path}"')


async def _stored(hub: Hub, collection: Collection, key: Key) -> Entry:
    try:
        found = await hub.backend.get(collection.key(key.namespace, key.name))
    except StoreError as error:
        raise translated(error) from error
    if found is None:
        raise errors.not_found(collection.resource, key.name)
    data = await collection.served(found.value, found.revision)
    return Entry(key, found.revision, data, collection.strategy.fields)
