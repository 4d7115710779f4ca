"""`/status` and the other subresources that are views of the whole object: GET, PUT, PATCH."""

from api.errors import MethodNotAllowed
from api.resource import Key
from apiserver.http.message import Answer, Request
from apiserver.rest import render
from apiserver.rest.dispatch import key_of, replacement
from apiserver.rest.get import fetch
from apiserver.rest.hub import Collection, Hub, Stored
from apiserver.rest.options import operation_of
from apiserver.rest.patch import patch
from apiserver.rest.reading import read
from apiserver.rest.update import update


async def handle(hub: Hub, collection: Collection, request: Request) -> Answer:
    """Answer a request to a subresource that reads and writes the object's own kind."""
    form = render.form_of(request, render.OBJECT_VIEWS)
    key, verb = key_of(collection, request), request.info.verb
    if verb == "get":
        entry = await fetch(hub, collection, key, request)
        return render.object_response(form, collection.resource, entry.data, request, hub.now())
    if verb not in ("update", "patch"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    stored = await _write(hub, collection, key, request)
    return render.object_response(form, collection.resource, stored.data, request, hub.now())


async def _write(hub: Hub, collection: Collection, key: Key, request: Request) -> Stored:
    operation, subresource = operation_of(request), request.info.subresource
    if request.info.verb == "patch":
        return await patch(hub, collection, key, request, operation, subresource)
    obj = await read(request, collection.resource, conform=collection.strategy.conform)
    change = replacement(collection, key, obj)
    return await update(hub, collection, key, change, operation, subresource)


async def handle_update(hub: Hub, collection: Collection, request: Request) -> Answer:
    """Answer a request to a subresource that can only be replaced."""
    if request.info.verb != "update":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return await handle(hub, collection, request)
