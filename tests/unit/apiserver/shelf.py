"""Stored objects as authorizers and admission plugins see them: what they may ask of the watch caches."""

from collections.abc import Iterable
from typing import Any

from api.resource import Obj, Resource
from apiserver.rest.strategy import text_at


class Shelf:
    """The cached part of `apiserver.registry.Registry` over a few objects."""

    def __init__(self, objects: Iterable[tuple[Resource[Any], Obj]] = ()) -> None:
        self._objects = list(objects)

    def forget(self) -> None:
        self._objects.clear()

    def cached(self, resource: Resource[Any], namespace: str, name: str) -> Obj | None:
        for obj in self.cached_list(resource, namespace):
            if obj["metadata"]["name"] == name:
                return obj
        return None

    def cached_list(self, resource: Resource[Any], namespace: str = "") -> Iterable[Obj]:
        return [
            obj
            for kept, obj in self._objects
            if kept is resource and namespace in ("", obj["metadata"].get("namespace", ""))
        ]

    def cached_by_field(
        self, resource: Resource[Any], field: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        return [obj for obj in self.cached_list(resource, namespace) if text_at(obj, field) == value]

    def cached_by_label(
        self, resource: Resource[Any], label: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        objects = self.cached_list(resource, namespace)
        return [obj for obj in objects if (obj["metadata"].get("labels") or {}).get(label) == value]

    def cached_revision(self, resource: Resource[Any]) -> int:
        return len(self._objects)
