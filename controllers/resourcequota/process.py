"""resourcequota-controller: keeps the status of every quota true: its limits, and what of them is used.

    quota made, or its limits changed ---------------------> count at once
    something that it counts was deleted or changed -------> count, at most once a second
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
# Between two counts of one quota, however much happens.
_INTERVAL_S = 1.0
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


class ResourceQuotaController:
    id = "resourcequota-controller"

    def __init__(self) -> None:
        self._queue: WorkQueue[Key] = WorkQueue()
        # By group resource: what the server has, and the copies that are followed.
        self._served: dict[str, Resource[Any]] = {}
        self._served_at = float("-inf")
        self._asking = asyncio.Lock()
        self._followed: dict[str, Informer[Any]] = {}
        # When a quota was last counted, and the version that was written then.
        self._counted_at: dict[Key, float] = {}
        self._written: dict[Key, str] = {}

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
            wait = self._counted_at.get(key, float("-inf")) + _INTERVAL_S - now
            self._queue.add_after(key, _INTERVAL_S if old is None else wait)

    def _forget(self, key: Key) -> None:
        self._queue.forget(key)
        self._counted_at.pop(key, None)
        self._written.pop(key, None)

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
        self._counted_at[key] = clock.monotonic()
        counted, again_s = await self._count(quota, context)
        self._queue.add_after(key, again_s)
        status = compute_status(quota, counted)
        if status != (quota.get("status") or {}):
            body = {**quota, "status": status}
            made = await context.client.update(RESOURCEQUOTAS, body, subresource="status")
            self._written[key] = made["metadata"]["resourceVersion"]

    async def _count(self, quota: Mapping[str, Any], context: Context) -> tuple[Usage, float]:
        """Return what is used, as far as it can be counted, and when to count again at the latest."""
        counted: Usage = {}
        again_s = RESYNC_S
        for kind, names in names_by_kind(quota).items():
            resource = await self._resource(kind, context)
            if resource is None or not resource.namespaced:
                again_s = min(again_s, _REDISCOVER_S)
                continue
            informer = self._follow(kind, resource, context)
            if not await _is_ready(informer):
                again_s = min(again_s, _REDISCOVER_S)
                continue
            objects = informer.list(quota["metadata"]["namespace"])
            counted |= await _sum(quota, resource, names, objects)
            if resource is PODS:
                freed_s = next_freed_s(objects, clock.now())
                again_s = again_s if freed_s is None else min(again_s, freed_s + _INTERVAL_S)
        return counted, again_s

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
        if resource in MEASURED:
            informer = informers.of(resource)
        else:
            informer = informers.full(resource) or informers.of(resource, metadata_only=True)
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
        for each in (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ()))
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


async def _is_ready(informer: Informer[Any]) -> bool:
    try:
        async with asyncio.timeout(_SYNC_S):
            await informer.synced()
    except TimeoutError:
        return False
    return True


async def _sum(
    quota: Mapping[str, Any],
    resource: Resource[Any],
    names: list[str],
    objects: list[Mapping[str, Any]],
) -> Usage:
    """Count in slices, so that others may run between."""
    total: Usage = dict.fromkeys(names, 0)
    for start in range(0, len(objects), _SLICE):
        part = count(quota, resource, names, objects[start : start + _SLICE], clock.now())
        total = {name: total[name] + part[name] for name in names}
        if start + _SLICE < len(objects):
            await clock.sleep(0)
    return total
