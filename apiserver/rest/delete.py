"""Delete and deletecollection: preconditions, grace, finalizers, propagation.

    finalizers or grace left  -> the object is marked (deletionTimestamp) and stays
    nothing left              -> it goes at once

Spec: k8s.io/apiserver/pkg/registry/generic/registry Store.Delete, registry/rest BeforeDelete (1.36).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import orjson

from api import errors
from api.errors import NotFound, StatusError
from api.resource import Key, Obj
from apiserver.admission.plugin import AdmissionRequest
from apiserver.rest import meta
from apiserver.rest.hub import Collection, Hub, Operation
from apiserver.rest.present import Present, failed, write
from apiserver.rest.strategy import FOREGROUND, ORPHAN, Deletion, Strategy
from apiserver.watchcache.entry import Entry
from kit import clock
from store.backend import StoreError

# Deletions of one deletecollection under way at once. Upstream has one worker by default; each write is
# durable all the same.
COLLECTION_WORKERS = 16


async def delete(
    hub: Hub, collection: Collection, key: Key, deletion: Deletion, operation: Operation
) -> tuple[Obj, bool]:
    """Delete an object, or begin to; return its last state and whether it is gone. Raises `NotFound`,
    `Conflict`, ..."""

    async def attempt(present: Present) -> tuple[Obj, bool]:
        return await _attempt(hub, collection, key, present, deletion, operation)

    return await write(hub, collection, key, attempt)


async def _attempt(
    hub: Hub, collection: Collection, key: Key, present: Present, deletion: Deletion, operation: Operation
) -> tuple[Obj, bool]:
    _check_preconditions(collection, present, deletion)
    asked = AdmissionRequest(
        "DELETE",
        collection.resource,
        key.namespace,
        key.name,
        operation.user,
        None,
        present.obj,
        options=operation.options,
        dry_run=deletion.dry_run,
        request=operation.request,
    )
    await hub.admission.mutate(asked)
    await hub.admission.validate(asked)
    marked = mark(collection.strategy, present.obj, deletion, hub.now())
    if marked is not None and (marked is present.obj or deletion.dry_run):
        return marked, False
    try:
        return await _carry_out(hub, collection, key, present, marked, deletion.dry_run)
    except StoreError as error:
        raise failed(error) from error


async def _carry_out(
    hub: Hub, collection: Collection, key: Key, present: Present, marked: Obj | None, dry_run: bool
) -> tuple[Obj, bool]:
    path, strategy = collection.key(key.namespace, key.name), collection.strategy
    if marked is not None:
        value = await collection.encode(marked)
        revision = await hub.backend.update(path, value, present.revision, strategy.ttl_s)
        await hub.settled(collection, revision, key.name)
        return meta.with_metadata(marked, resourceVersion=str(revision)), False
    if not dry_run:
        await hub.settled(collection, await hub.backend.delete(path, present.revision))
        strategy.released(present.obj)
    return present.obj, True


def mark(strategy: Strategy, obj: Obj, deletion: Deletion, now: datetime) -> Obj | None:
    """Return what a deletion makes of the object: None if it goes at once, the same object if nothing
    changes."""
    graceful: Obj | None = None
    grace_left = obj["metadata"].get("deletionGracePeriodSeconds") or 0
    if meta.is_deleting(obj) and grace_left:
        if deletion.grace_s is None or deletion.grace_s >= grace_left:
            return obj
        graceful = meta.shortened(obj, deletion.grace_s)
    elif not meta.is_deleting(obj):
        grace = strategy.grace_s(obj, deletion, now)
        if grace is not None:
            graceful = meta.marked_deleted(obj, now, grace)
    result = _with_finalizers(graceful or obj, _finalizers(strategy, obj, deletion))
    if strategy.finalizers_left(result):
        if graceful is None and not meta.is_deleting(result):
            result = meta.marked_deleted(result, now, 0)
        return strategy.prepare_for_delete(result) if result is not obj else obj
    # DEVIATION: a grace of zero is one write, not an update and a deletion.
    if graceful is None or not graceful["metadata"]["deletionGracePeriodSeconds"]:
        return None
    return strategy.prepare_for_delete(result)


def _check_preconditions(collection: Collection, present: Present, deletion: Deletion) -> None:
    metadata = present.obj["metadata"]
    pairs = (
        ("UID", deletion.uid, metadata["uid"]),
        ("ResourceVersion", deletion.resource_version, str(present.revision)),
    )
    for what, wanted, found in pairs:
        if wanted and wanted != found:
            raise errors.conflict(
                collection.resource,
                metadata["name"],
                f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}",
            )


def _finalizers(strategy: Strategy, obj: Obj, deletion: Deletion) -> list[str]:
    """Return the finalizers with the garbage collector's as the propagation policy has them.

    Spec: registry.deletionFinalizersForGarbageCollection (1.36).
    """
    present = obj["metadata"].get("finalizers") or []
    orphan = _wants(ORPHAN, deletion, present, strategy.default_propagation)
    foreground = _wants(FOREGROUND, deletion, present, "")
    kept = [name for name in present if name not in (ORPHAN, FOREGROUND)]
    own = strategy.finalizer_on_delete
    if own and own not in kept and not meta.is_deleting(obj):
        kept.append(own)
    wanted = [*kept, *([ORPHAN] if orphan else []), *([FOREGROUND] if foreground and not orphan else [])]
    return present if sorted(wanted) == sorted(present) else wanted


def _wants(finalizer: str, deletion: Deletion, present: Sequence[str], default: str) -> bool:
    if deletion.orphan_dependents is not None:
        return deletion.orphan_dependents and finalizer == ORPHAN
    if deletion.propagation:
        return deletion.propagation == ("Orphan" if finalizer == ORPHAN else "Foreground")
    if ORPHAN in present or FOREGROUND in present:
        return finalizer in present
    return default == ("Orphan" if finalizer == ORPHAN else "Foreground")


def _with_finalizers(obj: Obj, finalizers: list[str]) -> Obj:
    if (obj["metadata"].get("finalizers") or []) == finalizers:
        return obj
    return meta.with_metadata(obj, finalizers=finalizers or None)


async def delete_entries(
    hub: Hub, collection: Collection, entries: Sequence[Entry], deletion: Deletion, operation: Operation
) -> list[bytes]:
    """Delete these objects, several at once; return their last states as JSON. Those gone meanwhile are left
    out.

    Raises the first refusal of one; none is begun after it.
    """
    waiting = list(reversed(entries))
    # In bytes: tens of thousands of decoded objects would take five times as much.
    done: dict[Key, bytes] = {}
    refusals: list[StatusError] = []

    async def worker() -> None:
        while waiting:
            entry = waiting.pop()
            try:
                obj, _ = await delete(hub, collection, entry.key, deletion, operation)
            except NotFound:
                continue
            except StatusError as error:
                refusals.append(error)
                waiting.clear()
                return
            # A copy: what the encoder returns keeps a buffer of 4 kB.
            done[entry.key] = bytes(memoryview(orjson.dumps(obj)))
            # A store in memory never waits: others get their turn all the same.
            await clock.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(COLLECTION_WORKERS, len(waiting))):
            group.create_task(worker())
    if refusals:
        raise refusals[0]
    return [done[entry.key] for entry in entries if entry.key in done]
