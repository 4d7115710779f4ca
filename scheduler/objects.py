"""The other objects that placement depends on: claims, volumes, classes, slices, groups. Fed by `app` from
informers; read by plugins through the cycle.

What a plugin decides about such an object holds at once for the next pod, before the API server has heard of
it: `assume` puts it over what the watch has shown, until the watch shows something newer or `restore` takes
it back. Source: pkg/scheduler/util/assumecache (1.36).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from api.resource import Key, Resource, key_of
from scheduler.changes import Changes
from scheduler.indexes import Index, Indexed

Object: TypeAlias = Mapping[str, Any]
T = TypeVar("T")
V = TypeVar("V")


class Objects:
    def __init__(self) -> None:
        self._seen: dict[Resource[Any], dict[Key, Object]] = {}
        self._assumed: dict[Resource[Any], dict[Key, Object]] = {}
        self._versions: Counter[Resource[Any]] = Counter()
        self._indexes: dict[Resource[Any], dict[Index[Any], Indexed[Any]]] = {}
        self._derived: dict[Callable[[Objects], Any], Any] = {}

    def changed(self, resource: Resource[Any], old: Object | None, new: Object | None) -> None:
        """Take in what a watch has shown: an addition, a change, a deletion (`new` is None)."""
        obj = new if new is not None else old
        if obj is None:
            return
        key, seen = key_of(obj), self._seen.setdefault(resource, {})
        assumed = self._assumed.get(resource, {})
        if new is None:
            seen.pop(key, None)
            assumed.pop(key, None)
        else:
            seen[key] = new
            if key in assumed and _revision(new) > _revision(assumed[key]):
                del assumed[key]
        self._note(resource, key)

    def get(self, resource: Resource[Any], namespace: str, name: str) -> Any | None:
        """Return the object as it is or is assumed to be; None if it is not there."""
        return self._now(resource, Key(namespace, name))

    def _now(self, resource: Resource[Any], key: Key) -> Any | None:
        assumed = self._assumed.get(resource)
        if assumed and key in assumed:
            return assumed[key]
        return self._seen.get(resource, {}).get(key)

    def list(self, resource: Resource[Any]) -> Iterable[Any]:
        """Return all objects of a resource, assumed ones as they are assumed to be."""
        seen, assumed = self._seen.get(resource, {}), self._assumed.get(resource)
        return {**seen, **assumed}.values() if assumed else seen.values()

    def find(self, index: Index[V], group: Hashable) -> Mapping[Key, V]:
        """Return what the index keeps of the objects in a group, assumed ones as they are assumed to be."""
        return self._indexed(index).find(group)

    def touched(self, index: Index[Any]) -> Changes[Hashable]:
        """Return the log of an index: the groups where an object has come, changed or gone."""
        return self._indexed(index).touched

    def derived(self, make: Callable[["Objects"], T]) -> T:
        """Return what `make` has made of these objects when it was first asked for: something that all
        plugins share and that keeps itself current by the logs of indexes.
        """
        if make not in self._derived:
            self._derived[make] = make(self)
        found: T = self._derived[make]
        return found

    def version(self, resource: Resource[Any]) -> int:
        """Return a number that grows whenever `get` or `list` may answer otherwise."""
        return self._versions[resource]

    def assume(self, resource: Resource[Any], obj: Object) -> None:
        """Show `obj` instead of what has been seen, unless that is newer. It keeps the resourceVersion that
        it was derived from, or takes the one that writing it has returned.
        """
        key = key_of(obj)
        seen = self._seen.get(resource, {}).get(key)
        if seen is not None and _revision(seen) > _revision(obj):
            return
        self._assumed.setdefault(resource, {})[key] = obj
        self._note(resource, key)

    def restore(self, resource: Resource[Any], namespace: str, name: str) -> None:
        """Forget what was assumed of an object."""
        key = Key(namespace, name)
        if self._assumed.get(resource, {}).pop(key, None) is not None:
            self._note(resource, key)

    def _note(self, resource: Resource[Any], key: Key) -> None:
        self._versions[resource] += 1
        for indexed in self._indexes.get(resource, {}).values():
            indexed.put(key, self._now(resource, key))

    def _indexed(self, index: Index[V]) -> Indexed[V]:
        known = self._indexes.setdefault(index.resource, {})
        found: Indexed[V] | None = known.get(index)
        if found is None:
            found = known[index] = Indexed(index)
            for obj in self.list(index.resource):
                found.put(key_of(obj), obj)
        return found


def _revision(obj: Object) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)
