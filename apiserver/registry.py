"""What the API server's own parts (admission, authorizers, subresources, bootstrap) may ask of the stored
objects.

The generic REST layer implements it; everything here goes through the same strategies, validation and store
as a request does.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from api.resource import Obj, Resource
from apiserver.http.message import APISERVER, User

R = TypeVar("R")


class Registry(Protocol):
    """Objects are decoded copies the caller may keep but not change, with `metadata.resourceVersion` set.

    Errors are those of `api.errors`.
    """

    def cached(self, resource: Resource[Any], namespace: str, name: str) -> Obj | None:
        """Return the object from the watch cache (may lag by milliseconds), None if it is not there."""

    def cached_labels(self, resource: Resource[Any], namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the labels of the object from the watch cache, undecoded; None if it is not there."""

    def cached_list(self, resource: Resource[Any], namespace: str = "") -> Iterable[Obj]:
        """Return the objects of a namespace (all namespaces: "") from the watch cache."""

    def cached_by_field(
        self, resource: Resource[Any], field: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        """Return the objects whose selectable field (`spec.nodeName` of pods) has this value: by index if
        there is."""

    def cached_by_label(
        self, resource: Resource[Any], label: str, value: str, namespace: str = ""
    ) -> Iterable[Obj]:
        """Return the objects whose label has this value, by index."""

    def cached_revision(self, resource: Resource[Any]) -> int:
        """Return a number that grows whenever `cached_list(resource)` may answer differently: for derived
        tables.
        """

    async def get(self, resource: Resource[Any], namespace: str, name: str) -> Obj:
        """Return the object, linearizably. Raises `NotFound`."""

    async def create(self, resource: Resource[Any], namespace: str, obj: Obj, user: User = APISERVER) -> Obj:
        """Create the object with defaults, admission and validation. Raises `AlreadyExists`, `Invalid`,
        ...
        """

    async def update(
        self,
        resource: Resource[Any],
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj],
        subresource: str = "",
        user: User = APISERVER,
    ) -> Obj:
        """Apply `change` to the present object and store the result, again and again until no other write
        comes between.

        `change` must return a new object (or the same one for "nothing to do") and may raise an API error.
        """

    async def delete(
        self, resource: Resource[Any], namespace: str, name: str, options: Obj, user: User = APISERVER
    ) -> Obj:
        """Delete as a DELETE request with these DeleteOptions does; return what the request would answer."""
