"""Whole OpenAPI documents, as bytes: v2 of all groups, v3 of one group version. Pure but for reading the
package.

The v2 document is made of two parts, that of the built-in resources, which is made once and kept compressed,
and that of the custom ones, which come and go. Called by `serve.py`, in a thread, when a document is first
asked for.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.crd.publish import published, published_list
from api.resource import Obj, Resource
from apiserver.customresources.resource import CustomResource
from apiserver.openapi import definitions
from apiserver.openapi.definitions import V2, V3, Schema
from apiserver.openapi.operations import Operation, Parameter, operations, tag_of
from apiserver.openapi.wire import encode, encode_part

_INFO = {"title": "Kubernetes"}
_Made = list[tuple[Resource[Any], Operation]]


@dataclass(frozen=True)
class Part:
    """The v2 paths and definitions of some resources: the members of both objects, compressed."""

    paths: bytes
    definitions: bytes

    @property
    def texts(self) -> tuple[bytes, bytes]:
        return zlib.decompress(self.paths), zlib.decompress(self.definitions)


def part_v2(resources: Sequence[Resource[Any]]) -> Part:
    """Return the part of the v2 document that describes these resources."""
    paths, schemas = _paths_v2(resources)
    return Part(*(zlib.compress(orjson.dumps(found)[1:-1], 6) for found in (paths, schemas)))


def build_v2(builtin: Part, custom: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the Swagger 2.0 document of all resources."""
    paths, schemas = builtin.texts
    more_paths, more_schemas = (orjson.dumps(found)[1:-1] for found in _paths_v2(custom))
    head = orjson.dumps({"swagger": "2.0", "info": {**_INFO, "version": version}})
    security = orjson.dumps(
        {"security": [{"BearerToken": []}], "securityDefinitions": {"BearerToken": _SECURITY}}
    )
    return b"".join(
        (head[:-1], b',"paths":{', _joined(paths, more_paths), b'},"definitions":{',
         _joined(schemas, more_schemas), b"},", security[1:])
    )  # fmt: skip


def _joined(*parts: bytes) -> bytes:
    return b",".join(part for part in parts if part)


def part_v2_protobuf(resources: Sequence[Resource[Any]]) -> bytes:
    """Return the part of the v2 document in protobuf that describes these resources.

    Parts need only be joined: what messages of one field hold is merged.
    """
    return encode_part(*_paths_v2(resources))


def build_v2_protobuf(builtin: bytes, custom: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the same document in protobuf."""
    return encode("2.0", {**_INFO, "version": version}) + builtin + part_v2_protobuf(custom)


def _paths_v2(resources: Sequence[Resource[Any]]) -> tuple[Obj, Obj]:
    made = _operations(resources)
    paths: Obj = {}
    for resource, one in made:
        paths.setdefault(one.path, {})[one.method] = _v2(resource, one)
    return dict(sorted(paths.items())), _schemas(made, resources, V2)


def build_v3(resources: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the OpenAPI 3.0 document of the resources of one group version."""
    made = _operations(resources)
    paths: Obj = {}
    for resource, one in made:
        paths.setdefault(one.path, {})[one.method] = _v3(resource, one)
    document = {
        "openapi": "3.0.0",
        "info": {**_INFO, "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(made, resources, V3),
            "securitySchemes": {"BearerToken": _SECURITY},
        },
    }
    return orjson.dumps(document)


def _operations(resources: Iterable[Resource[Any]]) -> _Made:
    return [(resource, one) for resource in resources for one in operations(resource)]


_SECURITY = {
    "description": "Bearer Token authentication",
    "in": "header",
    "name": "authorization",
    "type": "apiKey",
}


def _schemas(made: _Made, resources: Sequence[Resource[Any]], root: str) -> Obj:
    """Return the schemas of the resources with all that they refer to.

    The part of the v2 document that describes custom resources has only their own: the other part has the
    rest.
    """
    custom = [item for item in resources if isinstance(item, CustomResource)]
    own = {name: schema for item in custom for name, schema in _published(item, root)}
    if len(custom) == len(resources):
        return own if root == V2 else {**_converted(definitions.shared(), definitions.SHARED, root), **own}
    names = {*definitions.META}
    for _, one in made:
        names |= {one.body, one.answer}
    return {**_converted(definitions.load(), names, root), **own}


def _published(resource: CustomResource, root: str) -> Iterable[tuple[str, Schema]]:
    name = resource.schema_name
    yield name, published(resource.definition, resource.spec, root)
    listed = published_list(resource.definition, resource.spec, name, root)
    yield resource.list_schema_name, listed


def _converted(known: dict[str, Schema], names: Iterable[str], root: str) -> dict[str, Schema]:
    return {
        name: definitions.convert(name, known[name], root) for name in definitions.reachable(known, names)
    }


def _shared(resource: Resource[Any], one: Operation) -> Obj:
    return {
        "description": one.text,
        "operationId": one.id,
        "tags": [tag_of(resource)],
        "x-kubernetes-action": one.action,
        "x-kubernetes-group-version-kind": one.kind,
    }


def _v2(resource: Resource[Any], one: Operation) -> Obj:
    parameters = [_v2_parameter(item) for item in one.parameters]
    if one.body:
        required = {} if one.method == "delete" else {"required": True}
        parameters.append({"in": "body", "name": "body", "schema": {"$ref": V2 + one.body}, **required})
    answer: Obj = {"description": "OK", "schema": _v2_answer(one)}
    codes = ("200", "201") if one.method in ("post", "put", "patch") and one.action != "connect" else ("200",)
    return {
        **_shared(resource, one),
        "consumes": list(one.consumes) if one.body else ["*/*"],
        "produces": list(one.produces),
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {**dict.fromkeys(codes, answer), "401": {"description": "Unauthorized"}},
    }


def _v2_answer(one: Operation) -> Obj:
    return {"$ref": V2 + one.answer} if one.answer else {"type": "string"}


def _v2_parameter(item: Parameter) -> Obj:
    made: Obj = {"description": item.text, "in": item.place, "name": item.name, "type": item.type}
    return {**made, "uniqueItems": True, **({"required": True} if item.place == "path" else {})}


def _v3(resource: Resource[Any], one: Operation) -> Obj:
    made = {**_shared(resource, one), "parameters": [_v3_parameter(item) for item in one.parameters]}
    if one.body:
        schema = {"schema": {"$ref": V3 + one.body}}
        content = dict.fromkeys(one.consumes if one.method == "patch" else ("*/*",), schema)
        made["requestBody"] = {"content": content}
        if one.method != "delete":
            made["requestBody"]["required"] = True
    answer_schema = {"$ref": V3 + one.answer} if one.answer else {"type": "string"}
    answer = {"description": "OK", "content": {media: {"schema": answer_schema} for media in one.produces}}
    codes = ("200", "201") if one.method in ("post", "put", "patch") and one.action != "connect" else ("200",)
    made["responses"] = {**dict.fromkeys(codes, answer), "401": {"description": "Unauthorized"}}
    return made


def _v3_parameter(item: Parameter) -> Obj:
    schema = {"type": item.type, "uniqueItems": True}
    made: Obj = {"description": item.text, "in": item.place, "name": item.name, "schema": schema}
    return {**made, **({"required": True} if item.place == "path" else {})}
