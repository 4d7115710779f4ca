"""Lists that are sets or maps: no element, or no key, may come twice.

Called by `api.crd.structural`. Source: apiextensions-apiserver pkg/apiserver/schema/listtype (1.36).
"""

from typing import Any

import orjson

from api.crd.schema import LIST_KEYS, LIST_TYPE, Visit, sparse
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
        case "map":
            return _checking_map(tuple(schema.get(LIST_KEYS) or ()))
    return None


def _check_set(value: Any, path: Path, errors: list[FieldError]) -> None:
    if value.__class__ is list and len(value) > 1:
        errors += [duplicate(path.index(number), value[number]) for number in _repeated(value)]


def _checking_map(keys: tuple[str, ...]) -> Visit:
    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if value.__class__ is not list:
            return
        for number, item in enumerate(value):
            if item is not None and item.__class__ is not dict:
                text = "must be an object for an array of list-type map"
                errors.append(invalid(path.index(number), item, text))
                return
        if len(value) > 1:
            chosen = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
            errors += [duplicate(path.index(number), chosen[number]) for number in _repeated(chosen)]

    return check


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
