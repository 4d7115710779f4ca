"""Informers: a local copy of one resource, kept current by list and watch, shared within the process.

    pods = informers.of(PODS, field_selector="spec.nodeName=n1")
    pods.index("node", lambda pod: [pod["spec"].get("nodeName", "")])
    pods.subscribe(lambda old, new: ...)

States of the loop, in `_run`:

    LIST --ok--> WATCH --ended, or broken--> WATCH from the last revision (back-off if broken)
      ^            |
      +--410 Gone--+        on a relist, objects that are the same keep their identity

Objects are shared and must never be changed. Subscribers run in the event loop and must be fast.
Source: k8s.io/client-go/tools/cache Reflector, SharedIndexInformer (1.36).
"""

import asyncio
import builtins
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar, cast

from api.errors import Gone, StatusError, Timeout
from api.resource import Key, Resource, key_of
from client.api import Client, WatchEvent
from client.slim import Slimmer
from client.transport import Unreachable
from kit import clock, log, rand
from kit.tasks import Tasks

T = TypeVar("T", bound=Mapping[str, Any])
IndexFunction: TypeAlias = Callable[[T], Iterable[str]]
# (old, new): old is None for an addition, new is None for a deletion.
Subscriber: TypeAlias = Callable[[T | None, T | None], None]

PAGE = 500
# Upstream closes a watch after 5 to 10 minutes; the server is asked to do so.
WATCH_MIN_S, WATCH_MAX_S = 300, 600
FIRST_BACKOFF_S, LIMIT_BACKOFF_S = 0.1, 5.0
# An object that has not changed for so long is likely to stay as it is; and how many are taken on in one
# turn.
REST_S = 5.0
COMPACTED_AT_ONCE = 100
_log = log.get("client.informer")


