"""Strategic merge patch: a merge patch that knows which lists are keyed, and takes directives.

    $patch: replace | delete | merge      in a map or an element of a keyed list
    $retainKeys: [names]                  other members of the map go away
    $deleteFromPrimitiveList/NAME: [...]  values to take out of the list NAME
    $setElementOrder/NAME: [...]          the order of the list NAME afterwards

Elements that only the patch has come before those that only the server has, unless both have a place in the
server's list. Called by the API server's PATCH, by `kubectl`-like apply, and by rollback.
Source: k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (1.36).
"""

from collections.abc import Callable, Sequence
from typing import Any

from api import errors
from api.resource import Obj
from api.schemas import Schema, definition, resolve

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"

_BAD_PRIMITIVE = "invalid patch format of primitive list"
_BAD_ORDER = "invalid patch format of setElementOrder list"
_BAD_RETAIN = "invalid patch format of retainKeys"


def apply_strategic(obj: Obj, patch: Obj, kind: str) -> Obj:
    """Return the object with the patch merged in by the schema named `kind` (`io.k8s.api.core.v1.Pod`).

    Neither argument changes; branches that do not change are shared. Raises BadRequest for a malformed patch.
    """
    return _merge_map(obj, patch, definition(kind))


def _merge_map(old: Obj, patch: Obj, schema: Schema) -> Obj:
    if _PATCH in patch:
        return _whole_map(patch)
    result = dict(old)
    patch = dict(patch)
    if _RETAIN in patch:
        result = _retain(result, patch)
    _apply_orders(result, patch, schema)
    for name, value in patch.items():
        deletes = name.startswith(_DELETE_FROM)
        key = _named(name, _DELETE_FROM, _BAD_PRIMITIVE) if deletes else name
        if value is None:
            result.pop(key, None)
        elif key not in result:
            if not deletes:
                result[key] = _clean(value)
        else:
            result[key] = _merge_value(result[key], value, schema, key, deletes)
    return result


def _merge_value(old: Any, value: Any, schema: Schema, key: str, deletes: bool) -> Any:
    """Merge two values of a field: maps and lists of one kind by their strategy, all else by replacing."""
    if isinstance(old, dict) and isinstance(value, dict):
        field = _field(schema, key)
        if "replace" in _strategies(field):
            return value
        return _merge_map(old, value, resolve(field))
    if isinstance(old, list) and isinstance(value, list):
        field = _field(schema, key)
        if "merge" in _strategies(field):
            return _merge_list(old, value, field, deletes)
    return value


def _field(schema: Schema, key: str) -> Schema:
    properties = schema.get("properties")
    if properties is not None:
        found: Schema = properties.get(key, {})
        return found
    extra = schema.get("additionalProperties")
    return extra if isinstance(extra, dict) else {}


def _strategies(field: Schema) -> list[str]:
    return str(field.get("x-kubernetes-patch-strategy", "")).split(",")


def _whole_map(patch: Obj) -> Obj:
    """Return what a map with a `$patch` directive of its own leaves."""
    match patch[_PATCH]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
    raise errors.BadRequest(f"unknown patch type: {patch[_PATCH]} in map: {_go(patch)}")


def _retain(result: Obj, patch: Obj) -> Obj:
    names = patch.pop(_RETAIN)
    if not isinstance(names, list):
        raise errors.BadRequest(_BAD_RETAIN)
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_FROM, _ORDER)) and key not in names:
            raise errors.BadRequest(_BAD_RETAIN)
    return {key: value for key, value in result.items() if key in names}


def _apply_orders(result: Obj, patch: Obj, schema: Schema) -> None:
    """Merge the lists for which the patch gives an order, and take them out of the patch. Changes both."""
    for name in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(name)
        key = _named(name, _ORDER, _BAD_ORDER)
        old, new = result.get(key), patch.pop(key, None)
        if not isinstance(order, list) or not all(isinstance(item, list | None) for item in (old, new)):
            raise errors.BadRequest(_BAD_ORDER)
        if old is None and new is None:
            continue
        field = _field(schema, key)
        merge_key = field.get("x-kubernetes-patch-merge-key", "")
        _check_order(new or [], order, merge_key)
        if old is not None and new is not None:
            merged = _merge_list(old, new, field, False) if "merge" in _strategies(field) else new
        else:
            merged = old if new is None else [_clean(item) for item in new]
        result[key] = _in_order(merged or [], order, old or [], merge_key)


def _named(name: str, directive: str, complaint: str) -> str:
    prefix, slash, key = name.partition("/")
    if not slash or prefix != directive:
        raise errors.BadRequest(complaint)
    return key


