"""Definitions that the tests of custom resources share, and a webhook that converts objects."""

from typing import Any

import orjson
from aiohttp import web

from tests.integration.apiserver.hooks import Hook

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
WIDGET = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "minimum": 0},
                "color": {"type": "string", "default": "red"},
                "replicas": {"type": "integer"},
            },
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    },
}


def version(name: str = "v1", schema: Any = None, storage: bool = True, **others: Any) -> Any:
    shape = {"openAPIV3Schema": WIDGET if schema is None else schema}
    return {"name": name, "served": True, "storage": storage, "schema": shape, **others}


def definition(plural: str = "widgets", group: str = "example.com", versions: Any = None, **spec: Any) -> Any:
    kind = plural[:-1].capitalize()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": versions or [version()],
            **spec,
        },
    }


def widget(name: str, kind: str = "Widget", group_version: str = "example.com/v1", **spec: Any) -> Any:
    return {"apiVersion": group_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


# Objects whose versions hold the same in one field or in two.
PATH = "/crdconvert"
STRUCTURE = {
    "v1": {"hostPort": {"type": "string"}},
    "v2": {"host": {"type": "string"}, "port": {"type": "string"}},
}
BOXES = "/apis/example.com/{}/namespaces/default/boxes"
V1, V2 = BOXES.format("v1"), BOXES.format("v2")


def convert(obj: Any, wanted: str) -> Any:
    made = {**obj, "apiVersion": wanted}
    if wanted.endswith("v2"):
        made["host"], _, made["port"] = made.pop("hostPort").partition(":")
    else:
        made["hostPort"] = f"{made.pop('host')}:{made.pop('port')}"
    return made


def answer(request: Any, version: str = "v1") -> web.Response:
    converted = [convert(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
    review = {
        "kind": "ConversionReview",
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "response": response,
    }
    return web.Response(body=orjson.dumps(review), content_type="application/json")


def failing(request: Any) -> web.Response:
    response = {"uid": request["uid"], "result": {"status": "Failure", "message": "no luck"}}
    review = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response}
    return web.Response(body=orjson.dumps(review), content_type="application/json")


def boxes(hook: Hook, stored: str = "v1", **others: Any) -> Any:
    versions = [
        version(
            name, {"type": "object", "properties": fields}, storage=name == stored, **others.get(name, {})
        )
        for name, fields in STRUCTURE.items()
    ]
    webhook = {"clientConfig": hook.service(PATH), "conversionReviewVersions": ["v1", "v1beta1"]}
    made = definition("boxes", versions=versions, conversion={"strategy": "Webhook", "webhook": webhook})
    made["spec"]["names"]["kind"] = "Box"
    return made


def box(name: str, **fields: str) -> Any:
    group_version = f"example.com/{'v1' if 'hostPort' in fields else 'v2'}"
    return {"apiVersion": group_version, "kind": "Box", "metadata": {"name": name}, **fields}


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]
