"""Objects and lists as the client wants to see them: themselves, tables, metadata alone; JSON or YAML. Pure
but for `now`.

Source: k8s.io/apiserver/pkg/endpoints/handlers transformResponseObject (1.36).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from api.codec import yaml
from api.codec.table import to_table
from api.resource import Obj, Resource
from apiserver.customresources.resource import CustomResource
from apiserver.http.message import Request, Response
from apiserver.http.negotiate import YAML, Form, accepted

OBJECT_VIEWS = ("Table", "PartialObjectMetadata")
LIST_VIEWS = ("Table", "PartialObjectMetadataList")
META_GROUP = "meta.k8s.io"


def form_of(request: Request, views: tuple[str, ...] = ()) -> Form:
    """Return how the client wants the answer. Raises `NotAcceptable`."""
    form = accepted(request.headers.get("accept", ""), views)
    pretty = request.query.get("pretty")
    if pretty and pretty[0] not in ("0", "false"):
        return Form(form.media, form.view, form.version, pretty=True)
    return form


def encode(form: Form, obj: Obj) -> bytes:
    """Return an object in the media type of the form."""
    if form.media == YAML:
        return yaml.dumps(obj)
    if form.pretty:
        return orjson.dumps(obj, option=orjson.OPT_INDENT_2) + b"\n"
    return orjson.dumps(obj)


def response(form: Form, obj: Obj, status: int = 200) -> Response:
    """Return any object as an answer."""
    return Response(status, encode(form, obj), content_type=form.content_type)


def plain(form: Form) -> Form:
    """Return the same media type without a view."""
    return Form(form.media, pretty=form.pretty)


def object_response(
    form: Form, resource: Resource[Any], data: bytes, request: Request, now: datetime, status: int = 200
) -> Response:
    """Return the object of these wire bytes in the form that the client wants."""
    if form.plain:
        return Response(status, data)
    obj = orjson.loads(data)
    return response(form, viewed(form, resource, obj, include_of(request), now), status)


def viewed(form: Form, resource: Resource[Any], obj: Obj, include: str, now: datetime) -> Obj:
    """Return the view of one object that the form asks for."""
    if form.view == "Table":
        return table(
            form,
            resource,
            [obj],
            include,
            now,
            {"resourceVersion": obj["metadata"].get("resourceVersion", "")},
        )
    if form.view == "PartialObjectMetadata":
        return partial(obj, form.version)
    return obj


def include_of(request: Request) -> str:
    """Return what each row of a table carries: None, Metadata (the default) or Object."""
    return request.param("includeObject", "Metadata")


def partial(obj: Obj, version: str = "v1") -> Obj:
    """Return the metadata of an object as an object of its own."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"{META_GROUP}/{version}",
        "metadata": obj.get("metadata", {}),
    }


def table(
    form: Form,
    resource: Resource[Any],
    objects: Iterable[Obj],
    include: str,
    now: datetime,
    metadata: dict[str, Any],
) -> Obj:
    """Return objects as rows, in the columns of their kind."""
    layout = resource.columns if isinstance(resource, CustomResource) else None
    return {**to_table(resource, objects, now, include, layout, form.version), "metadata": metadata}


def list_view(
    form: Form,
    resource: Resource[Any],
    items: Iterable[Obj],
    metadata: dict[str, Any],
    include: str,
    now: datetime,
) -> Obj:
    """Return a whole list in the form that the client wants, built in memory: for what is not plain JSON."""
    if form.view and form.view != "Table":
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"{META_GROUP}/{form.version}",
            "metadata": metadata,
            "items": [partial(obj, form.version) for obj in items],
        }
    if form.view == "Table":
        return table(form, resource, items, include, now, metadata)
    kind = resource.list_kind or f"{resource.kind}List"
    return {"kind": kind, "apiVersion": resource.group_version, "metadata": metadata, "items": list(items)}


def list_response(
    form: Form,
    resource: Resource[Any],
    items: Iterable[Obj],
    metadata: dict[str, Any],
    include: str,
    now: datetime,
) -> Response:
    """Return a whole list as an answer."""
    return response(form, list_view(form, resource, items, metadata, include, now))
