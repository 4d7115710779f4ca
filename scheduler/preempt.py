"""Making room: which pods of lower priority to end so that a pod fits, and where. Pure towards its caller:
the snapshot is as before when it returns.

On each node that could be cured, all pods of lower priority are taken away in thought; if the pod fits then,
they are let back in, the most important first, those protected by a budget before the others, as long as it
still fits. Who stays out is a victim.

If nothing but room keeps the pod from the nodes, and no budget protects any of their pods, all nodes are
computed at once (`room`); otherwise node by node, and the search ends when enough candidates are found.
Source: pkg/scheduler/framework/preemption, plugins/defaultpreemption (1.36).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from api.labels import Selector
from api.types.core_v1 import Pod
from scheduler import room
from scheduler.decide import find_feasible
from scheduler.framework import Cycle, Profile, RoomFilter, StaticFilter, serves
from scheduler.ranked import Ranked, importance, priority_of, started
from scheduler.shape import Shape
from scheduler.snapshot import Mask

NO_VICTIMS = room.NO_VICTIMS
NOT_HELPFUL = "Preemption is not helpful for scheduling"


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: how many of its pods may go now, and which are on their way already."""

    namespace: str
    selector: Selector
    allowed: int
    disrupted: frozenset[str]

    def covers_the_same(self, other: "Budget") -> bool:
        """Say whether both are about the same pods."""
        mine = self.namespace, self.selector, self.disrupted
        return mine == (other.namespace, other.selector, other.disrupted)

    def covers(self, pod: Pod) -> bool:
        """Say whether the budget is about a pod that is not on its way yet."""
        metadata = pod["metadata"]
        if self.namespace != metadata["namespace"] or metadata["name"] in self.disrupted:
            return False
        return bool(self.selector.requirements) and self.selector.matches(metadata.get("labels"))


@dataclass(frozen=True)
class Preemption:
    """End `victims`, and the pod fits on `node`."""

    node: str
    victims: tuple[Pod, ...]
    violations: int


@dataclass(frozen=True)
class Hopeless:
    """There is no room to be made; nodes by reason."""

    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Request:
    """Who wants room, and what there is to know. `curable` are the nodes that other pods keep it from."""

    cycle: Cycle
    profile: Profile
    priority: int
    curable: Mask
    pods_on: Callable[[str], Iterable[Pod]]
    shape_of: Callable[[Pod], Shape]
    ranked: Ranked
    budgets: Sequence[Budget] = ()

    def is_guarded(self, pod: Pod) -> bool:
        """Say whether any budget is about the pod."""
        return any(budget.covers(pod) for budget in self.budgets)


def preempt(request: Request) -> Preemption | Hopeless:
    """Return the best node and its victims, or why there are none."""
    reasons: dict[str, int] = {}
    found: list[Preemption] = []
    curable = request.curable
    if _only_room_is_missing(request):
        request.ranked.refresh(request.cycle.snapshot, request.pods_on, request.shape_of, request.is_guarded)
        guarded = room.guarded_nodes(request.ranked, request.priority) & curable
        demands = _demands(request)
        best = room.make(request.cycle, request.ranked, request.priority, curable & ~guarded, demands)
        reasons |= best.reasons
        if best.victims:
            found.append(Preemption(best.node, best.victims, 0))
        curable = guarded
    _search(request, curable, found, reasons)
    if found:
        return min(found, key=cost)
    hopeless = request.cycle.snapshot.node_count - int(np.count_nonzero(request.curable))
    if hopeless:
        reasons[NOT_HELPFUL] = hopeless
    return Hopeless(reasons)


def candidates(request: Request) -> list[Preemption]:
    """Return the candidates that others are to choose from."""
    found: list[Preemption] = []
    _search(request, request.curable, found, {})
    return found


