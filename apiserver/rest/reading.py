"""Reads the body of a request as an object, apart from the event loop if it is large. Called by the verbs."""

from typing import Any

from api.resource import Obj, Resource
from apiserver.http.message import Request
from apiserver.rest.body import Conform, read_object
from kit.apart import apart


async def read(
    request: Request,
    resource: Resource[Any],
    kind: str = "",
    group_version: str = "",
    conform: Conform = None,
) -> Obj:
    """Return the object that a body holds: `read_object`. Raises `BadRequest`, `UnsupportedMediaType`."""
    return await apart(request.weight, read_object, request, resource, kind, group_version, conform)
