"""Performs the changes of a plan against the API. Called by the engine."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, assert_never

from api import errors
from api.resource import Key, Resource
from client.api import Client
from client.events import Recorder
from client.transport import Unreachable
from controllers.framework.plan import (
    Apply,
    Change,
    Create,
    Delete,
    Failure,
    Patch,
    Record,
    SetStatus,
    Update,
)

# Calls under way at a time: enough to keep an API server busy, few enough not to fill its queues.
PARALLEL = 32
FIELD_MANAGER = "kube-controller-manager"


@dataclass(slots=True)
class Written:
    """What the cache must show before the next plan: the revision of a write, or (`gone`) a deletion."""

    resource: Resource[Any]
    key: Key
    revision: int = 0
    uid: str = ""
    gone: bool = False


@dataclass(slots=True)
class Result:
    """What became of a plan. `conflict`: somebody was faster; `error`: the last other trouble."""

    written: list[Written] = field(default_factory=list)
    conflict: bool = False
    error: Exception | None = None
    failure: Failure | None = None


class Applier:
    """Writes as one identity; `slots` limits how many calls of the whole process run at once."""

    def __init__(self, client: Client, slots: asyncio.Semaphore) -> None:
        self.client = client
        self._slots = slots

    async def perform(self, changes: Sequence[Change], recorder: Recorder) -> Result:
        """Perform the changes as `plan.py` says. API errors are in the result, never raised."""
        result = Result()
        for kind, group in groupby(changes, key=type):
            batch = list(group)
            if kind is Create:
                await self._slow_start(batch, recorder, result)
            else:
                await self._together(batch, recorder, result)
        return result

    async def _slow_start(self, batch: Sequence[Change], recorder: Recorder, result: Result) -> None:
        size, position = 1, 0
        while position < len(batch):
            await self._together(batch[position : position + size], recorder, result)
            if result.failure or result.error:
                return
            position += size
            size *= 2

    async def _together(self, batch: Sequence[Change], recorder: Recorder, result: Result) -> None:
        if len(batch) == 1:
            await self._one(batch[0], recorder, result)
            return
        async with asyncio.TaskGroup() as group:
            for change in batch:
                group.create_task(self._one(change, recorder, result))

    async def _one(self, change: Change, recorder: Recorder, result: Result) -> None:
        if isinstance(change, Record):
            recorder.event(change.obj, change.type, change.reason, change.message)
            return
        try:
            async with self._slots:
                result.written.append(await self._write(change))
        except (errors.Conflict, errors.AlreadyExists):
            result.conflict = True
        except errors.NotFound as error:
            # What was to be changed has gone; for a creation it is the namespace.
            if isinstance(change, Create | Apply):
                result.error = error
            return
        except (errors.StatusError, Unreachable) as error:
            if not _namespace_is_going(error):
                _note_failure(change, error, recorder, result)
            return
        _note_success(change, result, recorder)

    async def _write(self, change: Create | Apply | Update | Patch | Delete | SetStatus) -> Written:
        match change:
            case Create():
                made = await self.client.create(change.resource, change.obj, change.namespace)
            case Apply():
                name = change.obj["metadata"]["name"]
                made = await self.client.patch(
                    change.resource,
                    name,
                    change.namespace,
                    change.obj,
                    kind="apply",
                    field_manager=FIELD_MANAGER,
                    force=True,
                )
            case Update():
                made = await self.client.update(change.resource, change.obj)
            case Patch():
                made = await self.client.patch(
                    change.resource,
                    change.key.name,
                    change.key.namespace,
                    _guarded(change),
                    kind=change.kind,
                    subresource=change.subresource,
                )
            case SetStatus():
                body = {**change.obj, "status": change.status}
                made = await self.client.update(change.resource, body, subresource="status")
            case Delete():
                return await self._delete(change)
            case _:
                assert_never(change)
        return _written(change.resource, made)

    async def _delete(self, change: Delete) -> Written:
        await self.client.delete(
            change.resource,
            change.key.name,
            change.key.namespace,
            grace_period_s=change.grace_period_s,
            propagation=change.propagation,
            uid=change.uid,
            resource_version=change.resource_version,
        )
        return Written(change.resource, change.key, uid=change.uid, gone=True)


def _guarded(change: Patch) -> Any:
    """Return the patch with its preconditions inside, as the API wants them."""
    wanted = {"uid": change.uid, "resourceVersion": change.resource_version}
    guards = {key: value for key, value in wanted.items() if value}
    if change.kind == "json" or not guards:
        tests = [{"op": "test", "path": f"/metadata/{key}", "value": value} for key, value in guards.items()]
        return [*tests, *change.body] if change.kind == "json" else change.body
    return {**change.body, "metadata": {**guards, **change.body.get("metadata", {})}}


def _written(resource: Resource[Any], made: Mapping[str, Any]) -> Written:
    metadata = made["metadata"]
    key = Key(metadata.get("namespace") or "", metadata["name"])
    return Written(resource, key, int(metadata.get("resourceVersion") or 0), metadata.get("uid", ""))


def _namespace_is_going(error: Exception) -> bool:
    if not isinstance(error, errors.Forbidden):
        return False
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


def _note_failure(change: Change, error: Exception, recorder: Recorder, result: Result) -> None:
    result.error = error
    if isinstance(error, Unreachable):
        return
    action = type(change).__name__
    result.failure = Failure(action, str(error))
    if isinstance(change, Create | Delete) and change.about is not None:
        verb = "creating" if isinstance(change, Create) else "deleting"
        recorder.event(change.about, "Warning", f"Failed{action}", f"Error {verb}: {error}")


def _note_success(change: Change, result: Result, recorder: Recorder) -> None:
    if result.written and isinstance(change, Create) and change.about is not None:
        kind, name = change.resource.kind.lower(), result.written[-1].key.name
        recorder.event(change.about, "Normal", "SuccessfulCreate", f"Created {kind}: {name}")
    elif isinstance(change, Delete) and change.about is not None:
        kind = change.resource.kind.lower()
        recorder.event(change.about, "Normal", "SuccessfulDelete", f"Deleted {kind}: {change.key.name}")
