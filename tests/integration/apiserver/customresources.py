"""Definitions that the tests of custom resources share."""

from typing import Any

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
