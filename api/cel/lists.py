"""Lists with `x-kubernetes-list-type` set or map: equality without order, and addition that merges.

Decided by the static types of the operands, so other lists cost nothing. Called by the compiler.
Spec: k8s.io/apiserver/pkg/cel/common/values.go (unstructuredSetList, unstructuredMapList, 1.36).
"""

from collections.abc import Callable
from typing import Any

from api.cel.errors import no_such_overload
from api.cel.types import ObjectType, Type
from api.cel.values import is_equal

Equal = Callable[[Any, Any], bool]
Binary = Callable[[Any, Any], Any]


def operator_of(function: str, first: Type, second: Type) -> Binary | None:
    """Return how an operator works on operands of these types; None if as on all others."""
    if function == "_+_":
        return _addition(first) if first.list_type else None
    if function not in ("_==_", "_!=_"):
        return None
    equal = equality(first) or equality(second)
    if equal is None or function == "_==_":
        return equal
    return lambda one, two: not equal(one, two)


def equality(of: Type) -> Equal | None:
    """Return the equality of values of a type; None if no list in it is a set or a map."""
    if of.list_type:
        return _by_keys(of) if of.list_type == "map" else _as_sets
    if isinstance(of, ObjectType):
        return _of_objects(of)
    if of.kind not in ("list", "map") or (inner := equality(of.params[-1])) is None:
        return None
    return _of_lists(inner) if of.kind == "list" else _of_maps(inner)


def _as_sets(first: Any, second: Any) -> bool:
    if first.__class__ is not list or second.__class__ is not list:
        return is_equal(first, second)
    if len(first) != len(second):
        return False
    return set(map(_mark, first)) == set(map(_mark, second))


def _mark(value: Any) -> Any:
    """Return something hashable that is equal for equal values."""
    if value.__class__ is list:
        return (list, *map(_mark, value))
    if value.__class__ is dict:
        return (dict, frozenset((key, _mark(item)) for key, item in value.items()))
    return (bool, value) if value.__class__ is bool else value


def _keys_of(item: Any, keys: tuple[str, ...]) -> Any:
    return tuple(_mark(item.get(key)) for key in keys) if item.__class__ is dict else _mark(item)


def _by_keys(of: Type) -> Equal:
    keys, inner = of.list_keys, equality(of.params[0]) or is_equal

    def equal(first: Any, second: Any) -> bool:
        if first.__class__ is not list or second.__class__ is not list or len(first) != len(second):
            return False
        known = {_keys_of(item, keys): item for item in second}
        return all((mark := _keys_of(item, keys)) in known and inner(item, known[mark]) for item in first)

    return equal


def _of_objects(of: ObjectType) -> Equal | None:
    if of.fields.__class__ is not dict:
        # The built-in kinds' types are made when they are read and may contain themselves.
        return None
    found = {of.json_names.get(name, name): equality(field) for name, field in of.fields.items()}
    special = {name: equal for name, equal in found.items() if equal is not None}
    if not special:
        return None

    def equal(first: Any, second: Any) -> bool:
        if first.__class__ is not dict or second.__class__ is not dict or first.keys() != second.keys():
            return False
        return all(special.get(name, is_equal)(item, second[name]) for name, item in first.items())

    return equal


def _of_lists(inner: Equal) -> Equal:
    def equal(first: Any, second: Any) -> bool:
        if first.__class__ is not list or second.__class__ is not list or len(first) != len(second):
            return False
        return all(map(inner, first, second))

    return equal


def _of_maps(inner: Equal) -> Equal:
    def equal(first: Any, second: Any) -> bool:
        if first.__class__ is not dict or second.__class__ is not dict or first.keys() != second.keys():
            return False
        return all(inner(item, second[name]) for name, item in first.items())

    return equal


def _addition(of: Type) -> Binary:
    keys = of.list_keys

    def add(first: Any, second: Any) -> list[Any]:
        if first.__class__ is not list or second.__class__ is not list:
            raise no_such_overload()
        merged = {_keys_of(item, keys) if keys else _mark(item): item for item in first}
        for item in second:
            mark = _keys_of(item, keys) if keys else _mark(item)
            if keys or mark not in merged:
                merged[mark] = item
        return list(merged.values())

    return add
