"""Between what is stored of a custom object and one served version of it.

    stored value -> converted to the version (apiVersion rewritten, or by the webhook) -> pruned -> defaults
    served object -> converted to the storage version -> pruned -> stored

So what was stored before a default or a field came or went looks as if it had been made today.
Source: apiextensions-apiserver customresource_handler.go, schemaCoercingConverter (1.36).
"""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from api.resource import Obj
from apiserver.customresources.resource import CustomResource
from apiserver.customresources.webhook import Converter
from apiserver.watchcache.layout import Layout, decode
from kit import clock

T = TypeVar("T")
# Objects read before the event loop may do something else: some milliseconds' worth.
SLICE = 64


class CustomTranslation:
    """The translation of one served version (`watchcache.translation.Translation`)."""

    def __init__(
        self, resource: CustomResource, storage: CustomResource, converter: Converter | None
    ) -> None:
        self.asks = converter is not None
        self.same = resource.version == storage.version
        self._resource = resource
        self._storage = storage
        self._converter = converter
        self._served = Layout(resource)
        self._stored = Layout(storage)

    def at_once(self, value: bytes) -> bytes | None:
        obj = decode(value)
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            raise ValueError("not an object with metadata")
        if obj.get("apiVersion") == self._resource.group_version:
            return self._read(obj, value)
        if self._converter is not None:
            return None
        return self._read({**obj, "apiVersion": self._resource.group_version})

    async def in_time(self, values: Sequence[bytes]) -> list[bytes]:
        made = [self._at_once(value) async for value in _in_slices(values)]
        late = [number for number, found in enumerate(made) if found is None]
        if late and self._converter is not None:
            objects = [decode(values[number]) for number in late]
            wanted = self._resource.group_version
            converted = _in_slices(await self._converter.convert(objects, wanted))
            for number, found in zip(late, [self._read(obj) async for obj in converted], strict=True):
                made[number] = found
        return [found for found in made if found is not None]

    def _at_once(self, value: bytes) -> bytes | None:
        try:
            return self.at_once(value)
        except ValueError:
            # No object: the cache sets it aside.
            return value

    async def stored(self, obj: Obj) -> bytes:
        if self.same:
            return self._stored.encode(obj)
        wanted = self._storage.group_version
        if self._converter is None:
            obj = {**obj, "apiVersion": wanted}
        else:
            (obj,) = await self._converter.convert([_unversioned(obj)], wanted)
        return self._stored.encode(self._storage.structural.conform(obj).obj)

    def _read(self, obj: Obj, value: bytes | None = None) -> bytes:
        """Return the object with what its schema says; `value` is what it was decoded from, if unchanged."""
        structural = self._resource.structural
        made = structural.default(structural.conform(obj).obj)
        return value if made is obj and value is not None else self._served.encode(made)


async def _in_slices(values: Sequence[T]) -> AsyncIterator[T]:
    """Yield values, and let others have the event loop now and then."""
    for number, value in enumerate(values):
        if number % SLICE == SLICE - 1:
            await clock.sleep(0)
        yield value


def _unversioned(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    return {**obj, "metadata": metadata}
