"""namespace-controller: empties a namespace that is being deleted, then lets it go.

    deletionTimestamp --> delete all pods, wait until they are gone --> delete everything else
                      --> nothing left: take "kubernetes" from spec.finalizers; the server does the rest

What is left is asked of the server itself, resource by resource: a cache may not know of the newest objects.
Source: pkg/controller/namespace/deletion namespaced_resources_deleter.go (1.36).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.conditions import set_condition
from api.errors import MethodNotAllowed, NotFound, StatusError
from api.resource import Key, Obj, Resource, key_of
from api.types.core_v1 import NAMESPACES, PODS
from client.api import METADATA_LIST, Client
from client.discovery import served_resources
from client.informer import Informer
from client.queue import WorkQueue
from client.transport import Unreachable
from controllers.framework.process import Context
from kit import clock, log

FINALIZER = "kubernetes"
_PAGE = 500
_LATER = (429, 500, 503, 504)
_METADATA = ("name", "deletionTimestamp", "finalizers")
# Lists under way at a time for one namespace.
_PARALLEL = 16
_DISCOVERY_AGE_S = 30.0
_LIMIT_BACKOFF_S = 30.0
# Pods end after their grace period: how often to look whether they have.
_AGAIN_S = 1.0
_WORKERS = 5
_log = log.get("controllers.namespace")


@dataclass(frozen=True)
class Left:
    """What is left of one resource in the namespace after its deletion has been asked for."""

    resource: str
    count: int
    finalizers: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


def compute_conditions(
    present: Sequence[Obj], left: Iterable[Left], discovery_error: str, now: datetime
) -> list[Obj]:
    """Return the conditions that tell users what is holding up the deletion."""
    remaining = [item for item in left if item.count]
    errors = [item.error for item in left if item.error]
    finalizers: dict[str, int] = {}
    for item in remaining:
        for name, count in item.finalizers.items():
            finalizers[name] = finalizers.get(name, 0) + count
    pods = next((item for item in remaining if item.resource == "pods"), None)
    if pods and not errors:
        errors = [f"{pods.count} pods remain: everything else is deleted after them"]
    told = (
        ("NamespaceDeletionDiscoveryFailure", discovery_error, "DiscoveryFailed", "ResourcesDiscovered",
         "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "", "GroupVersionParsingFailed",
         "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "; ".join(errors), "ContentDeletionFailed", "ContentDeleted",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining",
         ", ".join(f"{item.resource} has {item.count} resource instances" for item in remaining),
         "SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        ("NamespaceFinalizersRemaining",
         ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())),
         "SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    )  # fmt: skip
    conditions = list(present)
    for kind, problem, bad, good, fine in told:
        new: Obj = {"type": kind, "status": "True" if problem else "False"}
        new |= {"reason": bad if problem else good, "message": problem or fine}
        conditions = set_condition(conditions, new, now)
    return conditions


class NamespaceController:
    """Works on namespaces that are being deleted, several at a time."""

    id = "namespace-controller"

    def __init__(self) -> None:
        self._queue: WorkQueue[Key] = WorkQueue()
        self._namespaces: Informer[Any] | None = None
        self._resources: list[Resource[Any]] = []
        self._discovered_at = float("-inf")
        # When a deletion was last seen to begin: what was discovered before may lack a resource whose objects
        # are in that namespace.
        self._deleted_at = float("-inf")

    def attach(self, context: Context) -> None:
        self._namespaces = context.informers.of(NAMESPACES)
        self._namespaces.subscribe(self._changed)

    def _changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if new is not None and _is_ours(new):
            if old is None or not _is_ours(old):
                self._deleted_at = clock.monotonic()
            self._queue.add(key_of(new))

    async def run(self, context: Context) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work(context.client))

    async def _work(self, client: Client) -> None:
        while True:
            key = await self._queue.get()
            try:
                done = await self._empty(client, key.name)
            except (StatusError, Unreachable) as error:
                _log.info("namespace not emptied yet", namespace=key.name, error=str(error))
                self._queue.add_backoff(key, _LIMIT_BACKOFF_S)
            else:
                self._queue.forget(key)
                if not done:
                    self._queue.add_after(key, _AGAIN_S)
            finally:
                self._queue.done(key)

    async def _empty(self, client: Client, name: str) -> bool:
        """Take one round; return True if the namespace is no longer our concern."""
        try:
            namespace: Obj = {**await client.get(NAMESPACES, name)}
        except NotFound:
            return True
        if not _is_ours(namespace):
            return True
        left = await self._delete_content(client, name)
        if any(item.count or item.error for item in left):
            await self._tell(client, namespace, left)
            return False
        finalizers = [f for f in namespace["spec"].get("finalizers") or () if f != FINALIZER]
        body = {**namespace, "spec": {**namespace["spec"], "finalizers": finalizers}}
        await client.update(NAMESPACES, body, subresource="finalize")
        return True

    async def _delete_content(self, client: Client, name: str) -> list[Left]:
        pods = await _delete_all(client, PODS, name)
        if pods.count or pods.error:
            return [pods]
        slots = asyncio.Semaphore(_PARALLEL)

        async def one(resource: Resource[Any]) -> Left:
            async with slots:
                return await _delete_all(client, resource, name)

        return await asyncio.gather(*(one(resource) for resource in await self._discover(client)))

    async def _discover(self, client: Client) -> list[Resource[Any]]:
        began = clock.monotonic()
        if began - self._discovered_at > _DISCOVERY_AGE_S or self._discovered_at <= self._deleted_at:
            self._resources = [
                resource
                for resource in await served_resources(client)
                if resource.namespaced and {"list", "delete"} <= set(resource.verbs)
            ]
            self._discovered_at = began
        return self._resources

    async def _tell(self, client: Client, namespace: Obj, left: Sequence[Left]) -> None:
        status = namespace.get("status") or {}
        present = status.get("conditions") or []
        conditions = compute_conditions(present, left, "", clock.now())
        if conditions != present:
            body = {**namespace, "status": {**status, "conditions": conditions}}
            await client.update(NAMESPACES, body, subresource="status")


def _is_ours(namespace: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in namespace["metadata"] and FINALIZER in (
        namespace["spec"].get("finalizers") or ()
    )


async def _delete_all(client: Client, resource: Resource[Any], namespace: str) -> Left:
    """Ask for the deletion of every object; return what is left."""
    try:
        found = await _list_all(client, resource, namespace)
        if not found:
            return Left(resource.plural, 0)
        if any("deletionTimestamp" not in item["metadata"] for item in found):
            await _delete_collection(client, resource, namespace, found)
            found = await _list_all(client, resource, namespace)
    except NotFound:
        return Left(resource.plural, 0)
    except MethodNotAllowed:
        return Left(resource.plural, 0)
    except StatusError as error:
        return Left(resource.plural, 0, error=str(error))
    finalizers: dict[str, int] = {}
    for item in found:
        for name in item["metadata"].get("finalizers") or ():
            finalizers[name] = finalizers.get(name, 0) + 1
    return Left(resource.plural, len(found), finalizers)


async def _list_all(client: Client, resource: Resource[Any], namespace: str) -> list[Obj]:
    """Return what matters of the metadata of every object, read in pages: there may be tens of thousands."""
    found: list[Obj] = []
    token = ""
    while True:
        page = await client.list(resource, namespace, limit=_PAGE, continue_token=token, metadata_only=True)
        for item in page.items:
            metadata = item["metadata"]
            found.append({"metadata": {key: metadata[key] for key in _METADATA if key in metadata}})
        token = page.continue_token
        if not token:
            return found


async def _delete_collection(
    client: Client, resource: Resource[Any], namespace: str, found: Iterable[Mapping[str, Any]]
) -> None:
    options = b'{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}'
    if "deletecollection" in resource.verbs:
        response = await client.request(
            "DELETE",
            resource.path(namespace),
            body=options,
            # The answer has all that was deleted: the less of it the better.
            headers={"Content-Type": "application/json", "Accept": METADATA_LIST},
        )
        # What took too long, or was too much, goes on with the next round.
        if response.status < 300 or response.status in _LATER:
            return
    for item in found:
        try:
            await client.delete(resource, item["metadata"]["name"], namespace, propagation="Background")
        except NotFound:
            continue
