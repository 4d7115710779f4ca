"""`/scale`: the replicas of a workload as an autoscaling/v1 Scale, whatever its kind.

Source: pkg/registry/apps/deployment/storage/storage.go ScaleREST (1.36).
"""

from dataclasses import replace
from functools import partial
from typing import Any

from api import errors, field
from api.errors import BadRequest, MethodNotAllowed
from api.labels import from_label_selector, from_map
from api.resource import Key, Obj, Resource
from apiserver.customresources.resource import CustomResource
from apiserver.customresources.scale import put_replicas, replicas_of
from apiserver.http.message import Answer, Request
from apiserver.http.negotiate import APPLY_PATCH, PATCHES, patch_type
from apiserver.rest import body, render
from apiserver.rest.dispatch import key_of
from apiserver.rest.get import fetch
from apiserver.rest.hub import Collection, Hub, View
from apiserver.rest.options import operation_of
from apiserver.rest.patch import applied, parsed
from apiserver.rest.reading import read
from apiserver.rest.update import Change, update
from apiserver.watchcache.layout import decode

_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"
_VERSION = "autoscaling/v1"


async def handle(hub: Hub, collection: Collection, request: Request) -> Answer:
    """Answer a request to `/scale`."""
    form = render.form_of(request)
    key, verb = key_of(collection, request), request.info.verb
    if verb == "get":
        entry = await fetch(hub, collection, key, request)
        return render.response(form, to_scale(collection.resource, decode(entry.data)))
    if verb == "update":
        change = _put(collection, key, await read(request, collection.resource, "Scale", _VERSION))
    elif verb == "patch":
        change = _patch(collection, request)
    else:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    view = View(partial(to_scale, collection.resource), partial(with_replicas, collection.resource))
    operation = replace(operation_of(request), view=view)
    stored = await update(hub, collection, key, change, operation, "scale")
    return render.response(form, to_scale(collection.resource, decode(stored.data)))


def to_scale(resource: Resource[Any], obj: Obj) -> Obj:
    """Return the Scale of a workload."""
    metadata = obj["metadata"]
    wanted, present, selector = _numbers(obj, resource)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale_status: dict[str, Any] = {"replicas": present}
    if selector:
        scale_status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": _VERSION,
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": scale_status,
    }


def _numbers(obj: Obj, resource: Resource[Any]) -> tuple[int, int, str]:
    """Return the replicas wanted, those there are, and the selector."""
    if isinstance(resource, CustomResource) and resource.scale is not None:
        return replicas_of(resource.scale, obj)
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return spec.get("replicas") or 0, status.get("replicas", 0), _selector(spec.get("selector"))


def _selector(selector: Any) -> str:
    if not selector:
        return ""
    if "matchLabels" in selector or "matchExpressions" in selector:
        return str(from_label_selector(selector))
    return str(from_map(selector))


def scaled(collection: Collection, old: Obj, scale: Obj) -> Obj:
    """Return the workload with the replicas of a Scale. Raises `Invalid`, `Conflict`."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    metadata = scale.get("metadata") or {}
    if replicas < 0:
        fault = field.invalid(
            field.Path("spec").child("replicas"), replicas, "must be greater than or equal to 0"
        )
        raise errors.invalid("autoscaling", "Scale", old["metadata"]["name"], [fault])
    kept = dict(old["metadata"])
    # An empty version means: whatever is there.
    kept["resourceVersion"] = metadata.get("resourceVersion") or ""
    if metadata.get("uid"):
        kept["uid"] = metadata["uid"]
    return _with_number(collection.resource, {**old, "metadata": kept}, replicas)


def with_replicas(resource: Resource[Any], obj: Obj, scale: Obj) -> Obj:
    """Return the workload with the replicas that admission left in its Scale."""
    return _with_number(resource, obj, (scale.get("spec") or {}).get("replicas", 0))


def _with_number(resource: Resource[Any], obj: Obj, replicas: int) -> Obj:
    if isinstance(resource, CustomResource) and resource.scale is not None:
        return put_replicas(resource.scale, obj, replicas)
    return {**obj, "spec": {**(obj.get("spec") or {}), "replicas": replicas}}


def _put(collection: Collection, key: Key, scale: Obj) -> Change:
    name = (scale.get("metadata") or {}).get("name") or key.name
    if name != key.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({key.name})")
    return lambda old: scaled(collection, old, scale)


def _patch(collection: Collection, request: Request) -> Change:
    media = patch_type(request.headers, tuple(kind for kind in PATCHES if kind != APPLY_PATCH))
    patch_body = parsed(request, media)

    def change(old: Obj) -> Obj:
        new = applied(media, to_scale(collection.resource, old), patch_body, _SCHEMA)
        return scaled(collection, old, body.checked(request, _VERSION, "Scale", new))

    return change