def _check_order(new: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's own elements must stand in the order list, in the same order."""
    wanted = iter(_identities(order, merge_key))
    for item in new:
        if isinstance(item, dict) and _PATCH in item:
            continue
        identity = _identity(item, merge_key)
        if not any(identity == candidate for candidate in wanted):
            raise errors.BadRequest(
                f"The order in patch list:\n{_go(new)}\n doesn't match {_ORDER} list:\n{_go(order)}\n"
            )


def _merge_list(old: list[Any], patch: list[Any], field: Schema, deletes: bool) -> list[Any]:
    """Merge two lists whose strategy is `merge`."""
    if not old and not patch:
        return old
    if not any(isinstance(item, dict) for item in (*old, *patch)):
        if deletes:
            return [item for item in old if item not in patch]
        return _in_order(list(dict.fromkeys((*old, *patch))), patch, old, "")
    merge_key = field.get("x-kubernetes-patch-merge-key", "")
    if not merge_key:
        raise errors.BadRequest("cannot merge lists without merge key for type map")
    old, patch = _apply_special(old, patch, merge_key)
    merged = _merge_elements(old, patch, merge_key, resolve(field["items"]))
    return _in_order(merged, patch, old, merge_key)


def _apply_special(old: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Obey elements that are directives; return the server's list and the patch without them."""
    plain, replace = [], False
    for item in patch:
        if not isinstance(item, dict):
            raise errors.BadRequest("lists of lists are not supported")
        match item.get(_PATCH):
            case None:
                plain.append(item)
            case "delete":
                gone = _identity(item, merge_key)
                old = [other for other in old if _identity(other, merge_key) != gone]
            case "replace":
                replace = True
            case "merge":
                raise errors.BadRequest("merging lists cannot yet be specified in the patch")
            case other:
                raise errors.BadRequest(f"unknown patch type: {other} in map: {_go(item)}")
    return (plain, []) if replace else (old, plain)


def _merge_elements(old: list[Any], patch: list[Any], merge_key: str, schema: Schema) -> list[Any]:
    """Merge elements with the same key; others go to the end."""
    merged = list(old)
    places = {identity: place for place, identity in reversed(list(enumerate(_identities(old, merge_key))))}
    for item in patch:
        identity = _identity(item, merge_key)
        if identity in places:
            merged[places[identity]] = _merge_map(merged[places[identity]], item, schema)
        else:
            places[identity] = len(merged)
            merged.append(_clean(item))
    return merged


def _identity(item: Any, merge_key: str) -> Any:
    """Return what tells elements of a list apart: the merge key's value, or the scalar itself."""
    if not merge_key:
        return _hashable(item)
    if not isinstance(item, dict) or merge_key not in item:
        raise errors.BadRequest(f"map: {_go(item)} does not contain declared merge key: {merge_key}")
    return _hashable(item[merge_key])


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, dict | list) else value


def _identities(items: Sequence[Any], merge_key: str) -> list[Any]:
    return [_identity(item, merge_key) for item in items]


def _in_order(merged: list[Any], order: list[Any], server: list[Any], merge_key: str) -> list[Any]:
    """Put elements named by `order` in that order, keep the others as on the server, interleave both.

    Where both have a place in the server's list, that place decides; else the patch's element goes first.
    """
    wanted = {identity: place for place, identity in reversed(list(enumerate(_identities(order, merge_key))))}
    places = {
        identity: place for place, identity in reversed(list(enumerate(_identities(server, merge_key))))
    }
    ours: list[Any] = []
    theirs: list[Any] = []
    for item in merged:
        (ours if _identity(item, merge_key) in wanted else theirs).append(item)
    ours.sort(key=_place(wanted, merge_key))
    theirs.sort(key=_place(places, merge_key))
    result: list[Any] = []
    i = j = 0
    while i < len(theirs) and j < len(ours):
        left = places.get(_identity(theirs[i], merge_key))
        right = places.get(_identity(ours[j], merge_key))
        if left is not None and right is not None and left < right:
            result.append(theirs[i])
            i += 1
        else:
            result.append(ours[j])
            j += 1
    return [*result, *theirs[i:], *ours[j:]]


def _place(places: dict[Any, int], merge_key: str) -> Callable[[Any], int]:
    return lambda item: places.get(_identity(item, merge_key), len(places))


def _clean(value: Any) -> Any:
    """Return a value of the patch that meets nothing on the server, without nulls and directives."""
    if isinstance(value, dict):
        if value.get(_PATCH) == "delete":
            return {}
        return {
            key: _clean(item) for key, item in value.items() if item is not None and not _is_directive(key)
        }
    if isinstance(value, list):
        return [
            _clean(item) for item in value if not (isinstance(item, dict) and item.get(_PATCH) == "delete")
        ]
    return value


def _is_directive(key: str) -> bool:
    return key in (_PATCH, _RETAIN) or key.startswith((_DELETE_FROM, _ORDER))


def _go(value: Any) -> str:
    """Return a value as Go's %v prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_go(item) for item in value) + "]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
