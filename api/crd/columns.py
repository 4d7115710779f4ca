"""The table of a custom resource: its name, and the columns that its version declares (else its age).

Called by the API server's custom resources. Source: apiextensions-apiserver
pkg/registry/customresource/tableconvertor (1.36).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from api.codec.columns.layout import UNKNOWN, Layout, human_duration
from api.crd.jsonpath import Values, compile_path
from api.field import go_float
from api.resource import Obj
from api.times import parse_time

Cell: TypeAlias = Callable[[Any, datetime], Any]

_NAME: Obj = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name of the object, unique among the objects of its kind and namespace.",
    "priority": 0,
}
_AGE: Obj = {
    "name": "Age",
    "type": "date",
    "description": "Time since the creation of the object.",
    "jsonPath": ".metadata.creationTimestamp",
}


def columns_of(version: Obj) -> Layout:
    """Return the columns of an element of `spec.versions`. A path that cannot be read ends the list."""
    definitions, finders = [_NAME], []
    for column in version.get("additionalPrinterColumns") or (_AGE,):
        try:
            find = compile_path(column["jsonPath"])
        except ValueError:
            break
        definitions.append(_definition(column))
        finders.append((find, _CELLS.get(column["type"], _nothing)))
    return Layout(tuple(definitions), _row(finders))


def _definition(column: Obj) -> Obj:
    described = column.get("description")
    path = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format", ""),
        "description": described or path,
        "priority": column.get("priority", 0),
    }


def _row(finders: list[tuple[Callable[[Obj], Values], Cell]]) -> Callable[[Obj, datetime], list[Any]]:
    def cells(obj: Obj, now: datetime) -> list[Any]:
        made: list[Any] = [obj["metadata"].get("name", "")]
        for find, cell in finders:
            found = find(obj)
            made.append(cell(found[0], now) if found and found[0] is not None else None)
        return made

    return cells


def _text(value: Any, now: datetime) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return go_float(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _integer(value: Any, now: datetime) -> int | None:
    return int(value) if value.__class__ in (int, float) else None


def _number(value: Any, now: datetime) -> float | None:
    return value if value.__class__ in (int, float) else None


def _boolean(value: Any, now: datetime) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any, now: datetime) -> str | None:
    if not isinstance(value, str):
        return None
    if not value:
        return UNKNOWN
    try:
        return human_duration(now - parse_time(value))
    except ValueError:
        return "<invalid>"


def _nothing(value: Any, now: datetime) -> None:
    return None


_CELLS: dict[str, Cell] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
}
