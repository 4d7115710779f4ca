"""Large schemas, cut into pieces that are compiled one by one: each of them holds up everything else.

A piece is a field's schema, with the fields that were cut out of it replaced by CUT. Only fields are cut out,
never a branch of a junctor. Called by `api.crd.fast`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.crd.schema import others_of
from api.schemas import Schema

# Stands for a field whose schema is a piece of its own.
CUT: Schema = {"$comment": "cut"}
_ITEMS, _OTHERS = 0, 1
# Names of fields, and where a step leads to all elements of a list or all values of a map.
Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Piece:
    """A schema, and how its values are reached from the object's root."""

    steps: Steps
    schema: Schema


@dataclass(frozen=True)
class Pieces:
    """Compiled validators of all pieces: of the root, and of what was cut out of it."""

    root: Any
    others: tuple[tuple[Steps, Any], ...]

    def is_valid(self, obj: Any) -> bool:
        """Tell whether all pieces find their values valid."""
        return self.root.is_valid(obj) and all(
            validator.is_valid(value) for steps, validator in self.others for value in _values(obj, steps)
        )


def _values(value: Any, steps: Steps) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, *rest = steps
    inner: list[Any] = []
    if step == _ITEMS:
        inner = value if value.__class__ is list else []
    elif value.__class__ is dict:
        inner = list(value.values()) if step == _OTHERS else [value[step]] if step in value else []
    for item in inner:
        yield from _values(item, tuple(rest))


def cut(schema: Schema, most: int) -> list[Piece]:
    """Return the pieces of a schema, the root first, each naming no more than `most` values.

    A schema whose fields are many, but small, cannot be cut: then a piece is larger.
    """
    trimmed, cuts, _ = _trim(schema, most)
    return [Piece((), trimmed), *cuts]


def count(schema: Schema) -> int:
    """Return how many values a schema names."""
    if schema is CUT:
        return 1
    children = [*(schema.get("properties") or {}).values(), others_of(schema), schema.get("items")]
    return 1 + sum(count(child) for child in children if isinstance(child, dict))


def _trim(schema: Schema, most: int) -> tuple[Schema, list[Piece], int]:
    """Return (schema without what was cut out, the pieces, how many values it still names)."""
    made, cuts, total = dict(schema), [], 1
    for name, step in (("items", _ITEMS), ("additionalProperties", _OTHERS)):
        if isinstance(schema.get(name), dict):
            made[name], inner, number = _trim(schema[name], most)
            cuts += _below(step, inner)
            total += number
    fields, sizes = {}, {}
    for name, child in (schema.get("properties") or {}).items():
        fields[name], inner, sizes[name] = _trim(child, most)
        cuts += _below(name, inner)
    total += sum(sizes.values())
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        if total <= most or sizes[name] == 1:
            break
        cuts.append(Piece((name,), fields[name]))
        fields[name] = CUT
        total -= sizes[name] - 1
    if fields:
        made["properties"] = fields
    return made, cuts, total


def _below(step: str | int, pieces: list[Piece]) -> list[Piece]:
    return [Piece((step, *piece.steps), piece.schema) for piece in pieces]
