"""How a controller is declared, and what it may see. Pure.

    @controller("replicaset-controller", of=REPLICASETS, owns=(PODS,))
    def replicaset(rs: ReplicaSet, view: View, now: datetime) -> Plan: ...

The function sees present state, never an event, and is called when something it may depend on has changed:
- the object itself;
- objects of `owns` whose controller it is;
- objects of `watches`, by the keys that the given function returns for the old and for the new state;
- when its last plan asked for it (`requeue_after`).
A vanished key gets no call: what must be cleaned up holds a finalizer. All it reads is in `owns`,
`watches` or `reads`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from api.resource import Key, Resource
from controllers.framework.plan import Failure, Plan

T = TypeVar("T", bound=Mapping[str, Any])
IndexFunctions: TypeAlias = Mapping[str, Callable[[Any], Iterable[str]]]

# Indexes that every owned resource has.
BY_CONTROLLER = "controller-uid"
ORPHANS = "orphans-by-namespace"


class Store(Protocol):
    """The cache of one resource (an informer, or a table in a test)."""

    def get(self, namespace: str, name: str) -> Any | None: ...

    def list(self, namespace: str = "") -> Any: ...

    def by(self, index: str, value: str) -> Any: ...


class Reader(Protocol):
    """The API server itself, for what caches may not know yet (`client.api.Client`)."""

    async def list(
        self, resource: Resource[Any], namespace: str = "", *, limit: int = 0, continue_token: str = ""
    ) -> Any: ...


class View:
    """The cluster as last seen. Objects are shared: never change them."""

    __slots__ = ("_stores", "failure")

    def __init__(self, stores: Mapping[Resource[Any], Store], failure: Failure | None = None) -> None:
        self._stores = stores
        # What went wrong with the last plan for this key.
        self.failure = failure

    def get(self, resource: Resource[T], namespace: str, name: str) -> T | None:
        return cast(T | None, self._stores[resource].get(namespace, name))

    def list(self, resource: Resource[T], namespace: str = "") -> Iterable[T]:
        return cast(Iterable[T], self._stores[resource].list(namespace))

    def by(self, resource: Resource[T], index: str, value: str) -> Iterable[T]:
        return cast(Iterable[T], self._stores[resource].by(index, value))

    def interruptions(self, resource: Resource[Any]) -> int:
        """Return a number that grows whenever the cache of a resource has been cut off from the server."""
        return int(getattr(self._stores[resource], "interruptions", 0))

    def owned(self, resource: Resource[T], owner: Mapping[str, Any]) -> Iterable[T]:
        """Return the objects whose controller is `owner`."""
        return self.by(resource, BY_CONTROLLER, owner["metadata"]["uid"])

    def orphans(self, resource: Resource[T], namespace: str) -> Iterable[T]:
        """Return the objects of a namespace that nobody controls."""
        return self.by(resource, ORPHANS, namespace)


Observe: TypeAlias = Callable[[T, View, datetime, Reader], Awaitable[Any]]


@dataclass(frozen=True)
class Watch:
    """Another resource that matters. `keys(obj, view)` names the objects to look at again.

    With `relevant`, a change that leaves `relevant(obj)` as it was is ignored.
    """

    keys: Callable[[Any, View], Iterable[Key]]
    relevant: Callable[[Any], Any] | None = None


@dataclass(frozen=True, eq=False)
class Controller(Generic[T]):
    """One controller: an id (upstream's), a plan, and what it depends on."""

    id: str
    of: Resource[T]
    plan: Callable[..., Plan]
    owns: tuple[Resource[Any], ...] = ()
    watches: Mapping[Resource[Any], Watch] = field(default_factory=dict)
    reads: tuple[Resource[Any], ...] = ()
    indexes: Mapping[Resource[Any], IndexFunctions] = field(default_factory=dict)
    # Field selectors of resources of which only some objects matter (not for `of` and `owns`).
    only: Mapping[Resource[Any], str] = field(default_factory=dict)
    # Looks outside before the plan is made; the result is the plan's fourth argument. What the server refuses
    # may be raised: the key is tried again.
    observe: Observe[T] | None = None
    # What of an object of `of` matters: a change that leaves it as it was is ignored; None: nothing matters.
    relevant: Callable[[T], Any] | None = None
    # Keys worked on at a time, where it is more than the settings say (`--concurrent-syncs`).
    workers: int = 1

    def __call__(self, obj: T, view: View, now: datetime, *seen: Any) -> Plan:
        return self.plan(obj, view, now, *seen)

    def resources(self) -> tuple[Resource[Any], ...]:
        """Return every resource that it reads, each once, its own first."""
        return tuple(dict.fromkeys((self.of, *self.owns, *self.watches, *self.reads, *self.indexes)))


def controller(  # noqa: PLR0913 - the declaration of a controller
    id: str,
    *,
    of: Resource[T],
    owns: tuple[Resource[Any], ...] = (),
    watches: Mapping[Resource[Any], Callable[[Any, View], Iterable[Key]] | Watch] | None = None,
    reads: tuple[Resource[Any], ...] = (),
    indexes: Mapping[Resource[Any], IndexFunctions] | None = None,
    only: Mapping[Resource[Any], str] | None = None,
    observe: Observe[T] | None = None,
    relevant: Callable[[T], Any] | None = None,
    workers: int = 1,
) -> Callable[[Callable[..., Plan]], Controller[T]]:
    """Make a plan function a controller."""
    watching = {
        resource: watch if isinstance(watch, Watch) else Watch(watch)
        for resource, watch in (watches or {}).items()
    }

    def declare(function: Callable[..., Plan]) -> Controller[T]:
        return Controller(
            id, of, function, owns, watching, reads, indexes or {}, only or {}, observe, relevant, workers
        )

    return declare


def controller_uids(obj: Mapping[str, Any]) -> Iterable[str]:
    """The index behind `View.owned`."""
    return [ref["uid"] for ref in obj["metadata"].get("ownerReferences") or () if ref.get("controller")]


def orphan_namespaces(obj: Mapping[str, Any]) -> Iterable[str]:
    """The index behind `View.orphans`."""
    return [] if controller_uids(obj) else [obj["metadata"].get("namespace") or ""]
