"""garbage-collector-controller: follows every resource, and deletes what has lost its owners.

    events of all resources --> graph.py --> queue of Look and Orphan --> decide.py --> delete, patch

Caches say who is there; before anything is deleted the server itself is asked, about its owners too.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from api.errors import NotFound, StatusError
from api.resource import Key, Obj, Resource
from client.api import Client
from client.discovery import served_resources
from client.informer import Informer
from client.queue import WorkQueue
from client.transport import Unreachable
from controllers.framework.process import Context
from controllers.garbage_collector.decide import Action, DropOwners, Keep, OwnerState, Remove, Unblock, decide
from controllers.garbage_collector.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Look,
    Node,
    Orphan,
    Owner,
    Work,
    blocking,
    owners_of,
)
from kit import clock, log

WORKERS = 20
REDISCOVER_S = 30.0
LIMIT_BACKOFF_S = 30.0
# Dependents made just before their owner was orphaned may not be in the caches yet.
ORPHAN_DELAY_S = 0.1
_IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})
_log = log.get("controllers.garbage_collector")


class GarbageCollector:
    id = "garbage-collector-controller"

    def __init__(self) -> None:
        self.graph = Graph()
        self._queue: WorkQueue[Work] = WorkQueue()
        self._caches: dict[Resource[Any], Informer[Any]] = {}
        self._kinds: dict[tuple[str, str], Resource[Any]] = {}
        self._changed = asyncio.Event()

    def attach(self, context: Context) -> None:
        """All informers are asked for once the server has said what it serves."""

    async def run(self, context: Context) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(context))
            for _ in range(WORKERS):
                group.create_task(self._work(context.client))

    # --- what is there ---

    async def _follow(self, context: Context) -> None:
        """Keep an informer on everything that can be listed, watched and deleted."""
        while True:
            try:
                self._adopt(await served_resources(context.client), context)
            except (StatusError, Unreachable) as error:
                _log.info("discovery failed", error=str(error))
                await clock.sleep(1.0)
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(REDISCOVER_S):
                    await self._changed.wait()
                await clock.sleep(0.5)
            except TimeoutError:
                continue

    def _adopt(self, served: list[Resource[Any]], context: Context) -> None:
        wanted = [
            resource
            for resource in served
            if {"list", "watch", "delete"} <= set(resource.verbs)
            and (resource.group, resource.plural) not in _IGNORED
        ]
        paths = {resource.path() for resource in wanted}
        for resource in [resource for resource in self._caches if resource.path() not in paths]:
            context.informers.drop(self._caches.pop(resource))
        present = {resource.path() for resource in self._caches}
        for resource in wanted:
            self._kinds[resource.group, resource.kind] = resource
            if resource.path() in present:
                continue
            full = context.informers.full(resource)
            # An informer without objects is false.
            informer = full if full is not None else context.informers.of(resource, metadata_only=True)
            self._caches[resource] = informer
            informer.subscribe(partial(self._saw, resource))

    def _saw(
        self, resource: Resource[Any], old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        if resource.plural == "customresourcedefinitions":
            self._changed.set()
        self._add(self.graph.observe(resource, old, new))

    def _add(self, work: list[Work]) -> None:
        for item in work:
            if isinstance(item, Orphan):
                self._queue.add_after(item, ORPHAN_DELAY_S)
            else:
                self._queue.add(item)

    # --- what is done ---

    async def _work(self, client: Client) -> None:
        while True:
            item = await self._queue.get()
            try:
                await self._do(client, item)
            except (StatusError, Unreachable) as error:
                _log.debug("not collected yet", uid=item.uid, error=str(error))
                self._queue.add_backoff(item, LIMIT_BACKOFF_S)
            else:
                self._queue.forget(item)
            finally:
                self._queue.done(item)

    async def _do(self, client: Client, item: Work) -> None:
        node = self.graph.nodes.get(item.uid)
        if node is None:
            return
        if isinstance(item, Orphan):
            await self._orphan(client, node)
        elif node.virtual:
            await self._resolve(client, node)
        elif node.waits_for_dependents:
            await self._go_on(client, node)
        elif not node.is_going and node.owners:
            await self._judge(client, node)

    async def _resolve(self, client: Client, node: Node) -> None:
        """Find out whether an owner that is only known by reference exists."""
        resource = self._kind(node.api_version, node.kind)
        if resource is None:
            # Perhaps it is served later; discovery looks again.
            raise NotFound(f"{node.api_version} {node.kind} is not served")
        key = Key(node.key.namespace if resource.namespaced else "", node.key.name)
        found = self._cached(resource, key, node.uid) or await _fetch(client, resource, key, node.uid)
        if found is None:
            self._add(self.graph.forget(node.uid))
        else:
            self._add(self.graph.observe(resource, None, found))

    def _kind(self, api_version: str, kind: str) -> Resource[Any] | None:
        """Return the resource of an owner reference; any version of its group will do."""
        group = api_version.partition("/")[0] if "/" in api_version else ""
        return self._kinds.get((group, kind))

    def _cached(self, resource: Resource[Any], key: Key, uid: str) -> Mapping[str, Any] | None:
        cache = self._caches.get(resource)
        found: Mapping[str, Any] | None = cache.get(*key) if cache is not None else None
        return found if found is not None and found["metadata"]["uid"] == uid else None

    async def _judge(self, client: Client, node: Node) -> None:
        states = {owner.uid: await self._state(client, node, owner) for owner in node.owners}
        if "dangling" not in states.values() and "waiting" not in states.values():
            return
        resource = _resource(node)
        live = await _fetch(client, resource, node.key, node.uid)
        if live is None or "deletionTimestamp" in live["metadata"]:
            return
        owners = owners_of(live)
        if {owner.uid for owner in owners} != set(states):
            states = {owner.uid: await self._state(client, node, owner) for owner in owners}
        await self._perform(client, node, live, decide(self.graph, node, states, live["metadata"]))

    async def _state(self, client: Client, node: Node, owner: Owner) -> OwnerState:
        holder = self.graph.nodes.get(owner.uid)
        if holder is not None and not holder.virtual:
            return "waiting" if holder.waits_for_dependents else "solid"
        resource = self._kind(owner.api_version, owner.kind)
        if resource is None:
            raise NotFound(f"{owner.api_version} {owner.kind} is not served")
        key = Key(node.key.namespace if resource.namespaced else "", owner.name)
        found = await _fetch(client, resource, key, owner.uid)
        if found is None:
            return "dangling"
        metadata = found["metadata"]
        waits = "deletionTimestamp" in metadata and FOREGROUND in (metadata.get("finalizers") or ())
        return "waiting" if waits else "solid"

    async def _perform(self, client: Client, node: Node, live: Obj, action: Action) -> None:
        references = live["metadata"].get("ownerReferences") or []
        match action:
            case Keep():
                return
            case DropOwners(uids):
                kept = [ref for ref in references if ref["uid"] not in uids]
                await _patch(client, node, live, {"ownerReferences": kept})
            case Unblock():
                open_refs = [{**ref, "blockOwnerDeletion": False} for ref in references]
                await _patch(client, node, live, {"ownerReferences": open_refs})
                await _delete(client, node, "Foreground")
            case Remove(propagation):
                await _delete(client, node, propagation, live["metadata"]["resourceVersion"])

    async def _go_on(self, client: Client, node: Node) -> None:
        """Take the next step of a foreground deletion: dependents first, then the finalizer."""
        waited_for = list(blocking(self.graph, node))
        if not waited_for:
            await _drop_finalizer(client, node, FOREGROUND)
            return
        for dependent in waited_for:
            if not dependent.waits_for_dependents:
                self._queue.add(Look(dependent.uid))

    async def _orphan(self, client: Client, node: Node) -> None:
        dependents = [self.graph.nodes[uid] for uid in node.dependents if uid in self.graph.nodes]
        await asyncio.gather(*(_release(client, dependent, node.uid) for dependent in dependents))
        await _drop_finalizer(client, node, ORPHAN)


def _resource(node: Node) -> Resource[Any]:
    if node.resource is None:
        raise NotFound(f"{node.kind} {node.key} has not been seen yet")
    return node.resource


async def _fetch(client: Client, resource: Resource[Any], key: Key, uid: str) -> Obj | None:
    """Return the object as the server has it; None if it is gone or another one has its name."""
    try:
        found: Obj = {**await client.get(resource, key.name, key.namespace)}
    except NotFound:
        return None
    return found if found["metadata"].get("uid") == uid else None


async def _patch(client: Client, node: Node, live: Obj, metadata: Obj) -> None:
    """Change metadata of exactly the version that was looked at."""
    guards = {"uid": node.uid, "resourceVersion": live["metadata"]["resourceVersion"]}
    try:
        await client.patch(
            _resource(node), node.key.name, node.key.namespace, {"metadata": {**guards, **metadata}}
        )
    except NotFound:
        return


async def _delete(client: Client, node: Node, propagation: str, resource_version: str = "") -> None:
    try:
        await client.delete(
            _resource(node),
            node.key.name,
            node.key.namespace,
            propagation=propagation,
            uid=node.uid,
            resource_version=resource_version,
        )
    except NotFound:
        return


async def _drop_finalizer(client: Client, node: Node, finalizer: str) -> None:
    live = await _fetch(client, _resource(node), node.key, node.uid)
    if live is not None and finalizer in (live["metadata"].get("finalizers") or ()):
        left = [name for name in live["metadata"]["finalizers"] if name != finalizer]
        await _patch(client, node, live, {"finalizers": left})


async def _release(client: Client, node: Node, owner_uid: str) -> None:
    live = await _fetch(client, _resource(node), node.key, node.uid)
    if live is not None:
        references = live["metadata"].get("ownerReferences") or []
        kept = [ref for ref in references if ref["uid"] != owner_uid]
        if kept != references:
            await _patch(client, node, live, {"ownerReferences": kept})
