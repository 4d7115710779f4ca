"""What remote servers tell of themselves, in the forms in which this server passes it on. Pure.

    discovery   the entry of a group version, from an aggregated document or from a plain resource list
    OpenAPI v2  the paths of a group version and the definitions that they need, merged into our document

Called by `remote.py` and `openapi.py`.
Source: kube-aggregator/pkg/apiserver/handler_discovery.go, k8s.io/kube-openapi pkg/aggregator (1.36).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from api.resource import Obj

_REF = "#/definitions/"


def aggregated_entry(document: Any, group: str, version: str) -> Obj | None:
    """Return the entry of a group version in an APIGroupDiscoveryList, None if it is not there."""
    if not isinstance(document, dict) or document.get("kind") != "APIGroupDiscoveryList":
        return None
    for item in document.get("items") or ():
        if (item.get("metadata") or {}).get("name") != group:
            continue
        for entry in item.get("versions") or ():
            if entry.get("version") == version:
                return new_entry(version, entry.get("resources") or [])
    return None


def new_entry(version: str, resources: list[Obj], freshness: str = "Current") -> Obj:
    return {"version": version, "resources": resources, "freshness": freshness}


def listed_entry(document: Any, group: str, version: str) -> Obj | None:
    """Return the entry that an APIResourceList amounts to, None if it is none."""
    if not isinstance(document, dict) or document.get("kind") != "APIResourceList":
        return None
    listed: list[Obj] = document.get("resources") or []
    made = {
        item["name"]: _resource(item, group, version) for item in listed if "/" not in item.get("name", "/")
    }
    for item in listed:
        parent, _, name = item.get("name", "").partition("/")
        if name and parent in made:
            kind = _kind(item, group, version)
            sub = {"subresource": name, "responseKind": kind, "verbs": item.get("verbs") or []}
            made[parent].setdefault("subresources", []).append(sub)
    return new_entry(version, list(made.values()))


def _resource(item: Obj, group: str, version: str) -> Obj:
    entry: Obj = {
        "resource": item["name"],
        "responseKind": _kind(item, group, version),
        "scope": "Namespaced" if item.get("namespaced") else "Cluster",
        "singularResource": item.get("singularName", ""),
        "verbs": item.get("verbs") or [],
    }
    return entry | {name: item[name] for name in ("shortNames", "categories") if item.get(name)}


def _kind(item: Obj, group: str, version: str) -> Obj:
    group, version = item.get("group") or group, item.get("version") or version
    return {"group": group, "version": version, "kind": item.get("kind", "")}


def part_of(document: Obj, root: str) -> Obj:
    """Return the paths of a Swagger document at and below `root`, and the definitions that they need."""
    paths = {
        path: item
        for path, item in (document.get("paths") or {}).items()
        if path.rstrip("/") == root or path.startswith(root + "/")
    }
    definitions: Mapping[str, Any] = document.get("definitions") or {}
    needed: dict[str, Any] = {}
    waiting = [*_references(paths)]
    while waiting:
        name = waiting.pop()
        if name not in needed and name in definitions:
            needed[name] = definitions[name]
            waiting += _references(definitions[name])
    return {"paths": paths, "definitions": needed}


def merged(document: Obj, parts: Iterable[Obj]) -> Obj:
    """Return our document with the parts of others; a definition that differs from ours is renamed."""
    paths, definitions = dict(document["paths"]), dict(document["definitions"])
    for part in parts:
        names = {
            name: _free(name, definitions)
            for name, schema in part["definitions"].items()
            if definitions.get(name, schema) != schema
        }
        definitions |= {
            names.get(name, name): _renamed(schema, names) for name, schema in part["definitions"].items()
        }
        paths |= _renamed(part["paths"], names)
    return {**document, "paths": dict(sorted(paths.items())), "definitions": definitions}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    while f"{name}_v{number}" in taken:
        number += 1
    return f"{name}_v{number}"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        ref = value.get("$ref")
        own = [ref.removeprefix(_REF)] if isinstance(ref, str) else []
        return own + [name for child in value.values() for name in _references(child)]
    if isinstance(value, list):
        return [name for child in value for name in _references(child)]
    return []


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if not names:
        return value
    if isinstance(value, dict):
        return {
            key: _reference(child, names) if key == "$ref" else _renamed(child, names)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [_renamed(child, names) for child in value]
    return value


def _reference(ref: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(ref, str):
        return _renamed(ref, names)
    name = ref.removeprefix(_REF)
    return _REF + names.get(name, name)
