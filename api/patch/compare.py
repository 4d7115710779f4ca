"""The difference of two objects as sets of fields: added, removed, modified.

Called by `apply.py` for every write. Equal branches are skipped at once: a small change costs little.
Source: structured-merge-diff typed/compare.go (v6).
"""

from dataclasses import dataclass, field
from typing import Any

from api.patch import fieldset
from api.patch.fieldset import FieldSet
from api.patch.shape import Shape, list_is_atomic, map_is_atomic


class _Missing:
    """Stands for a value that one side does not have."""


MISSING: Any = _Missing()


@dataclass
class Comparison:
    """Fields that only the new object has, only the old one has, and that differ. No path is in two sets."""

    added: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        return not (self.added or self.removed or self.modified)

    def without(self, ignored: FieldSet) -> "Comparison":
        """Return the difference without some fields and all below them."""
        if not ignored:
            return self
        return Comparison(
            fieldset.difference_below(self.added, ignored),
            fieldset.difference_below(self.removed, ignored),
            fieldset.difference_below(self.modified, ignored),
        )


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    """Return the difference of two objects of the same shape; either may be {}."""
    result = Comparison()
    _maps(old, new, shape, result)
    return result


def _value(old: Any, new: Any, shape: Shape, step: str, result: Comparison) -> None:
    """Compare what stands at `step`, and enter it in the sets of the parent, `result`."""
    if old is MISSING:
        result.added[step] = _whole(new, shape)
        return
    if new is MISSING:
        result.removed[step] = _whole(old, shape)
        return
    kind = _container(old, new)
    atomic = map_is_atomic(shape) if kind is dict else list_is_atomic(shape)
    if kind is None or atomic or not (old or new):
        _leaf(old, new, step, result)
        return
    inner = Comparison()
    if kind is dict:
        _maps(old or {}, new or {}, shape, inner)
    elif not _lists(old or [], new or [], shape, inner):
        _leaf(old, new, step, result)
        return
    for fields, found in (
        (result.added, inner.added),
        (result.removed, inner.removed),
        (result.modified, inner.modified),
    ):
        if found:
            fields[step] = found


def _whole(value: Any, shape: Shape) -> FieldSet:
    """Return the node of a value that only one side has: it and all its parts are in the set."""
    node: FieldSet = {}
    if isinstance(value, dict) and not map_is_atomic(shape):
        for name, item in value.items():
            inner = shape.member(name)
            if inner is not None:
                node["f:" + name] = _whole(item, inner) if isinstance(item, dict | list) else {}
    elif isinstance(value, list) and not list_is_atomic(shape):
        items = shape.items
        for step, item in (shape.steps(value) or {}).items():
            node[step] = _whole(item, items)
    if node:
        node[fieldset.SELF] = {}
    return node


def _container(old: Any, new: Any) -> type | None:
    """Return dict or list if both sides can be read as one; None for scalars and for different kinds."""
    kinds = {type(value) for value in (old, new) if value is not None}
    if len(kinds) == 1 and (kind := kinds.pop()) in (dict, list):
        return kind
    return None


def _leaf(old: Any, new: Any, step: str, result: Comparison) -> None:
    if old != new or type(old) is not type(new):
        result.modified[step] = {}


def _maps(old: Any, new: Any, shape: Shape, result: Comparison) -> None:
    for name, value in new.items():
        before = old.get(name, MISSING)
        if before is value or (before == value and type(before) is type(value)):
            continue
        inner = shape.member(name)
        if inner is None:
            continue
        if before is MISSING and name in shape.by_value and shape.is_field(name):
            before = _zero(value)
        _value(before, value, inner, fieldset.field(name), result)
    for name, value in old.items():
        if name not in new and (inner := shape.member(name)) is not None:
            after = _zero(value) if name in shape.by_value and shape.is_field(name) else MISSING
            _value(value, after, inner, fieldset.field(name), result)


def _zero(value: Any) -> Any:
    """Return what Go holds for a field that is always there, if it is a struct or a list."""
    return type(value)() if isinstance(value, dict | list) else MISSING


def _lists(old: list[Any], new: list[Any], shape: Shape, result: Comparison) -> bool:
    """Compare elements by what names them; False if they cannot be named."""
    before, after = shape.steps(old), shape.steps(new)
    if before is None or after is None:
        return False
    for step, value in after.items():
        other = before.get(step, MISSING)
        if other is MISSING or other != value:
            _value(other, value, shape.items, step, result)
    for step, value in before.items():
        if step not in after:
            _value(value, MISSING, shape.items, step, result)
    return True
