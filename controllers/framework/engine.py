"""Runs controllers: informers -> queue -> plan -> writes. The only caller of plans and of `apply.py`.

One key at a time:

    event -> queue --get--> plan --> perform --> until the cache shows all writes --> done, or again if dirty
                              |          |
                              |          +-- conflict: again after a short back-off, silently
                              |          +-- error: again after back-off; the next plan has `view.failure`
                              +-- Terminal: not until the object changes

So a plan always sees what earlier plans for its key have written; after a restart, too.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from api.errors import StatusError
from api.resource import Key, Resource, key_of
from client.events import Recorder
from client.informer import Informer, Informers
from client.queue import LIMIT_BACKOFF_S, WorkQueue
from client.transport import Unreachable
from controllers.framework.apply import Applier, Result, Written
from controllers.framework.controller import (
    BY_CONTROLLER,
    ORPHANS,
    Controller,
    View,
    Watch,
    controller_uids,
    orphan_namespaces,
)
from controllers.framework.plan import NOTHING, Failure, Plan, Terminal
from kit import clock, log, metrics
from kit.tasks import Tasks

# When the cache does not show a write within this time, the next plan is made all the same.
CATCH_UP_LIMIT_S = 30.0
# The longest back-off for trouble that says nothing about the key: the API server is away, or somebody was
# faster. Once the server is back, no event need come. DEVIATION: upstream waits up to 1000 s here, too.
SOON_LIMIT_S = 5.0

_BUCKETS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_depth = metrics.REGISTRY.gauge("workqueue_depth", "Keys waiting.", ("name",))
_adds = metrics.REGISTRY.gauge("workqueue_adds_total", "Keys added.", ("name",))
_retries = metrics.REGISTRY.gauge("workqueue_retries_total", "Keys added again after a failure.", ("name",))
_waited = metrics.REGISTRY.histogram(
    "workqueue_queue_duration_seconds", "How long a key waited.", ("name",), _BUCKETS
)
_worked = metrics.REGISTRY.histogram(
    "workqueue_work_duration_seconds", "How long a key was worked on.", ("name",), _BUCKETS
)


class Engine:
    """One controller at work. `attach` before the informers start, then `run`."""

    def __init__(
        self, controller: Controller[Any], informers: Informers, applier: Applier, recorder: Recorder
    ) -> None:
        self.controller = controller
        self._informers = informers
        self._applier = applier
        self._recorder = recorder
        self._log = log.get("controllers").bind(controller=controller.id)
        name = (controller.id,)
        self.queue: WorkQueue[Key] = WorkQueue(lambda seconds: _waited.observe(seconds, name))
        self._stores: dict[Resource[Any], Informer[Any]] = {}
        self._view = View(self._stores)
        self._failures: dict[Key, Failure] = {}
        # Deletions that the cache must show, and what to do then.
        self._deletions: dict[tuple[Resource[Any], Key, str], list[_Catching]] = {}

    def attach(self) -> None:
        """Ask for the informers, their indexes, and to be told of changes."""
        spec = self.controller
        for resource in spec.resources():
            informer = self._stores[resource] = self._informers.of(
                resource, field_selector=spec.only.get(resource, "")
            )
            if resource in spec.owns:
                informer.index(BY_CONTROLLER, controller_uids)
                informer.index(ORPHANS, orphan_namespaces)
            for name, function in spec.indexes.get(resource, {}).items():
                informer.index(name, function)
        self._stores[spec.of].subscribe(self._own_changed)
        for resource in spec.owns:
            self._stores[resource].subscribe(self._owned_changed)
        for resource, watch in spec.watches.items():
            self._stores[resource].subscribe(partial(self._watched_changed, watch))
        for resource in spec.resources():
            self._stores[resource].subscribe(partial(self._saw, resource))
        metrics.REGISTRY.collect.append(self._collect)

    async def run(self, tasks: Tasks) -> None:
        """Work until cancelled."""
        for informer in self._stores.values():
            await informer.synced()
        for number in range(self.controller.workers - 1):
            tasks.spawn(self._work(), f"{self.controller.id} {number + 1}", fatal=True)
        await self._work()

    # --- what changed ---

    def _own_changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if new is not None:
            relevant = self.controller.relevant
            if relevant is not None:
                value = relevant(new)
                if value is None or (old is not None and relevant(old) == value):
                    return
            self.queue.add(key_of(new))
        elif old is not None:
            self._forget(key_of(old))

    def _owned_changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        for key in {*self._owner_keys(old), *self._owner_keys(new)}:
            self.queue.add(key)

    def _owner_keys(self, obj: Mapping[str, Any] | None) -> Iterable[Key]:
        if obj is None:
            return
        of = self.controller.of
        for ref in obj["metadata"].get("ownerReferences") or ():
            if ref.get("controller") and ref["kind"] == of.kind:
                namespace = obj["metadata"].get("namespace", "") if of.namespaced else ""
                owner = self._stores[of].get(namespace, ref["name"])
                if owner is not None and owner["metadata"]["uid"] == ref["uid"]:
                    yield Key(namespace, ref["name"])

    def _watched_changed(
        self, watch: Watch, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        same = watch.relevant
        if same is not None and old is not None and new is not None and same(old) == same(new):
            return
        for obj in (old, new):
            if obj is not None:
                for key in watch.keys(obj, self._view):
                    self.queue.add(key)

    def _saw(
        self, resource: Resource[Any], old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        if self._deletions and old is not None and (new is None or _is_going(new)):
            gone = self._deletions.pop((resource, key_of(old), old["metadata"].get("uid", "")), ())
            for catching in gone:
                catching.one_less()

    # --- what is done about it ---

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            started = clock.monotonic()
            written: list[Written] = []
            try:
                written = await self._reconcile(key)
            except Terminal as error:
                self._log.info("nothing more to do until the object changes", key=str(key), reason=str(error))
            except Exception:  # noqa: BLE001 - one of the three places where everything is caught
                delay = self.queue.add_backoff(key)
                self._log.exception("reconcile failed", key=str(key), retry_s=delay)
            finally:
                _worked.observe(clock.monotonic() - started, (self.controller.id,))
            self._settle(key, written)

    async def _reconcile(self, key: Key) -> list[Written]:
        obj = self._stores[self.controller.of].get(*key)
        if obj is None:
            self._forget(key)
            return []
        try:
            plan = await self._plan(key, obj, clock.now())
        except (StatusError, Unreachable) as error:
            self._conclude(key, NOTHING, Result(error=error))
            return []
        if not plan.changes:
            self._went_well(key, plan)
            return []
        result = await self._applier.perform(plan.changes, self._recorder)
        self._conclude(key, plan, result)
        return result.written

    async def _plan(self, key: Key, obj: Any, now: datetime) -> Plan:
        view = View(self._stores, self._failures.get(key))
        if self.controller.observe is None:
            return self.controller.plan(obj, view, now)
        seen = await self.controller.observe(obj, view, now, self._applier.client)
        return self.controller.plan(obj, view, now, seen)

    def _conclude(self, key: Key, plan: Plan, result: Result) -> None:
        if result.failure is not None:
            self._failures[key] = result.failure
        if result.error is not None:
            away = isinstance(result.error, Unreachable)
            delay = self.queue.add_backoff(key, SOON_LIMIT_S if away else LIMIT_BACKOFF_S)
            level = self._log.debug if away else self._log.info
            level("changes failed", key=str(key), error=str(result.error), retry_s=delay)
        elif result.conflict:
            self.queue.add_backoff(key, SOON_LIMIT_S)
        else:
            self._went_well(key, plan)

    def _went_well(self, key: Key, plan: Plan) -> None:
        self.queue.forget(key)
        if self._failures.pop(key, None) is not None:
            # The plan was made with the failure in view; now there is none.
            self.queue.add(key)
        elif plan.requeue_after is not None:
            self.queue.add_after(key, plan.requeue_after)

    def _forget(self, key: Key) -> None:
        self.queue.forget(key)
        self._failures.pop(key, None)

    # --- reading what was written ---

    def _settle(self, key: Key, written: list[Written]) -> None:
        """End the processing of `key` as soon as the cache shows all that was written for it."""
        awaited = [write for write in written if not self._is_seen(write)]
        if not awaited:
            self.queue.done(key)
            return
        catching = _Catching(len(awaited), partial(self.queue.done, key))
        for write in awaited:
            if write.gone:
                self._deletions.setdefault((write.resource, write.key, write.uid), []).append(catching)
            else:
                self._stores[write.resource].when(write.revision, catching.one_less)

    def _is_seen(self, write: Written) -> bool:
        informer = self._stores.get(write.resource)
        if informer is None:
            return True
        if not write.gone:
            return write.revision <= informer.revision
        obj = informer.get(*write.key)
        return obj is None or obj["metadata"].get("uid", "") != write.uid or _is_going(obj)

    def _collect(self) -> None:
        name = (self.controller.id,)
        _depth.set(len(self.queue), name)
        _adds.set(self.queue.adds, name)
        _retries.set(self.queue.retries, name)


class _Catching:
    """Counts down to the call of `then`, which also comes when the cache takes too long."""

    def __init__(self, count: int, then: "partial[None]") -> None:
        self._left = count
        self._then = then
        self._timer = asyncio.get_running_loop().call_later(CATCH_UP_LIMIT_S, self._give_up)

    def one_less(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._timer.cancel()
            self._then()

    def _give_up(self) -> None:
        if self._left > 0:
            self._left = -1
            self._then()


def _is_going(obj: Mapping[str, Any]) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))
