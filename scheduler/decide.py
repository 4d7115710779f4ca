"""Where a pod goes: filters, then scores, over all nodes. Pure.

Upstream looks at a sample of nodes in large clusters; here every node is scored, so placement is better, and
the same input always gives the same answer.
"""

import hashlib
from collections.abc import Mapping

import numpy as np

from scheduler.framework import Cycle, Placement, Profile, Reject, Unschedulable
from scheduler.snapshot import Ints, Mask


def schedule(cycle: Cycle, profile: Profile, name: str, seed: int = 0) -> Placement | Unschedulable:
    """Return the place of the pod called `name` (ties are broken by it and `seed`), or why it has none."""
    if cycle.snapshot.node_count == 0:
        return Unschedulable("no nodes available to schedule pods", {}, frozenset(), cycle.snapshot.alive)
    feasible, rejected = find_feasible(cycle, profile)
    nominated = cycle.snapshot.index.get(cycle.nominated)
    if nominated is not None and feasible[nominated]:
        return Placement(cycle.nominated, 0, 1)
    count = int(np.count_nonzero(feasible))
    if count == 0:
        return _explain(cycle, rejected)
    if count == 1:
        return Placement(cycle.snapshot.names[int(feasible.argmax())], 0, 1)
    total = total_scores(cycle, profile, feasible)
    slot = _choose(cycle, total, feasible, name, seed)
    return Placement(cycle.snapshot.names[slot], int(total[slot]), count)


def find_feasible(
    cycle: Cycle, profile: Profile, among: Mask | None = None
) -> tuple[Mask, list[tuple[str, Reject, Mask]]]:
    """Return the nodes (`among` some, or all) that pass every filter, and of the others which plugin refused
    which first.
    """
    feasible = (cycle.snapshot.alive if among is None else among).copy()
    rejected: list[tuple[str, Reject, Mask]] = []
    for plugin in profile.filters:
        rejects = plugin.filter(cycle)
        passed = feasible
        for reject in rejects:
            hit = reject.nodes & feasible
            if hit.any():
                rejected.append((plugin.name, reject, hit))
                passed = passed & ~reject.nodes
        feasible = passed
    return feasible, rejected


def total_scores(cycle: Cycle, profile: Profile, feasible: Mask) -> Ints:
    total = np.zeros(len(feasible), dtype=np.int64)
    for plugin, weight in profile.scores:
        scores = plugin.score(cycle, feasible)
        if scores is not None:
            total += weight * scores
    return total


def _choose(cycle: Cycle, total: Ints, feasible: Mask, name: str, seed: int) -> int:
    """Among the best: those with the fewest pods (upstream draws at once, and so piles pods up), then by a
    hash.
    """
    best = np.flatnonzero(feasible & (total == total[feasible].max()))
    pods = cycle.snapshot.requested["pods"][best]
    best = best[pods == pods.min()]
    draw = int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")
    return int(best[draw % len(best)])


def _explain(cycle: Cycle, rejected: list[tuple[str, Reject, Mask]]) -> Unschedulable:
    nodes = cycle.snapshot.node_count
    reasons: dict[str, int] = {}
    final = np.zeros(len(cycle.snapshot.alive), dtype=bool)
    for _, reject, hit in rejected:
        reasons[reject.reason] = reasons.get(reject.reason, 0) + int(np.count_nonzero(hit))
        if reject.final:
            final |= hit
    lines = sorted(f"{count} {reason}" for reason, count in reasons.items())
    message = f"0/{nodes} nodes are available: {', '.join(lines)}."
    curable = cycle.snapshot.alive & ~final
    return Unschedulable(message, reasons, frozenset(plugin for plugin, _, _ in rejected), curable)


def with_preemption(failure: Unschedulable, nodes: int, reasons: Mapping[str, int]) -> str:
    """Return the whole message: why no node would do, and why preemption could not help (nodes by reason)."""
    lines = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"{failure.message} preemption: 0/{nodes} nodes are available: {', '.join(lines)}."
