"""Between the bytes in the store and the version that a collection serves: what the feed, the caches and the
verbs ask.

A collection whose objects are stored as they are served has none. Most translations are functions of the
value; one that asks a conversion webhook takes its time, and may fail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.resource import Obj
from apiserver.watchcache.layout import Layout, decode


class Translation(Protocol):
    """Values are the store's form of objects, without a resource version."""

    # Whether a value may have to be converted by somebody else: then `at_once` may return None.
    asks: bool
    # Whether objects of the served version are stored as they are.
    same: bool

    def at_once(self, value: bytes) -> bytes | None:
        """Return what would be stored if the served version were the stored one; None: that takes time."""

    async def in_time(self, values: Sequence[bytes]) -> list[bytes]:
        """Return `at_once` of several values, all of them. Raises `StatusError` if one cannot be had."""

    async def stored(self, obj: Obj) -> bytes:
        """Return the value to store for an object of the served version. Raises `StatusError`."""


@dataclass(frozen=True)
class Conversion:
    """Between a served version and the stored one: pure functions of whole objects."""

    to_stored: Callable[[Obj], Obj]
    from_stored: Callable[[Obj], Obj]


class View:
    """The translation of a built-in second version."""

    asks = same = False

    def __init__(self, conversion: Conversion, served: Layout, stored: Layout) -> None:
        self._conversion = conversion
        self._served = served
        self._stored = stored

    def at_once(self, value: bytes) -> bytes:
        return self._served.encode(self._conversion.from_stored(decode(value)))

    async def in_time(self, values: Sequence[bytes]) -> list[bytes]:
        return [self.at_once(value) for value in values]

    async def stored(self, obj: Obj) -> bytes:
        return self._stored.encode(self._conversion.to_stored(obj))
