"""What names a kind of object, and an object: `Resource` tokens and `Key`.

Tokens are generated beside the shapes (`api/types/<group>_<version>.py`: `PODS: Resource[Pod]`), listed in
`api/catalog.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

# An object is its JSON. Generated TypedDicts are the typed view of the same dicts.
Obj: TypeAlias = dict[str, Any]

# Covariance does not matter to a token that only carries the type of what its resource holds.
T = TypeVar("T", bound=Mapping[str, Any])


class Key(NamedTuple):
    """Names one object of a resource; `namespace` is "" for cluster-scoped ones."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, eq=False)
class Resource(Generic[T]):
    """One resource of the API: where it is served and under which names. Compared by identity."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    # Verbs in discovery; create-only resources (reviews, bindings) have ("create",).
    verbs: tuple[str, ...] = (
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    )
    list_kind: str = field(default="")

    @property
    def group_version(self) -> str:
        """`v1` or `apps/v1`: the object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """`pods` or `deployments.apps`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, the object or its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts = [root, scope, "/", self.plural]
        if name:
            parts += ["/", name]
        if subresource:
            parts += ["/", subresource]
        return "".join(parts)


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return the key of an object that has a name."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])
