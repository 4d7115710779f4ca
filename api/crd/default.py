"""The defaults that a schema holds, compiled to a function that looks only where there are some.

Called by `Structural.default`. Source: apiextensions-apiserver pkg/apiserver/schema/defaulting (1.36).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from api.codec.shapes import copy
from api.crd.schema import others_of
from api.schemas import Schema

# Returns the given value if nothing was missing, otherwise a new one that shares what did not change.
Fill: TypeAlias = Callable[[Any], Any]


def compile_defaults(schema: Schema) -> Fill | None:
    """Return what fills a value of the schema; None if there is no default in it."""
    if isinstance(schema.get("items"), dict):
        return _filling_list(schema["items"])
    fills = {name: fill for name, child in (schema.get("properties") or {}).items()
             if (fill := compile_defaults(child)) is not None}  # fmt: skip
    others = others_of(schema)
    fill_map = _filling_others(schema, others) if others is not None else None
    absences = tuple(_absences(schema, fills))
    if not fills and not absences:
        return fill_map
    filled = _filling_fields(absences, tuple(fills.items()))
    return filled if fill_map is None else lambda value: fill_map(filled(value))


def _absences(schema: Schema, fills: dict[str, Fill]) -> list[tuple[str, Any, bool]]:
    """Return (name, whole default, whether a null is a value) of the members that have defaults."""
    found = []
    for name, child in (schema.get("properties") or {}).items():
        default = child.get("default")
        if default is not None:
            whole = fills[name](default) if name in fills else default
            found.append((name, whole, bool(child.get("nullable"))))
    return found


def _filling_fields(absences: tuple[tuple[str, Any, bool], ...], fills: tuple[tuple[str, Fill], ...]) -> Fill:
    def fill(value: Any) -> Any:
        if value.__class__ is not dict:
            return value
        changes: dict[str, Any] = {}
        for name, default, nullable in absences:
            if name not in value or (value[name] is None and not nullable):
                changes[name] = copy(default) if default.__class__ in (dict, list) else default
        for name, inner in fills:
            if name in value and name not in changes:
                item = value[name]
                made = inner(item)
                if made is not item:
                    changes[name] = made
        return {**value, **changes} if changes else value

    return fill


def _filling_others(schema: Schema, others: Schema) -> Fill | None:
    """Return what fills the values of a map."""
    element = _element(others)
    named = frozenset(schema.get("properties") or ())
    if element is None:
        return None

    def fill(value: Any) -> Any:
        if value.__class__ is not dict:
            return value
        changes = {name: made for name, item in value.items()
                   if name not in named and (made := element(item)) is not item}  # fmt: skip
        return {**value, **changes} if changes else value

    return fill


def _filling_list(items: Schema) -> Fill | None:
    element = _element(items)
    if element is None:
        return None

    def fill(value: Any) -> Any:
        if value.__class__ is not list:
            return value
        made = [element(item) for item in value]
        same = all(new is old for new, old in zip(made, value, strict=True))
        return value if same else made

    return fill


def _element(schema: Schema) -> Fill | None:
    """Return what fills an element of a list or map: a null becomes the default, if one is declared."""
    inner, default = compile_defaults(schema), schema.get("default")
    if default is None or schema.get("nullable"):
        return inner
    whole = inner(default) if inner else default

    def fill(item: Any) -> Any:
        if item is None:
            return copy(whole)
        return inner(item) if inner else item

    return fill
