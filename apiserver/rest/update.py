"""Update: PUT, PATCH and everything else that changes a stored object goes through `update`.

    present object (from the cache; if anything is wrong with it, again from the store)
      -> change -> defaults -> admission -> strategy -> validation -> admission -> store, if nothing came
      between
    an object equal to the present one is not written; one whose last finalizer went is deleted

Spec: k8s.io/apiserver/pkg/registry/generic/registry Store.Update, storage GuaranteedUpdate (1.36).
"""

from collections.abc import Awaitable, Callable
from typing import Any

from api import errors
from api.errors import StatusError, Timeout
from api.field import FieldError
from api.resource import Key, Obj, Resource
from apiserver.admission.plugin import AdmissionRequest
from apiserver.rest import meta
from apiserver.rest.hub import Collection, Hub, Operation, Stored, View, translated
from apiserver.rest.managed import stamped
from apiserver.rest.present import Moved, Present, failed, write
from apiserver.rest.strategy import Strategy
from apiserver.watchcache.layout import decode
from kit.apart import apart
from store.backend import StoreError

# Makes the new object of the present one; it may raise API errors. It must not change what it is given.
Change = Callable[[Obj], Obj]


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

    async def attempt(present: Present) -> Stored:
        return await _attempt(hub, collection, key, present, change, operation, subresource)

    return await write(hub, collection, key, attempt)


async def rewrite(hub: Hub, collection: Collection, key: Key, change: Change, operation: Operation) -> Stored:
    """Apply the server's own `change` to the present object, without defaults, admission and validation."""

    async def attempt(present: Present) -> Stored:
        return await _store(hub, collection, key, change(present.obj), present, operation)

    return await write(hub, collection, key, attempt)


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
    weight = max(operation.weight, len(present.data)) if operation.request is not None else 0
    weight *= strategy.dearness
    changed = await apart(weight, change, old)
    if changed is old:
        return await _unchanged(hub, collection, key, present, old) or Stored(present.data, old)
    meta.check_version(resource, changed, old, strategy.unconditional_update)
    new = await apart(weight, strategy.defaults, meta.for_update(resource, changed, old))
    request = _asked(resource, key, new, old, operation, subresource)
    mutated = await hub.admission.mutate(request)
    if mutated is not request.object:
        new = _taken(resource, new, mutated, old, operation.view)
    new = _prepared(collection, new, old, subresource)
    new, guard = (new, None) if subresource else await strategy.reserve(new, old, operation.dry_run)
    try:
        if faults := await apart(weight, _faults, strategy, new, old, subresource):
            raise errors.invalid(resource.group, resource.kind, key.name, faults)
        if operation.request is not None and not subresource:
            for text in strategy.update_warnings(new, old):
                operation.request.warn(text)
        await hub.admission.validate(request.with_object(_shown(new, operation.view)))
        if not operation.managed:
            new = await apart(weight, stamped, hub, resource, new, old, operation, subresource)
        return await _store(hub, collection, key, new, present, operation)
    except (StatusError, Moved) as error:
        # After a timeout the write may have happened: then its event, or a restart, tells.
        if guard is not None and not isinstance(error, Timeout):
            guard.release()
        raise


def _asked(
    resource: Resource[Any], key: Key, new: Obj, old: Obj, operation: Operation, subresource: str
) -> AdmissionRequest:
    return AdmissionRequest(
        "UPDATE",
        resource,
        key.namespace,
        key.name,
        operation.user,
        _shown(new, operation.view),
        _shown(old, operation.view),
        subresource,
        operation.options,
        operation.dry_run,
        operation.request,
    )


def _shown(obj: Obj, view: View | None) -> Obj:
    return view.show(obj) if view is not None else obj


def _taken(resource: Resource[Any], new: Obj, mutated: Obj, old: Obj, view: View | None) -> Obj:
    return view.take(new, mutated) if view is not None else meta.for_update(resource, mutated, old)


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
    if strategy.drop is not None:
        new = strategy.drop(new, old)
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
    if _same(new, present.obj) and not (hub.is_stale is not None and await _stale(hub.is_stale, path)):
        current = await _unchanged(hub, collection, key, present, new)
        if current is not None:
            return current
    value = await collection.encode(new, max(operation.weight, len(present.data)))
    served = await collection.told(value)
    if operation.dry_run:
        return Stored(collection.layout.serve(served, present.revision), new)
    hub.remember(collection, path, value, served, new)
    try:
        revision = await hub.backend.update(path, value, present.revision, strategy.ttl_s)
    except StoreError as error:
        hub.feed.pending.pop(path, None)
        raise failed(error) from error
    revision = await hub.settled(collection, revision, key.name if operation.request else "")
    return Stored(collection.layout.serve(served, revision), new)


async def _stale(is_stale: Callable[[str], Awaitable[bool]], path: str) -> bool:
    try:
        return await is_stale(path)
    except StoreError as error:
        raise translated(error) from error


async def _unchanged(hub: Hub, collection: Collection, key: Key, present: Present, new: Obj) -> Stored | None:
    """Return the object as it is; None if what is stored of it is not what would be stored now.

    If it was the cache's word, the store is asked: it may have moved on.
    """
    if not present.sure or collection.strategy.migrates:
        try:
            current = await hub.backend.get(collection.key(key.namespace, key.name))
        except StoreError as error:
            raise translated(error) from error
        if current is None or current.revision != present.revision:
            raise Moved(current)
        if collection.strategy.migrates and decode(current.value) != decode(await collection.encode(new)):
            return None
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
            await hub.settled(collection, await hub.backend.delete(path, present.revision))
        except StoreError as error:
            raise failed(error) from error
        collection.strategy.released(new)
    return Stored(await collection.served(await collection.encode(new), present.revision), new)


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
