"""Merge patch, RFC 7386: members replace, null removes, lists are values.

Called by the API server's PATCH and by clients that write a difference.
"""

from typing import Any

from api.codec import shapes
from api.resource import Obj


def apply_merge(obj: Obj, patch: Obj) -> Obj:
    """Return the object with the patch merged in. Branches that do not change are shared with the old one."""
    result = dict(obj)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = apply_merge(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result


def create_merge(old: Obj, new: Obj) -> Obj:
    """Return the patch that makes `new` of `old`; {} if they are equal.

    A null in `new` cannot be said by a merge patch: it comes out as an absent member.
    """
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            if difference := create_merge(old[key], value):
                patch[key] = difference
        elif not shapes.equal(old[key], value):
            patch[key] = value
    return patch
