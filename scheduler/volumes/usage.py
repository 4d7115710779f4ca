"""Who uses which claims and disks, by node. Kept by `snapshot`: pods without such volumes never get here."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from api.resource import Key
from scheduler.changes import Changes
from scheduler.volumes.uses import CLAIM, Use

K = TypeVar("K")
_NOBODY: Mapping[tuple[int, Use], int] = {}


class Usage:
    def __init__(self) -> None:
        # Slots where a pod with such volumes has come or gone.
        self.changed: Changes[int] = Changes()
        self._users: dict[tuple[str, str, str], Counter[tuple[int, Use]]] = {}
        self._at: dict[int, Counter[Use]] = {}

    def add(self, slot: int, uses: Iterable[Use], sign: int) -> None:
        """Note that a pod has come to a node (`sign` 1), or has left it (-1)."""
        self.changed.add(slot)
        at = self._at.setdefault(slot, Counter())
        for use in uses:
            users = self._users.setdefault(use.identity, Counter())
            _count(at, use, sign)
            _count(users, (slot, use), sign)
            if not users:
                del self._users[use.identity]
        if not at:
            del self._at[slot]

    def at(self, slot: int) -> Collection[Use]:
        """Return what is in use on a node."""
        found = self._at.get(slot)
        return found.keys() if found is not None else ()

    def users(self, use: Use) -> Mapping[tuple[int, Use], int]:
        """Return who uses the same claim or disk: numbers of pods by (slot, how they use it)."""
        return self._users.get(use.identity, _NOBODY)

    def users_of_claim(self, claim: Key) -> Mapping[tuple[int, Use], int]:
        """Return the same for a claim."""
        return self._users.get((CLAIM, claim.namespace, claim.name), _NOBODY)


def _count(counter: Counter[K], key: K, sign: int) -> None:
    counter[key] += sign
    if not counter[key]:
        del counter[key]
