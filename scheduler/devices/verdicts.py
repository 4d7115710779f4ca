"""Which nodes can satisfy a set of claims: a search per situation, not per node, and its outcome kept for the
next pod with claims that are alike.

Pure. Called by the plugin. Costs, for a pod whose claims have been seen before: one look-up in an array per
node, and a search for each situation that is new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scheduler.devices.matcher import Fault
from scheduler.devices.pools import Pool
from scheduler.devices.requests import Claim
from scheduler.devices.search import Found, Lacking, search
from scheduler.devices.situations import Situations
from scheduler.snapshot import Ints, Mask

# An alternative of a request counts for the more, the earlier it stands in its list.
FIRST_AVAILABLE_MAX = 8
_UNKNOWN, _FINE, _FAULTY = -1, 0, -2


@dataclass(frozen=True, eq=False)
class Wanted:
    """A set of claims, compiled, with the classes they name. `key` is equal for claims that are alike."""

    key: bytes
    claims: tuple[Claim, ...]
    classes: Mapping[str, Mapping[str, Any]]

    @property
    def is_ranked(self) -> bool:
        """Whether some solutions are better than others."""
        return any(request.listed for claim in self.claims for request in claim.requests)


@dataclass
class _Table:
    """By number of a situation: 0, or the number of the reason, and how good the solution is."""

    wanted: Wanted
    state: tuple[int, int]
    codes: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ranks: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    # Number 0 is none.
    reasons: list[Lacking] = field(default_factory=lambda: [Lacking("")])
    faults: dict[int, Fault] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """By slot: a number of `reasons` (0 for nodes that will do), and the rank of the solution."""

    codes: Ints
    ranks: Ints
    reasons: Sequence[Lacking]


class Judge:
    """Owned by the plugin's state for one inventory and snapshot."""

    # Sets of claims that are remembered.
    LIMIT = 128

    def __init__(self, situations: Situations) -> None:
        self.situations = situations
        self._tables: dict[bytes, _Table] = {}

    def judge(self, wanted: Wanted, among: Mask, steps: int) -> Verdicts:
        """Return which of these nodes will do; what is said of others means nothing. Raises Fault."""
        situations = self.situations
        table = self._table(wanted)
        numbers = situations.numbers
        unknown = among & (table.codes[numbers] == _UNKNOWN)
        if unknown.any():
            new, slots = np.unique(numbers[unknown], return_index=True)
            places = np.flatnonzero(unknown)[slots]
            for number, slot in zip(new.tolist(), places.tolist(), strict=True):
                self._decide(table, number, slot, steps)
        if table.faults:
            faulty = np.flatnonzero(among & (table.codes[numbers] == _FAULTY))
            if len(faulty):
                raise table.faults[int(numbers[faulty[0]])]
        return Verdicts(table.codes[numbers], table.ranks[numbers], table.reasons)

    def _table(self, wanted: Wanted) -> _Table:
        """Return what is known of a set of claims and still true, with room for all situations."""
        situations = self.situations
        state = (situations.epoch, situations.inventory.shared_version)
        table = self._tables.get(wanted.key)
        if table is None or table.state != state:
            if table is None and len(self._tables) >= self.LIMIT:
                self._tables.clear()
            table = self._tables[wanted.key] = _Table(wanted, state)
        missing = len(situations) - len(table.codes)
        if missing > 0:
            # More than asked for, since each placement makes a situation.
            missing += len(situations) // 4 + 64
            table.codes = np.concatenate([table.codes, np.full(missing, _UNKNOWN, dtype=np.int64)])
            table.ranks = np.concatenate([table.ranks, np.zeros(missing, dtype=np.int64)])
        return table

    def _decide(self, table: _Table, number: int, slot: int, steps: int) -> None:
        try:
            outcome = self.search(table.wanted, slot, steps)
        except Fault as fault:
            table.codes[number] = _FAULTY
            table.faults[number] = fault
            return
        if isinstance(outcome, Found):
            table.codes[number] = _FINE
            table.ranks[number] = _rank(table.wanted.claims, outcome)
            return
        if outcome not in table.reasons:
            table.reasons.append(outcome)
        table.codes[number] = table.reasons.index(outcome)

    def search(self, wanted: Wanted, slot: int, steps: int) -> Found | Lacking:
        """Return the devices of one node that satisfy the claims. Raises Fault."""
        inventory = self.situations.inventory
        return search(self._pools(slot), inventory.usage, wanted.claims, inventory.matcher, steps)

    def _pools(self, slot: int) -> list[Pool]:
        situations = self.situations
        return situations.inventory.pools(situations.snapshot.names[slot], situations.reached(slot))


def _rank(claims: Sequence[Claim], found: Found) -> int:
    return sum(
        FIRST_AVAILABLE_MAX - choice
        for claim, chosen in zip(claims, found.chosen, strict=True)
        for request, choice in zip(claim.requests, chosen, strict=True)
        if request.listed
    )
