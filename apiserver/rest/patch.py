"""Patch: JSON patch, merge patch, strategic merge patch and server-side apply, on the object or a
subresource.

Source: k8s.io/apiserver/pkg/endpoints/handlers patch.go (1.36).
"""

from dataclasses import replace
from typing import Any

from api import field
from api.codec import json, yaml
from api.codec.json import DecodeError
from api.errors import BadRequest, NotFound, invalid
from api.patch.apply import apply
from api.patch.json import apply_patch
from api.patch.merge import apply_merge
from api.patch.strategic import apply_strategic
from api.resource import Key, Obj
from api.schemas import schema_name
from apiserver.http.message import Request
from apiserver.http.negotiate import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    PATCHES,
    STRATEGIC_PATCH,
    media_type,
    patch_type,
)
from apiserver.rest import body
from apiserver.rest.create import create
from apiserver.rest.hub import Collection, Hub, Operation, Stored
from apiserver.rest.managed import shape_of, writer_of
from apiserver.rest.update import Change, update
from kit.apart import apart


async def patch(
    hub: Hub, collection: Collection, key: Key, request: Request, operation: Operation, subresource: str = ""
) -> Stored:
    """Patch a stored object as the request says; return what is stored.

    Raises `NotFound`, `Conflict`, `Invalid`, `BadRequest`, `UnsupportedMediaType`.
    """
    if media_type(request.headers) == APPLY_PATCH:
        return await _apply(hub, collection, key, request, operation, subresource)
    change = await apart(request.weight, change_of, collection, request)
    return await update(hub, collection, key, change, operation, subresource)


async def _apply(
    hub: Hub, collection: Collection, key: Key, request: Request, operation: Operation, subresource: str
) -> Stored:
    """Server-side apply; what is not there is created."""
    resource = collection.resource
    if not operation.field_manager:
        fault = field.required(field.Path("fieldManager"), "is required for apply patch")
        raise invalid("meta.k8s.io", "PatchOptions", "", [fault])
    config = await apart(request.weight, _configuration, request, key)
    shape, writer = shape_of(resource), writer_of(hub, resource, operation, subresource, config)
    name, force = schema_name(resource), request.param("force") in ("true", "1")
    managed = replace(operation, managed=True)

    def change(old: Obj | None) -> Obj:
        made = apply(old, config, shape, writer, kind=name, force=force)
        return _regular(collection, made)

    try:
        return await update(hub, collection, key, change, managed, subresource)
    except NotFound:
        if subresource:
            raise
    made = await apart(request.weight, change, None)
    named = {**made, "metadata": {**(made.get("metadata") or {}), "name": key.name}}
    return await create(hub, collection, key.namespace, named, managed)


def _regular(collection: Collection, made: Obj) -> Obj:
    """Return an applied object of a kind that is not built in without what decoding would not keep."""
    conform = collection.strategy.conform
    try:
        return made if conform is None else conform(made).obj
    except DecodeError as error:
        kind, version = collection.resource.kind, collection.resource.version
        raise BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from error


def _configuration(request: Request, key: Key) -> Obj:
    try:
        config, doubled = yaml.loads_strict(request.body)
    except DecodeError as error:
        raise BadRequest(f"error decoding YAML: {error}") from error
    if doubled and body.validation_of(request) == body.STRICT:
        raise BadRequest(f"error strict decoding YAML: {yaml.strict_fault(doubled)}")
    for fault in doubled if body.validation_of(request) == body.WARN else ():
        request.warn(fault)
    metadata = config.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BadRequest("error decoding YAML: metadata is not an object")
    if metadata.get("name", key.name) != key.name:
        raise BadRequest(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({key.name})"
        )
    if metadata.get("namespace", key.namespace) != key.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return config


def change_of(collection: Collection, request: Request) -> Change:
    """Return the change that a patch makes to an object. Raises `UnsupportedMediaType`, `BadRequest`."""
    name = schema_name(collection.resource)
    supported = PATCHES if name else tuple(media for media in PATCHES if media != STRATEGIC_PATCH)
    media = patch_type(request.headers, supported)
    patch_body = parsed(request, media)

    def change(old: Obj) -> Obj:
        new = applied(media, old, patch_body, name)
        if not isinstance(new, dict) or not isinstance(new.get("metadata", {}), dict):
            raise BadRequest("the patch does not leave an object")
        resource = collection.resource
        conform = collection.strategy.conform
        return body.checked(request, resource.group_version, resource.kind, new, conform=conform)

    return change


def parsed(request: Request, media: str) -> Any:
    """Return the decoded patch. Raises `BadRequest`."""
    try:
        found = json.loads_any(request.body)
    except DecodeError as error:
        raise BadRequest(f"error decoding patch: {error}") from error
    if media == JSON_PATCH and not isinstance(found, list):
        raise BadRequest(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    if media != JSON_PATCH and not isinstance(found, dict):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {json.go_kind(found)} into Go value of type "
            "map[string]interface {}"
        )
    return found


def applied(media: str, old: Obj, patch_body: Any, name: str) -> Any:
    """Return a new object: `old` with the patch. Raises the API error of a patch that does not fit."""
    if media == JSON_PATCH:
        return apply_patch(old, patch_body)
    if media == MERGE_PATCH:
        return apply_merge(old, patch_body)
    return apply_strategic(old, patch_body, name)
