"""resourcequota-controller: keeps the status of every quota true: its limits, and what of them is used.

    quota made, or its limits changed ---------------------> count at once
    something that it counts was deleted or changed -------> count, at most ten times a second
    something was made (admission has counted it already) -> count a second later
    its status was changed (by admission, by others) ------> count some seconds later
    nothing of that ---------------------------------------> count every 5 minutes

Counting goes through informers: those that others have anyway, or else metadata alone, and none before a
quota counts the resource. What is written is refused by the server if admission has been faster.
DEVIATION: upstream does not look again when something was made, nor when a status was changed; until its
next full round, creations that failed after admission stay counted, and one under way may be missed.
Source: pkg/controller/resourcequota resource_quota_controller.go, resource_quota_monitor.go (1.36).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from api import catalog
from api.errors import Conflict, NotFound, StatusError
from api.quota import MEASURED, Usage
from api.resource import Key, Resource, key_of
from api.types.core_v1 import PODS, RESOURCEQUOTAS
from client.discovery import served_resources
from client.informer import Informer
from client.queue import WorkQueue
from client.transport import Unreachable
from controllers.framework.process import Context
from controllers.resourcequota.status import compute_status, count, names_by_kind, next_freed_s
from kit import clock, log

_WORKERS = 5
RESYNC_S = 300.0
# Between two counts of one quota, however much happens; and so many times as long as the last count took.
_INTERVAL_S = 0.1
_IDLE_SHARE = 10
# How long after it was made an object is looked for: admission has counted it, so there is no hurry.
_MADE_S = 1.0
# What admission has just counted may not be here yet, and a count without it would give its place away. So
# the status must have been left alone for a moment; but that is not waited for for long.
_QUIET_S = 0.05
_PATIENCE_S = 0.5
# Long enough for everybody to see what somebody wrote into a status before it is set right.
_FOREIGN_S = 3.0
# How old the knowledge of what is served may be when a quota counts custom or unknown resources; such quotas
# are looked at again after as long.
_REDISCOVER_S = 10.0
_SYNC_S = 10.0
_CONFLICT_BACKOFF_S = 1.0
_LIMIT_BACKOFF_S = 30.0
# Objects counted before others may run.
_SLICE = 200
# Nobody counts them, here or in admission.
_IGNORED = frozenset({"events", "events.events.k8s.io"})
_COUNTS = "counts"
_log = log.get("controllers.resourcequota")


@dataclass(frozen=True)
class _Copy:
    """The objects of one resource, and what a quota counts of them."""

    resource: Resource[Any]
    names: list[str]
    informer: Informer[Any]


class ResourceQuotaController:
    id = "resourcequota-controller"

    def __init__(self) -> None:
        self._queue: WorkQueue[Key] = WorkQueue()
        # By group resource: what the server has, and the copies that are followed.
        self._served: dict[str, Resource[Any]] = {}
        self._served_at = float("-inf")
        self._asking = asyncio.Lock()
        self._followed: dict[str, Informer[Any]] = {}
        # When a quota may be counted next, the version that was written last, when its status was changed by
        # others, and since when a count waits for them.
        self._next_at: dict[Key, float] = {}
        self._written: dict[Key, str] = {}
        self._touched_at: dict[Key, float] = {}
        self._waiting_since: dict[Key, float] = {}

    def attach(self, context: Context) -> None:
        self._quotas: Informer[Any] = context.informers.of(RESOURCEQUOTAS)
        self._quotas.index(_COUNTS, _counted_here)
        self._quotas.subscribe(self._quota_changed)

    async def run(self, context: Context) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work(context))

    # --- what changed ---

    def _quota_changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if new is None:
            if old is not None:
                self._forget(key_of(old))
            return
        key = key_of(new)
        if old is None or old.get("spec") != new.get("spec"):
            self._queue.add(key)
        elif self._written.get(key) != new["metadata"]["resourceVersion"]:
            self._touched_at[key] = clock.monotonic()
            self._queue.add_after(key, _FOREIGN_S)

    def _object_changed(
        self, kind: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        obj = new if new is not None else old
        if obj is None:
            return
        quotas = self._quotas.by(_COUNTS, f"{obj['metadata']['namespace']}/{kind}")
        if not quotas or (old is not None and new is not None and _relevant(old) == _relevant(new)):
            return
        now = clock.monotonic()
        for quota in quotas:
            key = key_of(quota)
            wait = max(0.0, self._next_at.get(key, now) - now)
            self._queue.add_after(key, max(wait, _MADE_S) if old is None else wait)

    def _forget(self, key: Key) -> None:
        self._queue.forget(key)
        self._written.pop(key, None)
        for times in (self._next_at, self._touched_at, self._waiting_since):
            times.pop(key, None)

    # --- what is done about it ---

    async def _work(self, context: Context) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._sync(key, context)
            except NotFound:
                self._forget(key)
            except Conflict:
                self._queue.add_backoff(key, _CONFLICT_BACKOFF_S)
            except (StatusError, Unreachable) as error:
                delay = self._queue.add_backoff(key, _LIMIT_BACKOFF_S)
                _log.info("quota not counted yet", key=str(key), error=str(error), retry_s=delay)
            else:
                self._queue.forget(key)
            finally:
                self._queue.done(key)

    async def _sync(self, key: Key, context: Context) -> None:
        quota = self._quotas.get(*key)
        if quota is None:
            return
        if not self._is_quiet(key, clock.monotonic()):
            self._queue.add_after(key, _QUIET_S)
            return
        copies, again_s = await self._copies(quota, context)
        started = clock.monotonic()
        counted, freed_s = await _count(quota, copies)
        ended = clock.monotonic()
        self._next_at[key] = ended + max(_INTERVAL_S, _IDLE_SHARE * (ended - started))
        self._queue.add_after(key, again_s if freed_s is None else min(again_s, freed_s + _INTERVAL_S))
        status = compute_status(quota, counted)
        if status != (quota.get("status") or {}):
            body = {**quota, "status": status}
            made = await context.client.update(RESOURCEQUOTAS, body, subresource="status")
            self._written[key] = made["metadata"]["resourceVersion"]

    def _is_quiet(self, key: Key, now: float) -> bool:
        since = self._waiting_since.setdefault(key, now)
        if now - self._touched_at.get(key, float("-inf")) < _QUIET_S and now - since < _PATIENCE_S:
            return False
        del self._waiting_since[key]
        return True

    async def _copies(self, quota: Mapping[str, Any], context: Context) -> tuple[list[_Copy], float]:
        """Return the copies to count in, as far as there are any, and when to look again at the latest."""
        copies = []
        again_s = RESYNC_S
        for kind, names in names_by_kind(quota).items():
            resource = await self._resource(kind, context)
            informer = None
            if resource is not None and resource.namespaced:
                informer = await _ready(self._follow(kind, resource, context))
            if resource is None or informer is None:
                again_s = _REDISCOVER_S
            else:
                copies.append(_Copy(resource, names, informer))
        return copies, again_s

    async def _resource(self, kind: str, context: Context) -> Resource[Any] | None:
        """Return what is served under a group resource. Only built-in ones are there for good."""
        if kind in _IGNORED:
            return None
        async with self._asking:
            found = self._served.get(kind)
            old = clock.monotonic() - self._served_at > _REDISCOVER_S
            if old and (found is None or not _is_built_in(found)):
                served = await served_resources(context.client)
                self._served = {each.group_resource: each for each in served if "watch" in each.verbs}
                self._served_at = clock.monotonic()
            return self._served.get(kind)

    def _follow(self, kind: str, resource: Resource[Any], context: Context) -> Informer[Any]:
        """Return the copy to count in, and be told of its changes. Others may have dropped the last one."""
        informers = context.informers
        full = informers.full(resource)
        if full is not None or resource in MEASURED:
            informer = informers.of(resource)
        else:
            informer = informers.of(resource, metadata_only=True)
        if self._followed.get(kind) is not informer:
            self._followed[kind] = informer
            informer.subscribe(partial(self._object_changed, kind))
        return informer


def _counted_here(quota: Mapping[str, Any]) -> Iterable[str]:
    namespace = quota["metadata"]["namespace"]
    return [f"{namespace}/{kind}" for kind in names_by_kind(quota)]


def _relevant(obj: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of an object can change how it is counted."""
    status = obj.get("status") or {}
    sizes = [
        [each.get("resources"), each.get("allocatedResources")]
        for field in ("containerStatuses", "initContainerStatuses")
        for each in status.get(field) or ()
    ]
    attributes = (status.get("currentVolumeAttributesClassName"), status.get("modifyVolumeStatus"))
    return (
        obj["metadata"].get("deletionTimestamp"),
        status.get("phase") in ("Succeeded", "Failed"),
        obj.get("spec"),
        sizes,
        status.get("allocatedResources"),
        attributes,
    )


def _is_built_in(resource: Resource[Any]) -> bool:
    return catalog.by_plural(resource.group, resource.version, resource.plural) is resource


async def _ready(informer: Informer[Any]) -> Informer[Any] | None:
    """Return the informer once it has its first list; None if that takes too long."""
    try:
        async with asyncio.timeout(_SYNC_S):
            await informer.synced()
    except TimeoutError:
        return None
    return informer


async def _count(quota: Mapping[str, Any], copies: Iterable[_Copy]) -> tuple[Usage, float | None]:
    """Return what is used, counted in slices, so that others may run between; and `next_freed_s`."""
    counted: Usage = {}
    freed_s = None
    for copy in copies:
        objects = copy.informer.list(quota["metadata"]["namespace"])
        total: Usage = dict.fromkeys(copy.names, 0)
        for start in range(0, len(objects), _SLICE):
            if start:
                await clock.sleep(0)
            part = count(quota, copy.resource, copy.names, objects[start : start + _SLICE], clock.now())
            total = {name: total[name] + part[name] for name in total}
        counted |= total
        if copy.resource is PODS:
            freed_s = next_freed_s(objects, clock.now())
    return counted, freed_s
