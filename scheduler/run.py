"""A run of pods that are alike: what the decision about the first says about the next ones. Pure.

If a pod more on a node changes nothing for other nodes, and the node itself does not become better by it, the
nodes that were best and equal for the first pod are where the next ones go, one each: the same places that
single decisions would find, for the price of drawing from a list. Called by `attempt`, which ends the run as
soon as anything else has happened. Source of the idea: KEP-5598 (opportunistic batching).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.decide import draw
from scheduler.framework import Cycle, Local, Profile, Reject, StaticFilter, StaticScore, serves
from scheduler.queue import Entry
from scheduler.snapshot import Ints


@dataclass(frozen=True)
class After:
    """What the plugins say of a node when such a pod has come to it: scores in the order of the trace, or who
    refuses it now.
    """

    slot: int
    scores: Sequence[int]
    rejected: Sequence[tuple[str, Reject]] = ()


class Run:
    """`revision` is the snapshot's when the last pod of the run was placed: as long as it is that, the run
    goes on.
    """

    def __init__(
        self,
        entry: Entry,
        cycle: Cycle,
        slots: Ints,
        scores: Sequence[Ints],
        rejected: Mapping[int, list[tuple[str, Reject]]],
        first: int,
    ) -> None:
        self.entry, self.cycle = entry, cycle
        self.revision = -1
        self._last = first
        self._slots, self._scores, self._rejected = slots, scores, rejected
        self._left = [slot for slot in slots.tolist() if slot != first]

    def is_for(self, entry: Entry, revision: int) -> bool:
        """Say whether the run goes on with this pod."""
        return revision == self.revision and entry.group == self.entry.group and bool(self._left)

    def take(self, name: str, seed: int) -> tuple[int, After]:
        """Return the slot for the pod of this name, and what the plugins say now of the slot before."""
        before, number = self._last, int(np.searchsorted(self._slots, self._last))
        self._last = self._left.pop(draw(name, seed, len(self._left)))
        scores = [int(values[number]) for values in self._scores]
        return self._last, After(before, scores, self._rejected.get(before, ()))


def start(entry: Entry, cycle: Cycle, profile: Profile, slot: int) -> Run | None:
    """Return the run that begins with the decision just made, for `slot`; None if there cannot be one."""
    trace = cycle.trace
    if trace is None or trace.total is None or trace.best is None or not _is_lonely(cycle, profile):
        return None
    slots = trace.best
    later, plugins = replace(cycle, copies=2), {plugin.name: plugin for plugin, _ in profile.scores}
    total, scores = np.zeros(len(slots), dtype=np.int64), []
    for name, weight, values in trace.scores:
        plugin = plugins[name]
        scores.append(plugin.score_at(later, slots) if serves(plugin, Local) else values[slots])
        total += weight * scores[-1]
    if (total > trace.total[slot]).any():
        return None
    return Run(entry, cycle, slots, scores, _refused(later, profile, slots), slot)


def _refused(cycle: Cycle, profile: Profile, slots: Ints) -> dict[int, list[tuple[str, Reject]]]:
    """Return who refuses some nodes, by slot."""
    found: dict[int, list[tuple[str, Reject]]] = {}
    for plugin in profile.filters:
        for reject in plugin.filter_at(cycle, slots) if serves(plugin, Local) else ():
            for slot in slots[reject.nodes]:
                found.setdefault(int(slot), []).append((plugin.name, reject))
    return found


def _is_lonely(cycle: Cycle, profile: Profile) -> bool:
    """Say whether a pod on one node changes nothing for the others."""
    # The plugins about such pods would say so; most pods that are not lonely are told apart here, at once.
    shape = cycle.shape
    if shape.spread or shape.preferred or shape.affinity or shape.anti_affinity:
        return False
    filters = all(
        serves(plugin, Local) or (serves(plugin, StaticFilter) and plugin.filter_is_static(cycle))
        for plugin in profile.filters
    )
    return filters and all(
        serves(plugin, Local) or (serves(plugin, StaticScore) and plugin.score_is_static(cycle))
        for plugin, _ in profile.scores
    )
