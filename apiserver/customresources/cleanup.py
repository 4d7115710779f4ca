"""The end of a CustomResourceDefinition: its instances are deleted, then it goes.

    Terminating True   InstanceDeletionPending     written by the deletion itself; nothing new is created
                       InstanceDeletionInProgress  instances are deleted, their finalizers respected
                       InstanceDeletionFailed      some could not be; it is tried again
    Terminating False  InstanceDeletionCompleted   the finalizer is taken away, so the definition goes

Source: apiextensions-apiserver pkg/controller/finalizer crd_finalizer.go (1.36).
"""

from collections.abc import Callable

from api.conditions import set_condition
from api.errors import StatusError
from api.resource import Key, Obj
from api.types.apiextensions_v1 import CUSTOMRESOURCEDEFINITIONS
from apiserver.customresources.resource import is_established
from apiserver.http.message import APISERVER
from apiserver.rest.delete import delete_entries
from apiserver.rest.hub import Collection, Hub, Operation
from apiserver.rest.list import present_entries
from apiserver.rest.strategy import Deletion
from apiserver.rest.update import rewrite
from apiserver.watchcache.select import Selection
from kit import clock

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
# How often to look whether the last instance has gone: at first, and at most.
_LOOK_S, _LOOK_LIMIT_S = 0.05, 2.0


def must_clean_up(definition: Obj) -> bool:
    metadata = definition["metadata"]
    return "deletionTimestamp" in metadata and FINALIZER in (metadata.get("finalizers") or ())


async def clean_up(hub: Hub, name: str, storage: Callable[[], Collection | None]) -> None:
    """Delete the instances of a definition, wait until they have gone, let the definition go.

    `storage` gives the collection of its storage version. Raises `NotFound` if it has gone, `StatusError`.
    """
    definition = await _tell(
        hub, name, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
    )
    collection = storage()
    if is_established(definition) and collection is not None:
        try:
            await _delete_all(hub, collection)
        except StatusError as error:
            await _tell(hub, name, "True", "InstanceDeletionFailed", f"could not issue all deletes: {error}")
            raise
        await _tell(hub, name, "False", "InstanceDeletionCompleted", "removed all instances", last=True)
    else:
        await _tell(hub, name, "False", "NeverEstablished", "resource was never established", last=True)


async def _delete_all(hub: Hub, collection: Collection) -> None:
    wait_s = _LOOK_S
    while True:
        _, entries = await present_entries(hub, collection, Selection())
        if not entries:
            return
        await delete_entries(hub, collection, entries, Deletion(), Operation(APISERVER))
        await clock.sleep(wait_s)
        wait_s = min(wait_s * 2, _LOOK_LIMIT_S)


async def _tell(hub: Hub, name: str, status: str, reason: str, message: str, last: bool = False) -> Obj:
    """Write the condition Terminating; `last`: and take the finalizer away."""

    def change(found: Obj) -> Obj:
        told = {"type": "Terminating", "status": status, "reason": reason, "message": message}
        present = found.get("status") or {}
        conditions = set_condition(present.get("conditions"), told, hub.now())
        changed = {**found, "status": {**present, "conditions": conditions}}
        return _released(changed) if last else changed

    collection = hub.of(CUSTOMRESOURCEDEFINITIONS)
    stored = await rewrite(hub, collection, Key("", name), change, Operation(APISERVER))
    return stored.obj


def _released(definition: Obj) -> Obj:
    metadata = definition["metadata"]
    left = [item for item in metadata.get("finalizers") or () if item != FINALIZER]
    return {**definition, "metadata": {**metadata, "finalizers": left}}
