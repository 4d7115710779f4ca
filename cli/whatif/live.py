"""What a cluster holds, as it was listed for a what-if. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.owners import controller_of
from api.resource import Key, Resource, key_of


@dataclass
class Live:
    """Objects by resource. They are never changed."""

    objects: Mapping[Resource[Any], Sequence[Any]]
    _by_key: dict[Resource[Any], dict[Key, Any]] = field(default_factory=dict)
    _by_owner: dict[Resource[Any], dict[str, list[Any]]] = field(default_factory=dict)

    def all(self, resource: Resource[Any]) -> Sequence[Any]:
        return self.objects.get(resource, ())

    def get(self, resource: Resource[Any], key: Key) -> Any | None:
        if resource not in self._by_key:
            self._by_key[resource] = {key_of(obj): obj for obj in self.all(resource)}
        return self._by_key[resource].get(key)

    def controlled(self, resource: Resource[Any], owner: Mapping[str, Any] | None) -> list[Any]:
        """Return the objects whose controller is `owner`, without those that are being deleted."""
        if owner is None:
            return []
        if resource not in self._by_owner:
            found: dict[str, list[Any]] = {}
            for obj in self.all(resource):
                reference = controller_of(obj)
                if reference is not None and "deletionTimestamp" not in obj["metadata"]:
                    found.setdefault(reference["uid"], []).append(obj)
            self._by_owner[resource] = found
        return self._by_owner[resource].get(owner["metadata"]["uid"], [])