def _search(request: Request, among: Mask, found: list[Preemption], reasons: dict[str, int]) -> None:
    """Add to `found` until there are enough, and to `reasons` what keeps the pod from the other nodes."""
    snapshot, enough = request.cycle.snapshot, _enough(request)
    for slot in np.flatnonzero(among):
        name = snapshot.names[slot]
        lower = [pod for pod in request.pods_on(name) if priority_of(pod) < request.priority]
        if not lower:
            reasons[NO_VICTIMS] = reasons.get(NO_VICTIMS, 0) + 1
            continue
        candidate = _on_node(request, int(slot), lower)
        if isinstance(candidate, Preemption):
            found.append(candidate)
            if len(found) >= enough and any(not each.violations for each in found):
                break
        else:
            reasons[candidate] = reasons.get(candidate, 0) + 1


def _only_room_is_missing(request: Request) -> bool:
    """Say whether every other filter stays with what it says, whatever pods go."""
    return all(
        serves(plugin, RoomFilter)
        or (serves(plugin, StaticFilter) and plugin.filter_is_static(request.cycle))
        for plugin in request.profile.filters
    )


def _enough(request: Request) -> int:
    """Return how many candidates end the search, if any of them violates no budget."""
    plugin = request.profile.preemption
    return plugin.candidates(int(np.count_nonzero(request.curable))) if plugin is not None else 1


def _demands(request: Request) -> dict[str, int]:
    found: dict[str, int] = {}
    for plugin in request.profile.filters:
        if serves(plugin, RoomFilter):
            found |= plugin.demands(request.cycle)
    return found


def _on_node(request: Request, slot: int, lower: list[Pod]) -> Preemption | str:
    """Return the victims on one node, or the reason why even without all of them the pod does not fit."""
    snapshot = request.cycle.snapshot
    name = snapshot.names[slot]
    ordered = sorted(lower, key=importance)
    taken = {pod["metadata"]["uid"]: snapshot.pods.get(pod["metadata"]["uid"]) for pod in ordered}
    try:
        for uid in taken:
            snapshot.remove_pod(uid)
        if (why := _refusal(request, slot)) is not None:
            return why
        protected, free = _by_budget(ordered, request.budgets)
        victims, violations = [], 0
        for pod in (*protected, *free):
            uid = pod["metadata"]["uid"]
            snapshot.add_pod(uid, name, request.shape_of(pod), "deletionTimestamp" in pod["metadata"])
            if _refusal(request, slot) is not None:
                snapshot.remove_pod(uid)
                victims.append(pod)
                violations += pod in protected
        if not victims:
            # Refused by others than the filters: nobody's end would help.
            return NO_VICTIMS
        return Preemption(name, tuple(sorted(victims, key=importance)), violations)
    finally:
        for uid, record in taken.items():
            if record is not None:
                snapshot.add_pod(uid, name, record.shape, record.terminating)


def _refusal(request: Request, slot: int) -> str | None:
    """Return the first reason against one node, None if the pod fits there."""
    only = np.zeros(len(request.curable), dtype=bool)
    only[slot] = True
    feasible, rejected = find_feasible(request.cycle, request.profile, only)
    return None if feasible[slot] else rejected[0][1].reason


def _by_budget(pods: Sequence[Pod], budgets: Sequence[Budget]) -> tuple[list[Pod], list[Pod]]:
    """Split pods into those whose end would overdraw a budget, and the others."""
    left = [budget.allowed for budget in budgets]
    protected: list[Pod] = []
    free: list[Pod] = []
    for pod in pods:
        overdrawn = False
        for number, budget in enumerate(budgets):
            if budget.covers(pod):
                left[number] -= 1
                overdrawn = overdrawn or left[number] < 0
        (protected if overdrawn else free).append(pod)
    return protected, free


def cost(candidate: Preemption) -> tuple[int, int, int, int, int]:
    """Order candidates: budgets, the most important victim, the sum of priorities, the number of victims; of
    equals, the one whose most important victim started last.
    """
    priorities = [priority_of(pod) for pod in candidate.victims]
    highest = max(priorities, default=-room.LIFT)
    # As upstream, priorities are moved above zero, so that more victims always weigh more.
    total = sum(priority + room.LIFT for priority in priorities)
    earliest = min((started(pod) for pod in candidate.victims if priority_of(pod) == highest), default=0)
    return candidate.violations, highest, total, len(priorities), -earliest
