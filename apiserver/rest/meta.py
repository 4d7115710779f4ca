"""The system's part of `metadata`: what clients may not choose. Pure.

Source: k8s.io/apiserver/pkg/registry/rest FillObjectMetaSystemFields, BeforeCreate, BeforeUpdate (1.36).
"""

from datetime import datetime, timedelta
from typing import Any

from api import errors, field
from api.errors import BadRequest, Invalid
from api.resource import Obj, Resource
from api.times import format_time, parse_time

# A generated name keeps this much of `generateName`.
MOST_GENERATED_BASE = 58

# Some 300 years: a longer grace counts in full, but its end is told as this far away.
MOST_GRACE_S = 10**10

_SERVER_SET = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_FIRST = ("name", "generateName", "namespace", "uid", "generation", "creationTimestamp")
_KEPT = (*_FIRST, "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion")


def for_create(
    resource: Resource[Any], obj: Obj, namespace: str, now: datetime, uid: str, suffix: str
) -> Obj:
    """Return the object with the metadata of a new one. Raises `BadRequest` when the namespace is another
    one's."""
    given = _metadata(obj)
    check_namespace(resource, given, namespace)
    kept = {
        key: value
        for key, value in given.items()
        if value is not None and key not in _SERVER_SET and key not in ("resourceVersion", "generation")
    }
    name = kept.get("name", "")
    if not name and kept.get("generateName"):
        name = str(kept["generateName"])[:MOST_GENERATED_BASE] + suffix
    metadata: dict[str, Any] = {"name": name}
    if kept.get("generateName"):
        metadata["generateName"] = kept["generateName"]
    if resource.namespaced:
        metadata["namespace"] = namespace
    metadata["uid"] = uid
    metadata["creationTimestamp"] = format_time(now)
    metadata.update((key, value) for key, value in kept.items() if key not in _FIRST and value != {})
    return {**obj, "metadata": metadata}


def kept_new(resource: Resource[Any], mutated: Obj, made: Obj) -> Obj:
    """Return what admission made of a new object, with what only the server sets as it was.

    Raises `BadRequest` when the namespace is another one's.
    """
    before = made["metadata"]
    check_namespace(resource, _metadata(mutated), before.get("namespace", ""))
    metadata = {"name": before["name"], **_metadata(mutated)}
    for name in ("namespace", "uid", "creationTimestamp"):
        if name in before:
            metadata[name] = before[name]
    return {**mutated, "metadata": metadata}


def for_update(resource: Resource[Any], new: Obj, old: Obj) -> Obj:
    """Return the new object with the metadata that an update cannot change taken from the old one.

    Raises `Conflict` when the uid is another one's.
    """
    given, before = _metadata(new), old["metadata"]
    if given.get("uid") and given["uid"] != before["uid"]:
        raise errors.conflict(
            resource,
            before["name"],
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {before['uid']}",
        )
    metadata = {key: before[key] for key in _KEPT if key in before}
    metadata.update(
        (key, value) for key, value in given.items() if key not in _KEPT and value is not None and value != {}
    )
    return {**new, "metadata": metadata}


def check_namespace(resource: Resource[Any], metadata: dict[str, Any], namespace: str) -> None:
    """Raise `BadRequest` unless the object's namespace is empty or the request's."""
    given = metadata.get("namespace") or ""
    if given and given != (namespace if resource.namespaced else ""):
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def check_version(resource: Resource[Any], new: Obj, old: Obj, unconditional: bool) -> None:
    """Raise `Conflict` for an update of an older version, `Invalid` for one that must say its version."""
    asked = _metadata(new).get("resourceVersion") or ""
    if asked in ("", "0"):
        if not unconditional:
            # Go prints an unsigned zero so.
            text = f"{field.INVALID}: 0x0: must be specified for an update"
            fault = field.FieldError(field.INVALID, "metadata.resourceVersion", text)
            raise errors.invalid(resource.group, resource.kind, old["metadata"]["name"], [fault])
        return
    if asked != old["metadata"]["resourceVersion"]:
        raise errors.stale(resource, old["metadata"]["name"])


def bumped(obj: Obj) -> Obj:
    """Return the object with the next generation, if it counts them."""
    generation = obj["metadata"].get("generation", 0)
    return with_metadata(obj, generation=generation + 1) if generation else obj


def with_metadata(obj: Obj, **changes: Any) -> Obj:
    """Return the object with metadata members set; None removes one."""
    metadata = {**obj["metadata"], **changes}
    return {**obj, "metadata": {key: value for key, value in metadata.items() if value is not None}}


def marked_deleted(obj: Obj, now: datetime, grace_s: int) -> Obj:
    """Return the object with `deletionTimestamp` at the end of its grace, and the next generation if it is
    new."""
    first = "deletionTimestamp" not in obj["metadata"]
    moment = format_time(now + _span(grace_s))
    marked = with_metadata(obj, deletionTimestamp=moment, deletionGracePeriodSeconds=grace_s)
    return bumped(marked) if first else marked


def shortened(obj: Obj, grace_s: int) -> Obj:
    """Return an object that is being deleted with a shorter grace."""
    metadata = obj["metadata"]
    began = parse_time(metadata["deletionTimestamp"]) - _span(metadata["deletionGracePeriodSeconds"])
    moment = format_time(began + _span(grace_s))
    return with_metadata(obj, deletionTimestamp=moment, deletionGracePeriodSeconds=grace_s)


def _span(grace_s: int) -> timedelta:
    """Return a grace as a duration after which there is still a date."""
    return timedelta(seconds=min(grace_s, MOST_GRACE_S))


def is_deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def name_required(resource: Resource[Any]) -> Invalid:
    """The error for an object without a name."""
    fault = field.required(field.Path("metadata").child("name"), "name or generateName is required")
    return errors.invalid(resource.group, resource.kind, "", [fault])


def _metadata(obj: Obj) -> dict[str, Any]:
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
