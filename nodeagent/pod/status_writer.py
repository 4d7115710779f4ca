"""Writes pod statuses to the API server: per pod one write at a time, the latest wins, equal ones are not
sent.

    publish(pod, status)   at once, never waits
    flush(uid)             waits until the latest is written or given up (before the object is deleted)

One task per pod that has something to write; it ends when nothing is left.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from api.errors import Conflict, NotFound, StatusError, TooManyRequests
from api.resource import Obj, Resource
from api.types.core_v1 import PODS
from client.api import PatchKind
from client.transport import Unreachable
from kit import clock, log, rand
from kit.tasks import Tasks
from nodeagent.pod.status import status_patch

_log = log.get("nodeagent.status")
WRITES_AT_ONCE = 16
FIRST_RETRY_S, LIMIT_RETRY_S = 0.2, 3.0


class PodClient(Protocol):
    """The part of `client.api.Client` that writes pods."""

    async def patch(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str,
        body: Any,
        *,
        kind: PatchKind,
        subresource: str,
    ) -> Any: ...

    async def delete(
        self, resource: Resource[Any], name: str, namespace: str, *, grace_period_s: int | None, uid: str
    ) -> Any: ...


@dataclass(slots=True)
class _Pending:
    pod: Obj
    wanted: Obj
    written: Obj
    # The object's revision after our last write, and the newest one seen that shows what is wanted.
    revision: int = 0
    shown: int = 0
    task: asyncio.Task[None] | None = None


class StatusWriter:
    """Owns the writes of all pods' statuses of one node."""

    def __init__(self, client: PodClient, tasks: Tasks, gate: asyncio.Semaphore | None = None) -> None:
        self._client = client
        # A burst of pods must not use up what the API server takes at once; what waits here is merged
        # meanwhile.
        self._gate = gate or asyncio.Semaphore(WRITES_AT_ONCE)
        self._tasks = tasks
        self._pending: dict[str, _Pending] = {}

    def publish(self, pod: Obj, status: Obj) -> None:
        """Make `status` the pod's status. `pod["status"]` is taken as what is there now."""
        uid = pod["metadata"]["uid"]
        entry = self._pending.get(uid)
        if entry is None:
            present = pod.get("status") or {}
            if not status_patch(present, status):
                return
            entry = self._pending[uid] = _Pending(pod, status, present)
        elif entry.task is None and _revision(pod) >= entry.revision:
            # A watch may lag behind our own write; an object at least as new as it tells what is there.
            entry.written = pod.get("status") or {}
        entry.pod, entry.wanted, entry.shown = pod, status, 0
        if entry.task is None and status_patch(entry.written, status):
            entry.task = self._tasks.spawn(self._write(uid, entry), f"status of pod {uid}")

    def shown(self, pod: Obj) -> None:
        """A watch shows the pod with the status that is wanted: there is nothing to remember of it."""
        uid = pod["metadata"]["uid"]
        if entry := self._pending.get(uid):
            entry.shown = _revision(pod)
            self._drop(uid, entry)

    def _drop(self, uid: str, entry: _Pending) -> None:
        is_shown = entry.shown and entry.revision <= entry.shown
        if entry.task is None and is_shown and self._pending.get(uid) is entry:
            del self._pending[uid]

    async def flush(self, uid: str) -> None:
        """Wait until nothing is left to write for a pod."""
        entry = self._pending.get(uid)
        if entry is not None and entry.task is not None:
            await asyncio.wait([entry.task])

    def forget(self, uid: str) -> None:
        """Drop what is left to write for a pod."""
        entry = self._pending.pop(uid, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    async def delete(self, pod: Obj) -> bool:
        """Delete the object, as the last act on a pod that is gone; False if it must be tried again."""
        metadata = pod["metadata"]
        try:
            await self._client.delete(
                PODS, metadata["name"], metadata["namespace"], grace_period_s=0, uid=metadata["uid"]
            )
        except (NotFound, Conflict):
            return True
        except (StatusError, Unreachable) as error:
            _log.warning("pod not deleted", pod=metadata["name"], error=str(error))
            return False
        return True

    async def _write(self, uid: str, entry: _Pending) -> None:
        delay = FIRST_RETRY_S
        try:
            while status_patch(entry.written, entry.wanted):
                if await self._write_once(entry):
                    delay = FIRST_RETRY_S
                else:
                    await clock.sleep(rand.jitter(delay, 0.5))
                    delay = min(LIMIT_RETRY_S, delay * 2)
        finally:
            entry.task = None
        # As a rule the watch is faster than the answer.
        self._drop(uid, entry)

    async def _write_once(self, entry: _Pending) -> bool:
        async with self._gate:
            # What is wanted by now, which may be more than when the wait began.
            wanted = entry.wanted
            done = await self._send(entry, status_patch(entry.written, wanted))
        if done:
            entry.written = wanted
        return done

    async def _send(self, entry: _Pending, patch: Obj) -> bool:
        """Send one patch; True if it need not be sent again."""
        metadata = entry.pod["metadata"]
        body: Obj = {"status": patch}
        if (metadata.get("annotations") or {}).get("kubernetes.io/config.source") != "file":
            # A static pod is shown by a mirror of the same name and another uid.
            body["metadata"] = {"uid": metadata["uid"]}
        try:
            stored = await self._client.patch(
                PODS, metadata["name"], metadata["namespace"], body, kind="strategic", subresource="status"
            )
            entry.revision = _revision(stored)
        except (NotFound, Conflict):
            return True
        except Unreachable:
            return False
        except TooManyRequests:
            return False
        except StatusError as error:
            _log.warning("status refused", pod=metadata["name"], error=str(error))
            return error.code in (400, 403, 422)
        return True


def _revision(obj: Obj) -> int:
    text = str(obj.get("metadata", {}).get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0
