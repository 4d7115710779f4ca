"""What every verb works with: the store, the caches, admission, and one `Collection` per served resource.
Made by `app.py`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from api.errors import InternalError, NotFound, RequestEntityTooLarge, StatusError, Timeout
from api.resource import Key, Obj, Resource
from apiserver.admission.plugin import AdmissionRequest
from apiserver.http.message import APISERVER, Handler, Request, User
from apiserver.rest.strategy import Strategy
from apiserver.watchcache.cache import Cache
from apiserver.watchcache.entry import shared_labels
from apiserver.watchcache.feed import Feed, Own
from apiserver.watchcache.gate import Gate
from apiserver.watchcache.lane import Lane
from apiserver.watchcache.translation import Translation
from kit import clock, log
from kit.apart import apart
from store.backend import Backend, KeyValue, NoSpace, StoreError, TooLarge, Unavailable
from store.keys import key_for, prefix_of

_log = log.get("apiserver.rest")

# How long the answer to a write that configures the server waits until the server goes by it.
SETTLE_S = 2.0


class Admission(Protocol):
    """The admission chain: `apiserver/admission/chain.py`."""

    async def mutate(self, request: AdmissionRequest) -> Obj:
        """Return the object to go on with. Raises an API error to refuse."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Raise an API error to refuse."""

    def forget(self) -> None:
        """Look anew at what is served and configured: it has changed."""


class AdmitAll:
    """No admission: for tests of the verbs themselves."""

    async def mutate(self, request: AdmissionRequest) -> Obj:
        return request.object or {}

    async def validate(self, request: AdmissionRequest) -> None:
        return None

    def forget(self) -> None:
        return None


class Collection:
    """One served resource: how it behaves, where it is stored, its cache."""

    def __init__(
        self,
        strategy: Strategy,
        cache: Cache,
        stored: Resource[Any],
        translation: Translation | None = None,
        lane: Lane | None = None,
    ) -> None:
        self.resource = strategy.resource
        self.strategy = strategy
        self.cache = cache
        self.layout = cache.layout
        # The resource (version) under which objects are stored; differs for second versions and views.
        self.stored = stored
        self.translation = translation
        # Fills the cache if that may take time; None: the cache is always as far as all others.
        self.lane = lane
        self.prefix = prefix_of(stored)

    def key(self, namespace: str, name: str) -> str:
        return key_for(self.stored, namespace, name)

    def space(self, namespace: str) -> str:
        """Return the prefix of the keys of a namespace, of all of them for ""."""
        return prefix_of(self.stored, namespace)

    async def encode(self, obj: Obj, weight: int = 0) -> bytes:
        """Return the store value of an object of the served version; `weight`: its bytes, if they may be
        many.

        Raises `StatusError`.
        """
        if self.translation is None:
            return await apart(weight, self.layout.encode, obj)
        return await self.translation.stored(obj)

    async def served(self, value: bytes, revision: int) -> bytes:
        """Return the wire bytes of a store value. Raises `StatusError`."""
        return self.layout.serve(await self.convert(value), revision)

    async def convert(self, value: bytes) -> bytes:
        """Return the store value as it would be if the served version were stored. Raises `StatusError`."""
        if self.translation is None:
            return value
        found = self.translation.at_once(value)
        return found if found is not None else (await self.translation.in_time([value]))[0]

    async def told(self, value: bytes) -> bytes:
        """Return `convert` of a value that `encode` has just made. Raises `StatusError`."""
        if self.translation is None or self.translation.same:
            return value
        return await self.convert(value)

    async def served_all(self, items: Sequence[KeyValue]) -> list[bytes]:
        """Return the wire bytes of several store values, converted together. Raises `StatusError`."""
        if self.translation is None:
            return [self.layout.serve(item.value, item.revision) for item in items]
        values = await self.translation.in_time([item.value for item in items])
        return [self.layout.serve(value, item.revision) for value, item in zip(values, items, strict=True)]


@dataclass(frozen=True)
class View:
    """What admission sees of an object that is written through a subresource with a kind of its own."""

    show: Callable[[Obj], Obj]
    # Returns the object (first) with what admission made of the view (second).
    take: Callable[[Obj, Obj], Obj]


@dataclass(frozen=True)
class Operation:
    """On whose behalf, and with which options, something is written."""

    user: User = APISERVER
    dry_run: bool = False
    field_manager: str = ""
    request: Request | None = None
    # The options object as admission sees it (CreateOptions, ...).
    options: Obj = field(default_factory=dict)
    # Set by server-side apply: managedFields are already worked out.
    managed: bool = False
    # None: admission sees the object itself.
    view: View | None = None

    @property
    def weight(self) -> int:
        """Return how much the client brought, in bytes of JSON; work on much is done apart from the loop."""
        return self.request.weight if self.request is not None else 0


@dataclass(frozen=True)
class Stored:
    """The outcome of a write: wire bytes, and the object if it is at hand."""

    data: bytes
    obj: Obj
    created: bool = False


