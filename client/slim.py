"""Makes cached objects small, without anybody seeing a difference. Called by informers.

A decoded pod takes some 11 kB, its field ownership records left aside, which nobody reads in a cache (a write
without them leaves them alone on the server). Nearly all of the rest is the same in all pods of one owner, or
in all that started in one second: equal parts are shared, and some 3 kB are left.

    slim(obj)      when it comes in: drops what nobody reads; cheap, for most objects are soon replaced
    compact(obj)   when it has come to rest: shares its parts with those of others

A part is shared from its third occurrence on: of what occurs once, no more is kept than a number.
"""

from collections.abc import Mapping
from sys import intern
from typing import Any, TypeVar, cast

import orjson

T = TypeVar("T", bound=Mapping[str, Any])

# When one of the tables is full it is emptied: sharing starts anew, what is shared stays shared.
_LIMIT = 8192
_METADATA_KEYS = ("apiVersion", "kind", "metadata")
# Texts that differ from object to object.
_UNIQUE = frozenset(("containerID", "ip", "name", "podIP", "resourceVersion", "uid"))
# A part of so many bytes of JSON may be the only one of its kind, but have parts that are not.
_LARGE = 64


class Slimmer:
    """Shares parts between the objects of one informer. Values never change, only which of equal ones is
    held.
    """

    def __init__(self, metadata_only: bool = False) -> None:
        self._metadata_only = metadata_only
        self._shared: dict[bytes, Any] = {}
        # Hashes of parts that have occurred once.
        self._once: set[int] = set()

    def slim(self, obj: T) -> T:
        """Return the object to keep. The given one must not be used any more."""
        kept = cast(dict[str, Any], obj)
        kept["metadata"].pop("managedFields", None)
        if self._metadata_only:
            return cast(T, {key: kept[key] for key in _METADATA_KEYS if key in kept})
        return obj

    def compact(self, obj: T) -> None:
        """Share the parts of an object that is likely to stay."""
        kept = cast(dict[str, Any], obj)
        for key, value in kept.items():
            # Each has a name, or is about one object alone.
            if type(value) is dict:
                self._share_within(value)
            elif type(value) is str:
                kept[key] = intern(value)

    def _share_within(self, owner: dict[str, Any]) -> None:
        for key, value in owner.items():
            kind = type(value)
            if kind is str:
                if key not in _UNIQUE:
                    owner[key] = intern(value)
            elif (kind is dict or kind is list) and value:
                owner[key] = self._shared_of(value)

    def _shared_of(self, part: Any) -> Any:
        """Return an equal part that others have, too, or the same with its own parts shared."""
        data = orjson.dumps(part)
        found = self._shared.get(data)
        if found is not None:
            return found
        mark = hash(data)
        if mark in self._once:
            if len(self._shared) >= _LIMIT:
                self._shared.clear()
            # A copy: the encoder's own buffers are larger than what is in them.
            self._shared[b"".join((data[:1], data[1:]))] = part
            self._once.discard(mark)
        else:
            if len(self._once) >= _LIMIT:
                self._once.clear()
            self._once.add(mark)
        if len(data) > _LARGE:
            self._share_parts(part)
        return part

    def _share_parts(self, part: Any) -> None:
        if type(part) is dict:
            self._share_within(part)
            return
        for number, value in enumerate(part):
            if (type(value) is dict or type(value) is list) and value:
                part[number] = self._shared_of(value)
