"""Numbers handed out to services: cluster addresses and node ports. Owned by the service strategy; fed by
the watch cache.

A number is taken when a stored service has it (told by `learn`, also for other servers' writes) or when a
write that
wants it is under way (`reserve`). A write that fails gives its reservation back; one that succeeds turns it
into ownership
when the event arrives. So nothing leaks, and a restart needs nothing but the cache.
"""

from collections.abc import Callable, Iterable

from api.resource import Key


class Taken(Exception):
    """The number is another object's."""


class OutOfRange(Exception):
    """The number is not one of the pool's."""


class Exhausted(Exception):
    """No number is free."""


class Pool:
    """Numbers in [first, first + size). `static` of the lowest ones are handed out only when all others are
    taken."""

    def __init__(self, first: int, size: int, static: int, draw: Callable[[int, int], int]) -> None:
        self.first = first
        self.size = size
        self._static = min(static, size)
        self._draw = draw
        self._owners: dict[int, set[Key]] = {}
        self._held: dict[Key, set[int]] = {}
        self._reserved: dict[int, Key] = {}

    @property
    def used(self) -> int:
        return len(self._owners)

    def learn(self, key: Key, numbers: Iterable[int]) -> None:
        """Take in which numbers a stored object has; none when it is gone."""
        new = {number for number in numbers if self._inside(number)}
        old = self._held.pop(key, set())
        for number in old - new:
            owners = self._owners.get(number)
            if owners is not None:
                owners.discard(key)
                if not owners:
                    del self._owners[number]
        for number in new:
            self._owners.setdefault(number, set()).add(key)
            if self._reserved.get(number) == key:
                del self._reserved[number]
        if new:
            self._held[key] = new

    def reserve(self, number: int, key: Key) -> None:
        """Hold a number for a write of `key`. Raises `OutOfRange`, `Taken`."""
        if not self._inside(number):
            raise OutOfRange
        if self._is_taken(number, key):
            raise Taken
        if key not in self._owners.get(number, ()):
            self._reserved[number] = key

    def allocate(self, key: Key) -> int:
        """Hold any free number for a write of `key`. Raises `Exhausted`."""
        for low, high in ((self._static, self.size), (0, self._static)):
            width = high - low
            if width <= 0:
                continue
            start = self._draw(0, width - 1)
            for step in range(width):
                number = self.first + low + (start + step) % width
                if number not in self._owners and number not in self._reserved:
                    self._reserved[number] = key
                    return number
        raise Exhausted

    def release(self, number: int, key: Key) -> None:
        """Give up a reservation whose write did not happen."""
        if self._reserved.get(number) == key:
            del self._reserved[number]

    def _inside(self, number: int) -> bool:
        return self.first <= number < self.first + self.size

    def _is_taken(self, number: int, key: Key) -> bool:
        if self._reserved.get(number, key) != key:
            return True
        return any(owner != key for owner in self._owners.get(number, ()))
