"""Whole OpenAPI documents, as bytes: v2 of all groups, v3 of one group version. Pure but for reading the
package.

Called by `serve.py`, in a thread, when a document is first asked for.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from api.resource import Obj, Resource
from apiserver.openapi import definitions
from apiserver.openapi.definitions import V2, V3
from apiserver.openapi.operations import PATCH, Operation, Parameter, operations, tag_of
from apiserver.openapi.wire import encode

_META = ("WatchEvent", "Status", "DeleteOptions", "Patch", "APIResourceList", "APIGroup", "APIGroupList")
_INFO = {"title": "Kubernetes"}


def build_v2(resources: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the Swagger 2.0 document of all resources."""
    return orjson.dumps(_document_v2(resources, version))


def build_v2_protobuf(resources: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the same document in protobuf."""
    return encode(_document_v2(resources, version))


def _document_v2(resources: Sequence[Resource[Any]], version: str) -> Obj:
    made = [(resource, one) for resource in resources for one in operations(resource)]
    paths: Obj = {}
    for resource, one in made:
        paths.setdefault(one.path, {})[one.method] = _v2(resource, one)
    return {
        "swagger": "2.0",
        "info": {**_INFO, "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": _schemas((one for _, one in made), V2),
        "security": [{"BearerToken": []}],
        "securityDefinitions": {"BearerToken": _SECURITY},
    }


def build_v3(resources: Sequence[Resource[Any]], version: str) -> bytes:
    """Return the OpenAPI 3.0 document of the resources of one group version."""
    made = [(resource, one) for resource in resources for one in operations(resource)]
    paths: Obj = {}
    for resource, one in made:
        paths.setdefault(one.path, {})[one.method] = _v3(resource, one)
    document = {
        "openapi": "3.0.0",
        "info": {**_INFO, "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas((one for _, one in made), V3),
            "securitySchemes": {"BearerToken": _SECURITY},
        },
    }
    return orjson.dumps(document)


_SECURITY = {
    "description": "Bearer Token authentication",
    "in": "header",
    "name": "authorization",
    "type": "apiKey",
}


def _schemas(made: Iterable[Operation], root: str) -> Obj:
    known = definitions.load()
    names = {f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}" for name in _META}
    for one in made:
        names |= {one.body, one.answer}
    # The package leaves out what holds nothing: a patch is any object.
    known.setdefault(
        PATCH,
        {"description": "Patch is the Kubernetes PATCH request body: an object or a list.", "type": "object"},
    )
    wanted = definitions.reachable(known, names)
    return {name: definitions.convert(name, known[name], root) for name in wanted}


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
