"""The schemas of OpenAPI documents: upstream's definitions with their descriptions, in the words of v2 or v3.

They come from the package kubernetes-validate, are read when a document is built, and are not kept.
Source: k8s.io/kube-openapi pkg/builder, pkg/builder3 (1.36).
"""

import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import orjson

Schema: TypeAlias = dict[str, Any]

VERSION = "v1.36.0-local"
_REF = "#/$defs/"
V2, V3 = "#/definitions/", "#/components/schemas/"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_JSON = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCH = f"{_META}Patch"
# The package leaves out what holds nothing: a patch is any object.
_PATCH: Schema = {
    "description": "Patch is the Kubernetes PATCH request body: an object or a list.",
    "type": "object",
}
# What every document has.
META = tuple(
    f"{_META}{name}"
    for name in (
        "WatchEvent",
        "Status",
        "DeleteOptions",
        "Patch",
        "APIResourceList",
        "APIGroup",
        "APIGroupList",
    )
)
SHARED = (*META, f"{_META}ObjectMeta", f"{_META}ListMeta", "io.k8s.api.autoscaling.v1.Scale")


def load() -> dict[str, Schema]:
    """Return upstream's definitions by name. Raises `FileNotFoundError` if the package is not installed."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package kubernetes-validate is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema" / VERSION
    found: dict[str, Schema] = orjson.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return {PATCH: _PATCH, **found}


@cache
def shared() -> dict[str, Schema]:
    """Return the definitions that documents of custom resources refer to, kept: there may be many of them."""
    known = load()
    return {name: known[name] for name in reachable(known, SHARED)}


def reachable(definitions: dict[str, Schema], names: Iterable[str]) -> list[str]:
    """Return the names of definitions and of all that they refer to, sorted."""
    found: set[str] = set()
    waiting = [name for name in names if name in definitions]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [ref for ref in _refs(definitions[name]) if ref in definitions and ref not in found]
    return sorted(found)


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(_REF)
        for value in schema.values():
            yield from _refs(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _refs(value)


def convert(name: str, schema: Schema, root: str) -> Schema:
    """Return a definition as a document has it; `root` is V2 or V3."""
    special = _special(name, schema, root)
    if special is not None:
        return special
    result = _schema(schema, root)
    if "x-kubernetes-group-version-kind" in schema:
        # The package pins both to one value, for validators; a document describes them only.
        for key in ("apiVersion", "kind"):
            result.get("properties", {}).get(key, {}).pop("enum", None)
    return result


def _special(name: str, schema: Schema, root: str) -> Schema | None:
    described = {"description": schema["description"]} if "description" in schema else {}
    if name == _INT_OR_STRING:
        if root == V2:
            return {**described, "type": "string", "format": "int-or-string"}
        kinds = [{"type": "integer"}, {"type": "string"}]
        return {**described, "format": "int-or-string", "oneOf": kinds}
    if name == _QUANTITY:
        if root == V2:
            return {**described, "type": "string"}
        return {**described, "oneOf": [{"type": "string"}, {"type": "number"}]}
    if name == _JSON:
        return described
    return None


def _schema(schema: Schema, root: str) -> Schema:
    result: Schema = {}
    for key, value in schema.items():
        match key:
            case "$ref":
                result["$ref"] = root + value.removeprefix(_REF)
            case "type":
                result["type"] = _type(value)
            case "properties":
                result[key] = {name: _schema(item, root) for name, item in value.items()}
            case "items" | "additionalProperties" if isinstance(value, dict):
                result[key] = _schema(value, root)
            case "oneOf" | "anyOf" | "allOf":
                result[key] = [_schema(item, root) for item in value]
            case "$schema" | "additionalProperties":
                continue
            case _:
                result[key] = value
    if root == V3 and "$ref" in result and len(result) > 1:
        result["allOf"] = [{"$ref": result.pop("$ref")}]
    return result


def _type(value: str | list[str]) -> str:
    if isinstance(value, str):
        return value
    return next((kind for kind in value if kind != "null"), "object")
