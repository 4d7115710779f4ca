"""Objects for those who judge them outside the verbs: in which versions a resource is served, an object in
another one of them, an object made regular again after somebody's patch.

Called by the admission plugins that call webhooks or apply policies. Made by `app.py`.
"""

from typing import Any

from api.codec.json import DecodeError
from api.errors import InternalError
from api.resource import Obj, Resource
from api.schemas import schema_of_kind
from api.structure import normalise
from apiserver.rest import meta
from apiserver.rest.hub import Collection, Hub
from apiserver.watchcache.layout import decode


class Versions:
    """Looks at what is served at the moment of the call."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def equivalents(self, resource: Resource[Any]) -> list[Resource[Any]]:
        """Return the other served resources whose objects are the same stored ones (other versions, views).

        Spec: k8s.io/apimachinery/pkg/runtime/mapper.go EquivalentResourceRegistry (1.36).
        """
        own = self._find(resource)
        if own is None:
            return []
        others = (item for item in self._hub.collections if item.prefix == own.prefix and item is not own)
        return [item.resource for item in others]

    def find(self, group: str, version: str, plural: str) -> Resource[Any] | None:
        """Return the served resource of a name."""
        return self._hub.lookup(group, version, plural)

    def by_kind(self, group_version: str, kind: str) -> Resource[Any] | None:
        """Return the served resource whose objects have this `apiVersion` and `kind`."""
        for item in self._hub.collections:
            if item.resource.kind == kind and item.resource.group_version == group_version:
                return item.resource
        return None

    async def convert(self, obj: Obj, source: Resource[Any], target: Resource[Any]) -> Obj:
        """Return an object of `source` as `target` serves it; one of another kind (a Scale) stays as it is.

        Raises `InternalError`.
        """
        if source is target or not _is_of(source, obj):
            return obj
        stored = await self._hub.of(source).encode(obj)
        made = decode(await self._hub.of(target).convert(stored))
        version = obj["metadata"].get("resourceVersion")
        return meta.with_metadata(made, resourceVersion=version) if version else made

    def regular(self, resource: Resource[Any], obj: Obj) -> Obj:
        """Return a patched object as a request could have sent it: unknown fields dropped, defaults set.

        Raises `InternalError` for a wrong type.
        """
        own = self._find(resource)
        try:
            made = _conformed(own, obj)
        except DecodeError as error:
            raise InternalError(f"Internal error occurred: {error}") from error
        return own.strategy.defaults(made) if own is not None and _is_of(resource, made) else made

    def _find(self, resource: Resource[Any]) -> Collection | None:
        return self._hub.find(resource.group, resource.version, resource.plural)


def _conformed(own: Collection | None, obj: Obj) -> Obj:
    if own is not None and own.strategy.conform is not None and _is_of(own.resource, obj):
        return own.strategy.conform(obj).obj
    group, _, version = str(obj.get("apiVersion")).rpartition("/")
    name = schema_of_kind(group, version, str(obj.get("kind")))
    return normalise(obj, name).obj if name else obj


def _is_of(resource: Resource[Any], obj: Obj) -> bool:
    """Tell whether an object is of the resource's own kind: not so the Scale of a workload."""
    return (obj.get("apiVersion"), obj.get("kind")) == (resource.group_version, resource.kind)
