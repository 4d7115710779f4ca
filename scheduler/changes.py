"""What has changed since somebody last looked: slots of the snapshot, groups of objects. Kept by `snapshot`
and `indexes`, read by whoever keeps something that depends on them.
"""

from typing import Generic, TypeVar

_LIMIT = 4096
T = TypeVar("T")


class Changes(Generic[T]):
    """A log of slots, or of names. A place in it is a number that only grows; old entries are dropped."""

    def __init__(self) -> None:
        self._entries: list[T] = []
        self._dropped = 0

    @property
    def now(self) -> int:
        return self._dropped + len(self._entries)

    def add(self, entry: T) -> None:
        if len(self._entries) >= _LIMIT:
            self._dropped += len(self._entries)
            self._entries.clear()
        self._entries.append(entry)

    def since(self, place: int) -> list[T] | None:
        """Return what has changed since `place` (some maybe twice); None if that is too long ago."""
        if place < self._dropped:
            return None
        return self._entries[place - self._dropped :]
