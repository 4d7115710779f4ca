"""How one kind behaves under REST: the hooks that the generic verbs call, with what most kinds want as
defaults.

Kinds that differ have a subclass in `apiserver/resources/<group>/<kind>.py`, listed in
`apiserver/resources/catalog.py`.
Hooks are pure: they return new objects and change none. What needs the outside (allocators) is a `Guard`.

    create:  body -> defaults -> admission -> prepare_for_create -> validate -> admission -> store
    update:  body + present object -> defaults -> admission -> prepare_for_update -> validate_update ->
    admission -> store
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from api.codec.typed import Conformed
from api.field import FieldError
from api.kinds import KindRules
from api.resource import Obj, Resource
from apiserver.http.message import User

# (namespace, name) -> another object of the resource, None if it is not there.
Find = Callable[[str, str], Obj | None]

# `spec.finalizers`-like waiting is a matter of the kind; these two are the garbage collector's.
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True)
class Deletion:
    """DeleteOptions as the verbs understand them. `grace_s` None: the kind decides."""

    grace_s: int | None = None
    propagation: str = ""
    orphan_dependents: bool | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


class Guard(Protocol):
    """Something reserved for a write (an address, a port) that is given back when the write does not
    happen."""

    def release(self) -> None: ...


class Strategy:
    """The generic behaviour. One instance per resource, shared by all requests."""

    # PUT without a resourceVersion overwrites whatever is there.
    unconditional_update = True
    # PUT of a missing object creates it.
    create_on_update = False
    # `metadata.generation` counts changes of everything but metadata and status.
    counts_generation = True
    # What the garbage collector does with dependents when the client does not say: "" is background.
    default_propagation = ""
    # Parts of the object besides metadata that `/status` may write.
    status_parts: tuple[str, ...] = ("status",)
    # Members of the metadata that `/status` may write.
    status_metadata: tuple[str, ...] = ("labels", "annotations")
    # Field paths with an index in the watch cache.
    indexed_fields: tuple[str, ...] = ()
    # Field paths selectable besides metadata.name and metadata.namespace.
    selectable: tuple[str, ...] = ()
    # Such objects tell the server itself what to do: a write is answered when it is in force here.
    configures = False
    # DELETE answers with the object instead of a Status when it is gone.
    returns_deleted = False
    # A finalizer that the deletion itself adds: the server has something to do before the object may go.
    finalizer_on_delete = ""
    # A write that changes nothing is stored all the same if the object is stored in another form than now.
    migrates = False
    # How a body is brought into the form of the kind; None: as `api.structure` does for the built-in kind.
    conform: Callable[[Obj], Conformed] | None = None
    # What everybody is told who asks for such objects at all; "": nothing.
    deprecation = ""
    # How much more work a byte of such an object is than one of plain JSON (`kit.apart`).
    dearness = 1
    # (the object to be stored, the present one or {}) -> it without fields of features that are off; None: as
    # it is. See `apiserver/features.py`.
    drop: Callable[[Obj, Obj], Obj] | None = None
    # Seconds after which the store itself drops an object; 0: never.
    ttl_s = 0
    # What GET and LIST show of objects (one, or several joined by commas) if that depends on others; None:
    # what is stored. May be called in a thread.
    shown: Callable[[bytes, Find], bytes] | None = None

    def __init__(self, resource: Resource[Any], kind: KindRules) -> None:
        self.resource = resource
        self.kind = kind
        self.has_status = "status" in resource.subresources
        # Whether objects have a generation: as a rule those with a status.
        self.has_generation = self.has_status and self.counts_generation

    # What the object is about.

    def fields(self, obj: Obj) -> dict[str, str]:
        """Return the values that field selectors may ask for."""
        metadata = obj["metadata"]
        found = {
            "metadata.name": metadata.get("name", ""),
            "metadata.namespace": metadata.get("namespace", ""),
        }
        for path in self.selectable:
            found[path] = text_at(obj, path)
        return found

    def unknown_field(self, path: str) -> str:
        """Return the complaint about a field that selectors may not ask for."""
        if self.selectable:
            return f"field label not supported: {path}"
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    def knows_field(self, path: str) -> bool:
        return path in ("metadata.name", "metadata.namespace") or path in self.selectable

    # Shape.

    def defaults(self, obj: Obj) -> Obj:
        return self.kind.defaults(obj)

    # Create.

    def attributed(self, obj: Obj, user: User) -> Obj:
        """Return the new object with what the server notes of who asked for it."""
        return obj

    def check_create(self) -> None:
        """Raise the API error of a kind of which nothing may be created now."""

    def prepare_for_create(self, obj: Obj) -> Obj:
        """Return the object to validate: what clients may not set is dropped, what the server sets is set."""
        if not self.has_status or not self.drops_status_on_create:
            return obj
        # Empty or not: in Go it is a struct, which is always written. kr8s reads `status` of what it created.
        return {**obj, "status": self.kind.new_status()}

    # Most kinds forget a status sent with a create.
    drops_status_on_create = True

    def validate(self, obj: Obj) -> list[FieldError]:
        return self.kind.validate(obj)

    def warnings(self, obj: Obj) -> list[str]:
        """Return what is odd about a new object, though it is taken."""
        return []

    def update_warnings(self, new: Obj, old: Obj) -> list[str]:
        """Return what is odd about an update of the object itself."""
        return []

    # Update.

    def prepare_for_update(self, new: Obj, old: Obj) -> Obj:
        """Return the object to validate; the main resource does not write status."""
        if self.has_status:
            new = with_part(new, "status", old)
        return new

    def prepare_for_status(self, new: Obj, old: Obj) -> Obj:
        """Return what `/status` stores: the present object with the new status, labels and annotations."""
        result = dict(old)
        for part in self.status_parts:
            result = with_part(result, part, new)
        metadata = dict(old["metadata"])
        for name in (*self.status_metadata, "managedFields", "resourceVersion"):
            _carry(metadata, name, new["metadata"])
        result["metadata"] = metadata
        return result

    def prepare_for_other(self, subresource: str, new: Obj, old: Obj) -> Obj:
        """Return what an update through another subresource than status stores."""
        return self.prepare_for_update(new, old)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.kind.validate_update(new, old)

    def validate_status(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.kind.validate_status(new, old)

    def validate_other(self, subresource: str, new: Obj, old: Obj) -> list[FieldError]:
        """Check an update through another subresource than status."""
        check = self.kind.subresources.get(subresource, self.kind.validate_update)
        return check(new, old)

    def is_new_generation(self, new: Obj, old: Obj) -> bool:
        """Say whether the desired state differs: everything but metadata and status."""
        keys = (new.keys() | old.keys()) - {"metadata", "status", "kind", "apiVersion"}
        return any(new.get(key) != old.get(key) for key in keys)

    # Delete.

    def grace_s(self, obj: Obj, deletion: Deletion, now: datetime) -> int | None:
        """Return the seconds of grace of a graceful deletion; None: this kind is deleted at once."""
        return None

    def finalizers_left(self, obj: Obj) -> bool:
        """Say whether something besides the grace period still holds the object."""
        return bool(obj["metadata"].get("finalizers"))

    def prepare_for_delete(self, obj: Obj) -> Obj:
        """Return the object that is marked as being deleted (it has a deletionTimestamp)."""
        return obj

    # The outside.

    async def reserve(self, obj: Obj, old: Obj | None, dry_run: bool) -> tuple[Obj, Guard | None]:
        """Return the object with what the server hands out (addresses, ports); `old` None on create."""
        return obj, None

    def released(self, obj: Obj) -> None:
        """The object is gone from the store: give back what `reserve` handed out."""


def with_part(obj: Obj, part: str, source: Mapping[str, Any]) -> Obj:
    """Return `obj` with the member `part` as `source` has it (absent if it has none)."""
    if obj.get(part) == source.get(part) and (part in obj) == (part in source):
        return obj
    result = dict(obj)
    _carry(result, part, source)
    return result


def _carry(target: dict[str, Any], name: str, source: Mapping[str, Any]) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def text_at(obj: Mapping[str, Any], path: str) -> str:
    """Return the value at a dotted path as field selectors compare it: text, "" if absent, true or false."""
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return ""
        value = value.get(part)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# A constructor of strategies, as the catalog lists them.
StrategyType = Callable[[Resource[Any], KindRules], Strategy]
