"""Which slots have changed since somebody last looked. Kept by `snapshot`, read by whoever keeps arrays."""

_LIMIT = 4096


class Changes:
    """A log of slots. A place in it is a number that only grows; old entries are dropped."""

    def __init__(self) -> None:
        self._slots: list[int] = []
        self._dropped = 0

    @property
    def now(self) -> int:
        return self._dropped + len(self._slots)

    def add(self, slot: int) -> None:
        if len(self._slots) >= _LIMIT:
            self._dropped += len(self._slots)
            self._slots.clear()
        self._slots.append(slot)

    def since(self, place: int) -> list[int] | None:
        """Return the slots changed since `place` (some maybe twice); None if that is too long ago."""
        if place < self._dropped:
            return None
        return self._slots[place - self._dropped :]
