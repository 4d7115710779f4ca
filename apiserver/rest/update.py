"""Update: PUT, PATCH and everything else that changes a stored object goes through `update`.

    present object (from the cache; if anything is wrong with it, again from the store)
      -> change -> defaults -> admission -> strategy -> validation -> admission -> store, if nothing came
      between
    an object equal to the present one is not written; one whose last finalizer went is deleted

Spec: k8s.io/apiserver/pkg/registry/generic/registry Store.Update, storage GuaranteedUpdate (1.36).
"""

from collections.abc import Callable
from dataclasses import dataclass

from api import errors
from api.errors import StatusError, Timeout
from api.field import FieldError
from api.resource import Key, Obj
from apiserver.admission.plugin import AdmissionRequest
from apiserver.rest import meta
from apiserver.rest.hub import Collection, Hub, Operation, Stored, translated
from apiserver.rest.managed import stamped
from apiserver.rest.strategy import Strategy
from apiserver.watchcache.layout import decode
from store.backend import KeyValue, RevisionMismatch, StoreError

# Makes the new object of the present one; it may raise API errors. It must not change what it is given.
Change = Callable[[Obj], Obj]


@dataclass(frozen=True)
class Present:
    """The object as it stands: wire bytes and revision. `sure`: read from the store, not from the cache."""

    data: bytes
    revision: int
    obj: Obj
    sure: bool


async def update(
    hub: Hub,
    collection: Collection,
    key: Key,
    change: Change,
    operation: Operation,
    subresource: str = "",
) -> Stored:
    """Apply `change` to the present object until no other write comes between; return what is stored.

    Raises `NotFound`, `Conflict`, `Invalid`, ...
    """
    present = _cached(collection, key) or await read(hub, collection, key)
    while True:
        try:
            return await _attempt(hub, collection, key, present, change, operation, subresource)
        except _Moved as moved:
            if moved.current is None:
                raise errors.not_found(collection.resource, key.name) from moved
            present = _present(collection, moved.current)
        except StatusError:
            # The cache may have been behind; only the store's word is final.
            if present.sure:
                raise
            fresh = await read(hub, collection, key)
            if fresh.revision == present.revision:
                raise
            present = fresh


async def rewrite(hub: Hub, collection: Collection, key: Key, change: Change, operation: Operation) -> Stored:
    """Apply the server's own `change` to the present object, without defaults, admission and validation."""
    present = _cached(collection, key) or await read(hub, collection, key)
    while True:
        try:
            new = change(present.obj)
            return await _store(hub, collection, key, new, present, operation)
        except _Moved as moved:
            if moved.current is None:
                raise errors.not_found(collection.resource, key.name) from moved
            present = _present(collection, moved.current)
        except StatusError:
            if present.sure:
                raise
            fresh = await read(hub, collection, key)
            if fresh.revision == present.revision:
                raise
            present = fresh


class _Moved(Exception):
    """Another write came between; `current` is what is there now."""

    def __init__(self, current: KeyValue | None) -> None:
        super().__init__("moved")
        self.current = current


async def read(hub: Hub, collection: Collection, key: Key) -> Present:
    """Return the object as the store has it now. Raises `NotFound`."""
    try:
        found = await hub.backend.get(collection.key(key.namespace, key.name))
    except StoreError as error:
        raise translated(error) from error
    if found is None:
        raise errors.not_found(collection.resource, key.name)
    return _present(collection, found)


def _present(collection: Collection, found: KeyValue) -> Present:
    data = collection.served(found.value, found.revision)
    return Present(data, found.revision, decode(data), True)


def _cached(collection: Collection, key: Key) -> Present | None:
    entry = collection.cache.get(key)
    if entry is None:
        return None
    return Present(entry.data, entry.revision, collection.cache.decoded(entry), False)


