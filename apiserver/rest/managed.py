"""managedFields of writes: who owns which field. Called by create, update and patch before the object is
stored."""

from collections import OrderedDict
from functools import cache
from typing import Any

import orjson

from api.patch import fieldset
from api.patch.apply import UPDATE, Writer, manage_update
from api.patch.fieldset import FieldSet
from api.patch.shape import Shape, shape_of_kind
from api.resource import Obj, Resource
from api.schemas import schema_name
from apiserver.customresources.resource import CustomResource
from apiserver.rest.hub import Hub, Operation
from kit.apart import HEAVY_BYTES

# What `/status` does not write, though the client sends it. Spec: GetResetFields of the strategies (1.36).
_NOT_STATUS = fieldset.of(
    ("spec",), ("metadata", "deletionTimestamp"), ("metadata", "ownerReferences"), ("metadata", "finalizers")
)
# Of metadata: what every object has and nobody manages.
_UNMANAGED = frozenset(("name", "namespace", "uid", "creationTimestamp", "generation"))
_NOT_MAIN = fieldset.of(("status",))


def shape_of(resource: Resource[Any]) -> Shape:
    """Return how objects of a resource merge."""
    return resource.structural.shape if isinstance(resource, CustomResource) else _built_in(resource)


@cache
def _built_in(resource: Resource[Any]) -> Shape:
    return shape_of_kind(schema_name(resource))


def writer_of(hub: Hub, resource: Resource[Any], operation: Operation, subresource: str, obj: Obj) -> Writer:
    """Return who writes `obj`, through which endpoint."""
    return Writer(
        operation.field_manager or "unknown",
        resource.group_version,
        hub.now(),
        subresource,
        _ignored(resource, subresource, obj),
    )


def _ignored(resource: Resource[Any], subresource: str, obj: Obj) -> FieldSet | None:
    if subresource == "status":
        if isinstance(resource, CustomResource):
            return fieldset.of(*((name,) for name in obj if name != "status"))
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
    writer = writer_of(hub, resource, operation, subresource, new)
    if old is None and "managedFields" not in new["metadata"]:
        return _stamped_new(resource, new, writer)
    return manage_update(old, new, shape_of(resource), writer)


# Which fields new objects have, by their content: the replicas of one template are worked out once.
_REMEMBERED = 512
_fields_of: OrderedDict[tuple[Resource[Any], bytes], Any] = OrderedDict()


def _stamped_new(resource: Resource[Any], new: Obj, writer: Writer) -> Obj:
    metadata = {key: value for key, value in new["metadata"].items() if key not in _UNMANAGED}
    key = (resource, orjson.dumps({**new, "metadata": metadata}))
    if len(key[1]) >= HEAVY_BYTES:
        # Too large to remember.
        return manage_update(None, new, shape_of(resource), writer)
    # Threads come here too (`kit.apart`): each step is one that nothing comes between.
    fields = _fields_of.pop(key, None)
    if fields is None:
        made = manage_update(None, new, shape_of(resource), writer)
        entries = made["metadata"].get("managedFields") or []
        if len(entries) == 1:
            _fields_of[key] = entries[0]["fieldsV1"]
            if len(_fields_of) > _REMEMBERED:
                _fields_of.popitem(last=False)
        return made
    _fields_of[key] = fields
    entries = [writer.entry(UPDATE, fields)]
    return {**new, "metadata": {**new["metadata"], "managedFields": entries}}
