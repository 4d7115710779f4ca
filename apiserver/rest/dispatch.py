"""The innermost handler: a resource request -> its verb or its subresource -> an answer.

collection   POST create  GET list, watch  DELETE deletecollection
object       GET  PUT update  PATCH  DELETE
subresource  the table of `apiserver/subresources/catalog.py`
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import orjson

from api.errors import BadRequest, MethodNotAllowed, NotFound
from api.resource import Key, Obj
from apiserver.http.message import Answer, Request, Response
from apiserver.rest import render
from apiserver.rest.create import create
from apiserver.rest.delete import delete, delete_entries
from apiserver.rest.get import fetch
from apiserver.rest.hub import Collection, Hub
from apiserver.rest.list import handle_list, options_of, plain_list, present_entries
from apiserver.rest.options import deletion_of, operation_of
from apiserver.rest.patch import patch
from apiserver.rest.reading import read
from apiserver.rest.update import Change, update
from apiserver.rest.watch import handle_watch
from kit.apart import apart

# Answers a request to a subresource, whatever its method.
Sub: TypeAlias = Callable[[Hub, Collection, Request], Awaitable[Answer]]
# How many objects that were deleted make one piece of the answer.
_BLOCK = 128


class Dispatch:
    """Routes resource requests. `subs` by (plural or "*", subresource)."""

    def __init__(self, hub: Hub, subs: Mapping[tuple[str, str], Sub]) -> None:
        self._hub = hub
        self._subs = subs

    async def __call__(self, request: Request) -> Answer:
        info = request.info
        collection = self._hub.find(info.group, info.version, info.resource)
        if collection is None:
            return await self._virtual(request)
        resource = collection.resource
        if collection.strategy.deprecation:
            request.warn(collection.strategy.deprecation)
        if info.subresource:
            return await self._sub(collection, request)
        if resource.namespaced and not info.namespace and (info.name and info.verb not in ("list", "watch")):
            return not_served()
        if not resource.namespaced and info.namespace and info.resource != "namespaces":
            return not_served()
        if info.verb not in resource.verbs or (info.verb in ("update", "patch") and not info.name):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return await _VERBS[info.verb](self._hub, collection, request)

    async def _virtual(self, request: Request) -> Answer:
        info = request.info
        found = self._hub.virtual(info.group, info.version, info.resource)
        if found is None:
            return not_served()
        resource, handler = found
        if info.verb not in resource.verbs:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return await handler(request)

    async def _sub(self, collection: Collection, request: Request) -> Answer:
        info = request.info
        group = f"{info.resource}.{info.group}" if info.group else info.resource
        handler = self._subs.get((group, info.subresource))
        if handler is None and info.subresource in collection.resource.subresources:
            handler = self._subs.get(("*", info.subresource))
        if handler is None:
            return not_served()
        return await handler(self._hub, collection, request)


def not_served() -> Answer:
    """The answer for paths that lead nowhere, which upstream gives as plain text to be told from a missing
    object."""
    raise NotFound("the server could not find the requested resource")


async def _create(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.OBJECT_VIEWS)
    info = request.info
    if info.name:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    obj = await read(request, collection.resource, conform=collection.strategy.conform)
    if collection.resource.namespaced and not info.namespace:
        raise BadRequest("an empty namespace may not be set during creation")
    stored = await create(hub, collection, info.namespace, obj, operation_of(request))
    return render.object_response(form, collection.resource, stored.data, request, hub.now(), 201)


async def _get(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.OBJECT_VIEWS)
    entry = await fetch(hub, collection, key_of(collection, request), request)
    show = collection.strategy.shown
    data = entry.data if show is None else show(entry.data, hub.present(collection).cache.find)
    return render.object_response(form, collection.resource, data, request, hub.now())


async def _list(hub: Hub, collection: Collection, request: Request) -> Answer:
    return await handle_list(hub, collection, request)


async def _watch(hub: Hub, collection: Collection, request: Request) -> Answer:
    return await handle_watch(hub, collection, request)


async def _update(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.OBJECT_VIEWS)
    key, operation = key_of(collection, request), operation_of(request)
    obj = await read(request, collection.resource, conform=collection.strategy.conform)
    change = replacement(collection, key, obj)
    try:
        stored = await update(hub, collection, key, change, operation)
    except NotFound:
        if not collection.strategy.create_on_update:
            raise
        obj = await read(request, collection.resource, conform=collection.strategy.conform)
        stored = await create(hub, collection, key.namespace, obj, operation)
    status = 201 if stored.created else 200
    return render.object_response(form, collection.resource, stored.data, request, hub.now(), status)


def replacement(collection: Collection, key: Key, obj: Obj) -> Change:
    """Return the change that puts `obj` in place. Raises `BadRequest` if it names another object."""
    metadata = obj.get("metadata") or {}
    name = metadata.get("name") or ""
    if name != key.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({key.name})")
    if metadata.get("namespace") and metadata["namespace"] != key.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return lambda old: obj


async def _patch(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.OBJECT_VIEWS)
    stored = await patch(hub, collection, key_of(collection, request), request, operation_of(request))
    status = 201 if stored.created else 200
    return render.object_response(form, collection.resource, stored.data, request, hub.now(), status)


async def _delete(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.OBJECT_VIEWS)
    deletion, options = deletion_of(request)
    operation = operation_of(request)
    operation = type(operation)(operation.user, deletion.dry_run, "", request, options)
    obj, gone = await delete(hub, collection, key_of(collection, request), deletion, operation)
    if not gone or collection.strategy.returns_deleted:
        status = 202 if not gone and deletion.orphan_dependents is False else 200
        return render.response(
            form, render.viewed(form, collection.resource, obj, render.include_of(request), hub.now()), status
        )
    details = {
        "name": obj["metadata"]["name"],
        "group": collection.resource.group,
        "kind": collection.resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return render.response(
        render.plain(form), success({key: value for key, value in details.items() if value})
    )


def success(details: Obj) -> Obj:
    """Return the `Status` of something done that has no object to show."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def _deletecollection(hub: Hub, collection: Collection, request: Request) -> Answer:
    form = render.form_of(request, render.LIST_VIEWS)
    deletion, options = deletion_of(request)
    if collection.resource.namespaced and not request.info.namespace:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    selection = options_of(collection, request).selection
    revision, entries = await present_entries(hub, collection, selection)
    operation = operation_of(request)
    operation = type(operation)(operation.user, deletion.dry_run, "", request, options)
    gone = await delete_entries(hub, collection, entries, deletion, operation)
    metadata = {"resourceVersion": str(revision)}
    if form.plain:
        # As few pieces as lists of the cache have: each is written for itself.
        blocks = [b",".join(gone[start : start + _BLOCK]) for start in range(0, len(gone), _BLOCK)]
        return Response(200, plain_list(collection, blocks, metadata))
    include, now = render.include_of(request), hub.now()

    def other() -> Response:
        objects = map(orjson.loads, gone)
        return render.list_response(form, collection.resource, objects, metadata, include, now)

    return await apart(sum(map(len, gone)), other)


def key_of(collection: Collection, request: Request) -> Key:
    """Return the key that a request names."""
    info = request.info
    return Key(info.namespace if collection.resource.namespaced else "", info.name)


_VERBS: dict[str, Sub] = {
    "create": _create,
    "get": _get,
    "list": _list,
    "watch": _watch,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _deletecollection,
}
