"""The search for devices: claim after claim, request after request, device after device, in order; the first
whole solution wins. Pure.

    a request with alternatives takes the first alternative with which the rest can be satisfied too
    a device that is taken is given back when what follows cannot be satisfied
    devices of one request are tried in combinations, not in permutations

Source: dynamic-resource-allocation/structured/internal/incubating allocator_incubating.go (1.36).
DEVIATION: upstream counts what a device consumes of counters even if it is refused for another reason then,
and so may miss a solution; here nothing is counted before the device is taken, and nothing at all for
administrators, who may look at what others have. And where an incomplete pool, or more devices than a claim
can have, ends upstream's attempt for all nodes, here it speaks against the node alone; so does a constraint
that not all of "all devices" satisfy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from api.quantity import Quantity
from scheduler.devices.capacity import consumption
from scheduler.devices.matcher import Matcher, is_kept_away
from scheduler.devices.pools import INCOMPLETE, Pool
from scheduler.devices.requests import RESULTS_MAX, Claim, Wish
from scheduler.devices.slices import Attribute, Device, DeviceId, PoolId
from scheduler.devices.usage import Usage

CANNOT = "cannot allocate all claims"
INVALID_POOLS = "invalid resource pools were encountered"
TIMED_OUT = "timed out trying to allocate devices"
_Counter = tuple[PoolId, str, str]


@dataclass(frozen=True, eq=False)
class Given:
    """A device for a request; `consumed` is set if it is a share."""

    wish: Wish
    device: Device
    consumed: dict[str, Quantity] | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """The devices of each claim, and the number of the alternative that each request got."""

    given: tuple[tuple[Given, ...], ...]
    chosen: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Lacking:
    """Why a node cannot satisfy the claims. `claim`: the number of the claim that is at fault, if one is."""

    reason: str
    claim: int | None = None


class _Outcome(Enum):
    FOUND = 1
    NONE = 2
    # The claim would have too many devices, whichever they are.
    FULL = 3


class _Exhausted(Exception):
    """The search has taken too many steps."""


def search(
    pools: Sequence[Pool], usage: Usage, claims: Sequence[Claim], matcher: Matcher, steps: int
) -> Found | Lacking:
    """Return the devices of `pools`, in their order, that satisfy the claims; or why there are none.

    `steps` limits how many times a device is considered. Raises `matcher.Fault`.
    """
    attempt = _Search(pools, usage, claims, matcher, steps)
    try:
        if (fault := attempt.prepare()) is not None:
            return fault
        if attempt.request(0, 0) is _Outcome.FOUND:
            return Found(tuple(map(tuple, attempt.given)), tuple(map(tuple, attempt.chosen)))
    except (_Exhausted, RecursionError):
        return Lacking(TIMED_OUT)
    return attempt.why()


@dataclass
class _Search:
    pools: Sequence[Pool]
    usage: Usage
    claims: Sequence[Claim]
    matcher: Matcher
    steps: int
    given: list[list[Given]] = field(init=False)
    chosen: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.given = [[] for _ in self.claims]
        self.chosen = [[0] * len(claim.requests) for claim in self.claims]
        self._devices = [d for pool in self.pools if not pool.fault for d in pool.devices]
        # Per claim and constraint, the values of the devices that it concerns.
        self._values: list[list[list[Attribute]]] = [[[] for _ in c.constraints] for c in self.claims]
        # Devices that are being given as a whole, by claim.
        self._taken: dict[DeviceId, set[int]] = {}
        # What shares that are being given consume, in billionths; and how many draw on counters.
        self._consumed: dict[DeviceId, dict[str, int]] = {}
        self._shares: dict[DeviceId, int] = {}
        # What is left of counters.
        self._left: dict[_Counter, int] = {}
        # For wishes of all devices: these, or the pool that does not tell them.
        self._all: dict[Wish, list[Device] | Lacking] = {}

    def prepare(self) -> Lacking | None:
        """Find what "all devices" are; return why the claims cannot be satisfied whatever is tried."""
        for number, claim in enumerate(self.claims):
            least = 0
            for request in claim.requests:
                counts = [self._count(wish, number) for wish in request.alternatives]
                least += min(counts, default=0)
            if least > RESULTS_MAX:
                text = f"number of requested devices {least} exceeds the claim limit of {RESULTS_MAX}"
                return Lacking(f": {text}", number)
        return None

    def _count(self, wish: Wish, claim: int) -> int:
        if wish.count is not None:
            return wish.count
        found = self._all[wish] = self._everything(wish, claim)
        return len(found) if isinstance(found, list) else 0

    def _everything(self, wish: Wish, claim: int) -> list[Device] | Lacking:
        for pool in self.pools:
            if pool.fault:
                state = "being updated" if pool.fault == INCOMPLETE else "invalid"
                text = f"asks for all devices, but resource pool {'/'.join(pool.id)} is currently {state}"
                return Lacking(f", request {wish.name}: {text}", claim)
        selected = [device for device in self._devices if self.matcher.selects(wish, claim, device)]
        return [device for device in selected if self._consumption(wish, device) is not None]

    def why(self) -> Lacking:
        """Return why nothing was found."""
        for found in self._all.values():
            if isinstance(found, Lacking):
                return found
        if any(pool.fault and pool.fault != INCOMPLETE for pool in self.pools):
            return Lacking(INVALID_POOLS)
        return Lacking(CANNOT)

    def request(self, claim: int, number: int) -> _Outcome:
        """Satisfy a request and all that follow."""
        if claim == len(self.claims):
            return _Outcome.FOUND
        requests = self.claims[claim].requests
        if number == len(requests):
            outcome = self.request(claim + 1, 0)
            # Another alternative in this claim may leave what the next one needs.
            return _Outcome.NONE if outcome is _Outcome.FULL else outcome
        full = True
        for choice, wish in enumerate(requests[number].alternatives):
            outcome = self._wish(claim, number, wish, 0, 0)
            if outcome is _Outcome.FOUND:
                self.chosen[claim][number] = choice
                return outcome
            full = full and outcome is _Outcome.FULL
        return _Outcome.FULL if full else _Outcome.NONE

    def _wish(self, claim: int, number: int, wish: Wish, have: int, start: int) -> _Outcome:
        """Give a wish its device number `have` and those that follow; devices before `start` have been
        considered.
        """
        devices, count = self._devices, wish.count
        if count is None:
            everything = self._all[wish]
            if isinstance(everything, Lacking) or not everything:
                return _Outcome.NONE
            devices, count = everything, len(everything)
        if have >= count:
            return self.request(claim, number + 1)
        if len(self.given[claim]) + count - have > RESULTS_MAX:
            return _Outcome.FULL
        missing = count - have
        # Of all devices each must be taken, so that there is one candidate only.
        for place in range(start, len(devices) - missing + 1 if wish.count is not None else start + 1):
            if not self._take(claim, wish, devices[place]):
                continue
            outcome = self._wish(claim, number, wish, have + 1, place + 1)
            if outcome is _Outcome.FOUND:
                return outcome
            self._give_back(claim)
            if outcome is _Outcome.FULL or not self._has_enough(claim, wish, devices[place + 1 :], missing):
                return outcome
        return _Outcome.NONE

    def _has_enough(self, claim: int, wish: Wish, devices: Sequence[Device], missing: int) -> bool:
        """Say whether so many of the devices might do: if not, it is no use to try them one by one."""
        for device in devices:
            missing -= self._might_do(claim, wish, device)
            if missing <= 0:
                return True
        return False

    def _might_do(self, claim: int, wish: Wish, device: Device) -> bool:
        if not self._is_free(claim, wish, device) or is_kept_away(wish, device.kind):
            return False
        return self.matcher.selects(wish, claim, device)

    def _take(self, claim: int, wish: Wish, device: Device) -> bool:
        """Give a wish a device, if it may have it."""
        self.steps -= 1
        if self.steps < 0:
            raise _Exhausted
        if not self._is_free(claim, wish, device) or not self.matcher.selects(wish, claim, device):
            return False
        consumed = self._consumption(wish, device)
        if consumed is None or is_kept_away(wish, device.kind) or not self._has_counters(wish, device):
            return False
        if not self._is_constrained_well(claim, wish, device):
            return False
        self._book(claim, Given(wish, device, consumed if device.kind.shared else None))
        return True

    def _is_free(self, claim: int, wish: Wish, device: Device) -> bool:
        takers = self._taken.get(device.id)
        if wish.admin:
            # As administrator one may look at what others have, but not twice.
            return takers is None or claim not in takers
        return not takers and not self.usage.is_exclusive(device.id)

    def _consumption(self, wish: Wish, device: Device) -> dict[str, Quantity] | None:
        if not device.kind.shared and not wish.capacity:
            return {}
        taken = self.usage.consumed(device.id)
        for name, amount in self._consumed.get(device.id, {}).items():
            taken[name] = taken.get(name, 0) + amount
        return consumption(wish.capacity, device.kind.capacity, taken)

    def _is_constrained_well(self, claim: int, wish: Wish, device: Device) -> bool:
        pairs = zip(self.claims[claim].constraints, self._values[claim], strict=True)
        return all(not c.concerns(wish) or c.allows(device.kind, values) for c, values in pairs)

    def _has_counters(self, wish: Wish, device: Device) -> bool:
        return self._draws_nothing(wish, device) or all(
            self._counter((device.id[:2], counter_set, name)) >= amount
            for counter_set, name, amount in device.kind.consumes
        )

    def _draws_nothing(self, wish: Wish, device: Device) -> bool:
        """Say whether a wish for a device consumes no counters, or other shares of it do that already."""
        if not device.kind.consumes or wish.admin:
            return True
        return device.kind.shared and (device.id in self._shares or self.usage.is_used(device.id))

    def _counter(self, name: _Counter) -> int:
        if name not in self._left:
            self._count_pool(name[0])
        return self._left[name]

    def _count_pool(self, pool_id: PoolId) -> None:
        pool = next(pool for pool in self.pools if pool.id == pool_id)
        for name, amount in pool.counters.items():
            self._left[pool_id, *name] = amount
        for device in (*pool.devices, *pool.others):
            if device.kind.consumes and self.usage.is_used(device.id):
                self._draw(device, 1)

    def _draw(self, device: Device, sign: int) -> None:
        for counter_set, name, amount in device.kind.consumes:
            self._left[device.id[:2], counter_set, name] -= sign * amount

    def _book(self, claim: int, given: Given) -> None:
        device = given.device
        if not self._draws_nothing(given.wish, device):
            self._draw(device, 1)
        self._count_taken(claim, given, 1)
        for constraint, values in zip(self.claims[claim].constraints, self._values[claim], strict=True):
            if constraint.concerns(given.wish):
                values.append(device.kind.attributes[constraint.attribute])
        self.given[claim].append(given)

    def _give_back(self, claim: int) -> None:
        """Take back what was given last."""
        given = self.given[claim].pop()
        device = given.device
        for constraint, values in zip(self.claims[claim].constraints, self._values[claim], strict=True):
            if constraint.concerns(given.wish):
                values.pop()
        self._count_taken(claim, given, -1)
        if not self._draws_nothing(given.wish, device):
            self._draw(device, -1)

    def _count_taken(self, claim: int, given: Given, sign: int) -> None:
        device = given.device.id
        if given.consumed is None:
            takers = self._taken.setdefault(device, set())
            (takers.add if sign > 0 else takers.discard)(claim)
            return
        if not given.wish.admin:
            self._shares[device] = self._shares.get(device, 0) + sign
            if not self._shares[device]:
                del self._shares[device]
        total = self._consumed.setdefault(device, {})
        for name, amount in given.consumed.items():
            total[name] = total.get(name, 0) + sign * amount.nano