class Hub:
    """The served resources and what they share."""

    def __init__(self, backend: Backend, feed: Feed, gate: Gate) -> None:
        self.backend = backend
        self.feed = feed
        self.gate = gate
        # Replaced by the real chain, which itself asks the registry over this hub.
        self.admission: Admission = AdmitAll()
        self._collections: dict[tuple[str, str, str], Collection] = {}
        # Resources that are not stored: reviews, bindings. Each has one handler for all its verbs.
        self._virtual: dict[tuple[str, str, str], tuple[Resource[Any], Handler]] = {}
        # Says whether a stored value should be written again though nothing changed: it is sealed with an
        # older key. None without encryption.
        self.is_stale: Callable[[str], Awaitable[bool]] | None = None
        # Who acts on objects of a resource that configures the server; called with a name, returns when done.
        self.followers: dict[Resource[Any], Callable[[str], Awaitable[None]]] = {}
        # Revision before which the store's history has been dropped by this server.
        self.compacted = 0

    def add(self, collection: Collection) -> None:
        resource = collection.resource
        self._collections[resource.group, resource.version, resource.plural] = collection
        self.admission.forget()

    def remove(self, resource: Resource[Any]) -> None:
        self._collections.pop((resource.group, resource.version, resource.plural), None)
        self.admission.forget()

    def find(self, group: str, version: str, plural: str) -> Collection | None:
        return self._collections.get((group, version, plural))

    def add_virtual(self, resource: Resource[Any], handler: Handler) -> None:
        self._virtual[resource.group, resource.version, resource.plural] = (resource, handler)

    def virtual(self, group: str, version: str, plural: str) -> tuple[Resource[Any], Handler] | None:
        return self._virtual.get((group, version, plural))

    def lookup(self, group: str, version: str, plural: str) -> Resource[Any] | None:
        """Return the served resource that a URL names; for the router."""
        key = (group, version, plural)
        found = self._collections.get(key)
        if found is not None:
            return found.resource
        return self._virtual[key][0] if key in self._virtual else None

    def of(self, resource: Resource[Any]) -> Collection:
        """Return the collection of a served resource. Raises `InternalError` if there is none."""
        found = self._collections.get((resource.group, resource.version, resource.plural))
        if found is None:
            raise InternalError(f"{resource.group_resource} is not served")
        return found

    def present(self, collection: Collection) -> Collection:
        """Return the collection that serves now what this one served when the request began.

        To be asked after every wait before the cache is read: a definition that changed may have put another
        one in its place. Raises `NotFound` if the resource is no longer served.
        """
        if not collection.cache.left:
            return collection
        resource = collection.resource
        found = self.find(resource.group, resource.version, resource.plural)
        if found is None:
            raise NotFound("the server could not find the requested resource")
        return found

    @property
    def collections(self) -> Iterable[Collection]:
        return self._collections.values()

    def now(self) -> datetime:
        return clock.now()

    async def fresh(self) -> int:
        """Wait until the caches hold every write acknowledged before this call; return their revision."""
        try:
            revision = await self.gate.current()
        except StoreError as error:
            raise translated(error) from error
        await self.feed.progress.wait(revision)
        return self.feed.revision

    async def settled(self, collection: Collection, revision: int, name: str = "") -> int:
        """Return `revision`, once this server itself goes by a write at it, if it configures the server.

        `name`: of the object, if whoever acts on it is waited for. The server's own writes do not: that may
        be the writer.
        """
        if not collection.strategy.configures:
            return revision
        follower = self.followers.get(collection.resource) if name else None
        try:
            async with asyncio.timeout(SETTLE_S):
                await self.feed.progress.wait(revision)
                if follower is not None:
                    await follower(name)
        except TimeoutError:
            # The store does not tell what it stored: the write is done all the same.
            _log.warning("a configuration is not in force yet", resource=collection.resource.group_resource)
        return revision

    def remember(self, collection: Collection, key: str, value: bytes, served: bytes, obj: Obj) -> None:
        """Spare the cache the decoding of what this process is about to write: `value`, to be served as
        `served`."""
        known = None
        if collection.translation is None or not collection.translation.asks:
            known = (shared_labels(obj["metadata"].get("labels")), collection.strategy.fields(obj))
        self.feed.pending[key] = Own(value, collection.cache, served, known)


def key_of(namespace: str, name: str) -> Key:
    return Key(namespace, name)


def translated(error: StoreError) -> StatusError:
    """Return the API error for trouble with the store."""
    if isinstance(error, Unavailable):
        return Timeout(f"the store is not available: {error}", {"retryAfterSeconds": 1})
    if isinstance(error, TooLarge):
        return RequestEntityTooLarge(f"the object is too large to be stored: {error}")
    if isinstance(error, NoSpace):
        return InternalError(f"etcdserver: mvcc: database space exceeded: {error}")
    return InternalError(f"Internal error occurred: {error}")
