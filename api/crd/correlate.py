"""Which part of the old object a part of the new one replaces: what KEP-4008 (ratcheting) and transition
rules need.

Members of maps correspond by name, elements of sets and keyed lists by value or keys; elements of other lists
correspond to nothing. Called by `api.crd.values` and `api.crd.rules`.
Source: k8s.io/apiserver/pkg/cel/common/equality.go, maplist.go (1.36).
"""

from collections.abc import Callable
from typing import Any

import orjson

from api.crd.schema import LIST_KEYS, LIST_TYPE
from api.schemas import Schema


class _Missing:
    """The class of MISSING."""


# There is no old value: a null is one.
MISSING: Any = _Missing()


def member_of(old: Any, name: str) -> Any:
    """Return the old value of a member of a map."""
    return old.get(name, MISSING) if old.__class__ is dict else MISSING


def matching(schema: Schema, old: Any) -> Callable[[Any], Any]:
    """Return what finds the old value of an element of a list with this schema; `old`: the old list."""
    kind = schema.get(LIST_TYPE)
    if old.__class__ is not list or kind not in ("set", "map"):
        return _nothing
    keys = tuple(schema.get(LIST_KEYS) or ()) if kind == "map" else None
    index: dict[bytes, Any] = {}
    for element in old:
        index.setdefault(_name(element, keys), element)
    return lambda item: index.get(_name(item, keys), MISSING)


def _nothing(item: Any) -> Any:
    return MISSING


def _name(element: Any, keys: tuple[str, ...] | None) -> bytes:
    """Return what tells an element from its siblings."""
    if keys is None or element.__class__ is not dict:
        return orjson.dumps(element, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps([element.get(key) for key in keys], option=orjson.OPT_SORT_KEYS)
