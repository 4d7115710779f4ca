"""The other objects that placement depends on: claims, volumes, classes, slices, groups. Fed by `app` from
informers; read by plugins through the cycle.

What a plugin decides about such an object holds at once for the next pod, before the API server has heard of
it: `assume` puts it over what the watch has shown, until the watch shows something newer or `restore` takes
it back. Source: pkg/scheduler/util/assumecache (1.36).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from api.resource import Key, Resource, key_of

Object: TypeAlias = Mapping[str, Any]


class Objects:
    def __init__(self) -> None:
        self._seen: dict[Resource[Any], dict[Key, Object]] = {}
        self._assumed: dict[Resource[Any], dict[Key, Object]] = {}
        self._versions: Counter[Resource[Any]] = Counter()

    def changed(self, resource: Resource[Any], old: Object | None, new: Object | None) -> None:
        """Take in what a watch has shown: an addition, a change, a deletion (`new` is None)."""
        obj = new if new is not None else old
        if obj is None:
            return
        key, seen = key_of(obj), self._seen.setdefault(resource, {})
        self._versions[resource] += 1
        if new is None:
            seen.pop(key, None)
            self._assumed.get(resource, {}).pop(key, None)
            return
        seen[key] = new
        assumed = self._assumed.get(resource, {})
        if key in assumed and _revision(new) > _revision(assumed[key]):
            del assumed[key]

    def get(self, resource: Resource[Any], namespace: str, name: str) -> Any | None:
        """Return the object as it is or is assumed to be; None if it is not there."""
        key = Key(namespace, name)
        assumed = self._assumed.get(resource)
        if assumed and key in assumed:
            return assumed[key]
        return self._seen.get(resource, {}).get(key)

    def list(self, resource: Resource[Any]) -> Iterable[Any]:
        """Return all objects of a resource, assumed ones as they are assumed to be."""
        seen, assumed = self._seen.get(resource, {}), self._assumed.get(resource)
        return {**seen, **assumed}.values() if assumed else seen.values()

    def version(self, resource: Resource[Any]) -> int:
        """Return a number that grows whenever `get` or `list` may answer otherwise."""
        return self._versions[resource]

    def assume(self, resource: Resource[Any], obj: Object) -> None:
        """Show `obj` instead of what has been seen. It keeps the resourceVersion that it was derived from, or
        takes the one that writing it has returned.
        """
        self._versions[resource] += 1
        self._assumed.setdefault(resource, {})[key_of(obj)] = obj

    def restore(self, resource: Resource[Any], namespace: str, name: str) -> None:
        """Forget what was assumed of an object."""
        if self._assumed.get(resource, {}).pop(Key(namespace, name), None) is not None:
            self._versions[resource] += 1


def _revision(obj: Object) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)
