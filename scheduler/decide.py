"""Where a pod goes: filters, then scores, over all nodes. Pure.

Upstream looks at a sample of nodes in large clusters; here every node is scored, so placement is better, and
the same input always gives the same answer.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scheduler.framework import Cycle, Placement, Profile, Reject, Trace, Unschedulable
from scheduler.snapshot import Ints, Mask

# Upstream's name for all extenders, where plugins are named.
EXTENDER = "Extender"
# More pods than any node has; a rank below all others.
_PODS, _NEVER = 1 << 20, np.iinfo(np.int64).min


@dataclass(frozen=True)
class Outside:
    """What is said of nodes outside of the plugins: only `names` are left; `failed` says of others why not,
    and whether that is final; `scores` are added to the plugins', by who gave them.
    """

    names: frozenset[str]
    failed: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    scores: Sequence[tuple[str, Mapping[str, int]]] = ()


def schedule(
    cycle: Cycle, profile: Profile, name: str, seed: int = 0, outside: Outside | None = None
) -> Placement | Unschedulable:
    """Return the place of the pod called `name` (ties are broken by it and `seed`), or why it has none.

    What the plugins said is left in `cycle.trace`.
    """
    if cycle.snapshot.node_count == 0:
        cycle.trace = Trace(cycle.snapshot.alive)
        return Unschedulable("no nodes available to schedule pods", {}, frozenset(), cycle.snapshot.alive)
    feasible, rejected = find_feasible(cycle, profile)
    if outside is not None:
        feasible = _only_inside(cycle, outside, feasible, rejected)
    trace = cycle.trace = Trace(feasible, rejected)
    nominated = cycle.snapshot.index.get(cycle.nominated)
    if nominated is not None and feasible[nominated]:
        return Placement(cycle.nominated, 0, 1)
    count = int(np.count_nonzero(feasible))
    if count == 0:
        return _explain(cycle, rejected)
    if count == 1:
        return Placement(cycle.snapshot.names[int(feasible.argmax())], 0, 1)
    trace.scores = weigh(cycle, profile, feasible)
    if outside is not None:
        trace.scores += [(who, 1, _by_slot(cycle, scores)) for who, scores in outside.scores]
        trace.wide = bool(outside.scores)
    total = trace.total = total_of(trace.scores, feasible)
    best = trace.best = best_slots(cycle, total, feasible)
    slot = int(best[draw(name, seed, len(best))])
    return Placement(cycle.snapshot.names[slot], int(total[slot]), count)


def _only_inside(
    cycle: Cycle, outside: Outside, feasible: Mask, rejected: list[tuple[str, Reject, Mask]]
) -> Mask:
    """Return the feasible nodes that are left; adds to `rejected` why others are not."""
    snapshot = cycle.snapshot
    left = np.zeros_like(feasible)
    left[[slot for name in outside.names if (slot := snapshot.index.get(name)) is not None]] = True
    by_reason: dict[tuple[str, bool], Mask] = {}
    for slot in map(int, np.flatnonzero(feasible & ~left)):
        # Who says nothing of a node has nothing to add to its fate, either.
        verdict = outside.failed.get(snapshot.names[slot], ("", True))
        by_reason.setdefault(verdict, np.zeros_like(feasible))[slot] = True
    for (reason, final), nodes in by_reason.items():
        rejected.append((EXTENDER, Reject(reason, nodes, final), nodes))
    return feasible & left


def _by_slot(cycle: Cycle, scores: Mapping[str, int]) -> Ints:
    index = cycle.snapshot.index
    found = np.zeros(len(cycle.snapshot.alive), dtype=np.int64)
    for name, score in scores.items():
        if name in index:
            found[index[name]] = score
    return found


def find_feasible(
    cycle: Cycle, profile: Profile, among: Mask | None = None
) -> tuple[Mask, list[tuple[str, Reject, Mask]]]:
    """Return the nodes (`among` some, or all) that pass every filter, and of the others which plugin refused
    which first.
    """
    everywhere = cycle.snapshot.alive if among is None else among
    feasible = everywhere.copy()
    rejected: list[tuple[str, Reject, Mask]] = []
    for name, reject in narrowed(cycle, profile):
        hit = reject.nodes & everywhere
        if reject.of_pod:
            return np.zeros_like(feasible), [(name, reject, everywhere)]
        feasible &= ~hit
        rejected.append((name, reject, hit))
    for plugin in profile.filters:
        cycle.left = feasible
        rejects = plugin.filter(cycle)
        passed = feasible
        for reject in rejects:
            if reject.of_pod:
                # Upstream asks every PreFilter before any Filter.
                return np.zeros_like(feasible), [(plugin.name, reject, everywhere)]
            hit = reject.nodes & feasible
            if np.count_nonzero(hit):
                rejected.append((plugin.name, reject, hit))
                passed = passed & ~reject.nodes
        feasible = passed
    return feasible, rejected


def narrowed(cycle: Cycle, profile: Profile) -> list[tuple[str, Reject]]:
    """Return what plugins leave out beforehand: the first of them tells of the nodes, all are to blame."""
    names: frozenset[str] | None = None
    plugins: list[str] = []
    for plugin in profile.narrows:
        only = plugin.narrow(cycle)
        if only is not None:
            names = frozenset(only) if names is None else names & frozenset(only)
            plugins.append(plugin.name)
    if names is None:
        return []
    listed = " ".join(sorted(plugins))
    if not names:
        whose = f"plugin {listed}" if len(plugins) == 1 else f"plugin(s) [{listed}] simultaneously"
        reason = f"node(s) didn't satisfy {whose}"
        return [(plugins[0], Reject(reason, cycle.snapshot.alive, final=True, of_pod=True))]
    others = cycle.snapshot.alive.copy()
    others[[slot for name in names if (slot := cycle.snapshot.index.get(name)) is not None]] = False
    reason = f"node(s) didn't satisfy plugin(s) [{listed}]"
    none = np.zeros_like(others)
    return [
        (plugin, Reject(reason, none if number else others, final=True))
        for number, plugin in enumerate(plugins)
    ]


def weigh(cycle: Cycle, profile: Profile, feasible: Mask) -> list[tuple[str, int, Ints]]:
    """Return (plugin, weight, scores) of the plugins that see a difference between the feasible nodes."""
    asked = ((plugin, weight, plugin.score(cycle, feasible)) for plugin, weight in profile.scores)
    return [(plugin.name, weight, scores) for plugin, weight, scores in asked if scores is not None]


def total_of(scores: Iterable[tuple[str, int, Ints]], feasible: Mask) -> Ints:
    total = np.zeros(len(feasible), dtype=np.int64)
    for _, weight, values in scores:
        total += values if weight == 1 else weight * values
    return total


def best_slots(cycle: Cycle, total: Ints, feasible: Mask) -> Ints:
    """Return the best nodes, in order of slots: of those with the highest score the ones with the fewest pods
    (upstream draws at once, and so piles pods up).
    """
    rank = total * _PODS
    rank -= cycle.snapshot.requested["pods"]
    rank[~feasible] = _NEVER
    best: Ints = np.flatnonzero(rank == np.maximum.reduce(rank))
    return best


def draw(name: str, seed: int, count: int) -> int:
    """Return one of `count` numbers for the pod of this name."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def _explain(cycle: Cycle, rejected: list[tuple[str, Reject, Mask]]) -> Unschedulable:
    nodes = cycle.snapshot.node_count
    reasons: dict[str, int] = {}
    final = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    for _, reject, hit in rejected:
        reasons[reject.reason] = reasons.get(reject.reason, 0) + int(np.count_nonzero(hit))
        if reject.final or reject.of_pod:
            final |= hit
    if rejected and rejected[0][1].of_pod:
        lines = [*reasons]
    else:
        lines = sorted(f"{count} {reason}" for reason, count in reasons.items() if reason)
    message = f"0/{nodes} nodes are available:" + (f" {', '.join(lines)}." if lines else "")
    curable = cycle.snapshot.alive & ~final
    return Unschedulable(message, reasons, frozenset(plugin for plugin, _, _ in rejected), curable)


def with_preemption(failure: Unschedulable, nodes: int, reasons: Mapping[str, int]) -> str:
    """Return the whole message: why no node would do, and why preemption could not help (nodes by reason)."""
    lines = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"{failure.message} preemption: 0/{nodes} nodes are available: {', '.join(lines)}."
