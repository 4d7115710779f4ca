"""Manifests as the API server would keep them: read, merged over what is there, defaulted, checked. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api import catalog
from api.codec import yaml
from api.codec.json import DecodeError
from api.errors import StatusError
from api.kinds import kind_of
from api.patch.strategic import apply_strategic
from api.resource import Key, Obj, Resource, key_of
from api.schemas import schema_name
from api.structure import normalise_for
from apiserver.resources.catalog import strategy_of
from cli.whatif.live import Live


class BadManifest(ValueError):
    """A manifest that the API server would refuse; the text says why."""


@dataclass(frozen=True)
class Manifest:
    """One object of a file, complete; `before` is what is there of its name."""

    resource: Resource[Any]
    obj: Obj
    before: Any | None = None

    @property
    def key(self) -> Key:
        return key_of(self.obj)

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.key}"


def read(data: bytes, namespace: str, live: Live) -> tuple[list[Manifest], list[str]]:
    """Return the objects of a file, and the names of those that a what-if knows nothing about.

    Objects without a namespace are of `namespace`. Like `kubectl apply`, fields that a manifest leaves out
    stay as they are; unlike it, fields that an earlier version of the manifest had stay, too. Raises
    `BadManifest`.
    """
    found: list[Manifest] = []
    unknown: list[str] = []
    try:
        for obj in _each(yaml.loads_all(data)):
            resource = catalog.by_kind(str(obj.get("apiVersion")), str(obj.get("kind")))
            if resource is None:
                name = (obj.get("metadata") or {}).get("name")
                unknown.append(f"{obj.get('apiVersion')} {obj.get('kind')} {name}")
            else:
                found.append(_complete(resource, obj, namespace, live))
    except (DecodeError, StatusError) as error:
        raise BadManifest(str(error)) from error
    return found, unknown


def _each(objects: list[Obj]) -> Iterator[Obj]:
    for obj in objects:
        if obj.get("kind") == "List":
            yield from _each(obj.get("items") or [])
        else:
            yield obj


def _complete(resource: Resource[Any], given: Obj, namespace: str, live: Live) -> Manifest:
    metadata = given.get("metadata") or {}
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        raise BadManifest(f"{resource.kind}: metadata.name: Required value")
    home = {"namespace": metadata.get("namespace") or namespace} if resource.namespaced else {}
    obj = normalise_for({**given, "metadata": {**metadata, "name": name, **home}}, resource).obj
    before = live.get(resource, key_of(obj))
    rules = kind_of(resource)
    if before is not None:
        obj = rules.defaults(apply_strategic(before, _retaining(obj), schema_name(resource)))
    else:
        obj = strategy_of(resource).prepare_for_create(rules.defaults(_with_uid(resource, obj)))
    if faults := rules.validate(obj):
        raise BadManifest(f"{resource.kind} {key_of(obj)}: {'; '.join(map(str, faults))}")
    return Manifest(resource, obj, before)


def _with_uid(resource: Resource[Any], obj: Obj) -> Obj:
    """Return the object with a uid, which only the API server gives: others refer to it."""
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "uid": f"whatif-{resource.plural}-{metadata['name']}"}}


def _retaining(patch: Obj) -> Obj:
    """Return the patch that replaces a strategy as a whole, as clients do (`retainKeys` in the schema)."""
    strategy = (patch.get("spec") or {}).get("strategy")
    if not strategy:
        return patch
    return {**patch, "spec": {**patch["spec"], "strategy": {**strategy, "$patch": "replace"}}}
