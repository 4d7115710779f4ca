"""Owner references: who owns an object, and who controls it.

Called by the controllers, the garbage collector and the scheduler.
Source: k8s.io/apimachinery/pkg/apis/meta/v1 controller_ref.go (1.36).
"""

from collections.abc import Mapping
from typing import Any

from api.resource import Resource
from api.types.meta_v1 import OwnerReference


def controller_of(obj: Mapping[str, Any]) -> OwnerReference | None:
    """Return the one owner reference that says `controller: true`, if there is one."""
    references: list[OwnerReference] = obj["metadata"].get("ownerReferences") or []
    for reference in references:
        if reference.get("controller"):
            return reference
    return None


def new_controller_ref(owner: Mapping[str, Any], resource: Resource[Any]) -> OwnerReference:
    """Return the reference that an object made by `owner`'s controller carries."""
    return {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Tell whether `owner` (by uid) is the controller of `obj`."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == owner["metadata"]["uid"]
