"""Which part of the old object a part of the new one replaces: what KEP-4008 (ratcheting) and transition
rules need.

Members of maps correspond by name, elements of sets and keyed lists by value or keys; elements of other lists
correspond to nothing. Called by `api.crd.values` and `api.crd.rules`.
Source: k8s.io/apiserver/pkg/cel/common/equality.go, maplist.go (1.36).
"""

from typing import Any

from api.codec.shapes import equal
from api.crd.schema import LIST_KEYS, LIST_TYPE
from api.schemas import Schema


class _Missing:
    """The class of MISSING."""


# There is no old value: a null is one.
MISSING: Any = _Missing()


def member_of(old: Any, name: str) -> Any:
    """Return the old value of a member of a map."""
    return old.get(name, MISSING) if old.__class__ is dict else MISSING


def element_of(schema: Schema, old: Any, item: Any) -> Any:
    """Return the old value of an element of a list with this schema."""
    if old.__class__ is not list:
        return MISSING
    match schema.get(LIST_TYPE):
        case "set":
            return next((each for each in old if equal(each, item)), MISSING)
        case "map" if item.__class__ is dict:
            keys = schema.get(LIST_KEYS) or ()
            return next((each for each in old if _same_keys(each, item, keys)), MISSING)
    return MISSING


def _same_keys(old: Any, new: Any, keys: Any) -> bool:
    return old.__class__ is dict and all(equal(old.get(key), new.get(key)) for key in keys)
