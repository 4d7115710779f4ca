"""How defaults are said: as tables that become one function per shape.

    probe = defaulting(empty={"timeoutSeconds": 1}, nested={"httpGet": http_get})

`absent` fills a field that is not there; `empty` also replaces Go's zero value ("" or 0), as upstream does
for fields that are not pointers; `nested` descends; `rule` computes what depends on several fields. The
result is the same object if nothing was missing, otherwise a new one that shares every unchanged branch.
Nulls are gone before (`api.structure`). Called by the `defaults` of every kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.resource import Obj

Default: TypeAlias = Callable[[Any], Any]
Rule: TypeAlias = Callable[[Obj], Obj]


@dataclass(frozen=True)
class struct:
    """Marks a nested field that is a struct in Go: it is filled even when the user left it out."""

    function: Default


def defaulting(
    absent: Mapping[str, Any] | None = None,
    empty: Mapping[str, Any] | None = None,
    nested: Mapping[str, "Default | struct"] | None = None,
    rule: Rule | None = None,
) -> Callable[[Obj], Obj]:
    """Return a function that fills an object; `rule` sees what the tables made and returns changed fields."""
    absences, empties = tuple((absent or {}).items()), tuple((empty or {}).items())
    children = tuple(_child(name, child) for name, child in (nested or {}).items())

    def fill(obj: Obj) -> Obj:
        new: Obj = {}
        for name, value in absences:
            if name not in obj:
                new[name] = fresh(value)
        for name, value in empties:
            if not obj.get(name):
                new[name] = fresh(value)
        for name, function, always in children:
            child = obj.get(name)
            if child is not None:
                made = function(child)
                if made is not child:
                    new[name] = made
            elif always and (made := function({})):
                new[name] = made
        filled = {**obj, **new} if new else obj
        if rule is None:
            return filled
        changes = rule(filled)
        return {**filled, **changes} if changes else filled

    return fill


def _child(name: str, child: "Default | struct") -> tuple[str, Default, bool]:
    return (name, child.function, True) if isinstance(child, struct) else (name, child, False)


def each(function: Default) -> Default:
    """Return a function that fills the members of a list, which stays the same if none changes."""

    def fill(items: list[Any]) -> list[Any]:
        made = [function(item) for item in items]
        for new, old in zip(made, items, strict=True):
            if new is not old:
                return made
        return items

    return fill


def fresh(value: Any) -> Any:
    """Return a default that the new object may own: containers are copied."""
    if isinstance(value, dict):
        return {key: fresh(child) for key, child in value.items()}
    return list(value) if isinstance(value, list) else value


def unchanged(obj: Obj) -> Obj:
    """The defaults of a kind that has none."""
    return obj