async def _attempt(
    hub: Hub,
    collection: Collection,
    key: Key,
    present: Present,
    change: Change,
    operation: Operation,
    subresource: str,
) -> Stored:
    resource, strategy, old = collection.resource, collection.strategy, present.obj
    changed = change(old)
    if changed is old:
        return await _unchanged(hub, collection, key, present)
    meta.check_version(resource, changed, old, strategy.unconditional_update)
    new = strategy.defaults(meta.for_update(resource, changed, old))
    request = AdmissionRequest(
        "UPDATE",
        resource,
        key.namespace,
        key.name,
        operation.user,
        new,
        old,
        subresource,
        operation.options,
        operation.dry_run,
        operation.request,
    )
    new = _prepared(collection, await hub.admission.mutate(request), old, subresource)
    new, guard = (new, None) if subresource else await strategy.reserve(new, old, operation.dry_run)
    try:
        if faults := _faults(strategy, new, old, subresource):
            raise errors.invalid(resource.group, resource.kind, key.name, faults)
        await hub.admission.validate(request.with_object(new))
        if not operation.managed:
            new = stamped(hub, resource, new, old, operation, subresource)
        return await _store(hub, collection, key, new, present, operation)
    except (StatusError, _Moved) as error:
        # After a timeout the write may have happened: then its event, or a restart, tells.
        if guard is not None and not isinstance(error, Timeout):
            guard.release()
        raise


def _faults(strategy: Strategy, new: Obj, old: Obj, subresource: str) -> list[FieldError]:
    if subresource == "status":
        return strategy.validate_status(new, old)
    return (
        strategy.validate_other(subresource, new, old) if subresource else strategy.validate_update(new, old)
    )


def _prepared(collection: Collection, new: Obj, old: Obj, subresource: str) -> Obj:
    strategy = collection.strategy
    if subresource == "status":
        return strategy.prepare_for_status(new, old)
    if subresource:
        new = strategy.prepare_for_other(subresource, new, old)
    else:
        new = strategy.prepare_for_update(new, old)
    if strategy.has_generation and strategy.is_new_generation(new, old):
        generation = old["metadata"].get("generation", 0) + 1
        return meta.with_metadata(new, generation=generation)
    return new


async def _store(
    hub: Hub, collection: Collection, key: Key, new: Obj, present: Present, operation: Operation
) -> Stored:
    path, strategy = collection.key(key.namespace, key.name), collection.strategy
    if is_released(collection, new):
        return await _finish_deletion(hub, collection, path, new, present, operation)
    if _same(new, present.obj):
        return await _unchanged(hub, collection, key, present)
    value = collection.encode(new)
    if operation.dry_run:
        return Stored(collection.served(value, present.revision), new)
    hub.remember(collection, path, value, new)
    try:
        revision = await hub.backend.update(path, value, present.revision, strategy.ttl_s)
    except RevisionMismatch as error:
        hub.feed.pending.pop(path, None)
        raise _Moved(error.current) from error
    except StoreError as error:
        hub.feed.pending.pop(path, None)
        raise translated(error) from error
    return Stored(collection.served(value, revision), new)


async def _unchanged(hub: Hub, collection: Collection, key: Key, present: Present) -> Stored:
    """Return the object as it is. If that was the cache's word, the store is asked: it may have moved on."""
    if not present.sure:
        try:
            current = await hub.backend.get(collection.key(key.namespace, key.name))
        except StoreError as error:
            raise translated(error) from error
        if current is None or current.revision != present.revision:
            raise _Moved(current)
    return Stored(present.data, present.obj)


def is_released(collection: Collection, obj: Obj) -> bool:
    """Say whether nothing holds a deleted object any more, neither finalizers nor grace.

    Spec: registry.ShouldDeleteDuringUpdate (1.36).
    """
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return not collection.strategy.finalizers_left(obj)


async def _finish_deletion(
    hub: Hub, collection: Collection, path: str, new: Obj, present: Present, operation: Operation
) -> Stored:
    if not operation.dry_run:
        try:
            await hub.backend.delete(path, present.revision)
        except RevisionMismatch as error:
            raise _Moved(error.current) from error
        except StoreError as error:
            raise translated(error) from error
        collection.strategy.released(new)
    return Stored(collection.served(collection.encode(new), present.revision), new)


def _same(new: Obj, old: Obj) -> bool:
    if new.keys() - {"kind", "apiVersion"} != old.keys() - {"kind", "apiVersion"}:
        return False
    for name, value in new.items():
        if name == "metadata":
            if _versionless(value) != _versionless(old["metadata"]):
                return False
        elif name not in ("kind", "apiVersion") and value != old[name]:
            return False
    return True


def _versionless(metadata: Obj) -> Obj:
    return {key: value for key, value in metadata.items() if key != "resourceVersion"}