class Informer(Generic[T]):
    """The copy of one resource under one set of selectors. Made by `Informers.of`."""

    def __init__(
        self,
        client: Client,
        resource: Resource[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._labels = label_selector
        self._fields = field_selector
        self._metadata_only = metadata_only
        self._objects: dict[Key, T] = {}
        self._by_namespace: dict[str, dict[str, T]] = {}
        self._index_functions: dict[str, IndexFunction[T]] = {}
        self._indexes: dict[str, dict[str, dict[Key, T]]] = {}
        self._subscribers: list[Subscriber[T]] = []
        self._synced = asyncio.Event()
        # The revision of the last event, bookmark or list taken in: everything up to it is here.
        self.revision = 0
        self._revision_text = ""
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._slimmer: Slimmer = Slimmer(metadata_only)
        # (when it came, key, its version) of what the watch brought, until it has come to rest.
        self._moving: deque[tuple[float, Key, str]] = deque()
        self._backoff = FIRST_BACKOFF_S
        self.relists = 0
        # Grows with every failure to reach the server: what has been seen since is not all that has happened.
        self.interruptions = 0

    # --- what it holds ---

    def get(self, namespace: str, name: str) -> T | None:
        """Return the object, None if it is not there. `namespace` is "" for cluster-scoped resources."""
        return self._objects.get(Key(namespace, name))

    def list(self, namespace: str = "") -> list[T]:
        """Return the objects of one namespace, or all."""
        if namespace:
            return [*self._by_namespace.get(namespace, {}).values()]
        return [*self._objects.values()]

    def by(self, index: str, value: str) -> builtins.list[T]:
        """Return the objects that the index function of that name maps to `value`."""
        return [*self._indexes[index].get(value, {}).values()]

    def keys(self) -> builtins.list[Key]:
        return [*self._objects]

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    # --- who follows it ---

    def index(self, name: str, function: IndexFunction[T]) -> None:
        """Add an index; what is already there is indexed at once. A name that is there keeps its function."""
        if name in self._index_functions:
            return
        self._index_functions[name] = function
        self._indexes[name] = {}
        for key, obj in self._objects.items():
            self._put_index(name, key, obj)

    def subscribe(self, function: Subscriber[T]) -> None:
        """Call `function` on every change; the objects that are already there come first, as additions."""
        self._subscribers.append(function)
        for obj in self.list():
            function(None, obj)

    def when(self, revision: int, function: Callable[[], None]) -> None:
        """Call `function` once when everything up to `revision` has been taken in (at once if it has)."""
        if revision <= self.revision:
            function()
            return
        self._serial += 1
        heapq.heappush(self._waiting, (revision, self._serial, function))

    # --- its life ---

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._revision_text:
                    await self._list()
                if not await self._watch():
                    await self._pause(None)
            except Gone:
                self._forget_revision()
            except Timeout as error:
                if "Too large resource version" in error.message:
                    self._forget_revision()
                await self._pause(error)
            except (Unreachable, StatusError) as error:
                await self._pause(error)

    def _forget_revision(self) -> None:
        """Make the next round a list: the history after the last revision is gone (or another store's)."""
        self._revision_text = ""
        self.relists += 1

    async def _pause(self, error: Exception | None) -> None:
        self.interruptions += 1
        _log.debug("watch interrupted", resource=self.resource.group_resource, error=str(error))
        await clock.sleep(rand.jitter(self._backoff, 0.5))
        self._backoff = min(LIMIT_BACKOFF_S, self._backoff * 2)

    async def _list(self) -> None:
        found: dict[Key, T] = {}
        token = ""
        while True:
            page = await self._client.list(
                self.resource,
                self._namespace,
                label_selector=self._labels,
                field_selector=self._fields,
                limit=PAGE,
                continue_token=token,
                metadata_only=self._metadata_only,
            )
            for item in page.items:
                new = self._slimmer.slim(item)
                obj = self._known(new)
                if obj is new:
                    self._slimmer.compact(obj)
                found[key_of(obj)] = obj
            token = page.continue_token
            if not token:
                break
        self._replace(found)
        self.revision = 0
        self._advance(page.resource_version)
        self._synced.set()

    async def _watch(self) -> bool:
        """Follow the server until it ends the watch; return False if it ended at once, with nothing sent."""
        started = clock.monotonic()
        events = self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self._revision_text,
            label_selector=self._labels,
            field_selector=self._fields,
            timeout_s=rand.integer(WATCH_MIN_S, WATCH_MAX_S),
            metadata_only=self._metadata_only,
        )
        try:
            async for event in events:
                self._apply(event)
                self._backoff = FIRST_BACKOFF_S
        finally:
            await events.aclose()
        return clock.monotonic() - started > 1.0

    def _known(self, obj: T) -> T:
        """Return the object that is already here if it is the same version, so that it keeps its identity."""
        old = self._objects.get(key_of(obj))
        return old if old is not None and _version(old) == _version(obj) else obj

    def _replace(self, found: dict[Key, T]) -> None:
        for key in [key for key in self._objects if key not in found]:
            self._remove(key)
        for key, obj in found.items():
            self._store(key, obj)

    def _apply(self, event: WatchEvent[T]) -> None:
        revision = str(event.object["metadata"]["resourceVersion"])
        if event.type == "DELETED":
            self._remove(key_of(event.object), self._slimmer.slim(event.object))
        elif event.type != "BOOKMARK":
            obj = self._slimmer.slim(event.object)
            key = key_of(obj)
            self._store(key, obj)
            if not self._moving:
                asyncio.get_running_loop().call_later(REST_S, self._compact)
            self._moving.append((clock.monotonic(), key, revision))
        self._advance(revision)

    def _compact(self) -> None:
        """Make those objects small that have not changed for a while: most change several times at first."""
        now, moving = clock.monotonic(), self._moving
        for _ in range(COMPACTED_AT_ONCE):
            if not moving or moving[0][0] + REST_S > now:
                break
            _, key, revision = moving.popleft()
            obj = self._objects.get(key)
            if obj is not None and _version(obj)[1] == revision:
                self._slimmer.compact(obj)
        if moving:
            rest_s = max(0.01, moving[0][0] + REST_S - now)
            asyncio.get_running_loop().call_later(rest_s, self._compact)

    def _store(self, key: Key, obj: T) -> None:
        old = self._objects.get(key)
        if old is obj:
            return
        if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
            self._remove(key)
            old = None
        if old is not None:
            self._drop_indexes(key, old)
        self._objects[key] = obj
        self._by_namespace.setdefault(key.namespace, {})[key.name] = obj
        for name in self._index_functions:
            self._put_index(name, key, obj)
        self._tell(old, obj)

    def _remove(self, key: Key, last: T | None = None) -> None:
        old = self._objects.pop(key, None)
        if old is None:
            return
        names = self._by_namespace[key.namespace]
        del names[key.name]
        if not names:
            del self._by_namespace[key.namespace]
        self._drop_indexes(key, old)
        self._tell(last if last is not None else old, None)

    def _put_index(self, name: str, key: Key, obj: T) -> None:
        index = self._indexes[name]
        for value in self._index_functions[name](obj):
            index.setdefault(value, {})[key] = obj

    def _drop_indexes(self, key: Key, obj: T) -> None:
        for name, function in self._index_functions.items():
            index = self._indexes[name]
            for value in function(obj):
                if entries := index.get(value):
                    entries.pop(key, None)
                    if not entries:
                        del index[value]

    def _tell(self, old: T | None, new: T | None) -> None:
        for subscriber in self._subscribers:
            subscriber(old, new)

    def _advance(self, revision: str) -> None:
        self._revision_text = revision
        self.revision = max(self.revision, int(revision or 0))
        while self._waiting and self._waiting[0][0] <= self.revision:
            heapq.heappop(self._waiting)[2]()


class Informers:
    """The informers of one process: asking twice for the same selection gives the same informer.

    Resources are the same here if their paths are: those of custom resources are made anew by each discovery.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._made: dict[tuple[Any, ...], Informer[Any]] = {}
        self._running: dict[tuple[Any, ...], asyncio.Task[None]] = {}
        self._tasks: Tasks | None = None

    def of(
        self,
        resource: Resource[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> Informer[T]:
        """Return the informer of a selection; after `start` a new one starts at once."""
        key = (resource.path(), namespace, label_selector, field_selector, metadata_only)
        if key not in self._made:
            self._made[key] = Informer(
                self.client,
                resource,
                namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                metadata_only=metadata_only,
            )
            if self._tasks is not None:
                self._launch(key)
        return cast(Informer[T], self._made[key])

    def full(self, resource: Resource[T]) -> Informer[T] | None:
        """Return the informer of all whole objects of a resource if somebody has asked for it."""
        return self._made.get((resource.path(), "", "", "", False))

    def drop(self, informer: Informer[Any]) -> None:
        """Stop and forget an informer (of a resource that is no longer served)."""
        for key in [key for key, made in self._made.items() if made is informer]:
            del self._made[key]
            if task := self._running.pop(key, None):
                task.cancel()

    async def start(self, tasks: Tasks) -> None:
        """Start every informer there is, as tasks of `tasks`."""
        self._tasks = tasks
        for key in self._made:
            self._launch(key)

    async def synced(self) -> None:
        """Wait until every informer there is has its first list."""
        for informer in list(self._made.values()):
            await informer.synced()

    def _launch(self, key: tuple[Any, ...]) -> None:
        if self._tasks is not None and key not in self._running:
            informer = self._made[key]
            name = f"informer {informer.resource.group_resource}"
            # Without it, whoever reads the copy would go on with an old one for ever.
            self._running[key] = self._tasks.spawn(informer.run(), name, fatal=True)


def _version(obj: Mapping[str, Any]) -> tuple[Any, Any]:
    metadata = obj["metadata"]
    return metadata.get("uid"), metadata.get("resourceVersion")
