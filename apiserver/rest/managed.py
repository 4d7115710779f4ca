"""managedFields of writes: who owns which field. Called by create, update and patch before the object is
stored."""

from functools import cache
from typing import Any

from api.patch import fieldset
from api.patch.apply import Writer, manage_update
from api.patch.fieldset import FieldSet
from api.patch.shape import Shape, shape_of_custom, shape_of_kind
from api.resource import Obj, Resource
from api.schemas import schema_name
from apiserver.rest.hub import Hub, Operation

# What `/status` does not write, though the client sends it. Spec: GetResetFields of the strategies (1.36).
_NOT_STATUS = fieldset.of(
    ("spec",), ("metadata", "deletionTimestamp"), ("metadata", "ownerReferences"), ("metadata", "finalizers")
)
_NOT_MAIN = fieldset.of(("status",))


@cache
def shape_of(resource: Resource[Any]) -> Shape:
    """Return how objects of a resource merge."""
    name = schema_name(resource)
    return shape_of_kind(name) if name else shape_of_custom(None)


def writer_of(hub: Hub, resource: Resource[Any], operation: Operation, subresource: str = "") -> Writer:
    """Return who writes through which endpoint."""
    return Writer(
        operation.field_manager or "unknown",
        resource.group_version,
        hub.now(),
        subresource,
        _ignored(resource, subresource),
    )


def _ignored(resource: Resource[Any], subresource: str) -> FieldSet | None:
    if subresource == "status":
        return _NOT_STATUS
    return _NOT_MAIN if "status" in resource.subresources and not subresource else None


def stamped(
    hub: Hub,
    resource: Resource[Any],
    new: Obj,
    old: Obj | None,
    operation: Operation,
    subresource: str = "",
) -> Obj:
    """Return the object with managedFields that tell this write."""
    writer = writer_of(hub, resource, operation, subresource)
    return manage_update(old, new, shape_of(resource), writer)
