"""What a controller decides: a `Plan`, a list of changes as plain values. Pure; performed by `apply.py`.

    Plan((Create(PODS, pod, namespace, about=rs), SetStatus(REPLICASETS, rs, status)), requeue_after=5.0)

Changes are performed in order; neighbours of one type together: creates in a slow start (1, 2, 4, ... at a
time, ended by the first failure), all others at once. After a failure the later types are tried all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from api.resource import Key, Obj, Resource, key_of

Patching: TypeAlias = Literal["merge", "strategic", "json"]


@dataclass(frozen=True)
class Create:
    """Create `obj` (with `name` or `generateName`). Events are recorded for `about`."""

    resource: Resource[Any]
    obj: Obj
    namespace: str = ""
    about: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Apply:
    """Server-side apply `obj`, taking over its fields."""

    resource: Resource[Any]
    obj: Obj
    namespace: str = ""


@dataclass(frozen=True)
class Update:
    """Replace the whole object; the `resourceVersion` in it must still be the current one."""

    resource: Resource[Any]
    obj: Mapping[str, Any]


@dataclass(frozen=True)
class Patch:
    """Patch an object. `uid` and `resource_version`, where given, must still be its own."""

    resource: Resource[Any]
    key: Key
    body: Any
    kind: Patching = "merge"
    subresource: str = ""
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True)
class Delete:
    """Delete an object, if `uid` (and `resource_version`, if given) are its own. Events as for `Create`."""

    resource: Resource[Any]
    key: Key
    uid: str
    resource_version: str = ""
    grace_period_s: int | None = None
    propagation: str = ""
    about: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SetStatus:
    """Replace the status of `obj` as it was read: the write fails if the object has changed since."""

    resource: Resource[Any]
    obj: Mapping[str, Any]
    status: Obj


@dataclass(frozen=True)
class Record:
    """Tell users something about `obj`."""

    obj: Mapping[str, Any]
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Change: TypeAlias = Create | Apply | Update | Patch | Delete | SetStatus | Record


@dataclass(frozen=True)
class Plan:
    """All that is to be done now. `requeue_after` (seconds) asks to be called again at the latest then."""

    changes: tuple[Change, ...] = ()
    requeue_after: float | None = None


NOTHING = Plan()


@dataclass(frozen=True)
class Failure:
    """Why the last plan of this key was not carried out: `action` is Create, Delete, ..."""

    action: str
    message: str


class Terminal(Exception):
    """Raised by a controller: nothing can be done until the object changes."""


def delete(
    resource: Resource[Any],
    obj: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
    guarded: bool = False,
) -> Delete:
    """Return the deletion of `obj`; `guarded` makes it fail if the object has changed since it was read."""
    metadata = obj["metadata"]
    version = metadata["resourceVersion"] if guarded else ""
    return Delete(resource, key_of(obj), metadata.get("uid", ""), version, about=about)


def patch(
    resource: Resource[Any],
    obj: Mapping[str, Any],
    body: Obj,
    *,
    kind: Patching = "merge",
    subresource: str = "",
    guarded: bool = True,
) -> Patch:
    """Return a patch of `obj`; `guarded` makes it fail if the object has changed since it was read."""
    metadata = obj["metadata"]
    version = metadata.get("resourceVersion", "") if guarded else ""
    return Patch(resource, key_of(obj), body, kind, subresource, metadata.get("uid", ""), version)
