"""Lists that are sets or maps: no element, or no key, may come twice.

Called by `api.crd.structural`. Source: apiextensions-apiserver pkg/apiserver/schema/listtype (1.36).
"""

from operator import itemgetter
from typing import Any

import orjson

from api.crd.schema import LIST_KEYS, LIST_TYPE, Trail, Visit, path_of, sparse
from api.field import FieldError, Path, duplicate, invalid
from api.schemas import Schema

_SORTED = orjson.OPT_SORT_KEYS


def compile_lists(schema: Schema) -> Visit | None:
    """Return what checks the sets and maps of an object; None if the schema has none."""
    return sparse(schema, _local)


def _local(schema: Schema) -> Visit | None:
    match schema.get(LIST_TYPE):
        case "set":
            return _check_set
        case "map" if schema.get(LIST_KEYS):
            return _checking_map(tuple(schema[LIST_KEYS]))
    return None


def _check_set(value: Any, trail: Trail, errors: list[FieldError]) -> None:
    if value.__class__ is not list or _are_different(value):
        return
    path = path_of(trail)
    errors += [duplicate(path.index(number), value[number]) for number in _repeated(value)]


def _checking_map(keys: tuple[str, ...]) -> Visit:
    read = itemgetter(*keys)

    def check(value: Any, trail: Trail, errors: list[FieldError]) -> None:
        if value.__class__ is not list:
            return
        try:
            # Most lists have all keys, and no two alike.
            if _are_different([read(item) for item in value]):
                return
        except (KeyError, TypeError):
            pass
        errors += _map_errors(value, keys, path_of(trail))

    return check


def _are_different(values: list[Any]) -> bool:
    """Tell whether values are surely different; a "no" may be wrong."""
    try:
        return len(set(values)) == len(values)
    except TypeError:
        return False


def _map_errors(value: list[Any], keys: tuple[str, ...], path: Path) -> list[FieldError]:
    for number, item in enumerate(value):
        if item is not None and item.__class__ is not dict:
            text = "must be an object for an array of list-type map"
            return [invalid(path.index(number), item, text)]
    chosen = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
    return [duplicate(path.index(number), chosen[number]) for number in _repeated(chosen)]


def _repeated(values: list[Any]) -> list[int]:
    """Return the places at which values stand for the second time."""
    seen: dict[bytes, int] = {}
    found = []
    for number, value in enumerate(values):
        text = orjson.dumps(value, option=_SORTED)
        times = seen[text] = seen.get(text, 0) + 1
        if times == 2:
            found.append(number)
    return found
